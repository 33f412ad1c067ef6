//! Functions, globals and tags as handles, and host functions.

use super::entry::Slot;
use super::host::VmHost;
use super::instance::InstanceRef;
use super::shims;
use crate::code::common::HostStub;
use anyhow::Error;
use std::cell::UnsafeCell;
use std::fmt;
use std::ptr::NonNull;
use upshift_abi::layout::{CanonTypeId, FuncImport, FuncRef, GlobalCell, Instance, Supertypes};
use upshift_abi::types::FuncType;

/// An address in code memory that follows the wasm calling convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodePtr(NonNull<u8>);

// SAFETY: an address; what may be done with it is decided by whoever enters it.
unsafe impl Send for CodePtr {}
// SAFETY: as above.
unsafe impl Sync for CodePtr {}

impl CodePtr {
    /// The code at an address that is not 0.
    pub(crate) fn new(address: usize) -> Self {
        let pointer = NonNull::new(std::ptr::with_exposed_provenance_mut(address));
        Self(pointer.expect("code is not at address 0"))
    }

    pub(super) fn as_ptr(self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// A function of an instance or of the host: a non-null `funcref`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(crate) struct FuncPtr(NonNull<FuncRef>);

// SAFETY: a handle; the module head of `vm` says who keeps the record alive, and records are
// never written after they were made.
unsafe impl Send for FuncPtr {}
// SAFETY: as above.
unsafe impl Sync for FuncPtr {}

impl FuncPtr {
    pub(super) fn from_ptr(pointer: *const FuncRef) -> Option<Self> {
        NonNull::new(pointer.cast_mut()).map(Self)
    }

    /// The function behind the bits of a reference that wasm code produced; `None` for null.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        let address = usize::try_from(bits).expect("addresses have 64 bits");
        Self::from_ptr(std::ptr::with_exposed_provenance(address))
    }

    /// The bits of the reference.
    pub(crate) fn bits(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// The type that `call_indirect` compares.
    pub(crate) fn type_id(self) -> CanonTypeId {
        self.read().type_id
    }

    /// The instance the function belongs to and its index there; `None` for a host function.
    pub(crate) fn instance(self) -> Option<(InstanceRef, u32)> {
        let record = self.read();
        if record.func_index == u32::MAX {
            return None;
        }
        InstanceRef::from_ptr(record.vmctx).map(|instance| (instance, record.func_index))
    }

    /// The position that stands for the function in objects of its store, 0 when it has none or
    /// when stores share the record.
    pub(crate) fn heap_index(self) -> u32 {
        self.read().heap_index
    }

    /// Sets what [`Self::heap_index`] says; `false` for a record that stores share.
    pub(crate) fn set_heap_index(self, position: u32) -> bool {
        if self.read().func_index == u32::MAX {
            return false;
        }
        // SAFETY: the record lies in an instance of the store that this thread has.
        unsafe { (*self.0.as_ptr()).heap_index = position };
        true
    }

    pub(super) fn as_ptr(self) -> *const FuncRef {
        self.0.as_ptr()
    }

    pub(super) fn read(self) -> FuncRef {
        // SAFETY: the holder of the handle keeps the record alive; nothing but `heap_index` is ever
        // written again, by the thread that has the store.
        unsafe { self.0.as_ptr().read() }
    }

    /// What an instance that imports the function stores.
    pub(super) fn import(self) -> FuncImport {
        let record = self.read();
        FuncImport { code: record.code, vmctx: record.vmctx, func_ref: self.as_ptr() }
    }
}

/// The body of a host function: arguments come in the slots (scalars zero-extended to 64 bits,
/// vectors in both halves), results are left there, each from slot 0 on. The slots number the
/// larger of both counts.
pub(crate) type HostFuncBody =
    Box<dyn Fn(&mut dyn VmHost, &mut [Slot]) -> Result<(), Error> + Send + Sync>;

/// A host function. It begins with what its stub reads.
#[repr(C)]
pub(crate) struct HostFunc {
    /// The extern "C" function that the stub calls; only the stub reads it.
    _handler: shims::HostHandler,
    /// Slots that the stub provides.
    slots: usize,
    body: HostFuncBody,
    func_ref: UnsafeCell<FuncRef>,
    /// What `func_ref` calls.
    _stub: HostStub,
}

// SAFETY: the body is `Send + Sync`; the record is written once, in `new`, before it is shared.
unsafe impl Send for HostFunc {}
// SAFETY: as above.
unsafe impl Sync for HostFunc {}

impl fmt::Debug for HostFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostFunc").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl HostFunc {
    /// A host function of type `ty`, with its number and supertypes, which must stay where they
    /// are. So must the function, hence the box; keep it (or an `Arc` of it) as long as a
    /// [`FuncPtr`] of it is in use.
    pub(crate) fn new(
        ty: &FuncType,
        (type_id, supertypes): (CanonTypeId, &Supertypes),
        body: HostFuncBody,
    ) -> Box<Self> {
        let stub = HostStub::of(ty);
        let record = FuncRef {
            code: stub.code().as_ptr(),
            vmctx: std::ptr::null_mut(),
            type_id,
            func_index: u32::MAX,
            supertypes,
            heap_index: 0,
            reserved: 0,
        };
        let func = Box::new(Self {
            _handler: shims::host_function,
            slots: ty.params.len().max(ty.results.len()),
            body,
            func_ref: UnsafeCell::new(record),
            _stub: stub,
        });
        let address: *const Self = &raw const *func;
        // SAFETY: nobody else has the new function.
        unsafe { (*func.func_ref.get()).vmctx = address.cast_mut().cast::<Instance>() };
        func
    }

    /// The function as a reference. Valid as long as `self`.
    pub(crate) fn func(&self) -> FuncPtr {
        FuncPtr::from_ptr(self.func_ref.get()).expect("a field is not at address 0")
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn call(&self, host: &mut dyn VmHost, slots: &mut [Slot]) -> Result<(), Error> {
        (self.body)(host, slots)
    }
}

/// A global's cell, as a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GlobalPtr(NonNull<GlobalCell>);

// SAFETY: a handle; the module head of `vm` says who keeps the cell alive and who uses it.
unsafe impl Send for GlobalPtr {}
// SAFETY: as above.
unsafe impl Sync for GlobalPtr {}

impl GlobalPtr {
    pub(super) fn from_ptr(pointer: *mut GlobalCell) -> Self {
        Self(NonNull::new(pointer).expect("a global is not at address 0"))
    }

    /// The value: scalars and references zero-extended in the first half.
    pub(crate) fn get(self) -> Slot {
        // SAFETY: the holder of the handle keeps the cell alive and has the store.
        unsafe { self.0.as_ptr().read() }.bits
    }

    /// Sets the value; scalars and references zero-extended.
    pub(crate) fn set(self, bits: Slot) {
        // SAFETY: as in `get`.
        unsafe { self.0.as_ptr().write(GlobalCell { bits }) };
    }

    pub(super) fn as_ptr(self) -> *mut GlobalCell {
        self.0.as_ptr()
    }
}

/// A global that the host made.
#[derive(Debug)]
pub(crate) struct GlobalBox(Box<UnsafeCell<GlobalCell>>);

// SAFETY: used by the thread that has the store only.
unsafe impl Send for GlobalBox {}
// SAFETY: shared references give out nothing but the address.
unsafe impl Sync for GlobalBox {}

impl GlobalBox {
    /// A global with a value.
    pub(crate) fn new(bits: Slot) -> Self {
        Self(Box::new(UnsafeCell::new(GlobalCell { bits })))
    }

    /// Its handle, valid as long as the box.
    pub(crate) fn ptr(&self) -> GlobalPtr {
        GlobalPtr::from_ptr(self.0.get())
    }
}

/// The identity of a tag: equal when they are the same tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagPtr(pub(crate) usize);
