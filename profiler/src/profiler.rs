//! Sampling of several threads at once, for hosts.
//!
//! # A thread is sampled
//! 1. The host makes a [`Profiler`], which it may clone and share.
//! 2. A thread that is about to run a store asks to be sampled with [`Profiler::attach`]; others may
//!    with [`Profiler::attach_thread`]. It is, until it drops what it got.
//!    An engine's threads that optimize are when [`upshift::Config::event_observer`] has the profiler's
//!    [`Profiler::of_compilers`].
//! 3. Any thread asks for what was noted with [`Profiler::snapshot`], as often as it likes and while
//!    all the others run. [`Profiler::reset`] begins anew, and forgets threads that are done.
//! 4. Recordings become a [`Profile`](crate::Profile) with the module they are of.
//!
//! ```
//! # use upshift::{Engine, Linker, Module, Store};
//! # use upshift_profiler::{Profile, Profiler};
//! # fn main() -> anyhow::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(&engine, "(module (func (export \"work\")))")?;
//! let profiler = Profiler::new();
//! std::thread::scope(|scope| {
//!     for _ in 0..2 {
//!         scope.spawn(|| -> anyhow::Result<()> {
//!             let mut store = Store::new(&engine, ());
//!             let _sampled = profiler.attach(&store)?;
//!             let instance = Linker::new(&engine).instantiate(&mut store, &module)?;
//!             instance.get_typed_func::<(), ()>(&mut store, "work")?.call(&mut store, ())
//!         });
//!     }
//! });
//! let profile = Profile::new(&profiler.snapshot(), &module);
//! assert_eq!(profile.threads.len(), 2);
//! # Ok(())
//! # }
//! ```

use crate::sampler::{DEFAULT_RATE, Recording, Sampler, Source, Track, lock};
use anyhow::Result;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use upshift::{ActivationProbe, AsContext, Event, EventKind, EventObserver};

/// See the module head.
#[derive(Clone, Debug)]
pub struct Profiler {
    source: Source,
    rate: u32,
    threads: Arc<Mutex<Vec<Thread>>>,
}

/// A thread that is sampled, or was.
#[derive(Debug)]
struct Thread {
    track: Arc<Track>,
    /// What was taken so far.
    recording: Recording,
    /// The number that events have of it, when it is one of an engine's threads that optimize.
    compiler: Option<u32>,
}

impl Thread {
    fn fetch(&mut self) {
        let next = self.track.take();
        match self.recording.source {
            Some(_) => self.recording.append(next),
            None => self.recording = Recording { compiler: self.compiler, ..next },
        }
    }
}

impl Default for Profiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Profiler {
    /// A profiler that takes the best source and [`DEFAULT_RATE`].
    #[must_use]
    pub fn new() -> Self {
        Self::with(Source::Auto, DEFAULT_RATE)
    }

    /// A profiler that takes this source, and so many samples per second of each thread.
    #[must_use]
    pub fn with(source: Source, rate: u32) -> Self {
        Self { source, rate, threads: Arc::default() }
    }

    /// Samples the calling thread, which runs this store, until the result is dropped.
    ///
    /// # Errors
    /// As [`Sampler::start_with`].
    pub fn attach(&self, store: impl AsContext) -> Result<Attached> {
        self.start(Some(ActivationProbe::new(store)))
    }

    /// Samples the calling thread, which runs the host's code only, until the result is dropped.
    ///
    /// # Errors
    /// As [`Sampler::start_with`].
    pub fn attach_thread(&self) -> Result<Attached> {
        self.start(None)
    }

    /// Samples the threads of an engine that optimize, each from its first compilation to its end.
    #[must_use]
    pub fn of_compilers(&self) -> Arc<dyn EventObserver> {
        Arc::new(OfCompilers(self.clone()))
    }

    fn start(&self, probe: Option<ActivationProbe>) -> Result<Attached> {
        self.start_as(probe, None)
    }

    fn start_as(&self, probe: Option<ActivationProbe>, compiler: Option<u32>) -> Result<Attached> {
        let name = crate::sampler::thread_name();
        let sampler = Sampler::start_named(name, self.source, self.rate, probe)?;
        let track = Arc::clone(sampler.track());
        let recording = Recording::default();
        lock(&self.threads).push(Thread { track, recording, compiler });
        Ok(Attached { sampler: Some(sampler), profiler: self.clone() })
    }

    /// What was noted of each thread since the last reset, in the order in which they came. Sampling
    /// goes on.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Recording> {
        let mut threads = lock(&self.threads);
        threads.iter_mut().for_each(Thread::fetch);
        threads.iter().map(|thread| thread.recording.clone()).collect()
    }

    /// Forgets what was noted. Sampling goes on.
    pub fn reset(&self) {
        let mut threads = lock(&self.threads);
        for thread in &mut *threads {
            thread.track.take();
            thread.recording = Recording::default();
        }
        threads.retain(|thread| !thread.track.is_over());
    }
}

/// Has threads attach that compile.
#[derive(Debug)]
struct OfCompilers(Profiler);

thread_local! {
    /// That this thread is sampled, until it ends.
    static COMPILER: RefCell<Option<Attached>> = const { RefCell::new(None) };
}

impl EventObserver for OfCompilers {
    fn event(&self, event: &Event) {
        if !matches!(event.kind, EventKind::Dequeued { .. }) {
            return;
        }
        COMPILER.with_borrow_mut(|attached| {
            // A thread that cannot be sampled, or is by somebody else, compiles all the same.
            if attached.is_none() {
                *attached = self.0.start_as(None, Some(event.thread)).ok();
            }
        });
    }
}

/// That a thread is sampled. It stays on that thread.
#[derive(Debug)]
pub struct Attached {
    sampler: Option<Sampler>,
    profiler: Profiler,
}

impl Drop for Attached {
    /// Fetches what was noted, so that the thread keeps nothing of the system's.
    fn drop(&mut self) {
        let Some(track) = self.sampler.take().map(|sampler| Arc::clone(sampler.track())) else {
            return;
        };
        let mut threads = lock(&self.profiler.threads);
        if let Some(own) = threads.iter_mut().find(|thread| Arc::ptr_eq(&thread.track, &track)) {
            own.fetch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::clock::thread_cpu;
    use crate::{Category, Profile};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;
    use upshift::{Config, Engine, Linker, Module, Store, Tier};

    /// Two functions of which each thread calls one.
    const PROGRAM: &str = r#"(module
        (func $f (export "f") (param i32)
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func $g (export "g") (param i32)
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

    fn module() -> (Engine, Module) {
        let mut config = Config::new();
        config.tier(Tier::Baseline);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, PROGRAM).unwrap();
        (engine, module)
    }

    /// Calls an export for this much CPU time.
    fn run(engine: &Engine, module: &Module, profiler: &Profiler, name: &str, time: Duration) {
        let mut store = Store::new(engine, ());
        let _sampled = profiler.attach(&store).unwrap();
        let instance = Linker::new(engine).instantiate(&mut store, module).unwrap();
        let func = instance.get_typed_func::<i32, ()>(&mut store, name).unwrap();
        let end = thread_cpu() + time;
        while thread_cpu() < end {
            func.call(&mut store, 100_000).unwrap();
        }
    }

    #[test]
    fn threads_are_told_apart() {
        let (engine, module) = module();
        for source in [Source::Timer, Source::Auto] {
            let profiler = Profiler::with(source, 2000);
            let time = Duration::from_millis(60);
            std::thread::scope(|scope| {
                for name in ["f", "g"] {
                    let work = || run(&engine, &module, &profiler, name, time);
                    std::thread::Builder::new()
                        .name(format!("runs {name}"))
                        .spawn_scoped(scope, work)
                        .unwrap();
                }
            });
            let recordings = profiler.snapshot();
            let profile = Profile::new(&recordings, &module);
            assert_eq!(profile.threads.len(), 2, "{source:?}");
            for (place, thread) in profile.threads.iter().enumerate() {
                let name = thread.name.strip_prefix("runs ").unwrap();
                let own = profile.samples.iter().filter(|sample| sample.thread == place);
                let leaves = own.filter_map(|sample| sample.frames.first());
                let mut leaves = leaves.map(|leaf| profile.function(leaf.function));
                assert!(thread.samples > 0, "{source:?}, {name}");
                let index = u32::from(name == "g");
                assert!(leaves.clone().any(|leaf| leaf.index == Some(index)));
                let other = Some(1 - index);
                assert!(!leaves.any(|leaf| leaf.index == other), "{source:?}, {name}");
            }
            let baseline = profile.by_category().into_iter().find(|of| of.0 == Category::Baseline);
            assert!(baseline.unwrap().1 > Duration::from_millis(60), "{source:?}");
        }
    }

    #[test]
    fn threads_that_optimize_are_sampled_as_compilers() {
        let body = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 3)) (i32.const 5)))";
        let text = format!(
            "(module (func (export \"f\") (param i32) (local $i i32)
                (local.set $i (i32.const 1000000))
                (loop $l {} (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))",
            body.repeat(2_000)
        );
        for source in [Source::Timer, Source::Auto] {
            let profiler = Profiler::with(source, 10_000);
            let mut config = Config::new();
            config.event_observer(profiler.of_compilers());
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, &text).unwrap();
            let mut store = Store::new(&engine, ());
            let handle = store.interrupt_handle();
            let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
            let func = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap();
            let sampled = |profiler: &Profiler| {
                profiler.snapshot().iter().any(|recording| !recording.samples.is_empty())
            };
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let patience = std::time::Instant::now() + Duration::from_secs(60);
                    while !sampled(&profiler) && std::time::Instant::now() < patience {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    handle.interrupt();
                });
                // It is interrupted, or ends before.
                while func.call(&mut store, 1).is_ok() {}
            });
            let profile = Profile::new(&profiler.snapshot(), &module);
            assert!(!profile.samples.is_empty(), "{source:?}");
            let by_category = profile.by_category();
            let all = by_category.iter().find(|of| of.0 == Category::Compiler).unwrap().1;
            assert!(all == profile.sampled() && all > Duration::ZERO, "{source:?}");
        }
    }

    /// Copies in a stub, after another function has left machine code.
    const COPIES: &str = r#"(module
        (import "" "host" (func $host))
        (memory 1)
        (func $leaves (call $host))
        (func $copies (export "copies") (param i32)
            (call $leaves)
            (loop
                (memory.copy (i32.const 64) (i32.const 0) (i32.and (local.get 0) (i32.const 15)))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

    #[test]
    fn the_caller_of_a_small_copy_is_found() {
        let mut config = Config::new();
        config.tier(Tier::Baseline);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, COPIES).unwrap();
        for source in [Source::Timer, Source::Auto] {
            let profiler = Profiler::with(source, 5000);
            let mut store = Store::new(&engine, ());
            let sampled = profiler.attach(&store).unwrap();
            let mut linker = Linker::new(&engine);
            linker.func_wrap("", "host", || ()).unwrap();
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let func = instance.get_typed_func::<i32, ()>(&mut store, "copies").unwrap();
            let mut in_stubs = Vec::new();
            let patience = thread_cpu() + Duration::from_secs(30);
            while in_stubs.len() < 10 && thread_cpu() < patience {
                func.call(&mut store, 1_000_000).unwrap();
                let profile = Profile::new(&profiler.snapshot(), &module);
                let callers = profile.samples.iter().filter_map(|sample| {
                    let mut frames = sample.frames.iter().map(|at| profile.function(at.function));
                    frames.next().filter(|leaf| leaf.name == "memory_copy (stub)")?;
                    frames.next().map(|caller| caller.index)
                });
                in_stubs = callers.collect();
            }
            let copies = in_stubs.iter().filter(|&&caller| caller == Some(2)).count();
            // The call of the host is a stub's, too, but once a million copies.
            let (leaves, all) = (in_stubs.len() - copies, in_stubs.len());
            assert!(all >= 10 && leaves <= all / 10, "{source:?}: {in_stubs:?}");
            drop(sampled);
        }
    }

    /// A thread that works for as long as it is told.
    fn worker(profiler: &Profiler, orders: &Receiver<Duration>, done: &Sender<()>) {
        let _sampled = profiler.attach_thread().unwrap();
        for time in orders {
            let end = thread_cpu() + time;
            while thread_cpu() < end {
                std::hint::spin_loop();
            }
            done.send(()).unwrap();
        }
    }

    #[test]
    fn snapshots_are_taken_while_threads_run() {
        for source in [Source::Timer, Source::Auto] {
            let profiler = Profiler::with(source, 2000);
            std::thread::scope(|scope| {
                let (order, orders) = channel();
                let (done, finished) = channel();
                let sampled = profiler.clone();
                scope.spawn(move || worker(&sampled, &orders, &done));
                let work = || {
                    order.send(Duration::from_millis(50)).unwrap();
                    finished.recv().unwrap();
                    profiler.snapshot().remove(0)
                };
                let (first, second) = (work(), work());
                assert!(!first.samples.is_empty() && second.samples.len() > first.samples.len());
                assert!(second.samples.starts_with(&first.samples), "{source:?}");
                assert!(second.cpu > first.cpu && second.started == first.started);
                let weight: Duration = second.samples.iter().map(|sample| sample.cpu).sum();
                assert!(weight <= second.cpu + Duration::from_micros(10), "{source:?}");
                profiler.reset();
                assert_eq!(profiler.snapshot()[0].samples.len(), 0, "{source:?}");
                let third = work();
                assert!(third.cpu < second.cpu && third.started > second.started, "{source:?}");
                assert!(!third.samples.is_empty(), "{source:?}");
                drop(order);
            });
            assert_eq!(profiler.snapshot().len(), 1, "what a thread left stays");
            profiler.reset();
            assert_eq!(profiler.snapshot().len(), 0, "{source:?}");
        }
    }
}
