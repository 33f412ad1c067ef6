//! Hotness counters: one for each function, in [`Shards`] of cache lines of their own. A counter
//! starts from a value that depends on the function; a look at a function sums what all shards have
//! counted.

use super::shards::Shards;
use std::sync::atomic::{AtomicI32, Ordering};

/// Two cache lines, as processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Lines {
    /// Machine code counts in them, with plain instructions: what the engine stores at the same
    /// time may be lost.
    counters: [AtomicI32; COUNTERS],
}

/// Counters of a [`Lines`].
const COUNTERS: usize = 32;

/// The counters of a module.
#[derive(Debug)]
pub(super) struct Counters {
    shards: Shards<Lines>,
    functions: usize,
}

impl Counters {
    /// Counters for `functions` functions.
    pub(super) fn new(functions: usize) -> Self {
        Self { shards: Shards::new(), functions }
    }

    /// The shard of this thread: what an instance's `counters` field points to. Its counters start
    /// with the values of `start`.
    pub(super) fn shard(&self, start: impl Fn(usize) -> i32) -> *mut i32 {
        self.shards.of_thread(|| {
            let line = |line: usize| Lines {
                counters: std::array::from_fn(|i| {
                    let func = line * COUNTERS + i;
                    AtomicI32::new(if func < self.functions { start(func) } else { i32::MAX })
                }),
            };
            (0..self.functions.div_ceil(COUNTERS).max(1)).map(line).collect()
        })
    }

    /// What all shards have counted of a function whose counters started with `start`. A
    /// saturated counter has counted down once.
    pub(super) fn counted(&self, func: usize, start: i32) -> u64 {
        let counters = self.of(func).map(|counter| counter.load(Ordering::Relaxed));
        let counted = counters.map(|now| match now {
            i32::MAX => u64::try_from(start).unwrap_or(0),
            now => u64::try_from(i64::from(start) - i64::from(now)).unwrap_or(0),
        });
        counted.sum()
    }

    /// Sets the counters of a function in all shards.
    pub(super) fn rearm(&self, func: usize, value: i32) {
        for counter in self.of(func) {
            counter.store(value, Ordering::Relaxed);
        }
    }

    fn of(&self, func: usize) -> impl Iterator<Item = &AtomicI32> {
        self.shards.used().map(move |lines| &lines[func / COUNTERS].counters[func % COUNTERS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_shard() {
        let counters = Counters::new(100);
        assert_eq!(counters.shard(|_| 5), counters.shard(|_| 7));
        assert!(counters.shard(|_| 9).addr().is_multiple_of(128));
    }

    #[test]
    fn counters_start_as_told_and_are_armed_again() {
        let counters = Counters::new(40);
        counters.shard(|func| i32::try_from(func).unwrap() * 10);
        let value = |func: usize| counters.of(func).next().unwrap().load(Ordering::Relaxed);
        assert_eq!((value(0), value(39)), (0, 390));
        counters.rearm(39, i32::MAX);
        assert_eq!((value(38), value(39)), (380, i32::MAX));
    }

    #[test]
    fn shards_are_summed() {
        let counters = Counters::new(3);
        let count = |shard: usize, value: i32| {
            let lines = Lines { counters: std::array::from_fn(|_| AtomicI32::new(value)) };
            assert!(counters.shards.set(shard, [lines].into()));
        };
        assert_eq!(counters.counted(1, 100), 0);
        count(0, 70);
        count(1, -8);
        assert_eq!(counters.counted(1, 100), 30 + 108);
        count(5, i32::MAX);
        assert_eq!(counters.counted(1, 100), 30 + 108 + 100);
        // A counter that was armed higher than it started has counted nothing.
        count(6, 1000);
        assert_eq!(counters.counted(1, 100), 30 + 108 + 100);
    }
}
