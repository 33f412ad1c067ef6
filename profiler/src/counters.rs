//! Counters of a thread around a run: hardware ones where the machine has them, software ones
//! everywhere.
//!
//! Those of the hardware are a group, so they count at the same times; when the group had to share the
//! hardware with others, its values are scaled up. Page faults and context switches are what the system
//! accounts for the thread: events of the kernel count nothing where they may not look into it.

use crate::sampler::clock::{Usage, usage};
use perf_event::events::{Hardware, Software};
use perf_event::{Builder, Counter, Group};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Events of the hardware, with the names that reports use.
const HARDWARE: [(&str, Hardware); 4] = [
    ("cycles", Hardware::CPU_CYCLES),
    ("instructions", Hardware::INSTRUCTIONS),
    ("branch-misses", Hardware::BRANCH_MISSES),
    ("cache-misses", Hardware::CACHE_MISSES),
];

/// Counters of the calling thread, running from [`Counters::start`] on. They stay on it.
#[derive(Debug, Default)]
pub struct Counters {
    group: Option<Group>,
    /// Those of the group, in the order of [`HARDWARE`].
    hardware: Vec<Option<Counter>>,
    clock: Option<Counter>,
    migrations: Option<Counter>,
    started: Usage,
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
        let mut group = Group::new().ok();
        let mut member = |event| {
            let builder = Builder::new().kind(event);
            builder.group(group.as_mut()?).build().ok()
        };
        let hardware: Vec<_> = HARDWARE.iter().map(|&(_, event)| member(event)).collect();
        let counts = hardware.iter().any(Option::is_some);
        group = group.filter(|_| counts).and_then(|mut group| group.enable().ok().map(|()| group));
        Self {
            group,
            hardware,
            clock: running(Software::TASK_CLOCK, false),
            // It happens in the kernel.
            migrations: running(Software::CPU_MIGRATIONS, true),
            started: usage(),
        }
    }

    /// What they say now.
    #[must_use]
    pub fn read(&mut self) -> Vec<Reading> {
        let now = usage();
        let hardware = hardware(self.group_counts().as_ref());
        let count = |counter: &mut Option<Counter>| {
            let found = counter.as_mut()?.read_count_and_time().ok()?;
            scaled(found.count, found.time_enabled, found.time_running)
        };
        let software = [
            ("task-clock-ns", count(&mut self.clock)),
            ("page-faults", Some(now.faults - self.started.faults)),
            ("major-faults", Some(now.major_faults - self.started.major_faults)),
            ("context-switches", Some(now.switches - self.started.switches)),
            ("cpu-migrations", count(&mut self.migrations)),
        ];
        let reading = |(name, value)| Reading { name: Cow::Borrowed(name), value };
        hardware.into_iter().chain(software).map(reading).collect()
    }

    /// What the group says, when there is one.
    fn group_counts(&mut self) -> Option<GroupCounts> {
        let counts = self.group.as_mut()?.read().ok()?;
        let value = |i: usize| counts.get(self.hardware.get(i)?.as_ref()?).copied();
        let (enabled, running) = (counts.time_enabled(), counts.time_running());
        Some(GroupCounts { values: std::array::from_fn(value), enabled, running })
    }
}

/// What a group of [`HARDWARE`] counted.
#[derive(Clone, Copy, Debug)]
struct GroupCounts {
    /// Those that the machine has.
    values: [Option<u64>; HARDWARE.len()],
    /// For how long it was to count, and for how long it did.
    enabled: u64,
    running: u64,
}

/// The names and values of hardware counters.
fn hardware(group: Option<&GroupCounts>) -> [(&'static str, Option<u64>); HARDWARE.len()] {
    std::array::from_fn(|i| {
        let value = group.and_then(|group| scaled(group.values[i]?, group.enabled, group.running));
        (HARDWARE[i].0, value)
    })
}

fn running(event: Software, in_kernel: bool) -> Option<Counter> {
    let mut builder = Builder::new().kind(event);
    if in_kernel {
        builder.include_kernel();
    }
    let mut counter = builder.build().ok()?;
    counter.enable().ok()?;
    Some(counter)
}

/// What a counter that ran a part of the time would have counted in all of it.
pub(crate) fn scaled(count: u64, enabled: u64, running: u64) -> Option<u64> {
    let value = u128::from(count) * u128::from(enabled);
    u64::try_from(value.checked_div(running.into())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_no_zero() {
        let mut counters = Counters::start();
        let touched = vec![1u8; 64 << 20];
        std::hint::black_box(&touched);
        std::thread::sleep(std::time::Duration::from_millis(1));
        let readings = counters.read();
        assert_eq!(readings.len(), HARDWARE.len() + 5);
        for reading in &readings {
            match &*reading.name {
                "cycles" | "instructions" => assert_ne!(reading.value, Some(0)),
                "page-faults" | "context-switches" => assert!(reading.value > Some(0)),
                _ => {}
            }
        }
    }

    #[test]
    fn hardware_is_read_as_a_group_and_what_it_lacks_is_no_zero() {
        let values = [Some(3000), Some(9000), None, Some(0)];
        let group = GroupCounts { values, enabled: 200, running: 100 };
        let found = hardware(Some(&group)).map(|(_, value)| value);
        assert_eq!(found, [Some(6000), Some(18_000), None, Some(0)]);
        let never_ran = GroupCounts { running: 0, ..group };
        assert_eq!(hardware(Some(&never_ran)).map(|(_, value)| value), [None; 4]);
        assert_eq!(hardware(None).map(|(_, value)| value), [None; 4]);
        assert_eq!(hardware(None)[3].0, "cache-misses");
    }

    #[test]
    fn counters_that_share_the_hardware_are_scaled() {
        assert_eq!(scaled(10, 300, 100), Some(30));
        assert_eq!(scaled(10, 300, 0), None, "it never ran");
    }
}
