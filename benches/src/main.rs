//! Measures Upshift beside other engines and prints the tables.
//!
//! Every figure comes from spawned processes: the `upshift` binary of this workspace and the
//! peers (see [`peers`]), one after the other in interleaved rounds, so that a slow phase of
//! the machine hits all of them. `--smoke` only checks what the programs print.

mod compile;
mod engine;
mod instantiate;
mod peers;
mod process;
mod profile;
mod run_time;
mod smoke;
mod start;
mod stats;
mod suite;
mod svg;
mod table;
mod upshift;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::suite::{Size, Suite};

/// Benchmarks of Upshift beside Wasmtime and V8.
#[derive(Parser)]
struct Options {
    /// Measure only programs (and, with --compile, files) whose name contains this.
    filter: Option<String>,
    /// Where the peers are installed (see benches/README.md); without it they come from PATH.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// The upshift binary; without it the one of this workspace, built on demand.
    #[arg(long, value_name = "FILE")]
    upshift: Option<PathBuf>,
    /// Tiers of Upshift to measure; the first one is what the ratios are about.
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    tier: Vec<String>,
    /// Tables to print; without it all but that of profiling.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// Compile every .wasm file of this directory for the table of compile throughput.
    #[arg(long, value_name = "DIR")]
    compile: Option<PathBuf>,
    /// How much the programs of the table run do.
    #[arg(long, default_value = "default")]
    size: Size,
    /// Interleaved rounds per program; six or more give a 95 % interval.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Write all samples as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the run times as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Only run every program at its tiny size, on Upshift, and check its output.
    #[arg(long)]
    smoke: bool,
}

/// One table of the report.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    Run,
    Compile,
    Start,
    Instantiate,
    Profile,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when every program that ran on Upshift printed what it should.
fn run(options: &Options) -> Result<bool> {
    let suite = Suite::load(options.filter.as_deref())?;
    let upshift = upshift::locate(options.upshift.as_deref())?;
    let tiers: Vec<Engine> =
        options.tier.iter().map(|tier| upshift::engine(&upshift, tier)).collect();
    if options.smoke {
        return smoke::check(&suite, &tiers);
    }
    let peers = peers::locate(options.peers.as_deref());
    let mut report = Map::new();
    let mut correct = true;
    for section in wanted(options) {
        let figures = match section {
            Section::Run => {
                let outcome = run_time::measure(
                    &suite,
                    options.size,
                    &tiers,
                    &peers.for_running,
                    options.rounds,
                );
                correct &= outcome.correct;
                if let Some(path) = &options.svg {
                    write(path, &svg::draw(&outcome))?;
                }
                outcome.json
            }
            Section::Compile => compile::measure(
                options.compile.as_deref(),
                options.filter.as_deref(),
                &tiers,
                &peers.for_compiling,
                options.rounds,
            )?,
            Section::Start => start::measure(&tiers, &peers.for_running, options.rounds)?,
            Section::Instantiate => {
                instantiate::measure(&tiers[0], &peers.for_instantiating, options.rounds)
            }
            Section::Profile => profile::measure(&suite, &upshift, options.rounds)?,
        };
        report.insert(name(section), figures);
    }
    if let Some(path) = &options.json {
        write(path, &serde_json::to_string_pretty(&Value::Object(report))?)?;
    }
    Ok(correct)
}

fn wanted(options: &Options) -> Vec<Section> {
    if options.only.is_empty() {
        let all = Section::value_variants().iter().copied();
        return all.filter(|&section| section != Section::Profile).collect();
    }
    options.only.clone()
}

fn name(section: Section) -> String {
    let name = match section {
        Section::Run => "run",
        Section::Compile => "compile",
        Section::Start => "start",
        Section::Instantiate => "instantiate",
        Section::Profile => "profile",
    };
    name.to_owned()
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
