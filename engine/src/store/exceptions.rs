//! The exceptions of a store, and what keeps them.

use super::StoreInner;
use super::gc::Demand;
use crate::api::tag::Tag;
use crate::gc::Outside;
use crate::vm::{ExnHeap, ExnPtr, Marker, TagPtr};
use crate::{Result, Trap};
use std::collections::HashMap;
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
    tags: HashMap<TagPtr, Tag>,
    zeal_state: u64,
}

impl Default for Exceptions {
    fn default() -> Self {
        Self { heap: ExnHeap::default(), tags: HashMap::new(), zeal_state: ZEAL_SEED }
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

    /// The exceptions in memory.
    pub(crate) fn heap(&self) -> &ExnHeap {
        &self.heap
    }

    /// Whether the zeal mode throws now.
    pub(crate) fn zeal_throws(&mut self) -> bool {
        // xorshift64
        self.zeal_state ^= self.zeal_state << 13;
        self.zeal_state ^= self.zeal_state >> 7;
        self.zeal_state ^= self.zeal_state << 17;
        self.zeal_state.is_multiple_of(ZEAL_PERIOD)
    }
}

impl StoreInner {
    /// Makes an exception; frees those that are not in use when it is time to. The new one is there
    /// before that: its fields may refer to objects, which a collection moves.
    pub(crate) fn new_exception(
        &mut self,
        make: impl FnOnce(&mut ExnHeap) -> Option<ExnPtr>,
    ) -> Result<ExnPtr> {
        let made = make(&mut self.exceptions.heap).ok_or(Trap::AllocationTooLarge)?;
        let zeal = self.heap.as_ref().is_some_and(|heap| heap.config().zeal);
        if self.exceptions.heap.wants_collection() || zeal {
            self.collect_exceptions(made);
        }
        self.context.set_exn_table(self.exceptions.heap.positions());
        if self.exceptions.heap.is_full() {
            return Err(Trap::AllocationTooLarge.into());
        }
        Ok(made)
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

    /// Frees the exceptions that are not in use; `newest` is. Those that objects hold are found by
    /// looking at all objects.
    fn collect_exceptions(&mut self, newest: ExnPtr) {
        let outside = match self.objects_hold_exceptions {
            true => self.collect(Demand::full()),
            false => Ok(Outside::default()),
        };
        // All exceptions stay that objects may hold.
        let Ok(outside) = outside else { return };
        let mut heap = std::mem::take(&mut self.exceptions.heap);
        heap.collect(|marker| {
            marker.word(newest.bits());
            marker.stack(&self.context);
            self.roots.visit(&mut |bits| {
                marker.word(bits);
                bits
            });
            outside.exceptions.iter().for_each(|position| marker.position(position));
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
        self.entities.host_globals().for_each(|(_, global)| marker.word(global.get()[0]));
        for table in self.entities.tables().filter(|table| may_be_exception(table.ty.element)) {
            let table = table.table.ptr();
            (0..table.len()).filter_map(|i| table.get(i)).for_each(|bits| marker.word(bits));
        }
    }
}

fn may_be_exception(ty: RefType) -> bool {
    matches!(ty.heap, HeapType::Exn)
}
