//! `upshift run`.

use crate::digest::Digest;
use crate::engine_args::EngineArgs;
use crate::errors;
use crate::invoke;
use crate::output::{print, say};
use crate::progress::Progress;
use crate::stats::{self, Elapsed, GcFigures, ModuleFigures, RunStats, Stopwatch, TierFigures};
use crate::stop::Stop;
use crate::tier_log::Events;
use crate::units::{milliseconds, parse_bytes, parse_duration};
use crate::wasi_setup::{self, Host, WasiArgs};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use upshift::{Config, Engine, Error, Func, Instance, InterruptHandle, Linker, Module, Store};
use upshift_profiler::Profiler;

/// Options of `upshift run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    wasi: WasiArgs,
    /// Call this export instead of `_start`; the arguments are its parameters, its results are
    /// printed one per line.
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Call the function of --invoke this many times.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "invoke")]
    repeat: u32,
    /// Trap after this much fuel; an operator costs about 1.
    #[arg(long, value_name = "N")]
    fuel: Option<u64>,
    /// Trap after this time: 500ms, 2s, 1m.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Largest size of each linear memory: 64MiB, or a number of bytes.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    max_memory: Option<u64>,
    /// The most stack that the program may use; less where the thread's own is smaller: `ulimit -s`.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, default_value = "4MiB")]
    max_stack: u64,
    /// Let functions that are imported but not provided trap when they are called, instead of
    /// refusing the module.
    #[arg(long)]
    stub_unknown_imports: bool,
    /// Write times and sizes as a JSON object to this file (`-` for stdout).
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Write how the program ended, and hashes of its memories and globals, to this file.
    #[arg(long, value_name = "FILE", hide = true)]
    digest: Option<PathBuf>,
    /// The module, binary or text, followed by the program's arguments.
    #[arg(
        value_name = "FILE [ARGS]...",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

impl Args {
    pub(crate) fn module(&self) -> &Path {
        Path::new(&self.command[0])
    }

    /// The settings of the engine.
    pub(crate) fn config(&self) -> Config {
        let mut config = self.engine.config();
        config.consume_fuel(self.fuel.is_some());
        config.max_wasm_stack(usize::try_from(self.max_stack).unwrap_or(usize::MAX));
        config
    }

    /// Takes the first of the program's arguments out.
    pub(crate) fn take_program_arg(&mut self) -> Option<OsString> {
        (self.command.len() > 1).then(|| self.command.remove(1))
    }

    /// The module and the program's arguments.
    pub(crate) fn command(&self) -> &[OsString] {
        &self.command
    }

    /// The options of the engine.
    pub(crate) fn engine(&self) -> &EngineArgs {
        &self.engine
    }

    /// An option that `upshift bisect` cannot pass on to each of its runs.
    pub(crate) fn not_for_bisect(&self) -> Option<&'static str> {
        let options = [("--stats", self.stats.is_some()), ("--digest", self.digest.is_some())];
        let given = options.into_iter().find(|option| option.1).map(|option| option.0);
        given.or_else(|| self.engine.tiers().choice())
    }

    fn program_args(&self) -> &[OsString] {
        &self.command[1..]
    }
}

/// Looks on while a program runs.
pub(crate) trait Observer {
    /// Adds settings to those of the command line.
    fn configure(&mut self, _config: &mut Config) {}

    /// The program is about to be instantiated, which may run its start function, and to run on this thread.
    fn begin(&mut self, _store: &Store<Host>) -> Result<()> {
        Ok(())
    }

    /// What samples threads that the program starts.
    fn of_threads(&self) -> Option<Profiler> {
        None
    }

    /// It has ended.
    fn end(&mut self, _store: &Store<Host>) {}

    /// Everything is over, and this happened; the module is still there. What cannot be told of it.
    fn finish(&mut self, _events: &Events, _module: &Module) -> Vec<Error> {
        Vec::new()
    }
}

/// Nobody looks on.
struct Nobody;

impl Observer for Nobody {}

/// Sees to it that signals end the program, not the command, where that has something to write.
#[derive(Default)]
struct Writer {
    stop: Stop,
}

impl Observer for Writer {
    fn begin(&mut self, store: &Store<Host>) -> Result<()> {
        self.stop.watch(store.interrupt_handle())
    }

    fn end(&mut self, _store: &Store<Host>) {
        self.stop.program_ended();
    }
}

/// Runs the program. A trap or an exit through WASI is an error, see [`crate::errors::report`].
pub(crate) fn execute(args: &Args) -> Result<i32> {
    if args.stats.is_none() && !args.engine.tiers().has_log() {
        return execute_observed(args, &mut Nobody);
    }
    let mut writer = Writer::default();
    let result = execute_observed(args, &mut writer);
    writer.stop.exit_code(result)
}

/// The same while somebody looks on.
pub(crate) fn execute_observed(args: &Args, observer: &mut dyn Observer) -> Result<i32> {
    // What follows the file is the program's, so clap takes an unknown option for the file.
    let file = args.module();
    if file.as_os_str().as_encoded_bytes().starts_with(b"-") && !file.exists() {
        bail!("unknown option `{}`; see `upshift run --help`", file.display());
    }
    let mut stats = RunStats::default();
    let (engine, module) = load(args, &mut stats, observer)?;
    let result = run(args, (&engine, &module), &mut stats, observer);
    let mut result =
        result.with_context(|| format!("failed to run `{}`", args.module().display())).map(|()| 0);
    let events = Events::take(&engine);
    // What cannot be written keeps nothing else from being written.
    let told =
        [write_stats(args, &module, &mut stats), args.engine.tiers().write_log(&events, &module)];
    let observed = observer.finish(&events, &module);
    // The process ends now; taking the module apart first would only cost time.
    std::mem::forget(module);
    for error in told.into_iter().filter_map(Result::err).chain(observed) {
        if result.is_ok() {
            result = Err(error);
        } else {
            // How the program ended, or what failed first, matters more.
            errors::report(&error);
        }
    }
    result
}

fn write_stats(args: &Args, module: &Module, stats: &mut RunStats) -> Result<()> {
    let Some(path) = &args.stats else { return Ok(()) };
    let figures = module.stats();
    stats.module = ModuleFigures::of(&figures);
    stats.tiers = TierFigures::of(&figures);
    stats.process_cpu_ms = milliseconds(stats::process_cpu());
    stats.peak_rss_bytes = stats::peak_rss_bytes();
    stats::write(path, stats)
}

fn load(
    args: &Args,
    stats: &mut RunStats,
    observer: &mut dyn Observer,
) -> Result<(Engine, Module)> {
    let watch = Stopwatch::of_thread();
    let mut config = args.config();
    observer.configure(&mut config);
    let engine = Engine::new(&config)?;
    let progress = Progress::start(format!("loading {}", args.module().display()));
    let module = Module::from_file(&engine, args.module())?;
    drop(progress);
    args.engine.tiers().warn_of_unmatched(&module);
    let Elapsed { wall, cpu } = watch.elapsed();
    stats.load_wall_ms = milliseconds(wall);
    stats.load_cpu_ms = milliseconds(cpu);
    Ok((engine, module))
}

fn run(
    args: &Args,
    (engine, module): (&Engine, &Module),
    stats: &mut RunStats,
    observer: &mut dyn Observer,
) -> Result<()> {
    let watch = Stopwatch::of_thread();
    let mut linker = Linker::new(engine);
    wasi_setup::add_to_linker(&mut linker, module)?;
    if args.stub_unknown_imports {
        linker.define_unknown_imports_as_traps(module)?;
        // The function that starts threads comes later.
        linker.allow_shadowing(true);
    }
    let program_args = if args.invoke.is_some() { &[] } else { args.program_args() };
    let host = Host::new(&args.wasi, module, args.module(), program_args, args.max_memory)?;
    let mut store = host.into_store(engine, args.fuel)?;
    let sampled = observer.of_threads();
    let limits = (args.fuel, args.max_stack);
    let threads = wasi_setup::add_threads(&mut linker, (&mut store, module), limits, sampled)?;
    let timeout = args.timeout.map(|timeout| Timeout::start(timeout, store.interrupt_handle()));
    let mut program = |store: &mut Store<Host>| {
        let linked = watch.elapsed().wall;
        observer.begin(store)?;
        let watch = Stopwatch::of_thread();
        let instance = linker.instantiate(&mut *store, module);
        stats.instantiate_wall_ms = Some(milliseconds(linked + watch.elapsed().wall));
        let watch = Stopwatch::of_thread();
        let result = instance.and_then(|instance| call(args, store, instance, stats));
        let Elapsed { wall, cpu } = watch.elapsed();
        observer.end(store);
        stats.run_wall_ms = Some(milliseconds(wall));
        stats.run_cpu_ms = Some(milliseconds(cpu));
        result
    };
    let result = match threads {
        Some(mut threads) => threads.run(&mut store, program),
        None => program(&mut store),
    };
    drop(timeout);
    let told = write_digest(args, &result, &mut store);
    stats.gc = GcFigures::of(&store.gc_stats());
    let bench = store.data().bench.total();
    stats.bench_wall_ms = bench.map(|elapsed| milliseconds(elapsed.wall));
    stats.bench_cpu_ms = bench.map(|elapsed| milliseconds(elapsed.cpu));
    store.flush_events();
    // As above: the process ends now.
    std::mem::forget(store);
    // How the program ended matters more.
    result.and(told)
}

fn write_digest(args: &Args, result: &Result<()>, store: &mut Store<Host>) -> Result<()> {
    let Some(path) = &args.digest else { return Ok(()) };
    Digest::of(result, store).map_or(Ok(()), |digest| digest.write(path))
}

/// Calls what the command line asks for.
fn call(
    args: &Args,
    store: &mut Store<Host>,
    instance: Instance,
    stats: &mut RunStats,
) -> Result<()> {
    // A reactor wants to be initialized before anything else is called.
    if let Some(initialize) = instance.get_func(&mut *store, "_initialize")
        && args.invoke.as_deref() != Some("_initialize")
    {
        initialize.call(&mut *store, &[], &mut []).context("failed to call `_initialize`")?;
    }
    match &args.invoke {
        Some(name) => invoke_export(args, name, store, instance, stats),
        None => match default_function(store, instance) {
            Some((name, func)) => func
                .call(&mut *store, &[], &mut [])
                .with_context(|| format!("failed to call `{name}`")),
            None => {
                say("note: the module has no `_start`, so nothing was called; see --invoke\n");
                Ok(())
            }
        },
    }
}

fn default_function(store: &mut Store<Host>, instance: Instance) -> Option<(&'static str, Func)> {
    ["_start", ""].into_iter().find_map(|name| Some((name, instance.get_func(&mut *store, name)?)))
}

fn invoke_export(
    args: &Args,
    name: &str,
    store: &mut Store<Host>,
    instance: Instance,
    stats: &mut RunStats,
) -> Result<()> {
    let Some(func) = instance.get_func(&mut *store, name) else {
        bail!("the module exports no function `{name}`");
    };
    let ty = func.ty(&*store);
    let texts: Vec<String> =
        args.program_args().iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let values =
        invoke::parse_arguments(&ty, &texts).with_context(|| format!("cannot call `{name}`"))?;
    let mut results = invoke::result_buffer(&ty);
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..args.repeat {
        let watch = Stopwatch::of_thread();
        func.call(&mut *store, &values, &mut results)
            .with_context(|| format!("failed to call `{name}`"))?;
        let elapsed = watch.elapsed();
        wall.push(milliseconds(elapsed.wall));
        cpu.push(milliseconds(elapsed.cpu));
    }
    stats.invoke_wall_ms = Some(wall);
    stats.invoke_cpu_ms = Some(cpu);
    let lines = results.iter().map(|result| format!("{}\n", invoke::format_value(result)));
    print(&lines.collect::<String>())
}

/// A thread that interrupts a store when its time is up; dropping it calls the thread off.
struct Timeout {
    call_off: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Timeout {
    fn start(timeout: Duration, handle: InterruptHandle) -> Self {
        let (call_off, called_off) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            if called_off.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        Self { call_off: Some(call_off), thread: Some(thread) }
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        drop(self.call_off.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
