//! Hotness counters: one for each function, in [`Shards`] of cache lines of their own. A counter
//! starts from a value that depends on the function; a look at a function sums what all shards have
//! counted. Behind them are the profiles of calls, and counters of entries and turns
//! ([`upshift_abi::profile`]).

use super::module_code::ModuleSource;
use super::shards::Shards;
use std::sync::atomic::{AtomicI32, Ordering};
use upshift_abi::module::Module;
use upshift_abi::profile::{
    BRANCH_WORDS, COUNTER_GROUP, CallProfile, MAX_TARGETS, SITE_WORDS, Targets, site_word,
    turn_words_end,
};

/// Two cache lines, as processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Lines {
    /// Machine code counts in them, with plain instructions: what the engine stores at the same
    /// time may be lost.
    counters: [AtomicI32; COUNTERS],
}

/// Counters of a [`Lines`].
const COUNTERS: usize = COUNTER_GROUP;

/// The counters of a module.
#[derive(Debug)]
pub(crate) struct Counters {
    shards: Shards<Lines>,
    functions: usize,
    /// Words of a shard.
    words: usize,
}

impl Counters {
    /// The counters of a module; with those of entries and turns if its code has them.
    pub(crate) fn of(module: &Module, turns: bool) -> Self {
        let counters = Self::new(module.bodies.len(), module.call_sites.len());
        let words = if turns { turn_words_end(module) } else { counters.words };
        Self { words, ..counters }
    }

    /// Counters for `functions` functions and `sites` calls.
    fn new(functions: usize, sites: usize) -> Self {
        Self { shards: Shards::new(), functions, words: site_word(functions, sites) }
    }

    /// The shard of this thread: what an instance's `counters` field points to. Its counters start
    /// with the values of `start`.
    pub(super) fn shard(&self, start: impl Fn(usize) -> i32) -> *mut i32 {
        self.shards.of_thread(|| {
            let line = |line: usize| Lines {
                counters: std::array::from_fn(|i| {
                    let func = line * COUNTERS + i;
                    AtomicI32::new(if func < self.functions { start(func) } else { 0 })
                }),
            };
            (0..self.words.div_ceil(COUNTERS)).map(line).collect()
        })
    }

    /// What all shards have counted of a function whose counters started with `start`. One
    /// that nobody looks at any more, at `i32::MAX`, has counted down once.
    pub(super) fn counted(&self, func: usize, start: i32) -> u64 {
        let counters = self.all(func).map(|counter| counter.load(Ordering::Relaxed));
        let counted = counters.map(|now| match now {
            i32::MAX => u64::try_from(start).unwrap_or(0),
            now => u64::try_from(i64::from(start) - i64::from(now)).unwrap_or(0),
        });
        counted.sum()
    }

    /// Sets the counters of a function in all shards.
    pub(super) fn rearm(&self, func: usize, value: i32) {
        for counter in self.all(func) {
            counter.store(value, Ordering::Relaxed);
        }
    }

    /// What all shards have counted in the 64 bits at a word.
    pub(super) fn sum(&self, word: usize) -> u64 {
        let half = |lines: &[Lines], word: usize| {
            u64::from(word_of(lines, word).load(Ordering::Relaxed).cast_unsigned())
        };
        let counts =
            self.shards.used().map(|lines| half(lines, word) | half(lines, word + 1) << 32);
        counts.fold(0, u64::wrapping_add)
    }

    fn all(&self, func: usize) -> impl Iterator<Item = &AtomicI32> {
        self.shards.used().map(move |lines| word_of(lines, func))
    }

    /// Calls `see` with the record and count of each entry of a site, in each shard; without a record
    /// for calls that found no place.
    fn visit_site(&self, site: usize, mut see: impl FnMut(Option<u32>, u64)) {
        let first = site_word(self.functions, site);
        for lines in self.shards.used() {
            let word = |at: usize| word_of(lines, first + at).load(Ordering::Relaxed);
            for entry in 0..=MAX_TARGETS {
                let record = (entry < MAX_TARGETS).then(|| word(2 * entry).cast_unsigned());
                see(record, u64::from(word(2 * entry + 1).cast_unsigned()));
            }
        }
    }
}

const _: () = assert!(SITE_WORDS == 2 * (MAX_TARGETS + 1));

fn word_of(lines: &[Lines], word: usize) -> &AtomicI32 {
    &lines[word / COUNTERS].counters[word % COUNTERS]
}

impl CallProfile for ModuleSource {
    fn targets(&self, site: usize) -> Targets {
        let mut targets = Targets::default();
        self.counters.visit_site(site, |record, count| {
            let func = record.and_then(|record| self.layout.func_at(&self.module, record));
            if count > 0 {
                targets.add(func, count);
            }
        });
        targets.sort();
        targets
    }

    fn branches(&self, site: usize) -> [u64; 2] {
        let first = site_word(self.counters.functions, site);
        let count = |at: usize| {
            let shards = self.counters.shards.used();
            let words = shards.map(|lines| word_of(lines, first + at).load(Ordering::Relaxed));
            words.map(|word| u64::from(word.cast_unsigned())).sum()
        };
        BRANCH_WORDS.map(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_shard() {
        let counters = Counters::new(100, 0);
        assert_eq!(counters.shard(|_| 5), counters.shard(|_| 7));
        assert!(counters.shard(|_| 9).addr().is_multiple_of(128));
    }

    #[test]
    fn counters_start_as_told_and_are_armed_again() {
        let counters = Counters::new(40, 0);
        counters.shard(|func| i32::try_from(func).unwrap() * 10);
        let value = |func: usize| counters.all(func).next().unwrap().load(Ordering::Relaxed);
        assert_eq!((value(0), value(39)), (0, 390));
        counters.rearm(39, i32::MAX);
        assert_eq!((value(38), value(39)), (380, i32::MAX));
    }

    #[test]
    fn shards_are_summed() {
        let counters = Counters::new(3, 0);
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
