//! What may happen too often for an event each time: exceptions and traps.
//!
//! The first is told of at once. Those that come soon after it wait for each other, [`WINDOW`] at least,
//! and for the next one, or for [`Store::flush_events`](crate::Store::flush_events) or the end of the
//! store. When they come fast, the clock is read seldom.

use std::time::Duration;

/// Time between two events of a batch, at least.
const WINDOW: Duration = Duration::from_millis(10);
/// They come fast when they are no farther apart than the steps of [`coarse_clock`].
const FAST: Duration = Duration::from_millis(4);
/// So many go by without a look at the clock when they come fast.
const MOST_UNTIMED: u32 = 7;

/// See the module head. Whoever has it counts what waits.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// When somebody was told last.
    told: Option<Duration>,
    /// When the clock was read last.
    seen: Option<Duration>,
    /// How many go by without a look at the clock from now on, and how many did between two.
    untimed: u32,
    step: u32,
}

impl Batch {
    /// One more has happened: whether it is time to tell of all that wait.
    pub(crate) fn is_due(&mut self, clock: impl FnOnce() -> Duration) -> bool {
        if self.untimed > 0 {
            self.untimed -= 1;
            return false;
        }
        let now = clock();
        let before = self.seen.replace(now);
        let fast = before.is_some_and(|before| now.saturating_sub(before) < FAST);
        self.step = if fast { (2 * self.step + 1).min(MOST_UNTIMED) } else { 0 };
        self.untimed = self.step;
        let due = self.told.is_none_or(|told| now.saturating_sub(told) >= WINDOW);
        if due {
            self.told = Some(now);
        }
        due
    }

    /// How long ago the last one was, or one of the few before it.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        self.seen.map_or(Duration::ZERO, |seen| now.saturating_sub(seen))
    }
}

/// A clock that is read in a few nanoseconds and goes in steps of some milliseconds.
pub(crate) fn coarse_clock() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_ones_are_told_of_each() {
        let mut batch = Batch::default();
        for second in 0..100 {
            assert!(batch.is_due(|| Duration::from_secs(second)), "{second}");
        }
    }

    #[test]
    fn many_are_told_of_together_and_seldom_timed() {
        let (mut batch, mut reads, mut told) = (Batch::default(), 0, 0);
        for micros in 0..100_000 {
            let clock = || {
                reads += 1;
                Duration::from_micros(micros)
            };
            told += u32::from(batch.is_due(clock));
        }
        assert_eq!(told, 10, "one in each window");
        assert!((12_500..13_000).contains(&reads), "{reads}");
        assert!(batch.age(Duration::from_micros(100_000)) < Duration::from_micros(10));
    }

    #[test]
    fn those_that_become_rare_wait_for_a_few_only() {
        let mut batch = Batch::default();
        (0..1000).for_each(|micros| _ = batch.is_due(|| Duration::from_micros(micros)));
        let due: Vec<bool> = (1..20).map(|s| batch.is_due(|| Duration::from_secs(s))).collect();
        let first = due.iter().position(|&due| due).unwrap();
        assert!(first <= 7 && due[first..].iter().all(|&due| due), "{due:?}");
    }

    #[test]
    fn the_clock_goes() {
        let before = coarse_clock();
        std::thread::sleep(Duration::from_millis(30));
        assert!(coarse_clock() > before);
    }
}
