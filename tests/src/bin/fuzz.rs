//! A fuzzer that needs no special toolchain: mutates modules, runs them in several configurations
//! and stops at the first difference, untyped error, panic or crash.
//!
//! ```text
//! cargo run --release -p upshift-tests --bin fuzz -- --seed 1 --iterations 100000 \
//!     [--corpus DIR] [--threads 2] [--start N] [--only N] [--modes NAMES] \
//!     [--loops] [--gc] [--throws [--peer-lines]]
//! ```
//!
//! With `--loops` each iteration has a module of its own that is full of loops and not mutated;
//! without, one group in four starts from such a module. With `--gc` each iteration has a program
//! over objects, which has to give what a model says; with `--throws`, one that throws and catches. With
//! `--peer-lines` such programs are not run but written for `tests/peers/throws.mjs`. Both kinds run in one
//! mode of the baseline tier each, and now and then in one of both tiers, too: the number says in which.
//! `--modes` runs all but programs over objects in these modes only, say `baseline,spill`: without the
//! optimizer forty times as many in the same time. One mode alone is not compared with anything, but what
//! wasmi knows, which the last line counts, is compared with that.
//!
//! The seed and the number of an iteration determine its module: `--only N` runs that one again
//! and writes the module to a file. Iterations of one group start from the same module. While it
//! runs, the file `fuzz-SEED-WORKER.running` holds the number of the current iteration: it stays
//! behind when the process crashes.

#![forbid(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use upshift_tests::fuzz::{Engines, Stage};
use upshift_tests::modes::{self, Mode};
use upshift_tests::mutate::{Random, mutate, mutate_code};
use upshift_tests::{corpus, engines, loops, objects, throws};

/// Modules larger than this are not taken from the corpus directory.
const MAX_CORPUS_BYTES: u64 = 64 << 10;

/// Iterations that start from the same module.
const GROUP: u64 = 16;

/// Command line.
struct Options {
    seed: u64,
    start: u64,
    iterations: u64,
    threads: u64,
    corpus: Option<PathBuf>,
    only: Option<u64>,
    loops: bool,
    gc: bool,
    throws: bool,
    peer_lines: bool,
    modes: Vec<Mode>,
}

/// Counts of all threads.
#[derive(Default)]
struct Counts {
    done: AtomicU64,
    rejected: AtomicU64,
    loaded: AtomicU64,
    ran: AtomicU64,
    calls: AtomicU64,
    /// Modules that an engine of others ran, too.
    outside: AtomicU64,
}

/// What all iterations share.
struct Session {
    options: Options,
    seeds: Vec<Vec<u8>>,
    engines: Engines,
    /// Those that programs over objects run in.
    object_engines: Option<engines::Engines>,
    /// Those that programs that throw run in.
    throw_engines: Option<engines::Engines>,
    counts: Counts,
    stop: Arc<AtomicBool>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let session = Session {
        seeds: seeds(options.corpus.as_deref())?,
        engines: Engines::of(options.modes.clone()),
        object_engines: options.gc.then(objects::engines),
        throw_engines: options.throws.then(|| throws::engines(options.modes.clone())),
        counts: Counts::default(),
        stop: Arc::new(AtomicBool::new(false)),
        options,
    };
    let start = Instant::now();
    let clock = start_clock(session.engines.clone(), Arc::clone(&session.stop));
    println!("seed {}, {} modules to start from", session.options.seed, session.seeds.len());
    let failure = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..session.options.threads)
            .map(|worker| (worker, &session))
            .map(|(worker, session)| scope.spawn(move || session.work(worker)))
            .collect();
        workers.into_iter().find_map(|worker| worker.join().unwrap_or(Some("panicked".into())))
    });
    session.stop.store(true, Ordering::Relaxed);
    clock.join().ok();
    println!("{}", session.counts.line(start.elapsed()));
    match failure {
        Some(failure) => anyhow::bail!(failure),
        None => Ok(()),
    }
}

/// Lets time pass for the engines, so that endless waits end.
fn start_clock(engines: Engines, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
            engines.tick();
        }
    })
}

impl Session {
    /// Runs the groups of one worker; gives a text when something is wrong.
    fn work(&self, worker: u64) -> Option<String> {
        let range = match self.options.only {
            Some(only) => only..only + 1,
            None => self.options.start..self.options.start + self.options.iterations,
        };
        let running = format!("fuzz-{}-{worker}.running", self.options.seed);
        let current = File::create(&running).ok();
        let failure = self.run_range(range, worker, current.as_ref());
        std::fs::remove_file(&running).ok();
        failure
    }

    fn run_range(&self, range: Range<u64>, worker: u64, current: Option<&File>) -> Option<String> {
        let mut group = None;
        for number in range {
            let own =
                self.options.only.is_some() || number / GROUP % self.options.threads == worker;
            if self.stop.load(Ordering::Relaxed) || !own {
                continue;
            }
            let mutates = !(self.options.gc || self.options.throws || self.options.loops);
            if mutates && group.as_ref().is_none_or(|(n, _)| *n != number / GROUP) {
                let start = start_module(self.options.seed, number / GROUP, &self.seeds);
                group = Some((number / GROUP, start));
            }
            let start = group.as_ref().map_or(&[][..], |(_, start)| start);
            // Without the file the fuzzer works as well.
            current.map(|file| file.write_at(format!("{number:12}\n").as_bytes(), 0));
            if let Some(failure) = self.iterate(number, start) {
                self.stop.store(true, Ordering::Relaxed);
                return Some(failure);
            }
        }
        None
    }

    /// Runs one iteration; gives a text when something is wrong with it.
    fn iterate(&self, number: u64, start: &[u8]) -> Option<String> {
        let (options, counts) = (&self.options, &self.counts);
        if let Some(engines) = &self.object_engines {
            return self.iterate_objects(number, engines);
        }
        if let Some(engines) = &self.throw_engines {
            return self.iterate_throws(number, engines);
        }
        let mut random = Random::new(options.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        let bytes = if options.loops {
            loops::module(random.bits())
        } else {
            change_module(start, &self.seeds, &mut random)
        };
        if options.only.is_some() {
            std::fs::write("fuzz-case.wasm", &bytes).ok();
        }
        let run = AssertUnwindSafe(|| self.engines.run(&bytes, random.clone().bits()));
        let result = catch_unwind(run);
        let done = counts.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(100_000) {
            println!("{done} done");
        }
        let outcome = match result {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(difference)) => return Some(report(number, options, &bytes, &difference)),
            Err(_) => return Some(report(number, options, &bytes, "panicked")),
        };
        counts.calls.fetch_add(outcome.calls, Ordering::Relaxed);
        counts.outside.fetch_add(u64::from(outcome.outside), Ordering::Relaxed);
        let counter = match outcome.stage {
            Stage::Rejected => &counts.rejected,
            Stage::Loaded => &counts.loaded,
            Stage::Ran => &counts.ran,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Session {
    /// Runs the program over objects of one iteration; gives a text when it goes wrong.
    fn iterate_objects(&self, number: u64, engines: &engines::Engines) -> Option<String> {
        let seed = self.options.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95);
        let program = objects::Program::new(seed);
        let bytes = program.bytes();
        if self.options.only.is_some() {
            std::fs::write("fuzz-case.wasm", &bytes).ok();
        }
        let run = || engines.check_some(number, |engine| program.check(engine, &bytes));
        let result = catch_unwind(AssertUnwindSafe(run));
        self.count_calls(number, program.expected().len(), result, || bytes)
    }

    /// Runs the program that throws of one iteration; gives a text when it goes wrong.
    fn iterate_throws(&self, number: u64, engines: &engines::Engines) -> Option<String> {
        let seed = self.options.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95);
        let program = throws::Program::new(seed);
        if self.options.peer_lines {
            program.peer_line().inspect(|line| println!("{line}"));
            return None;
        }
        let bytes = program.bytes();
        if self.options.only.is_some() {
            std::fs::write("fuzz-case.wasm", &bytes).ok();
        }
        let run = || engines.check_some(number, |engine| program.check(engine, &bytes));
        let result = catch_unwind(AssertUnwindSafe(run));
        self.count_calls(number, program.expected().len(), result, || bytes)
    }

    /// Counts the calls of a program in all of its modes, or tells what is wrong with it.
    fn count_calls(
        &self,
        number: u64,
        calls: usize,
        modes: std::thread::Result<Result<u64, String>>,
        module: impl FnOnce() -> Vec<u8>,
    ) -> Option<String> {
        let difference = match modes {
            Ok(Ok(modes)) => {
                let done = self.counts.done.fetch_add(1, Ordering::Relaxed) + 1;
                if done.is_multiple_of(100_000) {
                    println!("{done} done");
                }
                self.counts.ran.fetch_add(1, Ordering::Relaxed);
                self.counts.calls.fetch_add(calls as u64 * modes, Ordering::Relaxed);
                return None;
            }
            Ok(Err(difference)) => difference,
            Err(_) => "panicked".into(),
        };
        Some(report(number, &self.options, &module(), &difference))
    }
}

fn report(number: u64, options: &Options, bytes: &[u8], what: &str) -> String {
    let file = format!("fuzz-{}-{number}.wasm", options.seed);
    let kept = std::fs::write(&file, bytes).is_ok();
    let kept = if kept { format!(", module in {file}") } else { String::new() };
    format!("iteration {number} ({}){kept}: {what}", options.again(number))
}

/// The module that a group starts from: generated or from the corpus.
fn start_module(seed: u64, group: u64, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random::new(!seed ^ group.wrapping_mul(0x9fb2_1c65_1e98_df25));
    if group % 4 == 1 {
        return loops::module(random.bits());
    }
    let from_corpus = seeds[random.below(seeds.len())].clone();
    if random.below(3) == 0 {
        return from_corpus;
    }
    let length = 64 + random.below(4096);
    corpus::generate(&random.bytes(length)).unwrap_or(from_corpus)
}

/// The module of one iteration: now and then the group's as it is, else mutated.
fn change_module(start: &[u8], seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = start.to_vec();
    match random.below(8) {
        0 => {}
        1..=5 => mutate_code(&mut bytes, random),
        _ => {
            let other = &seeds[random.below(seeds.len())];
            mutate(&mut bytes, other, random);
        }
    }
    bytes
}

/// The embedded modules and the small ones below the corpus directory.
fn seeds(directory: Option<&Path>) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut seeds: Vec<Vec<u8>> = corpus::modules().into_iter().map(|(_, bytes)| bytes).collect();
    for file in directory.into_iter().flat_map(|dir| upshift_tests::files_below(dir, "wasm")) {
        if std::fs::metadata(&file)?.len() <= MAX_CORPUS_BYTES {
            seeds.push(std::fs::read(&file)?);
        }
    }
    Ok(seeds)
}

impl Counts {
    fn line(&self, elapsed: Duration) -> String {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{} modules in {:.1} s: {} rejected, {} not instantiated, {} ran, {} executions; {} in wasmi, too",
            get(&self.done),
            elapsed.as_secs_f64(),
            get(&self.rejected),
            get(&self.loaded),
            get(&self.ran),
            get(&self.calls),
            get(&self.outside)
        )
    }
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self {
            seed: 1,
            start: 0,
            iterations: 10_000,
            threads: 2,
            corpus: None,
            only: None,
            loops: false,
            gc: false,
            throws: false,
            peer_lines: false,
            modes: modes::all().to_vec(),
        };
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| anyhow::anyhow!("{name} needs a value"));
            match name.as_str() {
                "--seed" => options.seed = value()?.parse()?,
                "--start" => options.start = value()?.parse()?,
                "--iterations" => options.iterations = value()?.parse()?,
                "--threads" => options.threads = value()?.parse::<u64>()?.max(1),
                "--only" => options.only = Some(value()?.parse()?),
                "--loops" => options.loops = true,
                "--gc" => options.gc = true,
                "--throws" => options.throws = true,
                "--peer-lines" => options.peer_lines = true,
                "--modes" => options.modes = modes_named(&value()?)?,
                "--corpus" => options.corpus = Some(value()?.into()),
                _ => anyhow::bail!(
                    "unknown option {name}; known: --seed --start --iterations --threads --only --corpus --modes --loops --gc --throws --peer-lines"
                ),
            }
        }
        anyhow::ensure!(!(options.gc && options.chooses_modes()), "--gc has modes of its own");
        Ok(options)
    }

    fn chooses_modes(&self) -> bool {
        self.modes.len() < modes::all().len()
    }

    /// What runs an iteration again.
    fn again(&self, number: u64) -> String {
        let mut line = format!("--seed {} --only {number}", self.seed);
        for (name, given) in [("--loops", self.loops), ("--gc", self.gc), ("--throws", self.throws)]
        {
            if given {
                line = format!("{line} {name}");
            }
        }
        if self.chooses_modes() {
            let names: Vec<&str> = self.modes.iter().map(|mode| mode.name).collect();
            line = format!("{line} --modes {}", names.join(","));
        }
        line
    }
}

/// The modes of a list of names.
fn modes_named(names: &str) -> anyhow::Result<Vec<Mode>> {
    let named = |name: &str| {
        let mode = modes::all().into_iter().find(|mode| mode.name == name);
        mode.ok_or_else(|| anyhow::anyhow!("unknown mode {name}"))
    };
    names.split(',').map(named).collect()
}
