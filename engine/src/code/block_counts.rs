//! Counters of basic blocks, for exact profiles: 64 bits for each byte of the code section, in
//! [`Shards`] as the hotness counters, whose place in the instance they take.

use super::shards::Shards;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of a module.
#[derive(Debug)]
pub(super) struct BlockCounts {
    shards: Shards<AtomicU64>,
    len: usize,
}

impl BlockCounts {
    /// `len` counters.
    pub(super) fn new(len: usize) -> Self {
        Self { shards: Shards::new(), len }
    }

    /// The shard of this thread: what the `counters` field of an instance points to.
    pub(super) fn shard(&self) -> *mut i32 {
        self.shards.of_thread(|| (0..self.len).map(|_| AtomicU64::new(0)).collect())
    }

    /// What all threads have counted.
    pub(super) fn sum(&self, counter: usize) -> u64 {
        let counts = self.shards.used().filter_map(|counters| counters.get(counter));
        counts.map(|count| count.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}
