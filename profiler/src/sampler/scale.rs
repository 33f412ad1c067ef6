//! Counts of a group of events that shares the processor's counters with others.
//!
//! The kernel says for how long a group wanted to count and for how long it did. Between two readings it
//! would have counted as much more as it wanted to count longer:
//!
//! ```text
//! values 100, 400   wanted 10, 50 ns   counted 10, 20 ns   step: 300 · 40 / 10 = 1200
//! ```
//!
//! Each step is scaled by itself, so totals never fall, which those do that are scaled as a whole when
//! a group counts less while it does than before.

use super::COUNTERS;
use super::event::Slot;
use super::record::Counts;
use crate::counters::scaled;

/// What was counted, scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Nanoseconds of the task clock.
    pub(super) clock: u64,
    /// By the place in [`COUNTERS`]; those that are not there are 0.
    pub(super) counts: [u64; COUNTERS.len()],
}

/// Adds up the steps of a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Scaled {
    slots: Vec<Slot>,
    /// What was read last.
    last: Counts,
    clock: u64,
}

impl Scaled {
    /// Of a group whose values are these.
    pub(super) fn new(slots: Vec<Slot>) -> Self {
        Self { slots, ..Self::default() }
    }

    /// Which of [`COUNTERS`] there are.
    pub(super) fn counted(&self) -> [bool; COUNTERS.len()] {
        std::array::from_fn(|i| self.slots.contains(&Slot::Counter(i)))
    }

    /// All steps of the task clock together.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// What was counted since the last reading; `None` when that is not known: the group did not count,
    /// or this is not a reading of it.
    pub(super) fn advance(&mut self, counts: &Counts) -> Option<Step> {
        let running = counts.running.checked_sub(self.last.running).filter(|&ns| ns > 0)?;
        let enabled = counts.enabled.checked_sub(self.last.enabled)?;
        let mut step = Step::default();
        for (i, (slot, &value)) in self.slots.iter().zip(&counts.values).enumerate() {
            let counted = value.checked_sub(self.last.values.get(i).copied().unwrap_or(0))?;
            let scaled = scaled(counted, enabled, running)?;
            match *slot {
                Slot::TaskClock => step.clock = scaled,
                Slot::Counter(place) => step.counts[place] = scaled,
                #[cfg(test)]
                Slot::Unused => {}
            }
        }
        self.clock = self.clock.saturating_add(step.clock);
        self.last.clone_from(counts);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(enabled: u64, running: u64, values: [u64; 2]) -> Counts {
        Counts { enabled, running, values: values.to_vec() }
    }

    #[test]
    fn each_step_is_scaled_by_itself() {
        let mut scaled = Scaled::new(vec![Slot::Counter(3), Slot::TaskClock]);
        let first = scaled.advance(&counts(10, 10, [100, 10])).unwrap();
        assert_eq!((first.counts[3], first.clock), (100, 10));
        let second = scaled.advance(&counts(50, 20, [400, 20])).unwrap();
        assert_eq!((second.counts[3], second.clock), (1200, 40));
        // As a whole this would be 400 · 60 / 30 = 800, less than before.
        let third = scaled.advance(&counts(60, 30, [400, 30])).unwrap();
        assert_eq!((third.counts[3], third.clock, scaled.clock()), (0, 10, 60));
    }

    #[test]
    fn what_did_not_count_says_nothing_and_is_made_up_for() {
        let mut scaled = Scaled::new(vec![Slot::Counter(0), Slot::TaskClock]);
        assert_eq!(scaled.advance(&counts(30, 0, [0, 0])), None);
        let step = scaled.advance(&counts(40, 10, [7, 10])).unwrap();
        assert_eq!((step.counts[0], step.clock), (28, 40));
        assert_eq!(scaled.advance(&counts(50, 10, [7, 10])), None);
        assert_eq!(scaled.advance(&counts(45, 15, [6, 15])), None, "counters do not fall");
        assert_eq!(scaled.clock(), 40);
    }
}
