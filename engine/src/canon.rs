//! Canonical types: one engine-wide number per function type, equal exactly when the types are.
//!
//! `call_indirect` compares these numbers ([`CanonTypeId`]), imports are matched by them, and what
//! depends on a signature alone (the trampoline that enters functions of the type) hangs off the
//! entry. Modules and host functions hold their entries by `Arc`; a number is used again only when
//! nobody holds its entry any more. The registry is locked while a module is made or a host
//! function defined, never while code runs or instances are made.

use crate::code::common::EntryStub;
use crate::vm::Trampoline;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use upshift_abi::layout::CanonTypeId;
use upshift_abi::types::FuncType;

/// A function type with its number.
#[derive(Debug)]
pub(crate) struct TypeEntry {
    id: CanonTypeId,
    ty: FuncType,
    trampoline: OnceLock<EntryStub>,
}

impl TypeEntry {
    /// The number.
    pub(crate) fn id(&self) -> CanonTypeId {
        self.id
    }

    /// The type.
    pub(crate) fn ty(&self) -> &FuncType {
        &self.ty
    }

    /// The code through which the host enters functions of the type; valid as long as the entry.
    pub(crate) fn trampoline(&self) -> Trampoline {
        self.trampoline.get_or_init(|| EntryStub::of(&self.ty)).trampoline()
    }

    /// Slots that a call needs: parameters and results use the same.
    pub(crate) fn slot_count(&self) -> usize {
        self.ty.params.len().max(self.ty.results.len())
    }
}

/// All types of an engine.
#[derive(Debug, Default)]
pub(crate) struct TypeRegistry {
    types: RwLock<Types>,
}

#[derive(Debug, Default)]
struct Types {
    ids: HashMap<FuncType, CanonTypeId>,
    /// By number; dead entries are free numbers after the next sweep.
    entries: Vec<Weak<TypeEntry>>,
    free: Vec<CanonTypeId>,
    /// Number of entries at which dead ones are swept.
    sweep_at: usize,
}

/// Entries below which sweeping is not worth it.
const MIN_SWEEP: usize = 256;

impl TypeRegistry {
    /// The entry of `ty`.
    pub(crate) fn register(&self, ty: &FuncType) -> Arc<TypeEntry> {
        if let Some(entry) = self.read().lookup(ty) {
            return entry;
        }
        let mut types = self.write();
        match types.lookup(ty) {
            Some(entry) => entry,
            None => types.insert(ty),
        }
    }

    /// The entry of a number that something alive uses.
    ///
    /// # Panics
    /// When nothing uses it.
    pub(crate) fn get(&self, id: CanonTypeId) -> Arc<TypeEntry> {
        let entry = self.read().entries.get(id.0 as usize).and_then(Weak::upgrade);
        entry.expect("a type in use is registered")
    }

    fn read(&self) -> RwLockReadGuard<'_, Types> {
        self.types.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Types> {
        self.types.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Types {
    fn lookup(&self, ty: &FuncType) -> Option<Arc<TypeEntry>> {
        let id = self.ids.get(ty)?;
        self.entries[id.0 as usize].upgrade()
    }

    fn insert(&mut self, ty: &FuncType) -> Arc<TypeEntry> {
        if self.entries.len() >= self.sweep_at.max(MIN_SWEEP) && self.free.is_empty() {
            self.sweep();
        }
        // A dead entry of the same type keeps its number.
        let id = self.ids.get(ty).copied().or_else(|| self.free.pop()).unwrap_or_else(|| {
            let id = u32::try_from(self.entries.len()).expect("fewer than 2^32 types are alive");
            self.entries.push(Weak::new());
            CanonTypeId(id)
        });
        let entry = Arc::new(TypeEntry { id, ty: ty.clone(), trampoline: OnceLock::new() });
        self.entries[id.0 as usize] = Arc::downgrade(&entry);
        self.ids.insert(ty.clone(), id);
        entry
    }

    fn sweep(&mut self) {
        let Self { ids, entries, free, sweep_at } = self;
        ids.retain(|_, id| {
            let alive = entries[id.0 as usize].strong_count() > 0;
            if !alive {
                free.push(*id);
            }
            alive
        });
        *sweep_at = 2 * (entries.len() - free.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift_abi::types::ValType;

    fn many_params(n: usize) -> FuncType {
        FuncType::new(vec![ValType::I32; n], vec![])
    }

    #[test]
    fn equal_types_share_a_number() {
        let registry = TypeRegistry::default();
        let a = registry.register(&many_params(1));
        let b = registry.register(&many_params(1));
        let c = registry.register(&many_params(2));
        assert_eq!(a.id(), b.id());
        assert_ne!(a.id(), c.id());
        assert_eq!(registry.get(c.id()).ty().params.len(), 2);
    }

    #[test]
    fn numbers_of_dead_types_are_used_again_and_others_are_not() {
        let registry = TypeRegistry::default();
        let kept = registry.register(&many_params(5000));
        for n in 0..4 * MIN_SWEEP {
            registry.register(&many_params(n));
        }
        assert!(registry.read().entries.len() <= 2 * MIN_SWEEP);
        assert_eq!(registry.get(kept.id()).ty().params.len(), 5000);
        assert_eq!(registry.register(&many_params(5000)).id(), kept.id());
    }
}
