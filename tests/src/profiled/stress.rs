//! Sampling while everything happens: modules are compiled, published, optimised, entered at loops,
//! throw, collect, trap and are dropped, on several threads.

use crate::loops;
use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use upshift::{
    ActivationProbe, Caller, Config, Engine, ExnRef, FuncType, Linker, Module, Store, Tag, Val,
    ValType, Zeal,
};
use upshift_profiler::sampler::Source;
use upshift_profiler::{Profile, Sampler};

/// Samples per second.
const RATE: u32 = 10_000;
/// Fuel that a module may use.
const FUEL: u64 = 1 << 22;
/// Modules of an engine.
const MODULES: u64 = 10;

/// What ran.
#[derive(Debug, Default)]
pub struct Totals {
    /// Modules that were made, run and dropped.
    pub modules: AtomicU64,
    /// Samples by each source: timer, kernel.
    pub samples: [AtomicU64; 2],
    /// Samples of machine code.
    pub machine_code: AtomicU64,
    /// Samples that found no place.
    pub lost: AtomicU64,
}

/// Runs generated modules under the profiler on `threads` threads for `time`.
///
/// # Errors
/// When a module cannot be loaded or a sampler not be started.
pub fn run(threads: u64, time: Duration) -> Result<Totals> {
    let totals = Totals::default();
    let stop = AtomicBool::new(false);
    let end = Instant::now() + time;
    let work = |thread: u64| -> Result<()> {
        let mut seed = thread;
        while Instant::now() < end && !stop.load(Ordering::Relaxed) {
            let engine = Engine::new(&config(seed))?;
            for _ in 0..MODULES {
                if Instant::now() >= end {
                    break;
                }
                if let Err(error) = one(&engine, seed, &totals) {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error.context(format!("seed {seed}")));
                }
                seed += threads;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("a thread panicked"),
        })
    })?;
    Ok(totals)
}

/// Engines that do different things often.
fn config(seed: u64) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    let mut zeal = Zeal::none();
    match seed / MODULES % 4 {
        0 => {}
        1 => zeal.gc = true,
        2 => (zeal.tier, zeal.exceptions) = (true, true),
        _ => drop(config.deterministic_tiering(2)),
    }
    config.zeal(zeal);
    config
}

fn one(engine: &Engine, seed: u64, totals: &Totals) -> Result<()> {
    let mut store = Store::new(engine, ());
    let source = if seed.is_multiple_of(3) { Source::Timer } else { Source::Auto };
    let sampler = Sampler::start_with(source, RATE, ActivationProbe::new(&store))?;
    let module = Module::new(engine, loops::module(seed))?;
    call_all(engine, &mut store, &module)?;
    // Sometimes the code goes first.
    let recording = if seed.is_multiple_of(2) {
        let profile = Profile::new(&[sampler.stop()], &module);
        let machine = profile.samples.iter().filter(|sample| {
            let leaf = sample.frames.first();
            leaf.is_some_and(|leaf| profile.function(leaf.function).index.is_some())
        });
        totals.machine_code.fetch_add(machine.count() as u64, Ordering::Relaxed);
        profile.samples.len()
    } else {
        drop(store);
        drop(module);
        let recording = sampler.stop();
        totals.lost.fetch_add(recording.lost, Ordering::Relaxed);
        recording.samples.len()
    };
    let by_source = &totals.samples[usize::from(source != Source::Timer)];
    by_source.fetch_add(recording as u64, Ordering::Relaxed);
    totals.modules.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Calls all exports that take zeros. That they trap is part of the program.
fn call_all(engine: &Engine, store: &mut Store<()>, module: &Module) -> Result<()> {
    store.set_fuel(FUEL)?;
    let mut linker = Linker::new(engine);
    let tag = Tag::new(&mut *store, &FuncType::new([ValType::I32], []));
    linker.define(&*store, "host", "tag", tag.clone())?;
    linker.func_wrap("host", "throw", move |mut caller: Caller<'_, ()>, n: i32| {
        if n % 2 == 0 {
            return Ok(n / 2);
        }
        let exn = ExnRef::new(&mut caller, &tag, &[Val::I32(n)])?;
        caller.throw(exn)
    })?;
    let Ok(instance) = linker.instantiate(&mut *store, module) else { return Ok(()) };
    let names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    for name in names {
        let Some(func) = instance.get_func(&mut *store, &name) else { continue };
        let ty = func.ty(&*store);
        let params: Vec<Val> = ty.params.iter().filter_map(|&ty| Val::default_for_ty(ty)).collect();
        if params.len() == ty.params.len() {
            let mut results = vec![Val::I32(0); ty.results.len()];
            func.call(&mut *store, &params, &mut results).ok();
        }
    }
    Ok(())
}
