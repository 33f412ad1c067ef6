//! What profiling costs, and how much of a thread's time the samples account for.
//!
//! Each round runs every program once in each way, one after the other: without profiling, so once
//! more, with events only, with samples, with samples and turns of loops counted. Ratios are taken
//! within a round, to the first of them, so the second tells what the machine's noise alone makes of a
//! ratio.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::report::Report;
use crate::stats::Estimate;
use crate::suite::{Program, Suite};
use crate::table::Table;
use crate::upshift;

/// Ways to run a program: how the table calls it, and its command.
const WAYS: [(&str, &[&str]); 5] = [
    ("off", &["run"]),
    ("off again", &["run"]),
    ("events only", &["profile", "--mode", "tiers"]),
    ("samples at 997 Hz", &["profile", "--rate", "997", "--format", "json"]),
    ("with turns", &["profile", "--turns", "--rate", "997", "--format", "json"]),
];
/// The way that samples.
const SAMPLED: usize = 3;

/// One run.
#[derive(Clone, Copy)]
struct Run {
    /// CPU time of the thread that ran the program.
    thread_ms: f64,
    /// CPU time of the process until the program's end.
    process_ms: f64,
}

/// Runs all programs `rounds` times in each way and prints the tables.
pub(crate) fn measure(suite: &Suite, upshift: &Path, rounds: usize) -> Result<Report> {
    let out = std::env::temp_dir().join(format!("upshift-benches-{}", std::process::id()));
    let mut ratios: Vec<[Vec<f64>; 2]> = vec![Default::default(); WAYS.len()];
    let mut coverage: Vec<Vec<f64>> = vec![Vec::new(); suite.programs.len()];
    for round in 0..rounds {
        eprintln!("profiling, round {} of {rounds}", round + 1);
        for (program, covered) in suite.programs.iter().zip(&mut coverage) {
            let mut first = None;
            for (way, ratios) in ratios.iter_mut().enumerate() {
                let run = run(upshift, WAYS[way].1, program, &out)?;
                let Run { thread_ms, process_ms } = *first.get_or_insert(run);
                ratios[0].push(run.thread_ms / thread_ms);
                ratios[1].push(run.process_ms / process_ms);
                if way == SAMPLED {
                    covered.push(read_coverage(&out)?);
                }
            }
        }
    }
    std::fs::remove_dir_all(&out).ok();
    print(&ratios);
    print_coverage(suite, &coverage);
    let ways = WAYS.iter().zip(&ratios).map(|(way, [thread, process])| {
        json!({ "way": way.0, "thread_cpu_ratio": thread, "process_cpu_ratio": process })
    });
    let ways: Vec<Value> = ways.collect();
    Ok(Report::new(json!({ "ways": ways, "coverage": coverage }), None))
}

fn run(upshift: &Path, way: &[&str], program: &Program, out: &Path) -> Result<Run> {
    let mut command = Command::new(upshift);
    command.args(way);
    if way[0] == "profile" {
        command.arg("--out").arg(out);
    }
    let (_, figures) = upshift::with_stats(command, &program.module)?;
    let figure = |name: &str| figures[name].as_f64().with_context(|| format!("no {name}"));
    Ok(Run { thread_ms: figure("run_cpu_ms")?, process_ms: figure("process_cpu_ms")? })
}

/// The part of the thread's CPU time that the samples of the last profile stand for.
fn read_coverage(out: &Path) -> Result<f64> {
    let text = std::fs::read_to_string(out.join("profile.json")).context("no profile")?;
    let profile: Value = serde_json::from_str(&text)?;
    let kinds = profile["kinds"].as_array().context("no kinds")?;
    let sampled: f64 = kinds.iter().filter_map(|kind| kind["self_ms"].as_f64()).sum();
    Ok(sampled / profile["cpu_ms"].as_f64().context("no CPU time")?)
}

fn show(samples: &[f64]) -> String {
    let estimate = Estimate::of(samples);
    estimate.map_or_else(
        || "-".to_owned(),
        |e| format!("{:.4} [{:.4}, {:.4}]", e.median, e.low, e.high),
    )
}

fn print(ratios: &[[Vec<f64>; 2]]) {
    let head = ["way", "thread CPU / off", "process CPU / off"].map(str::to_owned).to_vec();
    let mut table = Table::new("What profiling costs", head);
    for (way, [thread, process]) in WAYS.iter().zip(ratios) {
        table.row(vec![way.0.to_owned(), show(thread), show(process)]);
    }
    table.print();
}

fn print_coverage(suite: &Suite, coverage: &[Vec<f64>]) {
    let head = ["program", "time of all samples / CPU time of the thread"].map(str::to_owned);
    let mut table = Table::new("What samples account for", head.to_vec());
    for (program, covered) in suite.programs.iter().zip(coverage) {
        table.row(vec![program.name.clone(), show(covered)]);
    }
    table.print();
}
