//! Start: the CPU time of a whole process that runs an empty WASI command.
//!
//! It is counted by the kernel from `exec` to exit, so nothing that an engine does before its
//! own clock starts or after it stops is lost.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::comparison::show;
use crate::engine::Engine;
use crate::invocation::Invocation;
use crate::process;
use crate::report::Report;
use crate::stats::Estimate;
use crate::svg::bars::{Bars, Group};
use crate::table::Table;

/// Processes per engine and round: the kernel tells ticks of 10 ms, so one is 0.25 ms here.
const PROCESSES: u32 = 40;

struct Round {
    cpu_ms: f64,
    wall_ms: f64,
}

/// Starts every engine many times and prints the table.
pub(crate) fn measure(tiers: &[Engine], peers: &[Engine], rounds: usize) -> Result<Report> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules/empty.wasm");
    let program = Invocation::new(&module, &[]);
    let engines: Vec<&Engine> = tiers.iter().chain(peers).collect();
    let mut samples: Vec<Vec<Round>> = engines.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        eprintln!("starting, round {} of {rounds}", round + 1);
        for (index, engine) in engines.iter().enumerate() {
            match start_many(engine, &program) {
                Ok(sample) => samples[index].push(sample),
                Err(error) => eprintln!("{}: {error:#}", engine.name),
            }
        }
    }
    let title = "Start: a whole process that runs an empty WASI command";
    let mut table =
        Table::new(title, vec!["engine".to_owned(), "CPU ms".to_owned(), "wall ms".to_owned()]);
    let mut json = Map::new();
    let mut medians = Vec::new();
    for (engine, rounds) in engines.iter().zip(&samples) {
        let cpu: Vec<f64> = rounds.iter().map(|round| round.cpu_ms).collect();
        let wall: Vec<f64> = rounds.iter().map(|round| round.wall_ms).collect();
        let estimate = Estimate::of(&cpu);
        table.row(vec![engine.name.clone(), show(estimate), show(Estimate::of(&wall))]);
        medians.push(estimate.map(|estimate| estimate.median));
        json.insert(engine.name.clone(), json!({ "cpu_ms": cpu, "wall_ms": wall }));
    }
    table.print();
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let groups = vec![Group { name: "an empty program".to_owned(), figures: medians }];
    let title = "CPU time of a whole process, as a multiple of the least";
    let image = Bars { title, unit: "ms", engines: &names, groups }.draw();
    Ok(Report::new(Value::Object(json), Some(image)))
}

fn start_many(engine: &Engine, program: &Invocation) -> Result<Round> {
    let cpu_before = process::children_cpu_ms()?;
    let start = Instant::now();
    for _ in 0..PROCESSES {
        let mut command: Command = engine.plain_run(program);
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot start")?;
        ensure!(status.success(), "{status}");
    }
    let wall_ms = start.elapsed().as_secs_f64() * 1e3;
    let cpu_ms = process::children_cpu_ms()? - cpu_before;
    let count = f64::from(PROCESSES);
    Ok(Round { cpu_ms: cpu_ms / count, wall_ms: wall_ms / count })
}
