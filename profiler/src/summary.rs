//! The sums of a run: what reports and tables are made of, and what is kept of it for later.
//!
//! As JSON it is `profile.json`, which [`Summary::parse`] reads again.

use crate::counters::Reading;
use crate::profile::{Category, Profile};
use crate::sampler::Clock;
use crate::source::SourceLine;
use crate::tiers::TierReport;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// Functions by tier, the one with most time of its own first.
    pub functions: Vec<Row>,
    /// Lines of source that are known, the one with most time first.
    #[serde(default)]
    pub lines: Vec<LineTime>,
    /// What the kernel counted.
    pub counters: Vec<Reading>,
    /// What the tiers did.
    pub tiers: TierReport,
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
}

/// A function in a tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name: not yet safe to print.
    pub name: String,
    /// Its index in the module.
    pub index: Option<u32>,
    /// What code it is.
    pub tier: Category,
    /// Time in its own code, in milliseconds.
    pub self_ms: f64,
    /// Time in it and in what it called, in milliseconds.
    pub total_ms: f64,
    /// Samples in its own code.
    pub samples: usize,
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
            samples_lost: profile.lost,
            cpu_ms: ms(profile.cpu),
            wall_ms: ms(profile.wall),
        });
        let kinds = profile.by_category().into_iter();
        let line = |(line, time): (&SourceLine, Duration)| LineTime {
            file: line.file.clone(),
            line: line.line,
            self_ms: ms(time),
        };
        Self {
            sampling,
            samples: profile.samples.len(),
            kinds: kinds.map(|(kind, time)| Kind { kind, self_ms: ms(time) }).collect(),
            functions: rows(profile),
            lines: profile.line_times().into_iter().map(line).collect(),
            counters,
            tiers,
        }
    }

    /// Reads what [`Self::json`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Everything as one JSON object.
    ///
    /// # Errors
    /// Never in practice: all keys are strings.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
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
            tier: function.category,
            self_ms: ms(times.own),
            total_ms: ms(times.total),
            samples: times.samples,
        }
    };
    times.map(row).collect()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let row = Row {
            name: "f \"<".to_owned(),
            index: Some(3),
            tier: Category::Osr,
            self_ms: 1.5,
            total_ms: 2.0,
            samples: 2,
        };
        let kinds = vec![Kind { kind: Category::Osr, self_ms: 1.5 }];
        let sampling = Some(Sampling { source: "a clock".to_owned(), ..Sampling::default() });
        for sampling in [sampling, None] {
            let functions = vec![row.clone()];
            let summary =
                Summary { sampling, kinds: kinds.clone(), functions, ..Summary::default() };
            let json = summary.json().unwrap();
            assert_eq!(Summary::parse(&json).unwrap(), summary, "{json}");
        }
        assert!(Summary::parse("{}").is_err());
    }
}
