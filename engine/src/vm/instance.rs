//! Instances as machine code sees them (the vmctx).

use super::func::{CodePtr, FuncPtr, GlobalPtr, TagPtr};
use super::memory::MemoryPtr;
use super::table::TablePtr;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::c_void;
use std::ptr::NonNull;
use upshift_abi::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex};
use upshift_abi::layout::{
    CanonTypeId, FuncImport, FuncRef, GlobalCell, GlobalPlace, Instance, InstanceLayout,
    MemorySlot, Supertypes, TableDef, TypeDescriptor,
};

/// An instance's memory: head and tail. Owned by the store.
#[derive(Debug)]
pub(crate) struct InstanceBox {
    pointer: NonNull<Instance>,
    layout: Layout,
}

// SAFETY: the box owns its allocation; it is used by the thread that has the store.
unsafe impl Send for InstanceBox {}
// SAFETY: shared references give out nothing but the address.
unsafe impl Sync for InstanceBox {}

/// What an instance's head is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstanceHead<'a> {
    /// The store's number for the instance, [`InstanceRef::id`].
    pub(crate) id: u32,
    /// Hotness counters, from `ModuleCode::counters`; the module outlives the instance.
    pub(crate) counters: *mut i32,
    /// Canonical id of each type of the module; must stay where it is as long as the instance.
    pub(crate) type_ids: &'a [CanonTypeId],
    /// The base of the store's heap, when the module uses objects.
    pub(crate) heap: *mut u8,
    /// The engine's type descriptors.
    pub(crate) descriptors: *const TypeDescriptor,
}

impl InstanceBox {
    /// An instance whose tail is all zero: null pointers everywhere. The caller sets everything
    /// that the module has before code of the instance runs.
    pub(crate) fn new(layout: &InstanceLayout, head: InstanceHead<'_>) -> Self {
        let size = layout.size_bytes() as usize;
        let layout = Layout::from_size_align(size, align_of::<Instance>())
            .expect("instances are smaller than 2 GiB");
        assert!(size >= size_of::<Instance>());
        // SAFETY: the size is not 0.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(pointer) = NonNull::new(memory.cast::<Instance>()) else {
            handle_alloc_error(layout)
        };
        let instance = Instance {
            memory0: MemorySlot { base: std::ptr::null_mut(), def: std::ptr::null_mut() },
            counters: head.counters,
            type_ids: head.type_ids.as_ptr().cast::<u32>(),
            heap: head.heap,
            descriptors: head.descriptors,
            host: std::ptr::without_provenance_mut::<c_void>(head.id as usize),
            module: std::ptr::null(),
        };
        // SAFETY: the allocation is large and aligned enough, and new.
        unsafe { pointer.write(instance) };
        Self { pointer, layout }
    }

    /// The handle, valid as long as the box.
    pub(crate) fn instance(&self) -> InstanceRef {
        InstanceRef(self.pointer)
    }
}

impl Drop for InstanceBox {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.pointer.as_ptr().cast::<u8>(), self.layout) };
    }
}

/// A handle of an instance. `layout` arguments are the layout the instance was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InstanceRef(NonNull<Instance>);

// SAFETY: a handle; the module head of `vm` says who keeps the instance alive and who uses it.
unsafe impl Send for InstanceRef {}
// SAFETY: as above.
unsafe impl Sync for InstanceRef {}

impl InstanceRef {
    pub(super) fn from_ptr(pointer: *mut Instance) -> Option<Self> {
        NonNull::new(pointer).map(Self)
    }

    pub(super) fn as_ptr(self) -> *mut Instance {
        self.0.as_ptr()
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn address(self) -> usize {
        self.0.as_ptr().addr()
    }

    /// The store's number for the instance.
    pub(crate) fn id(self) -> u32 {
        // SAFETY: the holder of the handle keeps the instance alive.
        let host = unsafe { (*self.0.as_ptr()).host };
        u32::try_from(host.addr()).expect("written from a u32")
    }

    /// The hotness counter of a function of the instance's module, in the instance's shard.
    #[cfg(test)]
    pub(crate) fn counter(
        &self,
        func: upshift_abi::index::DefinedFuncIndex,
    ) -> &std::sync::atomic::AtomicI32 {
        // SAFETY: the holder of the handle keeps the instance alive.
        let counters = unsafe { (*self.0.as_ptr()).counters };
        let counter = counters.wrapping_add(func.index());
        // SAFETY: a shard has a counter for each function of the module, which outlives the
        // instance; counters are only ever accessed whole.
        unsafe { std::sync::atomic::AtomicI32::from_ptr(counter) }
    }

    /// Connects a memory, imported or defined.
    pub(crate) fn set_memory(self, layout: &InstanceLayout, index: MemoryIndex, memory: MemoryPtr) {
        self.write(layout, layout.memory(index), memory.slot());
    }

    /// A memory of the instance.
    pub(crate) fn memory(self, layout: &InstanceLayout, index: MemoryIndex) -> MemoryPtr {
        let slot: MemorySlot = self.read(layout, layout.memory(index));
        MemoryPtr::from_ptr(slot.def)
    }

    /// Connects a table, imported or defined.
    pub(crate) fn set_table(self, layout: &InstanceLayout, index: TableIndex, table: TablePtr) {
        self.write(layout, layout.table(index), table.as_ptr());
    }

    /// A table of the instance.
    pub(crate) fn table(self, layout: &InstanceLayout, index: TableIndex) -> TablePtr {
        let table: *mut TableDef = self.read(layout, layout.table(index));
        TablePtr::from_ptr(table)
    }

    /// Connects an imported function.
    pub(crate) fn set_func_import(self, layout: &InstanceLayout, index: FuncIndex, func: FuncPtr) {
        self.write(layout, layout.imported_func(index), func.import());
    }

    /// An imported function.
    pub(crate) fn func_import(self, layout: &InstanceLayout, index: FuncIndex) -> FuncPtr {
        let import: FuncImport = self.read(layout, layout.imported_func(index));
        FuncPtr::from_ptr(import.func_ref).expect("imports are connected before they are used")
    }

    /// Connects an imported global.
    pub(crate) fn set_global_import(
        self,
        layout: &InstanceLayout,
        index: GlobalIndex,
        global: GlobalPtr,
    ) {
        let GlobalPlace::Pointer(offset) = layout.global(index) else {
            panic!("global {} is not imported", index.0)
        };
        self.write(layout, offset, global.as_ptr());
    }

    /// A global, imported or defined.
    pub(crate) fn global(self, layout: &InstanceLayout, index: GlobalIndex) -> GlobalPtr {
        match layout.global(index) {
            GlobalPlace::Inline(offset) => GlobalPtr::from_ptr(self.place(layout, offset)),
            GlobalPlace::Pointer(offset) => {
                let cell: *mut GlobalCell = self.read(layout, offset);
                GlobalPtr::from_ptr(cell)
            }
        }
    }

    /// Connects a tag.
    pub(crate) fn set_tag(self, layout: &InstanceLayout, index: TagIndex, tag: TagPtr) {
        self.write(layout, layout.tag(index), tag.0);
    }

    /// Writes the record of a function with a body; `code` is the function's stub, and its type's
    /// supertypes stay where they are as long as the instance. Functions that do not escape have
    /// none, and nothing happens for them.
    pub(crate) fn set_func_record(
        self,
        layout: &InstanceLayout,
        index: FuncIndex,
        code: CodePtr,
        (type_id, supertypes): (CanonTypeId, &Supertypes),
    ) {
        if let Some(offset) = layout.func_ref(index) {
            let record = FuncRef {
                code: code.as_ptr(),
                vmctx: self.as_ptr(),
                type_id,
                func_index: index.0,
                supertypes,
                heap_index: 0,
                reserved: 0,
            };
            self.write(layout, offset, record);
        }
    }

    /// Writes the record of an imported function that escapes, a copy of `func`'s own.
    pub(crate) fn set_import_record(
        self,
        layout: &InstanceLayout,
        index: FuncIndex,
        func: FuncPtr,
    ) {
        if let Some(offset) = layout.func_ref(index) {
            self.write(layout, offset, func.read());
        }
    }

    /// The record of a function with a body, `None` when it does not escape.
    pub(crate) fn func_record(self, layout: &InstanceLayout, index: FuncIndex) -> Option<FuncPtr> {
        let offset = layout.func_ref(index)?;
        FuncPtr::from_ptr(self.place::<FuncRef>(layout, offset))
    }

    /// The place of a `T` at `offset`.
    fn place<T>(self, layout: &InstanceLayout, offset: u32) -> *mut T {
        let (offset, size) = (offset as usize, layout.size_bytes() as usize);
        assert!(offset.is_multiple_of(align_of::<T>()) && offset + size_of::<T>() <= size);
        self.0.as_ptr().wrapping_byte_add(offset).cast::<T>()
    }

    fn read<T: Copy>(self, layout: &InstanceLayout, offset: u32) -> T {
        // SAFETY: `place` checked that the field lies in the instance, which the holder of the
        // handle keeps alive; all its fields are plain data for which zero is valid.
        unsafe { self.place::<T>(layout, offset).read() }
    }

    fn write<T: Copy>(self, layout: &InstanceLayout, offset: u32, value: T) {
        // SAFETY: as in `read`; the holder has the store, so nobody else reads or writes now.
        unsafe { self.place::<T>(layout, offset).write(value) };
    }
}
