//! A program whose functions take known shares of the time, in known tiers, under the profiler.
//!
//! The truth comes from outside: the thread's CPU clock is read around each call from the host. One
//! function stays in the baseline, one is optimised before sampling begins, one is called once and
//! goes over to optimised code in its loop, and one calls the host, which works for a while.

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use upshift::{
    ActivationProbe, Caller, CodeKind, Config, Engine, Linker, Module, Store, TypedFunc,
};
use upshift_profiler::sampler::Source;
use upshift_profiler::{Category, Profile, Sampler};

/// Parts of the time that the functions are given.
const PARTS: [f64; 4] = [0.4, 0.3, 0.2, 0.1];
/// CPU time of one turn through the functions that are called again and again.
const TURN: Duration = Duration::from_millis(50);
/// Turns of a loop that the speed is measured by.
const TRIAL: i32 = 5_000_000;
/// Tries to have a function optimised.
const PATIENCE: usize = 1000;

/// Time of a function in both accounts.
#[derive(Clone, Debug)]
pub struct Share {
    /// What it is.
    pub name: &'static str,
    /// Percent of the time of all functions, by the clock around its calls.
    pub clock: f64,
    /// Percent of the time of all samples.
    pub sampled: f64,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Accuracy {
    /// What interrupted the program.
    pub source: &'static str,
    /// How many samples there are.
    pub samples: usize,
    /// The functions.
    pub shares: Vec<Share>,
    /// CPU time of the thread, and that of all samples.
    pub cpu: [Duration; 2],
}

impl Accuracy {
    /// The greatest difference of the accounts, in percent points.
    #[must_use]
    pub fn worst(&self) -> f64 {
        let differences = self.shares.iter().map(|share| (share.clock - share.sampled).abs());
        differences.fold(0.0, f64::max)
    }
}

fn program() -> String {
    // Results feed the next turn, so nothing can be left out.
    let body = "(param i32) (result i32) (local i32)
        (loop (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 1664525)) (local.get 0)))
            (i32.store (i32.and (local.get 1) (i32.const 0xfff0)) (local.get 0))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1)";
    format!(
        "(module (import \"host\" \"work\" (func $work (param i32) (result i32))) (memory 1)
            (func (export \"slow\") {body}) (func (export \"fast\") {body})
            (func (export \"once\") {body})
            (func (export \"host\") (param i32) (result i32) (call $work (local.get 0))))"
    )
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A function and the CPU time that its calls took.
struct Timed {
    func: TypedFunc<i32, i32>,
    /// Its index in the module, imports included.
    index: u32,
    spent: Duration,
}

impl Timed {
    fn call(&mut self, store: &mut Store<()>, turns: i32) -> Result<()> {
        let start = thread_cpu();
        self.func.call(&mut *store, turns.max(1))?;
        self.spent += thread_cpu().saturating_sub(start);
        Ok(())
    }

    /// How many turns take `time`.
    fn turns_in(&mut self, store: &mut Store<()>, time: Duration) -> Result<i32> {
        self.spent = Duration::ZERO;
        self.call(store, TRIAL)?;
        let turns = f64::from(TRIAL) * time.as_secs_f64() / self.spent.as_secs_f64();
        self.spent = Duration::ZERO;
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is as good")]
        Ok(turns as i32)
    }
}

/// Runs the program for this much CPU time.
///
/// # Errors
/// When the system does not permit the source, or the program does not run.
pub fn measure(source: Source, time: Duration) -> Result<Accuracy> {
    let mut config = Config::new();
    config.tier_only(Some("2-3".parse()?));
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, program())?;
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "work", |_: Caller<'_, ()>, turns: i32| host_work(turns))?;
    let instance = linker.instantiate(&mut store, &module)?;
    let mut timed = |name: &str, index| -> Result<Timed> {
        let func = instance.get_typed_func(&mut store, name)?;
        Ok(Timed { func, index, spent: Duration::ZERO })
    };
    let mut functions =
        [timed("slow", 1)?, timed("fast", 2)?, timed("once", 3)?, timed("host", 4)?];
    optimise(&module, &mut store, &mut functions[1])?;
    let mut turns = [0; 4];
    for which in [0, 1, 3] {
        let part = TURN.mul_f64(PARTS[which]);
        turns[which] = functions[which].turns_in(&mut store, part)?;
    }
    // Its speed is that of the other optimised function; it must not be called before.
    let once =
        f64::from(turns[1]) * time.as_secs_f64() * PARTS[2] / (TURN.as_secs_f64() * PARTS[1]);
    let sampler = Sampler::start_with(
        source,
        upshift_profiler::sampler::DEFAULT_RATE,
        ActivationProbe::new(&store),
    )?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is as good")]
    functions[2].call(&mut store, once as i32)?;
    let end = thread_cpu() + time.mul_f64(1.0 - PARTS[2]);
    while thread_cpu() < end {
        for which in [0, 1, 3] {
            functions[which].call(&mut store, turns[which])?;
        }
    }
    let recording = sampler.stop();
    let profile = Profile::new(std::slice::from_ref(&recording), &module);
    Ok(Accuracy {
        source: recording.source.context("it sampled")?,
        samples: recording.samples.len(),
        shares: shares(&profile, &functions),
        cpu: [recording.cpu, profile.sampled()],
    })
}

fn host_work(turns: i32) -> i32 {
    (0..turns).fold(0, |sum, turn| {
        std::hint::black_box(i32::wrapping_add(i32::wrapping_mul(sum, 1_664_525), turn))
    })
}

/// Calls a function until it is optimised.
fn optimise(module: &Module, store: &mut Store<()>, function: &mut Timed) -> Result<()> {
    let index = function.index;
    let optimised = |module: &Module| {
        let mut ranges = module.code_ranges().into_iter();
        ranges.any(|range| range.func == index && range.kind == CodeKind::Optimized)
    };
    for _ in 0..PATIENCE {
        if optimised(module) {
            return Ok(());
        }
        function.call(store, TRIAL / 100)?;
        std::thread::sleep(Duration::from_millis(1));
    }
    anyhow::bail!("the function was not optimised")
}

fn shares(profile: &Profile, functions: &[Timed; 4]) -> Vec<Share> {
    let own = |index: u32, category: Category| {
        let times = profile.times().into_iter();
        let of_it = times.filter(|times| {
            let function = profile.function(times.function);
            function.index == Some(index) && function.category == category
        });
        of_it.map(|times| times.own).sum::<Duration>()
    };
    // The host's time is what was spent below the function that called it.
    let below = |index: u32| {
        let times = profile.times().into_iter();
        let of_it = times.filter(|times| profile.function(times.function).index == Some(index));
        of_it.map(|times| times.total).sum::<Duration>()
    };
    let sampled =
        [own(1, Category::Baseline), own(2, Category::Optimized), own(3, Category::Osr), below(4)];
    let names = ["slow, baseline", "fast, optimized", "once, osr", "host"];
    let (clock, all) = (
        functions.iter().map(|function| function.spent).sum::<Duration>().as_secs_f64(),
        profile.sampled().as_secs_f64(),
    );
    let share = |((name, function), sampled): ((&'static str, &Timed), Duration)| Share {
        name,
        clock: 100.0 * function.spent.as_secs_f64() / clock,
        sampled: 100.0 * sampled.as_secs_f64() / all,
    };
    names.into_iter().zip(functions).zip(sampled).map(share).collect()
}
