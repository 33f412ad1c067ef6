//! Counters of basic blocks, for exact profiles: 64 bits for each byte of the code section, in
//! shards as the hotness counters, whose place in the instance they take.

use crate::tier::events::thread_number;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shards of a module; a shard is allocated when a thread uses it first.
const SHARDS: usize = 16;

/// The counters of a module.
#[derive(Debug)]
pub(super) struct BlockCounts {
    shards: [OnceLock<Box<[AtomicU64]>>; SHARDS],
    len: usize,
}

impl BlockCounts {
    /// `len` counters.
    pub(super) fn new(len: usize) -> Self {
        Self { shards: [const { OnceLock::new() }; SHARDS], len }
    }

    /// The shard of this thread: what the `counters` field of an instance points to.
    pub(super) fn shard(&self) -> *mut i32 {
        let shard = &self.shards[thread_number() as usize % SHARDS];
        let counters = shard.get_or_init(|| (0..self.len).map(|_| AtomicU64::new(0)).collect());
        counters.as_ptr().cast_mut().cast::<i32>()
    }

    /// What all threads have counted.
    pub(super) fn sum(&self, counter: usize) -> u64 {
        let shards = self.shards.iter().filter_map(OnceLock::get);
        let counts = shards.filter_map(|counters| counters.get(counter));
        counts.map(|count| count.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}
