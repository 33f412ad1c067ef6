//! Function records.

use super::{DESCRIPTOR_SHIFT, Instance};

/// Engine-wide identity of a type: equal exactly when the types are equivalent. The number is the
/// offset of the type's [`TypeDescriptor`] in the engine's table, so that machine code finds it by one
/// addition.
///
/// [`TypeDescriptor`]: super::TypeDescriptor
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct CanonTypeId(pub u32);

impl CanonTypeId {
    /// No type.
    pub const NONE: Self = Self(u32::MAX);

    /// The type with the descriptor at a position of the table.
    #[must_use]
    pub const fn at(position: u32) -> Self {
        Self(position << DESCRIPTOR_SHIFT)
    }

    /// The position of its descriptor.
    #[must_use]
    pub const fn position(self) -> usize {
        (self.0 >> DESCRIPTOR_SHIFT) as usize
    }
}

/// Most types on the way from a type up to the one that is below no other, both included; the
/// specification's limit.
pub const MAX_SUPERTYPES: usize = 64;

/// A type's supertypes by depth, the topmost first, the type itself last; [`CanonTypeId::NONE`]
/// behind. So a type is below one of depth `d` exactly when it has that one's number at `d`.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Supertypes {
    /// The numbers.
    pub ids: [CanonTypeId; MAX_SUPERTYPES],
}

impl Default for Supertypes {
    fn default() -> Self {
        Self { ids: [CanonTypeId::NONE; MAX_SUPERTYPES] }
    }
}

/// What a function reference points to.
///
/// `code` follows the wasm calling convention with `vmctx` as first argument. For a function of a
/// module it is the function's stub, which jumps through the entry slot, so the record stays valid
/// when the function changes tier. For a host function `vmctx` is not an [`Instance`] but the
/// engine's own record of it; only the host's stub looks at it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FuncRef {
    /// Entry point.
    pub code: *const u8,
    /// First argument of every call.
    pub vmctx: *mut Instance,
    /// Type that `call_indirect` compares.
    pub type_id: CanonTypeId,
    /// Function index in its module, `u32::MAX` for a host function.
    pub func_index: u32,
    /// The type's supertypes, which `call_indirect` of a type that is not final looks at.
    pub supertypes: *const Supertypes,
    /// Its position in the store's table of function records, which stands for it in objects; 0
    /// until it first gets into one, and always in records that stores share (host functions).
    pub heap_index: u32,
    /// Padding, always 0.
    pub reserved: u32,
}

/// An imported function in an instance's tail.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FuncImport {
    /// Entry point.
    pub code: *const u8,
    /// First argument of every call.
    pub vmctx: *mut Instance,
    /// The record the import came from, for `ref.func`.
    pub func_ref: *const FuncRef,
}
