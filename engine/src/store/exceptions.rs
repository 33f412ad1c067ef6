//! The exceptions of a store, and what keeps them.
//!
//! Handles of the API are positions in a table of roots that only grows within a scope: a host
//! call, or a [`RootScope`](crate::RootScope) of the embedder. Errors that carry an exception own
//! their root instead, as they outlive scopes.

use super::{StoreId, StoreInner};
use crate::api::tag::Tag;
use crate::vm::{ExnHeap, ExnPtr, Marker, TagPtr};
use crate::{Result, Trap};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use upshift_abi::index::{GlobalIndex, TableIndex};
use upshift_abi::types::{HeapType, RefType, ValType};

/// What the `exceptions` zeal mode starts its random numbers from.
const ZEAL_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// The zeal mode throws at one call in this many.
const ZEAL_PERIOD: u64 = 4;

/// See the module head.
#[derive(Debug)]
pub(crate) struct Exceptions {
    heap: ExnHeap,
    roots: Mutex<Roots>,
    owned: Vec<Weak<OwnedRoot>>,
    tags: HashMap<TagPtr, Tag>,
    zeal_state: u64,
}

/// Exceptions that handles of the API name.
#[derive(Debug, Default)]
struct Roots {
    exceptions: Vec<(u64, ExnPtr)>,
    next_id: u64,
}

/// A handle's place among the roots, and the number that tells whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RootIndex {
    position: u32,
    id: u64,
}

/// A root that is there as long as this.
#[derive(Debug)]
pub(crate) struct OwnedRoot {
    pub(crate) store: StoreId,
    pub(crate) exn: ExnPtr,
}

impl Default for Exceptions {
    fn default() -> Self {
        Self {
            heap: ExnHeap::default(),
            roots: Mutex::default(),
            owned: Vec::new(),
            tags: HashMap::new(),
            zeal_state: ZEAL_SEED,
        }
    }
}

impl Exceptions {
    /// Takes note of a tag of the store.
    pub(crate) fn add_tag(&mut self, ptr: TagPtr, tag: Tag) {
        self.tags.insert(ptr, tag);
    }

    /// The tag that an exception was thrown with.
    pub(crate) fn tag_of(&self, exn: ExnPtr) -> &Tag {
        self.tags.get(&exn.tag()).expect("a store keeps its tags")
    }

    /// Makes an exception a root of the present scope.
    pub(crate) fn root(&self, exn: ExnPtr) -> RootIndex {
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        let id = roots.next_id;
        roots.next_id += 1;
        let position = u32::try_from(roots.exceptions.len()).expect("fewer roots than memory");
        roots.exceptions.push((id, exn));
        RootIndex { position, id }
    }

    /// The exception of a root.
    ///
    /// # Panics
    /// When its scope is over.
    #[track_caller]
    pub(crate) fn rooted(&self, index: RootIndex) -> ExnPtr {
        let roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        match roots.exceptions.get(index.position as usize) {
            Some(&(id, exn)) if id == index.id => exn,
            _ => panic!("a reference to an exception is used after its scope"),
        }
    }

    /// The number of roots: what [`Self::close_scope`] goes back to.
    pub(crate) fn open_scope(&mut self) -> usize {
        self.roots.get_mut().unwrap_or_else(PoisonError::into_inner).exceptions.len()
    }

    /// Drops the roots behind the first `count`.
    pub(crate) fn close_scope(&mut self, count: usize) {
        let roots = self.roots.get_mut().unwrap_or_else(PoisonError::into_inner);
        roots.exceptions.truncate(count);
    }

    /// A root that lasts until it is dropped.
    pub(crate) fn own(&mut self, store: StoreId, exn: ExnPtr) -> Arc<OwnedRoot> {
        let root = Arc::new(OwnedRoot { store, exn });
        if self.owned.len() == self.owned.capacity() {
            self.owned.retain(|root| root.strong_count() > 0);
        }
        self.owned.push(Arc::downgrade(&root));
        root
    }

    /// Whether the zeal mode throws now.
    pub(crate) fn zeal_throws(&mut self) -> bool {
        // xorshift64
        self.zeal_state ^= self.zeal_state << 13;
        self.zeal_state ^= self.zeal_state >> 7;
        self.zeal_state ^= self.zeal_state << 17;
        self.zeal_state.is_multiple_of(ZEAL_PERIOD)
    }

    fn mark_roots(&mut self, marker: &mut Marker<'_>) {
        let roots = self.roots.get_mut().unwrap_or_else(PoisonError::into_inner);
        roots.exceptions.iter().for_each(|&(_, exn)| marker.word(exn.bits()));
        self.owned.retain(|root| root.strong_count() > 0);
        for root in self.owned.iter().filter_map(Weak::upgrade) {
            marker.word(root.exn.bits());
        }
    }
}

impl StoreInner {
    /// Makes an exception; first frees those that are not in use, when it is time to.
    pub(crate) fn new_exception(
        &mut self,
        make: impl Fn(&mut ExnHeap) -> Option<ExnPtr>,
    ) -> Result<ExnPtr> {
        if self.exceptions.heap.wants_collection() {
            self.collect_exceptions();
        }
        if let Some(exn) = make(&mut self.exceptions.heap) {
            return Ok(exn);
        }
        self.collect_exceptions();
        make(&mut self.exceptions.heap).ok_or_else(|| Trap::AllocationTooLarge.into())
    }

    /// Sees to it that machine code can build exceptions with `fields` fields.
    pub(crate) fn reserve_exception(&mut self, fields: usize) -> Result<()> {
        let reserved = self.exceptions.heap.reserve_buffer(&self.context, fields);
        anyhow::ensure!(reserved, "out of memory for exceptions of {fields} fields");
        Ok(())
    }

    /// The number of exceptions in memory.
    pub(crate) fn exception_count(&self) -> usize {
        self.exceptions.heap.len()
    }

    /// Frees the exceptions that are not in use.
    pub(crate) fn collect_exceptions(&mut self) {
        let mut heap = std::mem::take(&mut self.exceptions.heap);
        heap.collect(|marker| {
            marker.stack(&self.context);
            self.exceptions.mark_roots(marker);
            self.mark_entities(marker);
        });
        self.exceptions.heap = heap;
    }

    fn mark_entities(&self, marker: &mut Marker<'_>) {
        for instance in self.entities.instances() {
            let (vm, module) = (instance.instance(), &instance.module);
            for (i, global) in module.declarations().globals.iter().enumerate() {
                if matches!(global.ty.content, ValType::Ref(ty) if may_be_exception(ty)) {
                    marker.word(vm.global(module.layout(), GlobalIndex::new(i)).get()[0]);
                }
            }
            for (i, table) in module.declarations().tables.iter().enumerate() {
                if may_be_exception(table.ty.element) {
                    let table = vm.table(module.layout(), TableIndex::new(i));
                    (0..table.len())
                        .filter_map(|i| table.get(i))
                        .for_each(|bits| marker.word(bits));
                }
            }
        }
        self.entities.host_globals().for_each(|global| marker.word(global.get()[0]));
        for table in self.entities.tables().filter(|table| may_be_exception(table.ty.element)) {
            let table = table.table.ptr();
            (0..table.len()).filter_map(|i| table.get(i)).for_each(|bits| marker.word(bits));
        }
    }
}

fn may_be_exception(ty: RefType) -> bool {
    matches!(ty.heap, HeapType::Exn)
}
