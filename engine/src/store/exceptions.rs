//! The exceptions of a store, and what keeps them.

use super::StoreInner;
use super::gc::{Demand, may_be_object};
use crate::api::module::Module;
use crate::api::tag::Tag;
use crate::vm::{ExnHeap, ExnPtr, MAX_EXCEPTION_BYTES, TablePtr, TagPtr};
use crate::{Result, Trap};
use std::collections::HashMap;
use std::sync::OnceLock;
use upshift_abi::index::{TableIndex, TagIndex};
use upshift_abi::types::{HeapType, RefType, ValType};

/// What the `exceptions` zeal mode starts its random numbers from unless a seed is given.
const ZEAL_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// How far apart seeds that follow each other start: odd, so that none start at the same number.
const ZEAL_STEP: u64 = 0xbf58_476d_1ce4_e5b9;
/// The zeal mode throws at one call in this many.
const ZEAL_PERIOD: u64 = 4;

/// See the module head.
#[derive(Debug)]
pub(crate) struct Exceptions {
    heap: ExnHeap,
    tags: HashMap<TagPtr, Thrown>,
    zeal_state: u64,
}

/// What is known of the exceptions of a tag.
#[derive(Debug)]
struct Thrown {
    tag: Tag,
    /// Fields that may refer to objects or to values of the host.
    references: Vec<usize>,
    /// The module that defines the tag, unless the host does.
    defined: Option<(Module, TagIndex)>,
    /// What the module calls it, looked up when somebody asks.
    name: OnceLock<Option<Box<str>>>,
}

impl Exceptions {
    /// No exceptions. The seed is that of the zeal mode.
    pub(super) fn new(seed: Option<u64>) -> Self {
        let mixed = ZEAL_SEED ^ seed.unwrap_or(0).wrapping_mul(ZEAL_STEP);
        // Zero would stay zero.
        let zeal_state = if mixed == 0 { ZEAL_SEED } else { mixed };
        Self { heap: ExnHeap::default(), tags: HashMap::new(), zeal_state }
    }

    /// The tag that an exception was thrown with.
    pub(crate) fn tag_of(&self, exn: ExnPtr) -> &Tag {
        &self.thrown(exn).tag
    }

    /// What the module that defines an exception's tag calls it: an export, or a name for people.
    pub(crate) fn tag_name_of(&self, exn: ExnPtr) -> Option<&str> {
        let Thrown { defined, name, .. } = self.thrown(exn);
        let find = || defined.as_ref().and_then(|(module, index)| module.tag_name(*index));
        name.get_or_init(find).as_deref()
    }

    /// Takes note of the module that defines a tag.
    pub(crate) fn set_definition(&mut self, tag: TagPtr, module: &Module, index: TagIndex) {
        let thrown = self.tags.get_mut(&tag).expect("a store keeps its tags");
        thrown.defined = Some((module.clone(), index));
    }

    fn thrown(&self, exn: ExnPtr) -> &Thrown {
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
    /// Takes note of a tag of the store.
    pub(crate) fn add_tag(&mut self, tag: Tag) {
        let params = tag.entry(self).ty().params.iter().enumerate();
        let is_reference =
            |&(_, ty): &(usize, &ValType)| matches!(ty, ValType::Ref(ty) if may_be_object(*ty));
        let references = params.filter(is_reference).map(|(i, _)| i).collect();
        let (key, name) = (tag.ptr(self), OnceLock::new());
        self.exceptions.tags.insert(key, Thrown { tag, references, defined: None, name });
    }

    /// Makes an exception; frees those that are not in use when it is time to. The new one is there
    /// before that: its fields may refer to objects, which a collection moves.
    pub(crate) fn new_exception(
        &mut self,
        make: impl FnOnce(&mut ExnHeap) -> Option<ExnPtr>,
    ) -> Result<ExnPtr> {
        let made = make(&mut self.exceptions.heap);
        // The table may have moved even if there was no memory for the exception.
        self.context.set_exn_table(self.exceptions.heap.positions());
        let made = made.ok_or(Trap::AllocationTooLarge)?;
        let zeal = self.heap.as_ref().is_some_and(|heap| heap.config().zeal);
        let most = self.most_exception_bytes();
        if self.exceptions.heap.wants_collection(self.exception_allowance(), most) || zeal {
            self.collect_exceptions(Some(made));
        }
        if self.exceptions.heap.is_full(most) {
            self.exceptions.heap.free(made);
            return Err(Trap::AllocationTooLarge.into());
        }
        Ok(made)
    }

    /// Bytes of exceptions that the store may have: no more than of objects.
    fn most_exception_bytes(&self) -> usize {
        let objects = self.engine().config().heap_config().max_bytes;
        usize::try_from(objects).map_or(MAX_EXCEPTION_BYTES, |most| most.min(MAX_EXCEPTION_BYTES))
    }

    /// Bytes of exceptions that are made before those that are not in use are looked for, at least.
    fn exception_allowance(&self) -> usize {
        let with_objects = self.heap.as_ref().filter(|_| self.objects_hold_exceptions);
        let bytes = with_objects.map_or(0, |heap| heap.allowance_bytes());
        usize::try_from(bytes).expect("addresses have 64 bits")
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

    /// Frees the exceptions that are not in use; `newest` is. When objects may hold exceptions, both
    /// are looked at together.
    pub(super) fn collect_exceptions(&mut self, newest: Option<ExnPtr>) {
        if self.objects_hold_exceptions && self.has_heap() {
            // Where nothing is collected, all exceptions stay, as objects may hold any.
            let _ = self.collect(Demand { newest, ..Demand::full() });
            return;
        }
        let began = self.engine().tiers().events().now();
        self.mark_exception_roots(newest);
        while self.exceptions.heap.take_found().is_some() {}
        self.exceptions.heap.sweep();
        self.tell_of_exceptions(began);
    }

    /// Begins to mark exceptions: those that something else than objects and exceptions refers to.
    pub(super) fn mark_exception_roots(&mut self, newest: Option<ExnPtr>) {
        let mut heap = std::mem::take(&mut self.exceptions.heap);
        heap.begin_marking();
        if let Some(newest) = newest {
            heap.mark_word(newest.bits());
        }
        heap.mark_stack(&self.context);
        self.roots.visit(&mut |bits| {
            heap.mark_word(bits);
            bits
        });
        self.mark_entities(&mut heap);
        self.exceptions.heap = heap;
    }

    /// Marks the exceptions at these positions, and calls `visit` with references in the fields of
    /// exceptions that were found in use.
    pub(super) fn mark_exceptions(&mut self, positions: &[u32], visit: &mut dyn FnMut(u64)) {
        positions.iter().for_each(|&position| self.exceptions.heap.mark_position(position));
        while let Some(exn) = self.exceptions.heap.take_found() {
            self.visit_fields(None, exn, &mut |bits| {
                visit(bits);
                bits
            });
        }
    }

    /// Frees the exceptions that are not marked.
    pub(super) fn free_exceptions(&mut self) {
        self.exceptions.heap.sweep();
    }

    /// Replaces the references to objects and values of the host in the fields of all exceptions.
    pub(super) fn visit_exceptions(&self, visit: &mut dyn FnMut(u64) -> u64) {
        let mut last = None;
        for exn in self.exceptions.heap.objects() {
            last = Some(self.visit_fields(last, exn, visit));
        }
    }

    /// The same of one exception. Gives its tag, which is likely that of the next one, too.
    fn visit_fields<'a>(
        &'a self,
        last: Option<(TagPtr, &'a Thrown)>,
        exn: ExnPtr,
        visit: &mut dyn FnMut(u64) -> u64,
    ) -> (TagPtr, &'a Thrown) {
        let found = last.filter(|(tag, _)| *tag == exn.tag());
        let (tag, thrown) = found.unwrap_or_else(|| (exn.tag(), self.exceptions.thrown(exn)));
        for &field in &thrown.references {
            exn.set_field(field, [visit(exn.field(field)[0]), 0]);
        }
        (tag, thrown)
    }

    fn mark_entities(&self, heap: &mut ExnHeap) {
        for instance in self.entities.instances() {
            let (vm, module) = (instance.instance(), &instance.module);
            for &index in module.noted_globals() {
                let ty = module.declarations().globals[index.index()].ty.content;
                if matches!(ty, ValType::Ref(ty) if may_be_exception(ty)) {
                    heap.mark_word(vm.global(module.layout(), index).get()[0]);
                }
            }
            for (i, table) in module.declarations().tables.iter().enumerate() {
                if may_be_exception(table.ty.element) {
                    mark_table(heap, vm.table(module.layout(), TableIndex::new(i)));
                }
            }
        }
        self.entities.host_globals().for_each(|(_, global)| heap.mark_word(global.get()[0]));
        for table in self.entities.tables().filter(|table| may_be_exception(table.ty.element)) {
            mark_table(heap, table.table.ptr());
        }
    }
}

fn mark_table(heap: &mut ExnHeap, table: TablePtr) {
    table.visit(|bits| heap.mark_word(bits));
}

fn may_be_exception(ty: RefType) -> bool {
    matches!(ty.heap, HeapType::Exn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_choose_which_calls_throw() {
        let drawn = |seed| {
            let mut exceptions = Exceptions::new(seed);
            (0..400).map(|_| exceptions.zeal_throws()).collect::<Vec<bool>>()
        };
        let seeds = [None, Some(1), Some(2), Some(u64::MAX)];
        for (i, &seed) in seeds.iter().enumerate() {
            let throws = drawn(seed).iter().filter(|&&throws| throws).count();
            assert!((50..150).contains(&throws), "{seed:?}: {throws}");
            assert_eq!(drawn(seed), drawn(seed));
            assert!(seeds[i + 1..].iter().all(|&other| drawn(other) != drawn(seed)), "{seed:?}");
        }
    }
}
