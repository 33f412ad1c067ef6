//! What a store owns: instances, memories, tables, globals of the host, and what keeps the code
//! and the host functions alive that they refer to.

use crate::api::module::Module;
use crate::api::shared_memory::SharedMemory;
use crate::api::tag::Tag;
use crate::store::host_func::HostFunc;
use crate::vm::{
    GlobalBox, GlobalPtr, InstanceBox, InstanceRef, LinearMemory, MemoryPtr, TableBox,
};
use smallvec::SmallVec;
use std::any::Any;
use std::sync::Arc;
use upshift_abi::index::{DataIndex, ElemIndex};
use upshift_abi::types::{TableType, ValType};

macro_rules! entity_ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct $name(pub(crate) u32);

        impl $name {
            fn new(position: usize) -> Self {
                Self(u32::try_from(position).expect("a store's limits are far below 2^32"))
            }

            fn position(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

entity_ids! {
    /// Position of an instance.
    InstanceId
    /// Position of a memory.
    MemoryId
    /// Position of a table.
    TableId
}

/// Everything a store owns.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    /// Dropped before the memories and modules that instances refer to.
    instances: Vec<InstanceData>,
    memories: Vec<StoreMemory>,
    tables: Vec<StoreTable>,
    globals: Vec<(ValType, GlobalBox)>,
    host_funcs: Vec<HostFunc>,
    /// Owners of whatever else instances refer to.
    kept: Vec<Arc<dyn Any + Send + Sync>>,
}

/// An instance.
#[derive(Debug)]
pub(crate) struct InstanceData {
    pub(crate) vm: InstanceBox,
    pub(crate) module: Module,
    /// The store's memories by memory index of the module.
    pub(crate) memories: SmallVec<[MemoryId; 1]>,
    /// The store's tables by table index of the module.
    pub(crate) tables: SmallVec<[TableId; 2]>,
    /// Tags by tag index of the module.
    pub(crate) tags: Vec<Tag>,
    dropped_data: IndexSet,
    dropped_elems: IndexSet,
    /// Elements of passive segments that make objects: these are made once.
    elem_values: Vec<(ElemIndex, Box<[u64]>)>,
}

/// A set of small numbers that is usually empty.
#[derive(Debug, Default)]
struct IndexSet(Vec<u64>);

impl IndexSet {
    fn insert(&mut self, index: u32) {
        let word = index as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (index % 64);
    }

    fn contains(&self, index: u32) -> bool {
        self.0.get(index as usize / 64).is_some_and(|word| word >> (index % 64) & 1 != 0)
    }
}

impl InstanceData {
    /// An instance of `module` that is not connected yet.
    pub(crate) fn new(vm: InstanceBox, module: Module) -> Self {
        Self {
            vm,
            module,
            memories: SmallVec::new(),
            tables: SmallVec::new(),
            tags: Vec::new(),
            dropped_data: IndexSet::default(),
            dropped_elems: IndexSet::default(),
            elem_values: Vec::new(),
        }
    }

    /// Its handle.
    pub(crate) fn instance(&self) -> InstanceRef {
        self.vm.instance()
    }

    /// `data.drop`
    pub(crate) fn drop_data(&mut self, index: DataIndex) {
        self.dropped_data.insert(index.0);
    }

    /// `elem.drop`
    pub(crate) fn drop_elem(&mut self, index: ElemIndex) {
        self.dropped_elems.insert(index.0);
        self.elem_values.retain(|values| values.0 != index);
    }

    /// Keeps the elements of a segment.
    pub(crate) fn set_elem_values(&mut self, index: ElemIndex, values: Box<[u64]>) {
        self.elem_values.push((index, values));
    }

    /// The elements of a segment that makes objects.
    pub(crate) fn elem_values(&self, index: ElemIndex) -> Option<&[u64]> {
        let found = self.elem_values.iter().find(|values| values.0 == index);
        found.map(|values| &*values.1)
    }

    /// Replaces each element that is kept by what `visit` returns for it.
    pub(crate) fn visit_elem_values(&mut self, visit: &mut dyn FnMut(u64) -> u64) {
        let values = self.elem_values.iter_mut().flat_map(|values| &mut values.1);
        values.for_each(|bits| *bits = visit(*bits));
    }

    /// Whether a data segment was dropped.
    pub(crate) fn is_data_dropped(&self, index: DataIndex) -> bool {
        self.dropped_data.contains(index.0)
    }

    /// Whether an element segment was dropped.
    pub(crate) fn is_elem_dropped(&self, index: ElemIndex) -> bool {
        self.dropped_elems.contains(index.0)
    }
}

/// A memory that instances of the store use.
#[derive(Debug)]
pub(crate) enum StoreMemory {
    /// The store's own.
    Owned(LinearMemory),
    /// One that other stores may use too.
    Shared(SharedMemory),
}

impl StoreMemory {
    /// Its handle.
    pub(crate) fn ptr(&self) -> MemoryPtr {
        match self {
            Self::Owned(memory) => memory.ptr(),
            Self::Shared(memory) => memory.ptr(),
        }
    }
}

/// A table that the store owns.
#[derive(Debug)]
pub(crate) struct StoreTable {
    pub(crate) table: TableBox,
    pub(crate) ty: TableType,
}

impl Entities {
    /// Numbers of instances, memories and tables.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.instances.len(), self.memories.len(), self.tables.len())
    }

    /// All instances.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &InstanceData> {
        self.instances.iter()
    }

    /// The ids of all instances.
    pub(crate) fn instance_ids(&self) -> impl Iterator<Item = InstanceId> {
        (0..self.instances.len()).map(InstanceId::new)
    }

    /// All instances, to be changed.
    pub(crate) fn instances_mut(&mut self) -> impl Iterator<Item = &mut InstanceData> {
        self.instances.iter_mut()
    }

    /// All tables that the store owns.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &StoreTable> {
        self.tables.iter()
    }

    /// The globals that the host made, with their types.
    pub(crate) fn host_globals(&self) -> impl Iterator<Item = (ValType, GlobalPtr)> {
        self.globals.iter().map(|(ty, global)| (*ty, global.ptr()))
    }

    /// The id that the next instance will have.
    pub(crate) fn next_instance(&self) -> InstanceId {
        InstanceId::new(self.instances.len())
    }

    /// Adds an instance.
    pub(crate) fn push_instance(&mut self, instance: InstanceData) -> InstanceId {
        let id = self.next_instance();
        self.instances.push(instance);
        id
    }

    /// Adds a memory.
    pub(crate) fn push_memory(&mut self, memory: StoreMemory) -> MemoryId {
        self.memories.push(memory);
        MemoryId::new(self.memories.len() - 1)
    }

    /// Adds a table.
    pub(crate) fn push_table(&mut self, table: TableBox, ty: TableType) -> TableId {
        self.tables.push(StoreTable { table, ty });
        TableId::new(self.tables.len() - 1)
    }

    /// Adds a global of the host.
    pub(crate) fn push_global(&mut self, ty: ValType, global: GlobalBox) -> GlobalPtr {
        let ptr = global.ptr();
        self.globals.push((ty, global));
        ptr
    }

    /// Keeps a host function alive.
    pub(crate) fn keep_host_func(&mut self, func: HostFunc) {
        self.host_funcs.push(func);
    }

    /// Keeps anything else alive.
    pub(crate) fn keep(&mut self, owner: Arc<dyn Any + Send + Sync>) {
        self.kept.push(owner);
    }

    /// An instance.
    pub(crate) fn instance(&self, id: InstanceId) -> &InstanceData {
        &self.instances[id.position()]
    }

    /// The instance behind a handle of machine code.
    pub(crate) fn instance_of(&self, instance: InstanceRef) -> &InstanceData {
        &self.instances[instance.id() as usize]
    }

    /// The same, to be changed.
    pub(crate) fn instance_of_mut(&mut self, instance: InstanceRef) -> &mut InstanceData {
        &mut self.instances[instance.id() as usize]
    }

    /// A memory.
    pub(crate) fn memory(&self, id: MemoryId) -> &StoreMemory {
        &self.memories[id.position()]
    }

    /// A memory.
    pub(crate) fn memory_mut(&mut self, id: MemoryId) -> &mut StoreMemory {
        &mut self.memories[id.position()]
    }

    /// The position of a shared memory that the store knows already.
    pub(crate) fn find_shared(&self, memory: &SharedMemory) -> Option<MemoryId> {
        let same = |m: &StoreMemory| matches!(m, StoreMemory::Shared(m) if m.same(memory));
        self.memories.iter().position(same).map(MemoryId::new)
    }

    /// A table.
    pub(crate) fn table(&self, id: TableId) -> &StoreTable {
        &self.tables[id.position()]
    }

    /// A table.
    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut StoreTable {
        &mut self.tables[id.position()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_sets_grow_on_demand() {
        let mut set = IndexSet::default();
        set.insert(200);
        assert!(set.contains(200));
        assert!(!set.contains(199) && !set.contains(100_000));
    }
}
