//! A profile: samples whose frames have names, and sums over them.

use crate::sampler::{Clock, Recording};
use crate::source::{SourceLine, SourceMap};
use crate::symbols::{KERNEL_START, Symbols};
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
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Baseline, Self::Optimized, Self::Osr, Self::Stub, Self::Host];

    /// A name for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Optimized => "optimized",
            Self::Osr => "osr",
            Self::Stub => "stub",
            Self::Host => "host",
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
    /// Its index in the module.
    pub index: Option<u32>,
}

/// Functions that were met.
#[derive(Clone, Debug, Default)]
pub struct Functions(pub Vec<Function>);

impl Functions {
    /// Adds a function.
    pub fn add(&mut self, name: String, category: Category, index: Option<u32>) -> FunctionId {
        self.0.push(Function { name, category, index });
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
#[derive(Clone, Debug)]
pub struct Sample {
    /// When, since the first sample.
    pub at: Duration,
    /// CPU time that it stands for.
    pub cpu: Duration,
    /// Its frames.
    pub frames: Vec<Frame>,
}

/// See the module head.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// What interrupted the thread; nothing when no samples were asked for.
    pub source: Option<&'static str>,
    /// Samples per second that were asked for.
    pub rate: u32,
    /// Seconds of which clock.
    pub clock: Clock,
    /// Functions by [`FunctionId`].
    pub functions: Functions,
    /// Lines of source by the offset in the module, of those frames whose line is known.
    pub lines: BTreeMap<u32, SourceLine>,
    /// Samples in their order.
    pub samples: Vec<Sample>,
    /// Samples that were lost.
    pub lost: u64,
    /// CPU time of the sampled thread.
    pub cpu: Duration,
    /// Time that passed.
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
    /// Samples in its own code.
    pub samples: usize,
}

impl Profile {
    /// A recording with names.
    #[must_use]
    pub fn new(recording: &Recording, module: &Module) -> Self {
        let mut functions = Functions::default();
        let mut symbols = Symbols::new(module);
        let start = recording.samples.first().map_or(Duration::ZERO, |sample| sample.at);
        let mut named = Vec::with_capacity(recording.samples.len());
        for sample in &recording.samples {
            let addresses = sample.addresses.iter().enumerate();
            // The user's instruction stands behind one of the kernel.
            let exact = |i: usize| i == 0 || sample.addresses[i - 1] >= KERNEL_START;
            let frames =
                addresses.flat_map(|(i, &at)| symbols.frames(&mut functions, at, exact(i)));
            let frames = frames.collect();
            named.push(Sample { at: sample.at.saturating_sub(start), cpu: sample.cpu, frames });
        }
        Self {
            source: recording.source,
            rate: recording.rate,
            clock: recording.clock,
            functions,
            lines: lines(module, &named),
            samples: named,
            lost: recording.lost,
            cpu: recording.cpu,
            wall: recording.wall,
        }
    }

    /// The line of source of a frame.
    #[must_use]
    pub fn line(&self, frame: &Frame) -> Option<&SourceLine> {
        self.lines.get(&frame.module_offset?)
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

    /// Samples per second that were reached.
    #[must_use]
    pub fn reached_rate(&self) -> f64 {
        let seconds = match self.clock {
            Clock::Cpu => self.cpu.as_secs_f64(),
            Clock::Wall => self.wall.as_secs_f64(),
        };
        if seconds > 0.0 { self.samples.len() as f64 / seconds } else { 0.0 }
    }

    /// Times of all functions, the one with most time of its own first.
    #[must_use]
    pub fn times(&self) -> Vec<Times> {
        let new =
            |function| Times { function, own: Duration::ZERO, total: Duration::ZERO, samples: 0 };
        let mut times: BTreeMap<FunctionId, Times> = BTreeMap::new();
        let mut seen = HashSet::new();
        for sample in &self.samples {
            if let Some(leaf) = sample.frames.first() {
                let entry = times.entry(leaf.function).or_insert_with(|| new(leaf.function));
                entry.own += sample.cpu;
                entry.samples += 1;
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

    /// Time in the code of each category.
    #[must_use]
    pub fn by_category(&self) -> Vec<(Category, Duration)> {
        let time_in = |category| {
            let in_it = |sample: &&Sample| {
                let leaf = sample.frames.first();
                leaf.is_some_and(|leaf| self.function(leaf.function).category == category)
            };
            self.samples.iter().filter(in_it).map(|sample| sample.cpu).sum()
        };
        Category::ALL.iter().map(|&category| (category, time_in(category))).collect()
    }
}

/// The lines of all frames.
fn lines(module: &Module, samples: &[Sample]) -> BTreeMap<u32, SourceLine> {
    let source = SourceMap::new(module);
    let frames = samples.iter().flat_map(|sample| &sample.frames);
    let offsets: HashSet<u32> = frames.filter_map(|frame| frame.module_offset).collect();
    offsets.into_iter().filter_map(|offset| Some((offset, source.find(offset)?))).collect()
}
