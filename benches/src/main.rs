//! Measures Upshift beside other engines and prints the tables.
//!
//! Every figure comes from spawned processes: the `upshift` binary of this workspace and the
//! peers (see [`peers`]), one after the other in interleaved rounds, so that a slow phase of
//! the machine hits all of them. `--smoke` only checks what the programs print.

mod comparison;
mod compile;
mod curve;
mod engine;
mod exceptions;
mod instantiate;
mod invocation;
mod manifest;
mod peers;
mod process;
mod profile;
mod progress;
mod real;
mod report;
mod rounds;
mod run_time;
mod sha256;
mod smoke;
mod start;
mod stats;
mod suite;
mod svg;
mod table;
mod upshift;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::peers::Peers;
use crate::report::Report;
use crate::suite::{Size, Suite};
use crate::upshift::Tier;

/// Benchmarks of Upshift beside Wasmtime and V8.
#[derive(Parser)]
struct Options {
    /// Measure only programs (and, with --compile, files) whose name contains this.
    filter: Option<String>,
    /// Where the peers are installed (see benches/README.md); without it they come from PATH.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Measure only peers whose name, as the tables have it, contains one of these.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    peer: Vec<String>,
    /// The upshift binary; without it the one of this workspace, built on demand.
    #[arg(long, value_name = "FILE")]
    upshift: Option<PathBuf>,
    /// Tiers of Upshift to measure: auto, auto:POLICY, baseline, optimizer. The first one is what
    /// the ratios are about.
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    tier: Vec<Tier>,
    /// How many milliseconds each program of the warm-up curve runs.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    curve_ms: u64,
    /// Tables to print; without it all but that of profiling.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// Compile every .wasm file of this directory for the table of compile throughput.
    #[arg(long, value_name = "DIR")]
    compile: Option<PathBuf>,
    /// Run the real programs of this manifest, or of the real.toml in this directory.
    #[arg(long, value_name = "FILE")]
    real: Option<PathBuf>,
    /// How much the programs of the table run do.
    #[arg(long, default_value = "default")]
    size: Size,
    /// Interleaved rounds per program; six or more give a 95 % interval.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Write all samples as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw each table into this directory: run.svg, compile.svg and so on.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Only run every program at its tiny size, on Upshift, and check its output.
    #[arg(long)]
    smoke: bool,
}

/// One table of the report.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    Run,
    Real,
    Compile,
    Start,
    Instantiate,
    Curve,
    Exceptions,
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
    let bench = Bench {
        options,
        suite,
        upshift,
        tiers,
        peers: peers::locate(options.peers.as_deref(), &options.peer),
    };
    let mut all = Map::new();
    let mut correct = true;
    for section in wanted(options) {
        let Report { json, image, correct: fine } = bench.measure(section)?;
        all.insert(name(section), json);
        correct &= fine;
        if let (Some(dir), Some(image)) = (&options.svg, image) {
            std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
            write(&dir.join(name(section)).with_extension("svg"), &image)?;
        }
    }
    if let Some(path) = &options.json {
        write(path, &serde_json::to_string_pretty(&Value::Object(all))?)?;
    }
    Ok(correct)
}

/// All that a table may need.
struct Bench<'a> {
    options: &'a Options,
    suite: Suite,
    upshift: PathBuf,
    tiers: Vec<Engine>,
    peers: Peers,
}

impl Bench<'_> {
    fn measure(&self, section: Section) -> Result<Report> {
        let Self { options, suite, tiers, peers, .. } = self;
        let (rounds, filter) = (options.rounds, options.filter.as_deref());
        match section {
            Section::Run => {
                Ok(run_time::measure(suite, options.size, tiers, &peers.for_running, rounds))
            }
            Section::Real => {
                let manifest = options.real.as_deref();
                real::measure(manifest, filter, tiers, &peers.for_running, rounds)
            }
            Section::Compile => compile::measure(
                options.compile.as_deref(),
                filter,
                tiers,
                &peers.for_compiling,
                rounds,
            ),
            Section::Start => start::measure(tiers, &peers.for_running, rounds),
            Section::Instantiate => {
                Ok(instantiate::measure(&tiers[0], &peers.for_instantiating, rounds))
            }
            Section::Curve => {
                let time = Duration::from_millis(options.curve_ms);
                let tiers = self.tiers_of_curve();
                curve::measure(filter, &tiers, &peers.for_running, time, rounds)
            }
            Section::Exceptions => exceptions::measure(filter, tiers, &peers.for_running, rounds),
            Section::Profile => profile::measure(suite, &self.upshift, rounds),
        }
    }

    /// Each compiler alone as well, so that the curve tells what the tiers together gain.
    fn tiers_of_curve(&self) -> Vec<Engine> {
        let mut tiers = self.tiers.clone();
        for tier in ["baseline", "optimizer"] {
            let tier = tier.parse().expect("a tier that there is");
            let engine = upshift::engine(&self.upshift, &tier);
            if tiers.iter().all(|other| other.name != engine.name) {
                tiers.push(engine);
            }
        }
        tiers
    }
}

fn wanted(options: &Options) -> Vec<Section> {
    if options.only.is_empty() {
        let all = Section::value_variants().iter().copied();
        return all.filter(|&section| section != Section::Profile).collect();
    }
    options.only.clone()
}

fn name(section: Section) -> String {
    let value = section.to_possible_value().expect("no section is hidden");
    value.get_name().to_owned()
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
