//! The sums of a run: what reports and tables are made of, and what is kept of it for later.
//!
//! As JSON it is `profile.json`, which [`Summary::parse`] reads again. It says the version of its format, and
//! other versions are not read.

use crate::counters::Reading;
use crate::exceptions::Exceptions;
use crate::profile::{Category, Counts, Profile, Sample, ThreadProfile};
use crate::sampler::Clock;
use crate::source::SourceLine;
use crate::tiers::TierReport;
use crate::turns::{Compared, Factor, TurnTimes};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use upshift::GcStats;

/// The version of the format; another one with every change of what is in the file.
const VERSION: u32 = 1;

/// What a file has beside the sums.
#[derive(Serialize, Deserialize)]
struct Format {
    /// Its version.
    format: u32,
}

/// What is written.
#[derive(Serialize)]
struct File<'a> {
    #[serde(flatten)]
    format: Format,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// See the module head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How samples were taken; nothing when none were asked for.
    #[serde(flatten)]
    pub sampling: Option<Sampling>,
    /// How many samples there are.
    pub samples: usize,
    /// Time by kind of code, of all kinds.
    pub kinds: Vec<Kind>,
    /// The threads that were sampled.
    pub threads: Vec<ThreadRow>,
    /// Functions by tier, the one with most time of its own first.
    pub functions: Vec<Row>,
    /// Lines of source that are known, the one with most time first.
    pub lines: Vec<LineTime>,
    /// What the kernel counted.
    pub counters: Vec<Reading>,
    /// What the tiers did.
    pub tiers: TierReport,
    /// Whether optimising functions paid, of those that were sampled in optimised code.
    pub repaid: Vec<Repaid>,
    /// How long turns of loops and calls took in each tier, where they were counted.
    pub turns: Vec<TurnTimes>,
    /// What the collector did, where a program has objects.
    pub collector: Option<Collector>,
    /// Exceptions, where any was thrown.
    pub exceptions: Option<Exceptions>,
}

/// What optimising a function has saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repaid {
    /// Index in the module.
    pub index: u32,
    /// Time that was saved, in milliseconds.
    pub saved_ms: f64,
    /// How many times as long the baseline takes.
    pub factor: Factor,
    /// How that is known.
    pub basis: Basis,
    /// From the first sample in optimised code until as much was saved as all its compilations took,
    /// in milliseconds; none when it never was.
    pub after_ms: Option<f64>,
}

/// How it is known what the baseline would have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Measured: turns of the function's loops and calls of it, and their time, in both tiers.
    Measured,
    /// The average of the program's functions where that was measured.
    Program,
    /// Taken from this project's benchmarks: nothing was measured.
    #[default]
    Assumed,
}

/// What the collector did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Collector {
    /// Collections of young objects alone.
    pub minor: u64,
    /// Collections of all objects.
    pub major: u64,
    /// All pauses together, in milliseconds.
    pub pauses_ms: f64,
    /// The longest pause, in milliseconds.
    pub longest_ms: f64,
    /// The most bytes that objects took.
    pub peak_bytes: u64,
}

impl From<GcStats> for Collector {
    fn from(stats: GcStats) -> Self {
        Self {
            minor: stats.minor,
            major: stats.major,
            pauses_ms: ms(stats.total),
            longest_ms: ms(stats.pause_max),
            peak_bytes: stats.heap_peak_bytes,
        }
    }
}

/// How samples were taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// What interrupted the thread.
    pub source: String,
    /// Samples per second that were asked for.
    pub rate_asked: u32,
    /// Samples per second that were reached.
    pub rate_reached: f64,
    /// Seconds of which clock.
    pub rate_clock: Clock,
    /// Samples that were lost.
    pub samples_lost: u64,
    /// CPU time of the sampled thread, in milliseconds.
    pub cpu_ms: f64,
    /// Time that passed, in milliseconds.
    pub wall_ms: f64,
}

/// Time in one kind of code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// Which.
    pub kind: Category,
    /// Time in milliseconds.
    pub self_ms: f64,
    /// What was counted there, by the names of [`COUNTERS`](crate::sampler::COUNTERS) that there are.
    pub counts: BTreeMap<String, u64>,
}

/// A thread that was sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadRow {
    /// Its name: not yet safe to print.
    pub name: String,
    /// The system's number of it.
    pub id: i32,
    /// How many samples there are of it.
    pub samples: usize,
    /// Samples that were lost.
    pub lost: u64,
    /// Its CPU time while it was sampled, in milliseconds.
    pub cpu_ms: f64,
    /// Time of its samples in each kind of code, in milliseconds.
    pub kinds_ms: BTreeMap<Category, f64>,
}

/// A function in a tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name: not yet safe to print.
    pub name: String,
    /// Its index in the module; of the function that it is in, when it was inlined.
    pub index: Option<u32>,
    /// Whether the module's compiler has inlined it.
    pub inlined: bool,
    /// What code it is.
    pub tier: Category,
    /// Time in its own code, in milliseconds.
    pub self_ms: f64,
    /// Time in it and in what it called, in milliseconds.
    pub total_ms: f64,
    /// Samples in its own code.
    pub samples: usize,
    /// What was counted in its own code, by the names of
    /// [`COUNTERS`](crate::sampler::COUNTERS) that there are.
    pub counts: BTreeMap<String, u64>,
}

/// Time in the code of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineTime {
    /// The file, as the compiler called it: not yet safe to print.
    pub file: String,
    /// The line in it.
    pub line: u32,
    /// Time in milliseconds.
    pub self_ms: f64,
}

impl Summary {
    /// The sums of a profile.
    #[must_use]
    pub fn new(profile: &Profile, tiers: TierReport, counters: Vec<Reading>) -> Self {
        let sampling = profile.source.map(|source| Sampling {
            source: source.to_owned(),
            rate_asked: profile.rate,
            rate_reached: profile.reached_rate(),
            rate_clock: profile.clock,
            samples_lost: profile.lost(),
            cpu_ms: ms(profile.cpu()),
            wall_ms: ms(profile.wall),
        });
        let kinds = profile.by_category().into_iter();
        let kind = |(kind, time, counts): (Category, Duration, Counts)| Kind {
            kind,
            self_ms: ms(time),
            counts: profile.named_counts(&counts),
        };
        let line = |(line, time): (&SourceLine, Duration)| LineTime {
            file: line.file.clone(),
            line: line.line,
            self_ms: ms(time),
        };
        Self {
            sampling,
            samples: profile.samples.len(),
            kinds: kinds.map(kind).collect(),
            threads: threads(profile),
            functions: rows(profile),
            lines: profile.line_times().into_iter().map(line).collect(),
            counters,
            repaid: repaid(profile, &tiers),
            turns: profile.turns.clone(),
            tiers,
            collector: None,
            exceptions: None,
        }
    }

    /// Reads what [`Self::json`] wrote.
    ///
    /// # Errors
    /// When it is something else, or of another version.
    pub fn parse(json: &str) -> Result<Self> {
        let Format { format } =
            serde_json::from_str(json).context("it does not say the version of its format")?;
        if format != VERSION {
            bail!("it is of version {format}; this program reads version {VERSION}");
        }
        Ok(serde_json::from_str(json)?)
    }

    /// Everything as one JSON object.
    ///
    /// # Errors
    /// Never in practice: all keys are strings.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&File { format: Format { format: VERSION }, summary: self })
    }

    /// Time of all samples, in milliseconds.
    #[must_use]
    pub fn sampled_ms(&self) -> f64 {
        crate::tiers::sum(self.kinds.iter().map(|kind| kind.self_ms))
    }
}

fn rows(profile: &Profile) -> Vec<Row> {
    let times = profile.times().into_iter();
    let row = |times: crate::profile::Times| {
        let function = profile.function(times.function);
        Row {
            name: function.name.clone(),
            index: function.index,
            inlined: function.inlined,
            tier: function.category,
            self_ms: ms(times.own),
            total_ms: ms(times.total),
            samples: times.samples,
            counts: profile.named_counts(&times.counts),
        }
    };
    times.map(row).collect()
}

/// Time that baseline code takes, with that of optimised code as 1, where nothing was measured: what it
/// is on this project's benchmarks.
const BASELINE_FACTOR: f64 = 1.4;

fn assumed() -> Factor {
    Factor { times: BASELINE_FACTOR, error: 0.0 }
}

fn repaid(profile: &Profile, tiers: &TierReport) -> Vec<Repaid> {
    let costs = tiers.functions.iter().map(|of| (of.index, of.optimizer_compile_ms));
    let costs: BTreeMap<u32, f64> = costs.collect();
    let program = Compared::of_program(&profile.turns).map(Compared::factor);
    let mut found: BTreeMap<u32, (Duration, Repaid)> = BTreeMap::new();
    let mut samples: Vec<&Sample> = profile.samples.iter().collect();
    samples.sort_by_key(|sample| sample.at);
    for sample in samples {
        let Some(leaf) = sample.frames.first() else { continue };
        let function = profile.function(leaf.function);
        let optimized = matches!(function.category, Category::Optimized | Category::Osr);
        let Some(index) = function.index.filter(|_| optimized) else { continue };
        let (first, repaid) = found.entry(index).or_insert_with(|| {
            let (factor, basis) = factor(profile, index, program);
            (sample.at, Repaid { index, saved_ms: 0.0, factor, basis, after_ms: None })
        });
        repaid.saved_ms += ms(sample.cpu) * (repaid.factor.times - 1.0);
        let cost = costs.get(&index).copied().unwrap_or(0.0);
        if repaid.after_ms.is_none() && repaid.saved_ms >= cost {
            repaid.after_ms = Some(ms(sample.at.saturating_sub(*first)));
        }
    }
    found.into_values().map(|(_, repaid)| repaid).collect()
}

/// How many times as long a function takes in the baseline, and how that is known.
fn factor(profile: &Profile, index: u32, program: Option<Factor>) -> (Factor, Basis) {
    let own = profile.turns.iter().filter(|of| of.index == index);
    match (Compared::of_function(own).map(Compared::factor), program) {
        (Some(own), _) => (own, Basis::Measured),
        (None, Some(program)) => (program, Basis::Program),
        (None, None) => (assumed(), Basis::Assumed),
    }
}

fn threads(profile: &Profile) -> Vec<ThreadRow> {
    let row = |(place, thread): (usize, &ThreadProfile)| {
        let mut kinds_ms = BTreeMap::new();
        for sample in profile.samples.iter().filter(|sample| sample.thread == place) {
            if let Some(leaf) = sample.frames.first() {
                let kind = profile.function(leaf.function).category;
                *kinds_ms.entry(kind).or_default() += ms(sample.cpu);
            }
        }
        ThreadRow {
            name: thread.name.clone(),
            id: thread.id,
            samples: thread.samples,
            lost: thread.lost,
            cpu_ms: ms(thread.cpu),
            kinds_ms,
        }
    };
    profile.threads.iter().enumerate().map(row).collect()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turns::TierTurns;

    #[test]
    fn compilations_are_repaid_or_not() {
        let mut profile = Profile::default();
        let mut add = |index, category| {
            let function = profile.functions.add(String::new(), category, Some(index));
            let frames = vec![crate::profile::Frame { function, module_offset: None }];
            for at in 0..10u64 {
                let (at, cpu) = (Duration::from_millis(100 + at), Duration::from_millis(1));
                let frames = frames.clone();
                profile.samples.push(Sample { at, cpu, frames, ..Sample::default() });
            }
        };
        add(0, Category::Optimized);
        add(1, Category::Osr);
        add(2, Category::Baseline);
        let cost = |index, optimizer_compile_ms| crate::tiers::FunctionTiers {
            index,
            optimizer_compile_ms,
            ..Default::default()
        };
        let functions = vec![cost(0, 1.1), cost(1, 5.0), cost(2, 1.0)];
        let tiers = TierReport { functions, ..TierReport::default() };
        let found = repaid(&profile, &tiers);
        // A millisecond in optimised code saves 0.4, so the third sample repays 1.1.
        let after: Vec<_> = found.iter().map(|repaid| (repaid.index, repaid.after_ms)).collect();
        assert_eq!(after, [(0, Some(2.0)), (1, None)]);
        assert!(found.iter().all(|repaid| repaid.basis == Basis::Assumed));
        assert!((found[1].saved_ms - 4.0).abs() < 1e-9, "{found:?}");
        // What was measured of a function counts for it, and the average of those for the others.
        let side = |turns, ms: f64| TierTurns {
            turns,
            total_ms: ms,
            total_samples: 10,
            self_ms: ms,
            samples: 10,
        };
        let (baseline, optimized) = (side(10, 20.0), side(10, 10.0));
        profile.turns.push(TurnTimes { baseline, optimized, ..TurnTimes::default() });
        let found = repaid(&profile, &tiers);
        let told: Vec<_> =
            found.iter().map(|of| (of.factor.times, of.basis, of.after_ms)).collect();
        let (own, others) = (Basis::Measured, Basis::Program);
        assert_eq!(told, [(2.0, own, Some(1.0)), (2.0, others, Some(4.0))]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let row = Row {
            name: "f \"<".to_owned(),
            index: Some(3),
            inlined: true,
            tier: Category::Osr,
            self_ms: 1.5,
            total_ms: 2.0,
            samples: 2,
            counts: BTreeMap::from([("page-faults".to_owned(), 3)]),
        };
        let kinds = vec![Kind { kind: Category::Osr, self_ms: 1.5, counts: BTreeMap::default() }];
        let sampling = Some(Sampling { source: "a clock".to_owned(), ..Sampling::default() });
        for sampling in [sampling, None] {
            let functions = vec![row.clone()];
            let kinds_ms = BTreeMap::from([(Category::Stub, 2.5)]);
            let threads = vec![ThreadRow {
                name: "main".to_owned(),
                id: 7,
                samples: 2,
                lost: 1,
                cpu_ms: 3.5,
                kinds_ms,
            }];
            let kinds = kinds.clone();
            let summary = Summary { sampling, kinds, threads, functions, ..Summary::default() };
            let json = summary.json().unwrap();
            assert_eq!(Summary::parse(&json).unwrap(), summary, "{json}");
        }
        assert!(Summary::parse("{}").is_err());
    }
}
