//! Runs of the suite's programs: times of the timed region, CPU time and memory of the whole
//! process, and what Upshift's compilers did.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::comparison::{self, Figure, show_number};
use crate::engine::{Compiled, Engine, RunSample};
use crate::invocation::Invocation;
use crate::report::Report;
use crate::rounds::{self, Measured};
use crate::stats::geometric_mean;
use crate::suite::{Program, Size, Suite};
use crate::svg::bars::{Bars, Group};
use crate::table::Table;

/// Bytes of a megabyte and a kilobyte, in decimal.
const MEGABYTE: f64 = 1e6;
const KILOBYTE: f64 = 1e3;

/// Each table: its title, its unit and what of a run it shows.
const TABLES: [(&str, &str, Figure); 4] = [
    ("CPU time of the timed region, main thread", "ms", REGION_CPU),
    ("Wall time of the timed region", "ms", |sample| Some(sample.region?.wall_ms)),
    (
        "CPU time of the whole process: start, compilation and all threads included",
        "ms",
        |sample| Some(sample.process_cpu_ms),
    ),
    ("Peak resident memory of the process", "MB", |sample| {
        sample.peak_rss_bytes.map(|bytes| bytes / MEGABYTE)
    }),
];

const REGION_CPU: Figure = |sample| Some(sample.region?.cpu_ms);

/// What is told of Upshift's compilers.
const COMPILED: [(&str, Figure); 4] = [
    ("baseline ms", |sample| compiled(sample, |c| c.baseline_cpu_ms)),
    ("optimizer ms", |sample| compiled(sample, |c| c.optimizer_cpu_ms)),
    ("baseline KB", |sample| compiled(sample, |c| c.baseline_bytes / KILOBYTE)),
    ("optimizer KB", |sample| compiled(sample, |c| c.optimizer_bytes / KILOBYTE)),
];

fn compiled(sample: &RunSample, figure: fn(&Compiled) -> f64) -> Option<f64> {
    sample.compiled.as_ref().map(figure)
}

/// Runs the suite and prints the tables.
pub(crate) fn measure(
    suite: &Suite,
    size: Size,
    tiers: &[Engine],
    peers: &[Engine],
    rounds: usize,
) -> Report {
    let engines: Vec<&Engine> = tiers.iter().chain(peers).collect();
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let mut programs = Vec::new();
    for program in &suite.programs {
        eprintln!("running {}", program.name);
        let run = |engine: &Engine| checked_run(engine, program, size);
        programs.push(rounds::take(&program.name, &engines, rounds, run));
    }
    for (title, unit, figure) in TABLES {
        comparison::print(title, unit, &names, &programs, figure);
    }
    print_compiled(&names[..tiers.len()], &programs);
    Report {
        json: to_json(&names, &programs),
        image: Some(draw(&names, &programs)),
        correct: programs.iter().all(|program| program.succeeded(tiers.len())),
    }
}

/// Runs a program of the suite and compares what it printed.
pub(crate) fn checked_run(engine: &Engine, program: &Program, size: Size) -> Result<RunSample> {
    let sample = engine.run(&Invocation::new(&program.module, program.args(size)))?;
    let printed = String::from_utf8_lossy(&sample.stdout);
    let (printed, expected) = (printed.trim(), program.output(size));
    ensure!(printed == expected, "printed {printed}, expected {expected}");
    sample.region.context("the program has no timed region")?;
    Ok(sample)
}

/// Prints what each tier of Upshift compiled. The means leave out what was not compiled at all.
fn print_compiled(tiers: &[String], programs: &[Measured<RunSample>]) {
    let mut head = vec!["program".to_owned()];
    for tier in tiers {
        head.extend(COMPILED.iter().map(|(unit, _)| format!("{tier}: {unit}")));
    }
    let title = "Compilers: CPU time on all threads, and machine code";
    let mut table = Table::new(title, head);
    let mut columns = vec![Vec::new(); tiers.len() * COMPILED.len()];
    for program in programs {
        let medians = (0..tiers.len())
            .flat_map(|tier| COMPILED.iter().map(move |(_, figure)| program.median(tier, *figure)));
        let mut row = vec![program.name.clone()];
        for (median, column) in medians.zip(&mut columns) {
            column.extend(median.filter(|&median| median > 0.0));
            row.push(show_number(median, 2));
        }
        table.row(row);
    }
    let mut means = vec!["geometric mean".to_owned()];
    means.extend(columns.into_iter().map(|column| {
        let mean = (!column.is_empty()).then(|| geometric_mean(column));
        show_number(mean, 2)
    }));
    table.row(means);
    table.print();
}

fn draw(engines: &[String], programs: &[Measured<RunSample>]) -> String {
    let groups = programs.iter().map(|program| Group {
        name: program.name.clone(),
        figures: (0..engines.len()).map(|engine| program.median(engine, REGION_CPU)).collect(),
    });
    let title = "CPU time of the timed region, as a multiple of the fastest";
    Bars { title, unit: "ms", engines, groups: groups.collect() }.draw()
}

fn to_json(engines: &[String], programs: &[Measured<RunSample>]) -> Value {
    let rows = programs.iter().flat_map(|program| {
        engines.iter().enumerate().map(move |(engine, name)| {
            let all = |figure: Figure| program.figures(engine, figure);
            json!({
                "program": program.name,
                "engine": name,
                "failure": program.failures[engine],
                "bench_cpu_ms": all(REGION_CPU),
                "bench_wall_ms": all(|sample| Some(sample.region?.wall_ms)),
                "run_cpu_ms": all(|sample| Some(sample.call.cpu_ms)),
                "run_wall_ms": all(|sample| Some(sample.call.wall_ms)),
                "process_cpu_ms": all(|sample| Some(sample.process_cpu_ms)),
                "kernel_cpu_ms": all(|sample| Some(sample.kernel_cpu_ms)),
                "peak_rss_bytes": all(|sample| sample.peak_rss_bytes),
                "baseline_compile_cpu_ms": all(|sample| compiled(sample, |c| c.baseline_cpu_ms)),
                "optimizer_compile_cpu_ms": all(|sample| compiled(sample, |c| c.optimizer_cpu_ms)),
                "baseline_code_bytes": all(|sample| compiled(sample, |c| c.baseline_bytes)),
                "optimizer_code_bytes": all(|sample| compiled(sample, |c| c.optimizer_bytes)),
            })
        })
    });
    rows.collect()
}
