//! The instance (vmctx) and the offsets of its module-dependent tail.

use super::{FuncImport, FuncRef, GlobalCell, MemorySlot, TableDef, TypeDescriptor};
use crate::conv::CallLayout;
use crate::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use crate::module::Module;
use crate::types::{CompositeType, FuncType, SubType};
use core::ffi::c_void;
use core::mem::size_of;

/// Fixed head of an instance; the tail that [`InstanceLayout`] describes follows it directly.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Instance {
    /// Memory 0, or null pointers when there is none.
    pub memory0: MemorySlot,
    /// Hotness counters of the module's functions, by defined index; with exact counts, 64-bit
    /// counters of its basic blocks ([`CountedBlock`](crate::code::CountedBlock)).
    pub counters: *mut i32,
    /// Canonical id of each type of the module.
    pub type_ids: *const u32,
    /// The base of the store's heap of objects, when the module uses any
    /// ([`Module::uses_objects`]). It never changes.
    pub heap: *mut u8,
    /// Descriptors of all types of the engine, by canonical id.
    pub descriptors: *const TypeDescriptor,
    /// The engine's own data of this instance.
    pub host: *mut c_void,
    /// The engine's runtime module.
    pub module: *const c_void,
}

/// Offsets, from the start of [`Instance`], of everything in its tail.
///
/// ```text
/// Instance | memories 1.. : MemorySlot | tables: *mut TableDef | imported functions: FuncImport
///          | imported globals: *mut GlobalCell | tags: *const c_void
///          | defined globals: GlobalCell | function records: FuncRef
/// ```
#[derive(Clone, Debug, Default)]
pub struct InstanceLayout {
    memories: u32,
    tables: u32,
    imported_funcs: u32,
    imported_globals: u32,
    tags: u32,
    defined_globals: u32,
    func_refs: u32,
    size_bytes: u32,
    imported_global_count: u32,
    /// Where calls of each function type pass their values, by type index.
    calls: Box<[CallLayout]>,
    /// Record number of each function, [`Self::NO_RECORD`] when it has none.
    records: Box<[u32]>,
}

impl InstanceLayout {
    const NO_RECORD: u32 = u32::MAX;

    /// The layout of instances of `module`.
    ///
    /// # Panics
    /// When the instance would exceed 2 GiB; the limits on index spaces keep it far below.
    #[must_use]
    pub fn of(module: &Module) -> Self {
        let mut end = size_of::<Instance>();
        let mut take = |count: usize, size: usize, align: usize| {
            end = end.next_multiple_of(align);
            let start = u32::try_from(end).expect("instance below 2 GiB");
            end += count * size;
            start
        };
        let pointer = size_of::<usize>();
        let memories = take(module.memories.len().saturating_sub(1), size_of::<MemorySlot>(), 8);
        let tables = take(module.tables.len(), size_of::<*mut TableDef>(), 8);
        let imported_funcs = take(module.imported.funcs as usize, size_of::<FuncImport>(), 8);
        let imported_globals = take(module.imported.globals as usize, pointer, 8);
        let tags = take(module.tags.len(), pointer, 8);
        let defined = module.globals.len() - module.imported.globals as usize;
        let defined_globals = take(defined, size_of::<GlobalCell>(), 16);
        let func_refs = take(module.escaping_funcs.len(), size_of::<FuncRef>(), 8);
        let size_bytes = take(0, 0, 16);
        assert!(size_bytes < 1 << 31, "instance below 2 GiB");
        let mut records = vec![Self::NO_RECORD; module.funcs.len()].into_boxed_slice();
        for (number, func) in module.escaping_funcs.iter().enumerate() {
            records[func.index()] = u32::try_from(number).expect("fewer records than functions");
        }
        Self {
            memories,
            tables,
            imported_funcs,
            imported_globals,
            tags,
            defined_globals,
            func_refs,
            size_bytes,
            imported_global_count: module.imported.globals,
            calls: module.types.iter().map(call_layout).collect(),
            records,
        }
    }

    /// Where calls of functions of type `ty` pass their values.
    #[must_use]
    pub fn call(&self, ty: TypeIndex) -> &CallLayout {
        &self.calls[ty.index()]
    }

    /// Size of the whole instance in bytes, a multiple of 16.
    #[must_use]
    pub const fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// Offset of the [`MemorySlot`] of a memory.
    #[must_use]
    pub const fn memory(&self, index: MemoryIndex) -> u32 {
        match index.0 {
            0 => core::mem::offset_of!(Instance, memory0) as u32,
            i => self.memories + (i - 1) * size_of::<MemorySlot>() as u32,
        }
    }

    /// Offset of the `*mut TableDef` of a table.
    #[must_use]
    pub const fn table(&self, index: TableIndex) -> u32 {
        self.tables + index.0 * 8
    }

    /// Offset of the [`FuncImport`] of an imported function.
    #[must_use]
    pub const fn imported_func(&self, index: FuncIndex) -> u32 {
        self.imported_funcs + index.0 * size_of::<FuncImport>() as u32
    }

    /// Where a global is: in the instance, or behind a pointer when it is imported.
    #[must_use]
    pub const fn global(&self, index: GlobalIndex) -> GlobalPlace {
        match index.0.checked_sub(self.imported_global_count) {
            None => GlobalPlace::Pointer(self.imported_globals + index.0 * 8),
            Some(i) => {
                GlobalPlace::Inline(self.defined_globals + i * size_of::<GlobalCell>() as u32)
            }
        }
    }

    /// Offset of the pointer that is a tag's identity.
    #[must_use]
    pub const fn tag(&self, index: TagIndex) -> u32 {
        self.tags + index.0 * 8
    }

    /// Offset of the [`FuncRef`] of a function that escapes, `None` for others.
    #[must_use]
    pub fn func_ref(&self, index: FuncIndex) -> Option<u32> {
        let record = self.records[index.index()];
        (record != Self::NO_RECORD).then(|| self.func_refs + record * size_of::<FuncRef>() as u32)
    }

    /// The function of a module with this layout whose [`FuncRef`] is at an offset.
    #[must_use]
    pub fn func_at(&self, module: &Module, offset: u32) -> Option<FuncIndex> {
        let distance = offset.checked_sub(self.func_refs)? as usize;
        let is_record = distance.is_multiple_of(size_of::<FuncRef>());
        let number = is_record.then_some(distance / size_of::<FuncRef>())?;
        module.escaping_funcs.get(number).copied()
    }
}

/// The call layout of a function type; that of a function without values for other types.
fn call_layout(ty: &SubType) -> CallLayout {
    match &ty.composite {
        CompositeType::Func(ty) => CallLayout::of(ty),
        CompositeType::Struct(_) | CompositeType::Array(_) | CompositeType::Cont(_) => {
            CallLayout::of(&FuncType::default())
        }
    }
}

/// Where a global's [`GlobalCell`] is, as offset in the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPlace {
    /// The cell itself.
    Inline(u32),
    /// A pointer to the cell.
    Pointer(u32),
}
