//! When optimised code is entered first, for those who want events.
//!
//! # Life of an entry that is waited for
//! 1. New code of a function is noted here, and the function's slot gets the address of its lazy stub
//!    again.
//! 2. Whoever calls the function next comes to the engine, as for a function without code. It finds
//!    the code here, tells of the event and puts the code's address into the slot.
//!
//! Without anybody who wants events, code goes into its slot at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use upshift_abi::index::DefinedFuncIndex;

/// Code that nobody has entered yet, by function. Slots of these functions change under the lock only.
#[derive(Debug, Default)]
pub(super) struct FirstEntries(Mutex<BTreeMap<DefinedFuncIndex, usize>>);

impl FirstEntries {
    /// Has the next caller of the function come by `stub`.
    pub(super) fn expect(
        &self,
        (index, address): (DefinedFuncIndex, usize),
        slot: &AtomicUsize,
        stub: usize,
    ) {
        let mut waiting = self.lock();
        waiting.insert(index, address);
        slot.store(stub, Ordering::Release);
    }

    /// A caller came by the stub: the code it goes on in, and whether it is the first there.
    pub(super) fn enter(&self, index: DefinedFuncIndex, slot: &AtomicUsize) -> (usize, bool) {
        let mut waiting = self.lock();
        let Some(address) = waiting.remove(&index) else {
            return (slot.load(Ordering::Acquire), false);
        };
        slot.store(address, Ordering::Release);
        (address, true)
    }

    /// The code that the next caller gets.
    pub(super) fn next(&self, index: DefinedFuncIndex, slot: &AtomicUsize) -> usize {
        let waiting = self.lock();
        waiting.get(&index).copied().unwrap_or_else(|| slot.load(Ordering::Acquire))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DefinedFuncIndex, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_caller_is_told_apart_and_newer_code_waits_anew() {
        let (entries, slot, f) =
            (FirstEntries::default(), AtomicUsize::new(1), DefinedFuncIndex(3));
        assert_eq!((entries.next(f, &slot), entries.enter(f, &slot)), (1, (1, false)));
        entries.expect((f, 20), &slot, 7);
        assert_eq!((slot.load(Ordering::Relaxed), entries.next(f, &slot)), (7, 20));
        entries.expect((f, 30), &slot, 7);
        assert_eq!(entries.enter(f, &slot), (30, true));
        assert_eq!((slot.load(Ordering::Relaxed), entries.enter(f, &slot)), (30, (30, false)));
    }
}
