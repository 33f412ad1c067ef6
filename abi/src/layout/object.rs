//! Objects of the garbage-collected heap as machine code sees them.
//!
//! A reference of the `any` hierarchy is 32 bits, zero-extended to 64 in registers and slots:
//!
//! ```text
//! 0                 null
//! offset            an object: its offset from the heap's base, a multiple of 8
//! value << 1 | 1    an i31
//! handle << 2 | 2   a host value (an external reference, converted or not)
//! ```
//!
//! The low [`NULL_GUARD_BYTES`] of the heap are never accessible, so an access to a field through
//! null faults. `any.convert_extern` and `extern.convert_any` change nothing.
//!
//! ```text
//! struct   0 type   4 gc word   8 fields in order, each aligned to its size (at most 8)
//! array    0 type   4 gc word   8 length   12 or 16: elements, aligned likewise
//! ```
//!
//! The type is a [`CanonTypeId`]. Objects are multiples of 8 bytes and at least 16, so that an old
//! copy always has room for where the object went. Fields that hold references to functions are
//! positions in the store's table of function records ([`FuncRef::heap_index`]), those that hold
//! exceptions are positions in its table of exceptions: a corrupt object leads nowhere outside of
//! the heap. Both are 0 for null, and entry 0 of both tables is null.
//!
//! [`FuncRef::heap_index`]: super::FuncRef::heap_index

use super::{CanonTypeId, Supertypes};
use crate::types::{CompositeType, FieldType, HeapType, RefType, StorageType, SubType, ValType};
use core::mem::{offset_of, size_of};

/// Bytes at the start of a heap that are never accessible; more than the largest structure.
pub const NULL_GUARD_BYTES: u32 = 256 << 10;
/// The bit of a reference that says `i31`.
pub const I31_BIT: u32 = 1;
/// The bit of a reference that says "host value", when [`I31_BIT`] is not set.
pub const HOST_BIT: u32 = 2;
/// How far a host value's handle is shifted.
pub const HOST_SHIFT: u32 = 2;
/// Alignment of objects, and what their sizes are multiples of.
pub const OBJECT_ALIGN: u32 = 8;
/// Size of the smallest object.
pub const MIN_OBJECT_BYTES: u32 = 16;
/// Most elements of an array.
pub const MAX_ARRAY_LENGTH: u32 = (1 << 30) - 1;

/// The bit of [`ObjectHeader::gc`] that a store of a reference tests: set in old objects that are
/// not in the log of written objects. Whoever finds it set clears the gc word's low byte and
/// appends the object to the log.
pub const GC_UNLOGGED: u8 = 1;
/// The bit that says of an array with [`GC_UNLOGGED`]: not the array is logged, but the card of the
/// element that is written is marked ([`CARD_ELEMENTS`]).
pub const GC_CARDS: u8 = 2;
/// log2 of the bytes that a card covers. The card of an element is that of the offset at which it
/// would be if the array had no header.
pub const CARD_SHIFT: u32 = 9;
/// References that a card covers.
pub const CARD_ELEMENTS: u32 = (1 << CARD_SHIFT) / 4;

/// The head of every object.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectHeader {
    /// Its type.
    pub ty: CanonTypeId,
    /// The collector's; 0 in a new object. Machine code only looks at [`GC_UNLOGGED`]
    /// and [`GC_CARDS`].
    pub gc: u32,
}

/// The head of an array.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayHeader {
    /// What every object has.
    pub object: ObjectHeader,
    /// Number of elements.
    pub length: u32,
}

/// Offset of [`ObjectHeader::ty`] in an object.
pub const TYPE_OFFSET: u32 = offset_of!(ObjectHeader, ty) as u32;
/// Offset of [`ObjectHeader::gc`] in an object.
pub const GC_OFFSET: u32 = offset_of!(ObjectHeader, gc) as u32;
/// Offset of [`ArrayHeader::length`] in an array.
pub const LENGTH_OFFSET: u32 = offset_of!(ArrayHeader, length) as u32;
/// Bytes before the fields of a structure.
pub const HEADER_BYTES: u32 = size_of::<ObjectHeader>() as u32;
/// Bytes before the elements of an array, but for their alignment.
pub const ARRAY_HEADER_BYTES: u32 = size_of::<ArrayHeader>() as u32;

/// Supertypes that a [`TypeDescriptor`] holds itself.
pub const DISPLAY_LENGTH: usize = 8;

/// What machine code and collector know of a type, by [`CanonTypeId`] in the engine's table.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct TypeDescriptor {
    /// Size of a structure's objects, header included; of an array's elements.
    pub size_bytes: u32,
    /// What objects of the type are.
    pub kind: TypeKind,
    /// Bit `i` says that the word at `8 + 4 * i` is a reference; for an array bit 0 says it of all
    /// elements.
    pub references: u64,
    /// The type's supertypes and itself by depth, as far as there is room.
    pub display: [CanonTypeId; DISPLAY_LENGTH],
    /// All of them.
    pub supertypes: *const Supertypes,
}

/// log2 of the size of a [`TypeDescriptor`].
pub const DESCRIPTOR_SHIFT: u8 = 6;

const _: () = assert!(size_of::<TypeDescriptor>() == 1 << DESCRIPTOR_SHIFT);

/// See [`TypeDescriptor::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TypeKind {
    /// No object has the type.
    None = 0,
    /// A structure, whose references [`TypeDescriptor::references`] tells.
    Struct = 1,
    /// An array.
    Array = 2,
    /// A structure with references that have no bit, or with exceptions: the collector looks at
    /// its fields one by one. (With [`Self::Struct`] the two kinds of structures are odd.)
    LargeStruct = 3,
    /// An array of exceptions. (With [`Self::Array`] the two kinds of arrays are even.)
    ExnArray = 4,
}

/// How a value lies in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A packed 8-bit integer.
    I8,
    /// A packed 16-bit integer.
    I16,
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `v128`
    V128,
    /// A reference of the `any` or `extern` hierarchy.
    Ref,
    /// A position in the table of function records.
    Func,
    /// A position in the table of exceptions.
    Exn,
}

impl Cell {
    /// How a field of type `ty` lies in an object. `is_func` tells of a concrete type whether it
    /// is a function type.
    #[must_use]
    pub fn of(storage: StorageType, is_func: impl Fn(crate::index::TypeIndex) -> bool) -> Self {
        match storage {
            StorageType::I8 => Self::I8,
            StorageType::I16 => Self::I16,
            StorageType::Val(ValType::I32) => Self::I32,
            StorageType::Val(ValType::I64) => Self::I64,
            StorageType::Val(ValType::F32) => Self::F32,
            StorageType::Val(ValType::F64) => Self::F64,
            StorageType::Val(ValType::V128) => Self::V128,
            StorageType::Val(ValType::Ref(RefType { heap, .. })) => match heap {
                HeapType::Func | HeapType::NoFunc => Self::Func,
                HeapType::Exn | HeapType::NoExn => Self::Exn,
                HeapType::Concrete(index) if is_func(index) => Self::Func,
                _ => Self::Ref,
            },
        }
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 | Self::Ref | Self::Func | Self::Exn => 4,
            Self::I64 | Self::F64 => 8,
            Self::V128 => 16,
        }
    }

    const fn align(self) -> u32 {
        if self.bytes() < OBJECT_ALIGN { self.bytes() } else { OBJECT_ALIGN }
    }
}

/// The layout of a structure. That of a subtype starts with that of its supertype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructLayout {
    /// Fields: how each lies in the object, and its offset from the object's address.
    pub fields: Box<[(Cell, u32)]>,
    /// Size of an object.
    pub size_bytes: u32,
}

/// The layout of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayLayout {
    /// How an element lies in the object.
    pub element: Cell,
    /// Offset of the first element.
    pub first: u32,
}

impl ArrayLayout {
    /// Offset of the first element.
    const fn of(element: Cell) -> Self {
        let first = (size_of::<ArrayHeader>() as u32).next_multiple_of(element.align());
        Self { element, first }
    }

    /// log2 of the size of an element.
    #[must_use]
    pub const fn element_shift(self) -> u8 {
        self.element.bytes().trailing_zeros() as u8
    }

    /// Size of an array of `length` elements.
    #[must_use]
    pub const fn size_bytes(self, length: u32) -> u64 {
        let bytes = self.first as u64 + length as u64 * self.element.bytes() as u64;
        let bytes = bytes.next_multiple_of(OBJECT_ALIGN as u64);
        if bytes < MIN_OBJECT_BYTES as u64 { MIN_OBJECT_BYTES as u64 } else { bytes }
    }
}

/// The layout of the objects of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectLayout {
    /// There are none.
    None,
    /// Of a structure.
    Struct(StructLayout),
    /// Of an array.
    Array(ArrayLayout),
}

impl ObjectLayout {
    /// The layout of the objects of type `ty`. `is_func` tells of a concrete type that `ty` names
    /// whether it is a function type.
    #[must_use]
    pub fn of(ty: &SubType, is_func: impl Fn(crate::index::TypeIndex) -> bool) -> Self {
        match &ty.composite {
            CompositeType::Struct(fields) => Self::Struct(struct_layout(fields, is_func)),
            CompositeType::Array(element) => {
                Self::Array(ArrayLayout::of(Cell::of(element.storage, is_func)))
            }
            CompositeType::Func(_) | CompositeType::Cont(_) => Self::None,
        }
    }

    /// The descriptor of a type with this layout.
    #[must_use]
    pub fn descriptor(&self, supertypes: &Supertypes) -> TypeDescriptor {
        let mut display = [CanonTypeId::NONE; DISPLAY_LENGTH];
        display.copy_from_slice(&supertypes.ids[..DISPLAY_LENGTH]);
        let (size_bytes, kind, references) = match self {
            Self::None => (0, TypeKind::None, 0),
            Self::Struct(layout) => {
                let references = layout.references();
                let kind = references.map_or(TypeKind::LargeStruct, |_| TypeKind::Struct);
                (layout.size_bytes, kind, references.unwrap_or(0))
            }
            Self::Array(layout) => {
                let is_exn = layout.element == Cell::Exn;
                let kind = if is_exn { TypeKind::ExnArray } else { TypeKind::Array };
                (layout.element.bytes(), kind, u64::from(layout.element == Cell::Ref))
            }
        };
        TypeDescriptor { size_bytes, kind, references, display, supertypes }
    }
}

impl StructLayout {
    /// The bits of [`TypeDescriptor::references`], when they tell all there is.
    fn references(&self) -> Option<u64> {
        let mut bits = 0u64;
        for &(cell, offset) in &self.fields {
            let word = (offset - size_of::<ObjectHeader>() as u32) / 4;
            match cell {
                Cell::Ref => bits |= 1u64.checked_shl(word)?,
                Cell::Exn => return None,
                _ => {}
            }
        }
        Some(bits)
    }
}

fn struct_layout(
    fields: &[FieldType],
    is_func: impl Fn(crate::index::TypeIndex) -> bool,
) -> StructLayout {
    let mut end = size_of::<ObjectHeader>() as u32;
    let mut place = |field: &FieldType| {
        let cell = Cell::of(field.storage, &is_func);
        let offset = end.next_multiple_of(cell.align());
        end = offset + cell.bytes();
        (cell, offset)
    };
    let fields = fields.iter().map(&mut place).collect();
    let size_bytes = end.next_multiple_of(OBJECT_ALIGN).max(MIN_OBJECT_BYTES);
    assert!(size_bytes < NULL_GUARD_BYTES, "a structure has 10,000 fields at most");
    StructLayout { fields, size_bytes }
}

const _: () = assert!(offset_of!(ArrayHeader, length) == 8);
const _: () = assert!(offset_of!(ObjectHeader, gc) == 4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::TypeIndex;

    fn structure(storage: &[StorageType]) -> ObjectLayout {
        let field = |&storage| FieldType { storage, mutable: true };
        let ty = SubType {
            is_final: true,
            supertype: None,
            composite: CompositeType::Struct(storage.iter().map(field).collect()),
            group_start: TypeIndex(0),
            group_len: 1,
        };
        ObjectLayout::of(&ty, |_| false)
    }

    #[test]
    fn fields_are_aligned_and_a_prefix_keeps_its_offsets() {
        let any = RefType { nullable: true, heap: HeapType::Any };
        let any = StorageType::Val(ValType::Ref(any));
        let long = StorageType::Val(ValType::I64);
        let ObjectLayout::Struct(layout) = structure(&[StorageType::I8, any, long, any]) else {
            panic!("a structure")
        };
        let offsets: Vec<u32> = layout.fields.iter().map(|field| field.1).collect();
        assert_eq!(offsets, [8, 12, 16, 24]);
        assert_eq!(layout.size_bytes, 32);
        assert_eq!(layout.references(), Some(1 << 1 | 1 << 4));
        assert_eq!(structure(&[]).descriptor(&Supertypes::default()).size_bytes, 16);
    }

    #[test]
    fn references_far_out_make_a_large_structure() {
        let any = RefType { nullable: true, heap: HeapType::Any };
        let mut fields = vec![StorageType::Val(ValType::V128); 20];
        assert_eq!(structure(&fields).descriptor(&Supertypes::default()).kind, TypeKind::Struct);
        fields.push(StorageType::Val(ValType::Ref(any)));
        let descriptor = structure(&fields).descriptor(&Supertypes::default());
        assert_eq!(descriptor.kind, TypeKind::LargeStruct);
    }

    #[test]
    fn arrays_have_their_elements_behind_the_length() {
        let bytes = ArrayLayout::of(Cell::I8);
        assert_eq!((bytes.first, bytes.size_bytes(0), bytes.size_bytes(5)), (12, 16, 24));
        let longs = ArrayLayout::of(Cell::I64);
        assert_eq!((longs.first, longs.size_bytes(2), longs.element_shift()), (16, 32, 3));
        assert_eq!(ArrayLayout::of(Cell::V128).size_bytes(1 << 30), (1 << 34) + 16);
    }
}
