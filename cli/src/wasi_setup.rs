//! What a program can import: WASI, and the two functions that mark a benchmark's kernel.

use crate::stats::{Elapsed, Stopwatch};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use upshift::{Caller, Engine, JsString, Linker, Module, Store, StoreLimits, StoreLimitsBuilder};
use upshift_profiler::Profiler;
use upshift_profiler::profiler::Attached;
use upshift_wasi::{WasiCtx, WasiCtxBuilder, WasiThreads};

/// Options that shape the program's environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct WasiArgs {
    /// Give the program access to a directory of the host, under another name if one follows.
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    dirs: Vec<String>,
    /// Set an environment variable; without a value it is the host's.
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    env: Vec<String>,
}

/// Stack of a thread beside that of the program.
const HOST_STACK_BYTES: usize = 1 << 20;

/// What a store of the command line holds.
pub(crate) struct Host {
    wasi: Arc<WasiCtx>,
    limits: StoreLimits,
    pub(crate) bench: BenchRegion,
    /// Keeps a thread of the program sampled.
    sampled: Option<Attached>,
}

impl Host {
    /// The environment of the program in `file`, with `args` after its name.
    pub(crate) fn new(
        wasi: &WasiArgs,
        module: &Module,
        file: &Path,
        args: &[OsString],
        max_memory: Option<u64>,
    ) -> Result<Self> {
        let mut limits = StoreLimitsBuilder::new();
        if let Some(bytes) = max_memory {
            limits = limits.memory_size(usize::try_from(bytes)?);
        }
        let imports_wasi = module.imports().any(|import| import.module().starts_with("wasi_"));
        let ctx =
            if imports_wasi { wasi.context(file, args)? } else { WasiCtxBuilder::new().build()? };
        Ok(Self::of_thread(Arc::new(ctx), limits.build()))
    }

    /// The environment of one thread of a program.
    fn of_thread(wasi: Arc<WasiCtx>, limits: StoreLimits) -> Self {
        Self { wasi, limits, bench: BenchRegion::default(), sampled: None }
    }

    /// A store with the environment, and with fuel if that is limited.
    pub(crate) fn into_store(self, engine: &Engine, fuel: Option<u64>) -> Result<Store<Self>> {
        let mut store = Store::new(engine, self);
        store.limiter(|host| &mut host.limits);
        if let Some(fuel) = fuel {
            store.set_fuel(fuel)?;
        }
        Ok(store)
    }
}

impl WasiArgs {
    fn context(&self, file: &Path, args: &[OsString]) -> Result<WasiCtx> {
        let mut builder = WasiCtxBuilder::new();
        builder.inherit_stdio();
        // Only the file's name: the program need not know where it lies.
        builder.arg(file.file_name().unwrap_or(file.as_os_str()).as_bytes());
        for arg in args {
            builder.arg(arg.as_bytes());
        }
        for variable in &self.env {
            match variable.split_once('=') {
                Some((name, value)) => builder.env(name, value),
                None => {
                    let value = std::env::var(variable);
                    let value = value.with_context(|| format!("--env {variable}: not set"))?;
                    builder.env(variable, value)
                }
            };
        }
        for dir in &self.dirs {
            let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
            builder.preopened_dir(host, guest);
        }
        builder.build().context("failed to set up WASI")
    }
}

/// Defines all that the command line provides.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>, module: &Module) -> Result<()> {
    upshift_wasi::add_to_linker(linker, |host: &mut Host| &*host.wasi)?;
    if module.imports().any(|import| import.module() == JsString::MODULE) {
        linker.js_string_builtins()?;
    }
    linker.func_wrap("bench", "start", |mut caller: Caller<'_, Host>| {
        caller.data_mut().bench.start();
    })?;
    linker.func_wrap("bench", "end", |mut caller: Caller<'_, Host>| {
        caller.data_mut().bench.end();
    })?;
    Ok(())
}

/// Lets the program start threads, when it wants to: each with a store as the one here, with as much
/// fuel and stack. With a profiler, all are sampled.
pub(crate) fn add_threads(
    linker: &mut Linker<Host>,
    (store, module): (&mut Store<Host>, &Module),
    (fuel, max_stack): (Option<u64>, u64),
    profiler: Option<Profiler>,
) -> Result<Option<WasiThreads<Host>>> {
    if !WasiThreads::<Host>::are_imported_by(module) {
        return Ok(None);
    }
    let (engine, host) = (store.engine().clone(), store.data());
    let (wasi, limits) = (Arc::clone(&host.wasi), host.limits.clone());
    let make_store = move || {
        let host = Host::of_thread(Arc::clone(&wasi), limits.clone());
        let mut store = host.into_store(&engine, fuel)?;
        if let Some(profiler) = &profiler {
            // One that cannot be sampled runs all the same.
            store.data_mut().sampled = profiler.attach(&store).ok();
        }
        Ok(store)
    };
    let mut threads = WasiThreads::add_to_linker(linker, store, module, make_store)?;
    threads.stack_size(usize::try_from(max_stack)?.saturating_add(HOST_STACK_BYTES));
    Ok(Some(threads))
}

/// Time between the calls of `bench.start` and `bench.end`; several regions add up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BenchRegion {
    running: Option<Stopwatch>,
    total: Option<Elapsed>,
}

impl BenchRegion {
    fn start(&mut self) {
        self.running = Some(Stopwatch::of_thread());
    }

    fn end(&mut self) {
        let Some(watch) = self.running.take() else { return };
        let elapsed = watch.elapsed();
        let total = self.total.get_or_insert_default();
        total.wall += elapsed.wall;
        total.cpu += elapsed.cpu;
    }

    /// The time of all regions, `None` if there was none.
    pub(crate) fn total(&self) -> Option<Elapsed> {
        self.total
    }
}
