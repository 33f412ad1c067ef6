//! References that handles of the API name: roots of the store.
//!
//! A handle is a position in a table that only grows within a scope: a host call, or a
//! [`RootScope`](crate::RootScope) of the embedder. Where a collection moves an object, it changes
//! the table. What outlives scopes owns its root instead.

use super::StoreId;
use crate::fallible::{self, OutOfMemory};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// See the module head. Behind a mutex because handles are made from shared borrows of a store;
/// nobody ever waits for it.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    scoped: Mutex<Scoped>,
    owned: Mutex<Vec<Weak<OwnedRoot>>>,
}

#[derive(Debug, Default)]
struct Scoped {
    /// A number that no other root has, and the reference's bits.
    entries: Vec<(u64, u64)>,
    next_id: u64,
}

/// A handle's place among the roots, and the number that tells whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RootIndex {
    position: u32,
    id: u64,
}

/// A handle where the API has no error to give: what it is for takes no memory but this.
///
/// # Panics
/// When the system has no memory for it.
#[track_caller]
pub(crate) fn expect_handle<T>(made: Result<T, OutOfMemory>) -> T {
    made.unwrap_or_else(|OutOfMemory| panic!("no memory for another handle"))
}

/// A root that is there as long as this.
#[derive(Debug)]
pub(crate) struct OwnedRoot {
    pub(crate) store: StoreId,
    bits: AtomicU64,
}

impl OwnedRoot {
    /// The reference's bits.
    pub(crate) fn bits(&self) -> u64 {
        self.bits.load(Ordering::Relaxed)
    }
}

impl Roots {
    /// Makes a reference a root of the present scope.
    pub(crate) fn add(&self, bits: u64) -> Result<RootIndex, OutOfMemory> {
        let mut scoped = self.scoped.lock().unwrap_or_else(PoisonError::into_inner);
        let id = scoped.next_id;
        let position = u32::try_from(scoped.entries.len()).map_err(|_| OutOfMemory)?;
        fallible::push(&mut scoped.entries, (id, bits))?;
        scoped.next_id += 1;
        Ok(RootIndex { position, id })
    }

    /// The bits of a root.
    ///
    /// # Panics
    /// When its scope is over.
    #[track_caller]
    pub(crate) fn get(&self, index: RootIndex) -> u64 {
        let scoped = self.scoped.lock().unwrap_or_else(PoisonError::into_inner);
        match scoped.entries.get(index.position as usize) {
            Some(&(id, bits)) if id == index.id => bits,
            _ => panic!("a reference is used after its scope"),
        }
    }

    /// The number of roots: what [`Self::close_scope`] goes back to.
    pub(crate) fn open_scope(&mut self) -> usize {
        self.scoped.get_mut().unwrap_or_else(PoisonError::into_inner).entries.len()
    }

    /// Drops the roots behind the first `count`.
    pub(crate) fn close_scope(&mut self, count: usize) {
        let scoped = self.scoped.get_mut().unwrap_or_else(PoisonError::into_inner);
        scoped.entries.truncate(count);
    }

    /// A root that lasts until it is dropped.
    pub(crate) fn own(&self, store: StoreId, bits: u64) -> Result<Arc<OwnedRoot>, OutOfMemory> {
        let root = Arc::new(OwnedRoot { store, bits: AtomicU64::new(bits) });
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if owned.len() == owned.capacity() {
            owned.retain(|root| root.strong_count() > 0);
        }
        fallible::push(&mut owned, Arc::downgrade(&root))?;
        Ok(root)
    }

    /// Replaces every root by what `visit` returns for it.
    pub(crate) fn visit(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        let scoped = self.scoped.get_mut().unwrap_or_else(PoisonError::into_inner);
        scoped.entries.iter_mut().for_each(|(_, bits)| *bits = visit(*bits));
        let owned = self.owned.get_mut().unwrap_or_else(PoisonError::into_inner);
        owned.retain(|root| root.strong_count() > 0);
        for root in owned.iter().filter_map(Weak::upgrade) {
            root.bits.store(visit(root.bits()), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_move_with_what_they_name_and_end_with_their_scope() {
        let mut roots = Roots::default();
        let outer = roots.add(8).unwrap();
        let scope = roots.open_scope();
        let inner = roots.add(16).unwrap();
        roots.visit(&mut |bits| bits + 1);
        assert_eq!((roots.get(outer), roots.get(inner)), (9, 17));
        roots.close_scope(scope);
        let again = roots.add(24).unwrap();
        assert_eq!(roots.get(again), 24);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| roots.get(inner)));
        assert!(ended.is_err());
    }
}
