//! `upshift compile`: how fast modules compile, and what the code looks like.

use crate::dump;
use crate::engine_args::EngineArgs;
use crate::output::print;
use crate::progress::Progress;
use crate::stats::{self, ModuleFigures, Stopwatch};
use crate::tier_log::Events;
use crate::units::{milliseconds, readable_bytes};
use crate::validate::read_module;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::PathBuf;
use upshift::{Engine, Module};

/// Options of `upshift compile`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: EngineArgs,
    /// Threads that validate and compile, one per CPU unless given; 1 gives the steadiest figures.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Compile this many times, each from the file's bytes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: u32,
    /// Write times and sizes as a JSON object to this file (`-` for stdout).
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Show a function's operators beside its machine code; `all` for every function.
    #[arg(long, value_name = "NAME|INDEX")]
    dump: Option<String>,
    /// The module, binary or text.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What `upshift compile --stats` writes.
#[derive(Clone, Debug, Serialize)]
struct CompileFigures {
    #[serde(flatten)]
    module: ModuleFigures,
    cpu_ms_min: f64,
    cpu_ms_median: f64,
    wall_ms_median: f64,
    validate_cpu_ms_min: f64,
    code_bytes: u64,
    mb_per_s: f64,
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Validates and compiles every function, as often as asked.
pub(crate) fn execute(args: &Args) -> Result<()> {
    let bytes = read_module(&args.file)?;
    let threads = args.threads.unwrap_or_else(default_threads);
    let mut config = args.engine.config();
    config.parallel_validation(threads > 1);
    config.compile_threads(threads);
    let engine = Engine::new(&config)?;
    let progress = Progress::start(format!("compiling {}", args.file.display()));
    let mut validate_cpu = Vec::new();
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let mut last = None;
    for round in 0..args.repeat.max(1) {
        drop(last.take());
        let watch = Stopwatch::of_process();
        let module = Module::from_file(&engine, &args.file)
            .with_context(|| format!("failed to load `{}`", args.file.display()))?;
        validate_cpu.push(milliseconds(watch.elapsed().cpu));
        module
            .compile_all(threads)
            .with_context(|| format!("failed to compile `{}`", args.file.display()))?;
        let elapsed = watch.elapsed();
        cpu.push(milliseconds(elapsed.cpu));
        wall.push(milliseconds(elapsed.wall));
        last = Some(module);
        progress.set_message(|| format!("compiling {} ({})", args.file.display(), round + 1));
    }
    drop(progress);
    let module = last.context("at least one round")?;
    args.engine.tiers().warn_of_unmatched(&module);
    args.engine.tiers().write_log(&Events::take(&engine), &module)?;
    let stats = module.stats();
    let best = stats::minimum(&cpu);
    let figures = CompileFigures {
        module: ModuleFigures::of(&stats),
        cpu_ms_min: best,
        cpu_ms_median: stats::median(&cpu),
        wall_ms_median: stats::median(&wall),
        validate_cpu_ms_min: stats::minimum(&validate_cpu),
        code_bytes: (stats.baseline_code_bytes + stats.optimizer_code_bytes) as u64,
        mb_per_s: megabytes_per_second(stats.file_bytes as u64, best),
    };
    report(args, &bytes, &module, &figures)
}

fn report(args: &Args, bytes: &[u8], module: &Module, figures: &CompileFigures) -> Result<()> {
    if let Some(function) = &args.dump {
        print(&dump::dump(module, bytes, function)?)?;
    } else if args.stats.is_none() {
        print(&format!(
            "{}: {} functions, {} of code from {} in {:.1} ms of CPU time ({:.1} MB/s)\n",
            args.file.display(),
            figures.module.functions,
            readable_bytes(figures.code_bytes),
            readable_bytes(figures.module.file_bytes),
            figures.cpu_ms_min,
            figures.mb_per_s
        ))?;
    }
    match &args.stats {
        Some(path) => stats::write(path, figures),
        None => Ok(()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate, rounded for display")]
fn megabytes_per_second(bytes: u64, ms: f64) -> f64 {
    if ms > 0.0 { bytes as f64 / 1e3 / ms } else { 0.0 }
}
