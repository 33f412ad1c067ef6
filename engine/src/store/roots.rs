//! References that handles of the API name: roots of the store.
//!
//! A handle is a position in a table that only grows within a scope: a host call, or a
//! [`RootScope`](crate::RootScope) of the embedder. Where a collection moves an object, it changes
//! the table. What outlives scopes owns its root instead: an entry of another table, whose places are
//! used again.

use super::StoreId;
use crate::fallible::{self, OutOfMemory};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module head. Behind a mutex because handles are made from shared borrows of a store; who clones or
/// drops an owned one in another thread waits while a collection visits them.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    scoped: Mutex<Scoped>,
    owned: Arc<Mutex<Owned>>,
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

/// Roots that are owned.
#[derive(Debug, Default)]
struct Owned {
    entries: Vec<Entry>,
    /// An entry that nobody owns.
    free: Option<usize>,
}

#[derive(Debug)]
enum Entry {
    /// A reference's bits, and by how many it is owned.
    Root(u64, usize),
    /// Nobody owns it; another one like this.
    Free(Option<usize>),
}

impl Owned {
    fn add(&mut self, bits: u64) -> Result<usize, OutOfMemory> {
        let Some(at) = self.free else {
            fallible::push(&mut self.entries, Entry::Root(bits, 1))?;
            return Ok(self.entries.len() - 1);
        };
        let Entry::Free(next) = std::mem::replace(&mut self.entries[at], Entry::Root(bits, 1))
        else {
            unreachable!("nobody owns it")
        };
        self.free = next;
        Ok(at)
    }

    fn root(&mut self, at: usize) -> (&mut u64, &mut usize) {
        match &mut self.entries[at] {
            Entry::Root(bits, owners) => (bits, owners),
            Entry::Free(_) => unreachable!("it is owned"),
        }
    }

    /// Replaces every root by what `visit` returns for it. As it comes by all entries anyway, it ends
    /// the table with the last root, and puts those that are free before it into order: the first
    /// ones are used first, so that the table gets shorter when there are fewer roots.
    fn visit(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        let used = self.entries.iter().rposition(|entry| matches!(entry, Entry::Root(..)));
        self.entries.truncate(used.map_or(0, |at| at + 1));
        fallible::shrink(&mut self.entries);
        self.free = None;
        for at in (0..self.entries.len()).rev() {
            match &mut self.entries[at] {
                Entry::Root(bits, _) => *bits = visit(*bits),
                free @ Entry::Free(_) => *free = Entry::Free(self.free.replace(at)),
            }
        }
    }

    fn release(&mut self, at: usize) {
        let (_, owners) = self.root(at);
        *owners -= 1;
        if *owners == 0 {
            self.entries[at] = Entry::Free(self.free.replace(at));
        }
    }
}

/// A root that is there as long as this, or a clone of it.
pub(crate) struct OwnedRoot {
    pub(crate) store: StoreId,
    owned: Arc<Mutex<Owned>>,
    at: usize,
}

impl fmt::Debug for OwnedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRoot").field("at", &self.at).finish_non_exhaustive()
    }
}

impl OwnedRoot {
    /// The reference's bits.
    pub(crate) fn bits(&self) -> u64 {
        *self.owned().root(self.at).0
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for OwnedRoot {
    fn clone(&self) -> Self {
        *self.owned().root(self.at).1 += 1;
        Self { store: self.store, owned: Arc::clone(&self.owned), at: self.at }
    }
}

impl Drop for OwnedRoot {
    fn drop(&mut self) {
        self.owned().release(self.at);
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
    pub(crate) fn own(&self, store: StoreId, bits: u64) -> Result<OwnedRoot, OutOfMemory> {
        let at = self.owned.lock().unwrap_or_else(PoisonError::into_inner).add(bits)?;
        Ok(OwnedRoot { store, owned: Arc::clone(&self.owned), at })
    }

    /// Replaces every root by what `visit` returns for it.
    pub(crate) fn visit(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        let scoped = self.scoped.get_mut().unwrap_or_else(PoisonError::into_inner);
        fallible::shrink(&mut scoped.entries);
        scoped.entries.iter_mut().for_each(|(_, bits)| *bits = visit(*bits));
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).visit(visit);
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

    #[test]
    fn owned_roots_last_as_long_as_their_owners_and_leave_their_places() {
        let mut roots = Roots::default();
        let store = StoreId::next();
        let own = |roots: &Roots, bits| roots.own(store, bits).unwrap();
        let (first, second) = (own(&roots, 8), own(&roots, 16));
        let clone = first.clone();
        drop(first);
        let visited = |roots: &mut Roots| {
            let mut visited = Vec::new();
            roots.visit(&mut |bits| {
                visited.push(bits);
                bits + 1
            });
            visited
        };
        assert_eq!(visited(&mut roots), [16, 8]);
        assert_eq!((clone.bits(), second.bits()), (9, 17));
        drop(clone);
        assert_eq!(visited(&mut roots), [17]);
        let places: Vec<usize> = [24, 32].map(|bits| own(&roots, bits)).map(|root| root.at).into();
        assert_eq!(places, [0, 2]);
        drop((second, own(&roots, 40)));
        assert!(visited(&mut roots).is_empty());
    }

    #[test]
    fn tables_get_smaller_with_their_roots() {
        let mut roots = Roots::default();
        let store = StoreId::next();
        let scope = roots.open_scope();
        let mut owned: Vec<OwnedRoot> = Vec::new();
        for bits in 0..10_000 {
            roots.add(bits).unwrap();
            owned.push(roots.own(store, bits).unwrap());
        }
        roots.close_scope(scope);
        // One stays in the middle.
        let kept = owned.swap_remove(5_000);
        owned.clear();
        roots.visit(&mut |bits| bits + 1);
        assert_eq!(kept.bits(), 5_001);
        let room = |roots: &mut Roots| {
            let scoped = roots.scoped.get_mut().unwrap().entries.capacity();
            let owned = roots.owned.lock().unwrap();
            (scoped, owned.entries.len(), owned.entries.capacity())
        };
        let (scoped, entries, capacity) = room(&mut roots);
        assert_eq!(entries, 5_001);
        assert!(scoped <= 512 && (5_001..=16_384).contains(&capacity), "{scoped} {capacity}");
        // New ones come before it, so that the table ends early when it is gone.
        let first = roots.own(store, 7).unwrap();
        let second = first.clone();
        assert_eq!((first.at, roots.own(store, 9).unwrap().at), (0, 1));
        drop((kept, first));
        roots.visit(&mut |bits| bits + 1);
        assert_eq!(second.bits(), 8);
        let (_, entries, capacity) = room(&mut roots);
        assert!(entries == 1 && capacity <= 512, "{entries} {capacity}");
    }
}
