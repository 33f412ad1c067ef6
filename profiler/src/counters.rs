//! Counters of the kernel around a run: hardware ones where the machine has them, software ones
//! everywhere else.

use perf_event::events::{Event, Hardware, Software};
use perf_event::{Builder, Counter};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Counters that are tried, with the names that reports use.
const EVENTS: [(&str, Kind); 9] = [
    ("cycles", Kind::Hardware(Hardware::CPU_CYCLES)),
    ("instructions", Kind::Hardware(Hardware::INSTRUCTIONS)),
    ("branch-misses", Kind::Hardware(Hardware::BRANCH_MISSES)),
    ("cache-misses", Kind::Hardware(Hardware::CACHE_MISSES)),
    ("task-clock-ns", Kind::Software(Software::TASK_CLOCK)),
    ("page-faults", Kind::Software(Software::PAGE_FAULTS)),
    ("major-faults", Kind::Software(Software::PAGE_FAULTS_MAJ)),
    ("context-switches", Kind::Software(Software::CONTEXT_SWITCHES)),
    ("cpu-migrations", Kind::Software(Software::CPU_MIGRATIONS)),
];

#[derive(Clone, Copy)]
enum Kind {
    Hardware(Hardware),
    Software(Software),
}

/// Counters of the calling thread, running from [`Counters::start`] on.
#[derive(Default)]
pub struct Counters {
    counters: Vec<(&'static str, Option<Counter>)>,
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.counters.iter().map(|counter| counter.0)).finish()
    }
}

/// What a counter says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value, scaled up when the counter shared the hardware with others; `None` when the machine
    /// or its permissions do not have it.
    pub value: Option<u64>,
}

impl Counters {
    /// Starts all counters that there are.
    #[must_use]
    pub fn start() -> Self {
        let open = |kind| match kind {
            Kind::Hardware(event) => running(event),
            Kind::Software(event) => running(event),
        };
        Self { counters: EVENTS.iter().map(|&(name, kind)| (name, open(kind))).collect() }
    }

    /// What they say now.
    #[must_use]
    pub fn read(&mut self) -> Vec<Reading> {
        let read = |(name, counter): &mut (&'static str, Option<Counter>)| Reading {
            name: Cow::Borrowed(name),
            value: counter.as_mut().and_then(scaled),
        };
        self.counters.iter_mut().map(read).collect()
    }
}

fn running(event: impl Into<Event>) -> Option<Counter> {
    let mut counter = Builder::new().kind(event).build().ok()?;
    counter.enable().ok()?;
    Some(counter)
}

/// A counter's value; one that ran a part of the time counted that part.
fn scaled(counter: &mut Counter) -> Option<u64> {
    let found = counter.read_count_and_time().ok()?;
    match (found.time_running, found.time_enabled) {
        (0, _) => None,
        (running, enabled) => {
            let value = u128::from(found.count) * u128::from(enabled) / u128::from(running);
            u64::try_from(value).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_no_zero() {
        let mut counters = Counters::start();
        let touched = vec![1u8; 4 << 20];
        std::hint::black_box(&touched);
        let readings = counters.read();
        assert_eq!(readings.len(), EVENTS.len());
        for reading in &readings {
            if reading.name == "cycles" {
                assert_ne!(reading.value, Some(0));
            }
        }
    }
}
