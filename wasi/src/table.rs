//! The table of descriptors.
//!
//! The lock is held only to look up or to replace an entry; calls work on their own reference, so a
//! read that waits does not hinder other threads, and a descriptor that is closed meanwhile lives
//! until the last call on it ends.

use crate::descriptor::Descriptor;
use crate::types::Errno;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) struct Table {
    entries: RwLock<Entries>,
    limit: usize,
}

#[derive(Default)]
struct Entries {
    slots: Vec<Option<Arc<Descriptor>>>,
    /// The slots without a descriptor.
    free: BTreeSet<usize>,
}

impl Table {
    /// A table of at most `limit` descriptors that starts with `descriptors`, numbered from zero.
    pub(crate) fn new(descriptors: Vec<Descriptor>, limit: usize) -> Self {
        let slots: Vec<_> = descriptors.into_iter().map(|d| Some(Arc::new(d))).collect();
        Self { entries: RwLock::new(Entries { slots, free: BTreeSet::new() }), limit }
    }

    pub(crate) fn get(&self, fd: u32) -> Result<Arc<Descriptor>, Errno> {
        let entries = self.read();
        let slot = entries.slots.get(fd as usize).ok_or(Errno::Badf)?;
        slot.clone().ok_or(Errno::Badf)
    }

    /// Gives the descriptor the highest number that was closed, as Wasmtime does: so a program that
    /// closed other files than a standard stream does not get the stream's number for its next file.
    pub(crate) fn insert(&self, descriptor: Descriptor) -> Result<u32, Errno> {
        let mut entries = self.write();
        let closed = entries.free.range(..self.limit).next_back();
        let index = closed.copied().unwrap_or(entries.slots.len());
        if index >= self.limit {
            return Err(Errno::Mfile);
        }
        let fd = u32::try_from(index).map_err(|_| Errno::Mfile)?;
        let entry = Some(Arc::new(descriptor));
        match entries.slots.get_mut(index) {
            Some(slot) => *slot = entry,
            None => entries.slots.push(entry),
        }
        entries.free.remove(&index);
        Ok(fd)
    }

    pub(crate) fn remove(&self, fd: u32) -> Result<Arc<Descriptor>, Errno> {
        self.write().take(fd)
    }

    /// Moves `from` to the number `to`, which must be open and is closed.
    pub(crate) fn renumber(&self, from: u32, to: u32) -> Result<(), Errno> {
        let replaced = {
            let mut entries = self.write();
            let is_open = |fd: u32| matches!(entries.slots.get(fd as usize), Some(Some(_)));
            if !is_open(from) || !is_open(to) {
                return Err(Errno::Badf);
            }
            if from == to {
                return Ok(());
            }
            let moved = entries.take(from)?;
            entries.slots[to as usize].replace(moved)
        };
        // Closing can take time, and other calls need the table.
        drop(replaced);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn take(&mut self, fd: u32) -> Result<Arc<Descriptor>, Errno> {
        let index = fd as usize;
        let taken = self.slots.get_mut(index).and_then(Option::take).ok_or(Errno::Badf)?;
        self.free.insert(index);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::Kind;
    use crate::stdio::Empty;

    fn descriptor() -> Descriptor {
        Descriptor::new(Kind::Input(Box::new(Empty)), 0, 0)
    }

    #[test]
    fn numbers_are_the_highest_free_ones() {
        let table = Table::new(vec![descriptor(), descriptor()], 5);
        assert_eq!(table.insert(descriptor()), Ok(2));
        assert_eq!(table.insert(descriptor()), Ok(3));
        table.remove(1).expect("open");
        table.remove(2).expect("open");
        assert_eq!(table.insert(descriptor()), Ok(2));
        assert_eq!(table.insert(descriptor()), Ok(1));
        assert_eq!(table.insert(descriptor()), Ok(4));
        assert_eq!(table.insert(descriptor()), Err(Errno::Mfile));
    }

    #[test]
    fn renumbering_closes_the_target_and_frees_the_source() {
        let table = Table::new(vec![descriptor(), descriptor(), descriptor()], 5);
        let first = table.get(0).expect("open");
        assert_eq!(table.renumber(0, 2), Ok(()));
        assert!(Arc::ptr_eq(&table.get(2).expect("open"), &first));
        assert!(table.get(0).is_err());
        assert_eq!(table.renumber(0, 2), Err(Errno::Badf));
        assert_eq!(table.renumber(2, 0), Err(Errno::Badf));
        assert_eq!(table.renumber(2, u32::MAX), Err(Errno::Badf));
        assert_eq!(table.renumber(2, 2), Ok(()));
        assert_eq!(table.insert(descriptor()), Ok(0));
    }
}
