//! Objects of a store: its heap, and the roots of a collection.

use super::StoreInner;
use crate::Result;
use crate::Trap;
use crate::canon::names_objects;
use crate::fallible::OutOfMemory;
use crate::gc::access::{Reference, Tables, read_cell, write_stored};
use crate::gc::numbers::NumberSet;
use crate::gc::stats::GcStats;
use crate::gc::{Extent, Heap, Outside, RootSet};
use crate::vm::{ExnPtr, FuncPtr, GlobalPtr, InstanceRef, Registers, Slot, TablePtr};
use anyhow::Context as _;
use std::any::Any;
use std::ops::Range;
use upshift_abi::index::ElemIndex;
use upshift_abi::layout::{CanonTypeId, Cell};
use upshift_abi::types::{HeapType, RefType, ValType};

/// What a collection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// Room that is needed.
    pub(crate) bytes: u32,
    /// How much is to be looked at, at least.
    pub(crate) extent: Extent,
    /// Saved registers of the innermost frame.
    pub(crate) registers: Option<Registers>,
    /// An exception that was just made.
    pub(crate) newest: Option<ExnPtr>,
}

impl Demand {
    /// Looks at all objects.
    pub(crate) const fn full() -> Self {
        Self { bytes: 0, extent: Extent::Full, registers: None, newest: None }
    }
}

impl StoreInner {
    /// The heap; made when there is none.
    pub(crate) fn ensure_heap(&mut self) -> Result<&mut Heap> {
        if self.heap.is_none() {
            let config = self.engine().config().heap_config();
            let heap = Heap::new(&self.context, config).context("no address space for a heap")?;
            self.heap = Some(Box::new(heap));
            self.context.set_exn_table(self.exceptions.heap().positions());
        }
        Ok(self.heap.as_mut().expect("just made"))
    }

    /// Whether there is a heap.
    pub(super) fn has_heap(&self) -> bool {
        self.heap.is_some()
    }

    /// The heap of a store that has objects.
    pub(crate) fn heap(&self) -> &Heap {
        self.heap.as_ref().expect("a store with objects has a heap")
    }

    /// The heap of a store that has objects.
    pub(crate) fn heap_mut(&mut self) -> &mut Heap {
        self.heap.as_mut().expect("a store with objects has a heap")
    }

    /// What a limiter is to be asked for, as [`Heap::shortfall`] says.
    pub(crate) fn heap_shortfall(&self, bytes: u64) -> Option<(u64, u64, u64)> {
        self.heap.as_ref()?.shortfall(&self.context, bytes)
    }

    /// Collects, and makes room at the thread's cursor.
    ///
    /// # Errors
    /// When there is no room even so, or when frames hold references that cannot be found.
    pub(crate) fn collect(&mut self, demand: Demand) -> Result<Outside, OutOfMemory> {
        if !self.may_collect || self.heap.as_ref().is_some_and(|heap| !heap.collects()) {
            return Err(OutOfMemory);
        }
        let Some(mut heap) = self.heap.take() else { return Ok(Outside::default()) };
        let engine = self.engine().clone();
        let what = (demand.extent, demand.bytes);
        let Demand { registers, newest, .. } = demand;
        let mut roots = StoreRoots { store: self, registers, newest };
        let context = roots.store.context.clone();
        let collected = heap.collect(&context, &engine, what, &mut roots);
        self.heap = Some(heap);
        if let Ok(outside) = &collected
            && outside.complete
        {
            drop(self.externs.take_unused(&outside.handles));
        }
        collected
    }

    /// Puts a value of the host into the table; first drops those that are not in use, when it is
    /// time to. `None` when all handles are in use.
    pub(crate) fn add_host_value(&mut self, value: Box<dyn Any + Send + Sync>) -> Option<u32> {
        let allowance = self.heap.as_ref().map_or(0, |heap| heap.allowance_bytes());
        if self.externs.wants_collection(allowance) {
            // Without room to collect in, values stay.
            let _ = self.collect_all();
        }
        self.externs.insert(value)
    }

    /// Drops the values of the host that are not in use, in a store without objects.
    fn collect_host_values(&mut self) {
        let mut handles = NumberSet::default();
        let mut visit = |word| {
            if let Ok(Reference::Host(handle)) = u32::try_from(word).map(Reference::from_bits) {
                handles.insert(handle);
            }
            word
        };
        self.visit_exceptions(&mut visit);
        let mut roots = StoreRoots { store: self, registers: None, newest: None };
        roots.visit_kept(&mut |word| {
            visit(word);
        });
        if handles.is_complete() {
            drop(self.externs.take_unused(&handles));
        }
    }

    /// Collects all there is, where references in frames can be found.
    pub(crate) fn collect_all(&mut self) -> Result<()> {
        if !self.may_collect {
            return Ok(());
        }
        if self.heap.is_none() {
            self.collect_exceptions(None);
            self.collect_host_values();
            return Ok(());
        }
        let collects = self.heap().collects();
        match self.collect(Demand::full()) {
            Err(OutOfMemory) if collects => Err(Trap::AllocationTooLarge.into()),
            _ => Ok(()),
        }
    }

    /// What collections did so far.
    pub(crate) fn gc_stats(&self) -> GcStats {
        self.heap.as_ref().map_or_else(GcStats::default, |heap| heap.stats())
    }

    /// Makes room for `bytes` at the thread's cursor.
    pub(crate) fn refill(&mut self, bytes: u32, registers: Option<Registers>) -> Result<()> {
        let heap = self.heap.as_mut().expect("a store with objects has a heap");
        if heap.extend(&self.context, bytes) {
            return Ok(());
        }
        let demand = Demand { bytes, extent: Extent::Minor, registers, newest: None };
        match self.collect(demand) {
            Ok(_) => Ok(()),
            Err(OutOfMemory) => Err(Trap::AllocationTooLarge.into()),
        }
    }

    /// A new object with its header and nothing else. May collect.
    pub(crate) fn allocate(&mut self, ty: CanonTypeId, bytes: u64) -> Result<u32> {
        self.ensure_heap()?;
        let heap = self.heap.as_mut().expect("just made");
        let Some(small) = u32::try_from(bytes).ok().filter(|&bytes| bytes <= MAX_YOUNG_BYTES)
        else {
            return self.allocate_large(ty, bytes);
        };
        if let Some(object) = heap.allocate_young(&self.context, ty, small) {
            return Ok(object);
        }
        if !self.may_collect && !heap.extend(&self.context, small) {
            let object = heap.allocate_old(&self.engine, ty, bytes);
            return object.ok_or_else(|| Trap::AllocationTooLarge.into());
        }
        self.refill(small, None)?;
        let heap = self.heap.as_mut().expect("just made");
        let object = heap.allocate_young(&self.context, ty, small);
        Ok(object.expect("there is room now"))
    }

    #[cold]
    fn allocate_large(&mut self, ty: CanonTypeId, bytes: u64) -> Result<u32> {
        let engine = self.engine().clone();
        if self.heap().wants_full() {
            // Without room to collect in, or where nothing is collected, it may fit all the same.
            let _ = self.collect(Demand::full());
        }
        if let Some(object) = self.heap_mut().allocate_old(&engine, ty, bytes) {
            return Ok(object);
        }
        if self.collect(Demand::full()).is_ok() {
            let object = self.heap_mut().allocate_old(&engine, ty, bytes);
            return object.ok_or_else(|| Trap::AllocationTooLarge.into());
        }
        Err(Trap::AllocationTooLarge.into())
    }

    /// The value of a cell of an object.
    pub(crate) fn read_cell(&self, cell: Cell, place: u32) -> Slot {
        let heap = self.heap();
        let tables = Tables { funcs: heap.funcs(), exceptions: self.exceptions.heap() };
        read_cell(heap.memory(), tables, cell, place)
    }

    /// Writes a value to a cell of an object. For a reference into an object that may be old,
    /// [`Self::note_write`] comes with it.
    ///
    /// # Errors
    /// When there is no memory to give a function a position.
    pub(crate) fn write_cell(&mut self, cell: Cell, place: u32, value: Slot) -> Result<()> {
        let stored = match cell {
            Cell::Func => match FuncPtr::from_bits(value[0]) {
                Some(func) => [self.func_position(func)?.into(), 0],
                None => [0; 2],
            },
            Cell::Exn => [ExnPtr::from_bits(value[0]).map_or(0, ExnPtr::position).into(), 0],
            _ => value,
        };
        write_stored(self.heap_mut().memory_mut(), cell, place, stored);
        Ok(())
    }

    /// The position that stands for a function in objects.
    pub(crate) fn func_position(&mut self, func: FuncPtr) -> Result<u32> {
        let heap = self.heap.as_mut().expect("a store with objects has a heap");
        let position = heap.func_position(&self.context, func);
        position.map_err(|OutOfMemory| Trap::AllocationTooLarge.into())
    }

    /// A global was written, or there are new ones, that may refer to objects.
    pub(crate) fn note_global_write(&self) {
        self.context.note_global_write();
    }

    /// An object was written, or is about to be, that may be old.
    pub(crate) fn note_write(&mut self, object: u32) {
        let heap = self.heap.as_mut().expect("a store with objects has a heap");
        heap.note_write(&self.context, object);
    }

    /// The same of `count` elements of an array, from `index` on.
    pub(crate) fn note_write_elements(&mut self, array: u32, (index, count): (u32, u32)) {
        let heap = self.heap.as_mut().expect("a store with objects has a heap");
        heap.note_write_elements(&self.context, array, (index, count));
    }

    /// Writes bytes of an instance's module to elements of an array from `place` on.
    pub(crate) fn write_module_bytes(
        &mut self,
        instance: InstanceRef,
        range: Range<usize>,
        place: u32,
    ) {
        let module = &self.entities.instance_of(instance).module;
        let heap = self.heap.as_mut().expect("a store with objects has a heap");
        heap.memory_mut().write_bytes(place, &module.bytes()[range]);
    }

    /// Writes elements of a segment that are kept as values, references to objects among them, to
    /// elements of an array from `place` on; `false` when they are not kept.
    pub(crate) fn write_elem_values(
        &mut self,
        (instance, elem): (InstanceRef, ElemIndex),
        range: Range<usize>,
        place: u32,
    ) -> bool {
        let values = self.entities.instance_of(instance).elem_values(elem);
        let (Some(values), Some(heap)) = (values, &mut self.heap) else { return false };
        let places = (place..).step_by(Cell::Ref.bytes() as usize);
        for (place, &bits) in places.zip(&values[range]) {
            write_stored(heap.memory_mut(), Cell::Ref, place, [bits, 0]);
        }
        true
    }
}

/// Objects of up to this size are young first.
const MAX_YOUNG_BYTES: u32 = 16 << 10;

/// The roots of a store without its heap.
struct StoreRoots<'a> {
    store: &'a mut StoreInner,
    registers: Option<Registers>,
    newest: Option<ExnPtr>,
}

impl RootSet for StoreRoots<'_> {
    fn visit_young(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        self.visit_handles(visit);
        if self.store.context.take_global_writes() {
            self.visit_globals(visit);
        }
        object_tables(self.store).for_each(|table| table.update_young(&mut *visit));
        self.store.visit_exceptions(visit);
    }

    fn mark(&mut self, visit: &mut dyn FnMut(u64)) {
        self.visit_kept(visit);
        self.store.mark_exception_roots(self.newest);
    }

    fn check(&mut self, check: &mut dyn FnMut(u64)) {
        let mut same = |word| {
            check(word);
            word
        };
        self.visit_places(&mut same);
        self.store.visit_exceptions(&mut same);
        for table in object_tables(self.store) {
            (0..table.len()).filter_map(|i| table.get(i)).for_each(&mut *check);
        }
    }

    fn mark_exceptions(&mut self, positions: &[u32], visit: &mut dyn FnMut(u64)) {
        self.store.mark_exceptions(positions, visit);
    }

    fn free_exceptions(&mut self) {
        self.store.free_exceptions();
    }

    fn has_exception(&self, position: u32) -> bool {
        self.store.exceptions.heap().at(position).is_some()
    }
}

impl StoreRoots<'_> {
    /// All roots but exceptions.
    fn visit_kept(&mut self, visit: &mut dyn FnMut(u64)) {
        self.visit_places(&mut |word| {
            visit(word);
            word
        });
        object_tables(self.store).for_each(|table| table.visit(&mut *visit));
    }

    /// All roots but tables and exceptions.
    fn visit_places(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        self.visit_handles(visit);
        self.visit_globals(visit);
    }

    /// Frames and the host's handles.
    fn visit_handles(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        self.store.context.visit_frames(self.registers, visit);
        self.store.roots.visit(visit);
    }

    /// Globals, and elements of passive segments, which are written when their instance is made.
    fn visit_globals(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        for global in object_globals(self.store) {
            let word = global.get()[0];
            let new = visit(word);
            if new != word {
                global.set([new, 0]);
            }
        }
        let instances = self.store.entities.instances_mut();
        instances.for_each(|instance| instance.visit_elem_values(visit));
    }
}

/// The globals that may refer to objects, or to values of the host.
fn object_globals(store: &StoreInner) -> impl Iterator<Item = GlobalPtr> {
    let defined = store.entities.instances().flat_map(|instance| {
        let (vm, module) = (instance.instance(), &instance.module);
        module.noted_globals().iter().map(move |&index| {
            let ty = module.declarations().globals[index.index()].ty.content;
            (ty, vm.global(module.layout(), index))
        })
    });
    let all = defined.chain(store.entities.host_globals());
    let all = all.filter(|&(ty, _)| matches!(ty, ValType::Ref(ty) if may_be_object(ty)));
    all.map(|(_, global)| global)
}

/// The tables whose elements may be objects, or values of the host.
fn object_tables(store: &StoreInner) -> impl Iterator<Item = TablePtr> {
    let tables = store.entities.tables();
    tables.filter(|table| may_be_object(table.ty.element)).map(|table| table.table.ptr())
}

/// Whether tables of elements of a type have cards, as compilers see it for the tables of a module
/// ([`upshift_abi::module::Module::table_has_cards`]).
pub(crate) fn has_cards(element: RefType) -> bool {
    match element.heap {
        HeapType::Exn | HeapType::NoExn => true,
        _ => may_be_object(element),
    }
}

/// Whether references of a type may lead to objects, or to host values.
pub(super) fn may_be_object(ty: RefType) -> bool {
    match ty.heap {
        HeapType::Func | HeapType::NoFunc | HeapType::Exn | HeapType::NoExn => false,
        HeapType::Concrete(name) => names_objects(name),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AsContextMut, Config, Engine, Instance, Module, Store, Tier};

    /// Words that a collection of young objects would visit now.
    fn young_words(store: &mut Store<()>) -> usize {
        let mut context = store.as_context_mut();
        let mut roots = StoreRoots { store: context.inner_mut(), registers: None, newest: None };
        let mut words = 0;
        roots.visit_young(&mut |word| {
            words += usize::from(word != 0);
            word
        });
        words
    }

    fn instantiate(tier: Tier, text: &str) -> (Store<()>, Instance) {
        let mut config = Config::new();
        config.tier(tier);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        (store, instance)
    }

    #[test]
    fn of_tables_only_what_was_written_is_visited() {
        const TEXT: &str = r#"(module
            (table $t 100_000 anyref (ref.i31 (i32.const 1)))
            (table $values 100_000 externref)
            (func (export "set") (param $at i32)
                (table.set $t (local.get $at) (ref.i31 (local.get $at)))))"#;
        for tier in [Tier::Baseline, Tier::Optimizer] {
            let (mut store, instance) = instantiate(tier, TEXT);
            let set = instance.get_typed_func::<u32, ()>(&mut store, "set").unwrap();
            assert_eq!(young_words(&mut store), 100_000);
            assert_eq!(young_words(&mut store), 0);
            for at in [0, 1, 99_999] {
                set.call(&mut store, at).unwrap();
            }
            assert_eq!(young_words(&mut store), 128 + 100_000 % 128);
        }
    }

    #[test]
    fn of_globals_only_what_was_written_is_visited() {
        const TEXT: &str = r#"(module
            (global $numbers i32 (i32.const 1))
            (global $g (mut anyref) (ref.i31 (i32.const 1)))
            (global (mut eqref) (ref.i31 (i32.const 2)))
            (global (mut funcref) (ref.func 0))
            (elem anyref (item (array.new_default $a (i32.const 1))))
            (type $a (array i32))
            (func (export "set") (param $n i32) (global.set $g (ref.i31 (local.get $n)))))"#;
        for tier in [Tier::Baseline, Tier::Optimizer] {
            let (mut store, instance) = instantiate(tier, TEXT);
            let set = instance.get_typed_func::<i32, ()>(&mut store, "set").unwrap();
            assert_eq!((young_words(&mut store), young_words(&mut store)), (3, 0));
            set.call(&mut store, 1).unwrap();
            assert_eq!((young_words(&mut store), young_words(&mut store)), (3, 0));
        }
    }
}
