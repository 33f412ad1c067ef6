//! Counters that machine code counts in, per module, in shards that different threads use.
//!
//! Instances pick a shard when they are made and shards live as long as the module, so short-lived
//! instances count in the same places, and cores do not fight over a cache line.

use crate::tier::events::thread_number;
use std::sync::OnceLock;

/// Shards of a module.
const SHARDS: usize = 16;

/// Rows of counters; each is allocated when a thread uses it first.
#[derive(Debug)]
pub(super) struct Shards<T> {
    rows: [OnceLock<Box<[T]>>; SHARDS],
}

impl<T> Shards<T> {
    pub(super) const fn new() -> Self {
        Self { rows: [const { OnceLock::new() }; SHARDS] }
    }

    /// The row of this thread, which `make` fills: what an instance's `counters` field points to.
    pub(super) fn of_thread(&self, make: impl FnOnce() -> Box<[T]>) -> *mut i32 {
        let row = self.rows[thread_number() as usize % SHARDS].get_or_init(make);
        row.as_ptr().cast_mut().cast::<i32>()
    }

    /// The rows that are in use.
    pub(super) fn used(&self) -> impl Iterator<Item = &[T]> {
        self.rows.iter().filter_map(OnceLock::get).map(|row| &**row)
    }

    /// Sets a row that is not in use.
    #[cfg(test)]
    pub(super) fn set(&self, row: usize, counters: Box<[T]>) -> bool {
        self.rows[row].set(counters).is_ok()
    }
}
