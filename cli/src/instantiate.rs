//! `upshift instantiate`: how long an instance takes from its store to its end.

use crate::engine_args::EngineArgs;
use crate::invoke;
use crate::output::print;
use crate::stats;
use crate::tier_log::Events;
use crate::wasi_setup::{self, Host, WasiArgs};
use anyhow::{Result, bail};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use upshift::{Engine, InstancePre, Linker, Module, Store};

/// Options of `upshift instantiate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: EngineArgs,
    /// Number of instances to make.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    repeat: u32,
    /// Call this export in each instance.
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Write the times as a JSON object to this file (`-` for stdout).
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// The module, binary or text, followed by the parameters of the export.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Parameters of the export.
    #[arg(value_name = "ARGS", allow_hyphen_values = true)]
    args: Vec<String>,
}

/// What `upshift instantiate --stats` writes.
#[derive(Clone, Debug, Serialize)]
struct InstantiateFigures {
    repeat: u32,
    instantiate_us_min: f64,
    instantiate_us_median: f64,
}

/// Makes, calls and drops instances, each in a store of its own.
pub(crate) fn execute(args: &Args) -> Result<()> {
    let engine = Engine::new(&args.engine.config())?;
    let module = Module::from_file(&engine, &args.file)?;
    args.engine.tiers().warn_of_unmatched(&module);
    let mut linker = Linker::new(&engine);
    wasi_setup::add_to_linker(&mut linker, &module)?;
    linker.define_unknown_imports_as_traps(&module)?;
    let pre = linker.instantiate_pre(&module)?;
    // The first instance compiles what the others call, so it is not measured.
    measure(args, &engine, &module, &pre)?;
    let times = (0..args.repeat.max(1))
        .map(|_| measure(args, &engine, &module, &pre))
        .collect::<Result<Vec<f64>>>()?;
    let figures = InstantiateFigures {
        repeat: args.repeat,
        instantiate_us_min: stats::minimum(&times),
        instantiate_us_median: stats::median(&times),
    };
    args.engine.tiers().write_log(&Events::take(&engine), &module)?;
    match &args.stats {
        Some(path) => stats::write(path, &figures),
        None => print(&format!(
            "{}: {:.2} µs (median of {}), {:.2} µs at best\n",
            args.file.display(),
            figures.instantiate_us_median,
            figures.repeat,
            figures.instantiate_us_min
        )),
    }
}

/// Microseconds from the store's making to its drop. The host's own data is made before.
fn measure(args: &Args, engine: &Engine, module: &Module, pre: &InstancePre<Host>) -> Result<f64> {
    let host = Host::new(&WasiArgs::default(), module, &args.file, &[], None)?;
    let start = Instant::now();
    let mut store = Store::new(engine, host);
    let instance = pre.instantiate(&mut store)?;
    if let Some(name) = &args.invoke {
        let Some(func) = instance.get_func(&mut store, name) else {
            bail!("the module exports no function `{name}`");
        };
        let ty = func.ty(&store);
        let values = invoke::parse_arguments(&ty, &args.args)?;
        let mut results = invoke::result_buffer(&ty);
        func.call(&mut store, &values, &mut results)?;
    }
    drop(store);
    Ok(start.elapsed().as_secs_f64() * 1e6)
}
