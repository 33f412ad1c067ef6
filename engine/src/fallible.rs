//! Memory that may be refused: what grows with the objects of a guest grows through here, so that a
//! refusal is an error of that guest's store and nobody else's.
//!
//! In tests, [`refusing`] has a request of the test's choice refused.

use std::collections::HashMap;
use std::hash::Hash;

/// There is no room for an object, or no memory to go on with, whatever is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

impl From<OutOfMemory> for crate::Error {
    fn from(_: OutOfMemory) -> Self {
        crate::Trap::AllocationTooLarge.into()
    }
}

/// Room for so many elements is kept.
const LEAST_SHRUNK: usize = 256;

/// Fails when a test wants the request that follows refused.
#[cfg(not(test))]
pub(crate) const fn permit() -> Result<(), OutOfMemory> {
    Ok(())
}

/// Makes room for `len` elements in all.
pub(crate) fn reserve<T>(vec: &mut Vec<T>, len: usize) -> Result<(), OutOfMemory> {
    if vec.capacity() >= len {
        return Ok(());
    }
    permit()?;
    vec.try_reserve(len - vec.len()).map_err(|_| OutOfMemory)
}

/// Gives back what a vector has no use for, when that is most of it and worth it. Without memory
/// for the smaller one it stays as it is.
pub(crate) fn shrink<T>(vec: &mut Vec<T>) {
    let room = vec.len().saturating_mul(2).max(LEAST_SHRUNK);
    if vec.capacity() / 2 <= room {
        return;
    }
    let mut smaller = Vec::new();
    if reserve(&mut smaller, room).is_ok() {
        smaller.append(vec);
        *vec = smaller;
    }
}

/// Adds an element.
pub(crate) fn push<T>(vec: &mut Vec<T>, value: T) -> Result<(), OutOfMemory> {
    reserve(vec, vec.len() + 1)?;
    vec.push(value);
    Ok(())
}

/// Makes a vector longer, or not.
pub(crate) fn grow<T: Clone>(vec: &mut Vec<T>, len: usize, value: T) -> Result<(), OutOfMemory> {
    if len > vec.len() {
        reserve(vec, len)?;
        vec.resize(len, value);
    }
    Ok(())
}

/// Makes room for another entry.
pub(crate) fn reserve_entry<K: Eq + Hash, V>(map: &mut HashMap<K, V>) -> Result<(), OutOfMemory> {
    if map.len() < map.capacity() {
        return Ok(());
    }
    permit()?;
    map.try_reserve(1).map_err(|_| OutOfMemory)
}

#[cfg(test)]
pub(crate) use refusal::{permit, refusing};

#[cfg(test)]
mod refusal {
    use super::OutOfMemory;
    use std::cell::Cell;
    use std::ops::Range;

    thread_local! {
        static REFUSALS: Cell<Range<u64>> = const { Cell::new(0..0) };
        static REQUESTS: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn permit() -> Result<(), OutOfMemory> {
        let number = REQUESTS.replace(REQUESTS.get() + 1);
        let refusals = REFUSALS.take();
        let refused = refusals.contains(&number);
        REFUSALS.set(refusals);
        if refused { Err(OutOfMemory) } else { Ok(()) }
    }

    /// Runs something while requests of this thread are refused: the outcome, and how many requests
    /// there were.
    pub(crate) fn refusing<R>(refusals: Range<u64>, run: impl FnOnce() -> R) -> (R, u64) {
        REFUSALS.set(refusals);
        REQUESTS.set(0);
        let outcome = run();
        REFUSALS.set(0..0);
        (outcome, REQUESTS.get())
    }
}
