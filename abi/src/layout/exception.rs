//! Exceptions as machine code sees them.

use core::ffi::c_void;
use core::mem::size_of;

/// The head of an exception; its fields follow directly, [`EXN_FIELD_BYTES`] each: the values of
/// the tag's parameters in order, scalars and references in the low bytes. What lies above a
/// field's type means nothing.
///
/// ```text
/// throw $e (tag (param i32 v128)):   tag = &$e, fields = 2 | i32 … | v128 |
///                                    0                     16      32
/// ```
///
/// A reference to an exception is its address, null is 0. Exceptions never change after they were
/// made and do not move.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct ExnHeader {
    /// The tag's identity, as in the instance of whoever threw ([`super::InstanceLayout::tag`]).
    pub tag: *const c_void,
    /// The number of fields.
    pub fields: u32,
    /// Its position in the store's table of exceptions, which stands for it in objects.
    pub heap_index: u32,
}

/// Bytes of a field.
pub const EXN_FIELD_BYTES: usize = 16;

const _: () = assert!(size_of::<ExnHeader>().is_multiple_of(EXN_FIELD_BYTES));

/// Offset of a field from the exception's address.
#[inline]
#[must_use]
pub const fn exn_field_offset(field: usize) -> usize {
    size_of::<ExnHeader>() + field * EXN_FIELD_BYTES
}
