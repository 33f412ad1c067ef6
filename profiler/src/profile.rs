//! A profile: samples whose frames have names, and sums over them.

use crate::sampler::{COUNTERS, Clock, Recording};
use crate::source::SourceLine;
use crate::symbols::{KERNEL_START, Symbols, unnamed};
use crate::turns::{self, TurnTimes};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use upshift::Module;

/// What kind of code a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// The single-pass tier.
    Baseline,
    /// The optimising tier.
    Optimized,
    /// Optimised code that was entered at a loop.
    Osr,
    /// Code between wasm and host.
    Stub,
    /// The host.
    Host,
    /// What runs on an engine's threads that optimize.
    Compiler,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Baseline, Self::Optimized, Self::Osr, Self::Stub, Self::Host, Self::Compiler];

    /// A name for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Optimized => "optimized",
            Self::Osr => "osr",
            Self::Stub => "stub",
            Self::Host => "host",
            Self::Compiler => "compiler",
        }
    }

    /// Its colour in pictures.
    #[must_use]
    pub const fn colour(self) -> (u8, u8, u8) {
        match self {
            Self::Baseline => (214, 132, 58),
            Self::Optimized => (76, 145, 79),
            Self::Osr => (128, 178, 82),
            Self::Stub => (150, 150, 150),
            Self::Host => (96, 125, 170),
            Self::Compiler => (150, 100, 165),
        }
    }
}

/// Position of a function in [`Functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub usize);

/// A function in one tier, or one of the host.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name, as a module or the host says it: not yet safe to print.
    pub name: String,
    /// What code it is.
    pub category: Category,
    /// Its index in the module; of the function that it is in, when it was inlined.
    pub index: Option<u32>,
    /// Whether the module's compiler has inlined it: the module has no function for it.
    pub inlined: bool,
}

/// Functions that were met.
#[derive(Clone, Debug, Default)]
pub struct Functions(pub Vec<Function>);

impl Functions {
    /// Adds a function.
    pub fn add(&mut self, name: String, category: Category, index: Option<u32>) -> FunctionId {
        self.push(Function { name, category, index, inlined: false })
    }

    /// Adds a function that the module's compiler has inlined in the function `index`.
    pub fn add_inlined(&mut self, name: String, category: Category, index: u32) -> FunctionId {
        self.push(Function { name, category, index: Some(index), inlined: true })
    }

    fn push(&mut self, function: Function) -> FunctionId {
        self.0.push(function);
        FunctionId(self.0.len() - 1)
    }
}

/// A place in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function.
    pub function: FunctionId,
    /// Offset of the operator in the module.
    pub module_offset: Option<u32>,
}

/// A stack, innermost frame first.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Position of its thread in [`Profile::threads`].
    pub thread: usize,
    /// When, since sampling began.
    pub at: Duration,
    /// CPU time that it stands for.
    pub cpu: Duration,
    /// What was counted in that time, in the order of [`COUNTERS`].
    pub counts: Counts,
    /// Its frames.
    pub frames: Vec<Frame>,
}

/// What was counted, in the order of [`COUNTERS`].
pub type Counts = [u64; COUNTERS.len()];

/// A thread that was sampled.
#[derive(Clone, Debug, Default)]
pub struct ThreadProfile {
    /// Its name: not yet safe to print.
    pub name: String,
    /// The system's number of it.
    pub id: i32,
    /// The number that events have of it, when it is one of an engine's threads that optimize.
    pub compiler: Option<u32>,
    /// How many samples there are of it.
    pub samples: usize,
    /// Samples that were lost.
    pub lost: u64,
    /// Its CPU time while it was sampled.
    pub cpu: Duration,
    /// For how long it was sampled.
    pub wall: Duration,
}

/// See the module head.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// What interrupted the threads; nothing when no samples were asked for.
    pub source: Option<&'static str>,
    /// Samples per second and thread that were asked for.
    pub rate: u32,
    /// Seconds of which clock.
    pub clock: Clock,
    /// Which of [`COUNTERS`] there are.
    pub counted: [bool; COUNTERS.len()],
    /// The threads that were sampled.
    pub threads: Vec<ThreadProfile>,
    /// Functions by [`FunctionId`].
    pub functions: Functions,
    /// Lines of source by the offset in the module and the function, of those frames whose line is
    /// known.
    pub lines: BTreeMap<(u32, FunctionId), SourceLine>,
    /// How long turns of loops took, where the module counted them.
    pub turns: Vec<TurnTimes>,
    /// Samples, thread by thread, in their order.
    pub samples: Vec<Sample>,
    /// When the first thread was sampled first, on the clock of [`monotonic`](crate::sampler::monotonic).
    pub started: Duration,
    /// Time that passed from the first start to the last end.
    pub wall: Duration,
}

/// Time of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The function.
    pub function: FunctionId,
    /// Time in its own code.
    pub own: Duration,
    /// Time in it and in what it called.
    pub total: Duration,
    /// What was counted in its own code.
    pub counts: Counts,
    /// Samples in its own code.
    pub samples: usize,
}

impl Profile {
    /// Recordings of threads that ran a module, with names.
    #[must_use]
    pub fn new(recordings: &[Recording], module: &Module) -> Self {
        let start = recordings.iter().map(|recording| recording.started).min().unwrap_or_default();
        let end = |recording: &Recording| recording.started + recording.wall;
        let end = recordings.iter().map(end).max().unwrap_or_default();
        let mut profile =
            Self { started: start, wall: end.saturating_sub(start), ..Self::default() };
        if let Some(first) = recordings.first() {
            (profile.source, profile.rate, profile.clock) = (first.source, first.rate, first.clock);
        }
        let mut symbols = Symbols::new(module);
        for recording in recordings {
            profile.add_thread(recording, start, &mut symbols);
        }
        let (lines, mut names) = symbols.into_parts();
        profile.lines = lines;
        profile.turns = turns::measure(module, &profile);
        for turns in &mut profile.turns {
            turns.name = names.of(turns.index);
        }
        profile
    }

    fn add_thread(&mut self, recording: &Recording, start: Duration, symbols: &mut Symbols<'_>) {
        for (all, counted) in self.counted.iter_mut().zip(recording.counted) {
            *all |= counted;
        }
        for sample in &recording.samples {
            let addresses = sample.addresses.iter().enumerate();
            // The user's instruction stands behind one of the kernel.
            let exact = |i: usize| i == 0 || sample.addresses[i - 1] >= KERNEL_START;
            let host = match recording.compiler {
                Some(_) => Category::Compiler,
                None => Category::Host,
            };
            let frames = addresses
                .flat_map(|(i, &at)| symbols.frames(&mut self.functions, at, (exact(i), host)));
            let frames = frames.collect();
            self.samples.push(Sample {
                thread: self.threads.len(),
                at: sample.at.saturating_sub(start),
                cpu: sample.cpu,
                counts: sample.counts,
                frames,
            });
        }
        self.threads.push(ThreadProfile {
            name: recording.thread.clone(),
            id: recording.thread_id,
            compiler: recording.compiler,
            samples: recording.samples.len(),
            lost: recording.lost,
            cpu: recording.cpu,
            wall: recording.wall,
        });
    }

    /// Replaces the names of the module's functions by their numbers, and forgets lines of source and
    /// what was inlined there, for profiles that leave the house.
    pub fn redact(&mut self) {
        for sample in &mut self.samples {
            sample.frames.retain(|frame| !self.functions.0[frame.function.0].inlined);
        }
        for function in &mut self.functions.0 {
            if let Some(index) = function.index {
                function.name = unnamed(index);
            }
        }
        for turns in &mut self.turns {
            turns.name = unnamed(turns.index);
            turns.line = None;
        }
        self.lines.clear();
    }

    /// Samples that were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.threads.iter().map(|thread| thread.lost).sum()
    }

    /// CPU time of the sampled threads.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.threads.iter().map(|thread| thread.cpu).sum()
    }

    /// The line of source of a frame.
    #[must_use]
    pub fn line(&self, frame: &Frame) -> Option<&SourceLine> {
        self.lines.get(&(frame.module_offset?, frame.function))
    }

    /// Time in the code of each line that is known, the one with most time first.
    #[must_use]
    pub fn line_times(&self) -> Vec<(&SourceLine, Duration)> {
        let mut times: BTreeMap<&SourceLine, Duration> = BTreeMap::new();
        for sample in &self.samples {
            if let Some(line) = sample.frames.first().and_then(|leaf| self.line(leaf)) {
                *times.entry(line).or_default() += sample.cpu;
            }
        }
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_by_key(|&(line, time)| (std::cmp::Reverse(time), line));
        times
    }

    /// A function.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.functions.0[id.0]
    }

    /// CPU time of all samples.
    #[must_use]
    pub fn sampled(&self) -> Duration {
        self.samples.iter().map(|sample| sample.cpu).sum()
    }

    /// Samples per second and thread that were reached.
    #[must_use]
    pub fn reached_rate(&self) -> f64 {
        let time = |thread: &ThreadProfile| match self.clock {
            Clock::Cpu => thread.cpu,
            Clock::Wall => thread.wall,
        };
        let seconds = self.threads.iter().map(time).sum::<Duration>().as_secs_f64();
        if seconds > 0.0 { self.samples.len() as f64 / seconds } else { 0.0 }
    }

    /// Times of all functions, the one with most time of its own first.
    #[must_use]
    pub fn times(&self) -> Vec<Times> {
        let new = |function| Times {
            function,
            own: Duration::ZERO,
            total: Duration::ZERO,
            counts: Counts::default(),
            samples: 0,
        };
        let mut times: BTreeMap<FunctionId, Times> = BTreeMap::new();
        let mut seen = HashSet::new();
        for sample in &self.samples {
            if let Some(leaf) = sample.frames.first() {
                let entry = times.entry(leaf.function).or_insert_with(|| new(leaf.function));
                entry.own += sample.cpu;
                entry.samples += 1;
                add(&mut entry.counts, &sample.counts);
            }
            seen.clear();
            for frame in &sample.frames {
                if seen.insert(frame.function) {
                    let id = frame.function;
                    times.entry(id).or_insert_with(|| new(id)).total += sample.cpu;
                }
            }
        }
        let mut times: Vec<Times> = times.into_values().collect();
        times.sort_by(|a, b| (b.own, b.total, a.function).cmp(&(a.own, a.total, b.function)));
        times
    }

    /// Time in the code of each category, and what was counted there.
    #[must_use]
    pub fn by_category(&self) -> Vec<(Category, Duration, Counts)> {
        let mut sums: Vec<_> = Category::ALL
            .iter()
            .map(|&category| (category, Duration::ZERO, Counts::default()))
            .collect();
        for sample in &self.samples {
            let Some(leaf) = sample.frames.first() else { continue };
            let category = self.function(leaf.function).category;
            for (_, time, counts) in sums.iter_mut().filter(|sum| sum.0 == category) {
                *time += sample.cpu;
                add(counts, &sample.counts);
            }
        }
        sums
    }

    /// Those of `counts` that there are, by name.
    #[must_use]
    pub fn named_counts(&self, counts: &Counts) -> BTreeMap<String, u64> {
        let named = COUNTERS.iter().zip(counts).zip(self.counted);
        let there = named.filter(|&(_, counted)| counted);
        there.map(|((&name, &count), _)| (name.to_owned(), count)).collect()
    }
}

fn add(sum: &mut Counts, counts: &Counts) {
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum += count;
    }
}
