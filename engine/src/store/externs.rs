//! The store's table of host values behind `externref`.
//!
//! A reference holds a handle: the position in the table plus one
//! ([`upshift_abi::layout::HOST_BIT`]). A collection of all objects finds the handles that are
//! still in use; the values of all others are dropped, and their handles used again.

use crate::fallible;
use crate::gc::numbers::NumberSet;
use std::any::Any;
use std::fmt;
use upshift_abi::layout::HOST_SHIFT;

/// A value of the host.
type Value = Box<dyn Any + Send + Sync>;

/// Values below which it is not worth looking for those that are not in use.
const MIN_COLLECTED: usize = 1024;

/// What a value is taken to need.
const VALUE_BYTES: u64 = 64;
/// Most bytes of values, by that measure, before all objects are looked at.
const MAX_UNSEEN_BYTES: u64 = 4 << 20;

/// Host values by handle.
pub(crate) struct ExternTable {
    values: Vec<Option<Value>>,
    /// Positions without a value.
    free: Vec<u32>,
    /// Number of values at which it is time to look for those that are not in use.
    collect_at: usize,
}

impl Default for ExternTable {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new(), collect_at: MIN_COLLECTED }
    }
}

impl fmt::Debug for ExternTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternTable").field("len", &self.len()).finish()
    }
}

impl ExternTable {
    /// The number of values.
    fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    /// Whether there are many more values than were in use the last time, and more than take
    /// `allowance` bytes, or many in all: what a value keeps outside of the table is not known.
    pub(crate) fn wants_collection(&self, allowance: u64) -> bool {
        let allowance = allowance.min(MAX_UNSEEN_BYTES);
        self.len() >= self.collect_at && self.len() as u64 * VALUE_BYTES >= allowance
    }

    /// Adds a value; `None` when all handles are in use, or there is no memory for one more.
    pub(crate) fn insert(&mut self, value: Value) -> Option<u32> {
        if let Some(position) = self.free.pop() {
            self.values[position as usize] = Some(value);
            return Some(position + 1);
        }
        let handle = u32::try_from(self.values.len() + 1).ok()?;
        if handle >= 1 << (u32::BITS - HOST_SHIFT) {
            return None;
        }
        fallible::push(&mut self.values, Some(value)).ok()?;
        Some(handle)
    }

    /// The value of a handle.
    pub(crate) fn get(&self, handle: u32) -> Option<&(dyn Any + Send + Sync)> {
        let position = usize::try_from(handle.checked_sub(1)?).ok()?;
        self.values.get(position)?.as_deref()
    }

    /// Takes all values out whose handles are not in `used`, or fewer without memory to list them.
    /// The caller drops them, when nothing is borrowed any more that their destructors could miss.
    pub(crate) fn take_unused(&mut self, used: &NumberSet) -> Vec<Value> {
        let mut unused = Vec::new();
        for (value, position) in self.values.iter_mut().zip(0..) {
            if value.is_none() || used.contains(position + 1) {
                continue;
            }
            let len = unused.len() + 1;
            if fallible::reserve(&mut unused, len).is_err()
                || fallible::push(&mut self.free, position).is_err()
            {
                break;
            }
            unused.extend(value.take());
        }
        self.collect_at = MIN_COLLECTED.max(2 * self.len());
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_values_leave_and_their_handles_are_used_again() {
        let mut table = ExternTable::default();
        let handles: Vec<u32> = (0..4).map(|i| table.insert(Box::new(i)).unwrap()).collect();
        let used: NumberSet = [handles[1], handles[3]].into_iter().collect();
        assert_eq!(table.take_unused(&used).len(), 2);
        assert!(table.get(handles[0]).is_none() && table.get(handles[1]).is_some());
        assert!(table.take_unused(&used).is_empty());
        let again = [table.insert(Box::new(7)).unwrap(), table.insert(Box::new(8)).unwrap()];
        assert!(again.contains(&handles[0]) && again.contains(&handles[2]));
        assert_eq!(table.insert(Box::new(9)), Some(5));
    }

    #[test]
    fn it_is_time_when_there_are_twice_as_many() {
        let mut table = ExternTable::default();
        let handles: NumberSet =
            (0..MIN_COLLECTED).map(|_| table.insert(Box::new(())).unwrap()).collect();
        assert!(table.wants_collection(0));
        assert!(!table.wants_collection(MIN_COLLECTED as u64 * VALUE_BYTES + 1));
        assert!(table.take_unused(&handles).is_empty());
        assert!(!table.wants_collection(0));
        (0..MIN_COLLECTED).for_each(|_| assert!(table.insert(Box::new(())).is_some()));
        assert!(table.wants_collection(0));
    }

    #[test]
    fn many_values_are_looked_at_however_large_the_heap_is() {
        let mut table = ExternTable::default();
        let most = MAX_UNSEEN_BYTES / VALUE_BYTES;
        for _ in 0..most {
            assert!(!table.wants_collection(u64::MAX));
            assert!(table.insert(Box::new(())).is_some());
        }
        assert!(table.wants_collection(u64::MAX));
    }
}
