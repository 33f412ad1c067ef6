//! Hotness counters: per module, in shards that different threads use.
//!
//! A shard holds a counter per function, on cache lines of its own. Instances pick a shard when
//! they are made and counters live as long as the module, so short-lived instances heat the same
//! functions, and cores do not fight over a line.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// What a counter starts from: no tier above the baseline asks for less yet.
const START: i32 = i32::MAX;

/// Shards of a module; a shard costs memory when a thread uses it first.
const SHARDS: usize = 16;

/// Two cache lines, as processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Lines {
    /// Machine code counts in them.
    _counters: [AtomicI32; 32],
}

/// The counters of a module.
#[derive(Debug)]
pub(super) struct Counters {
    shards: [OnceLock<Box<[Lines]>>; SHARDS],
    functions: usize,
}

impl Counters {
    /// Counters for `functions` functions; a shard is allocated when it is first used.
    pub(super) fn new(functions: usize) -> Self {
        Self { shards: [const { OnceLock::new() }; SHARDS], functions }
    }

    /// The shard of this thread: what an instance's `counters` field points to.
    pub(super) fn shard(&self) -> *mut i32 {
        let shard = &self.shards[thread_number() % SHARDS];
        let lines = shard.get_or_init(|| {
            let new = || Lines { _counters: [const { AtomicI32::new(START) }; 32] };
            (0..self.functions.div_ceil(32).max(1)).map(|_| new()).collect()
        });
        lines.as_ptr().cast_mut().cast::<i32>()
    }
}

/// A small number for each thread.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        let found = number.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        number.set(Some(found));
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_shard() {
        let counters = Counters::new(100);
        assert_eq!(counters.shard(), counters.shard());
        assert!(counters.shard().addr().is_multiple_of(128));
    }
}
