//! Looking into objects: their types, sizes, references, fields and elements.

use super::FuncTable;
use crate::api::engine::Engine;
use crate::vm::{ExnHeap, ExnPtr, FuncPtr, HeapMemory, Slot, TypeShape};
use upshift_abi::layout::{
    ARRAY_HEADER_BYTES, ArrayLayout, CanonTypeId, Cell, HEADER_BYTES, HOST_BIT, HOST_SHIFT,
    I31_BIT, LENGTH_OFFSET, MIN_OBJECT_BYTES, OBJECT_ALIGN, ObjectLayout, TYPE_OFFSET, TypeKind,
};

/// What the bits of a reference of the `any` or `extern` hierarchy mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Nothing.
    Null,
    /// The object at an offset.
    Object(u32),
    /// An `i31`, sign-extended.
    I31(i32),
    /// A value of the host, by handle.
    Host(u32),
}

impl Reference {
    /// The reference with these bits.
    #[inline]
    pub(crate) const fn from_bits(bits: u32) -> Self {
        if bits == 0 {
            Self::Null
        } else if bits & I31_BIT != 0 {
            Self::I31(bits.cast_signed() >> 1)
        } else if bits & HOST_BIT != 0 {
            Self::Host(bits >> HOST_SHIFT)
        } else {
            Self::Object(bits)
        }
    }

    /// Its bits.
    pub(crate) const fn bits(self) -> u32 {
        match self {
            Self::Null => 0,
            Self::Object(offset) => offset,
            Self::I31(value) => value.cast_unsigned() << 1 | I31_BIT,
            Self::Host(handle) => handle << HOST_SHIFT | HOST_BIT,
        }
    }
}

/// The type of an object.
#[inline]
pub(crate) fn type_of(memory: &HeapMemory, object: u32) -> CanonTypeId {
    CanonTypeId(memory.read_u32(object + TYPE_OFFSET))
}

/// The number of elements of an array.
#[inline]
pub(crate) fn length_of(memory: &HeapMemory, array: u32) -> u32 {
    memory.read_u32(array + LENGTH_OFFSET)
}

/// Where the elements of an array begin whose elements have `element_bytes` bytes.
#[inline]
pub(crate) fn first_element(element_bytes: u32) -> u32 {
    ARRAY_HEADER_BYTES.next_multiple_of(element_bytes.clamp(4, OBJECT_ALIGN))
}

/// The size of an object of a type that looks like `shape`.
#[inline]
pub(super) fn size_of_object(memory: &HeapMemory, object: u32, shape: TypeShape) -> u32 {
    match shape.kind {
        TypeKind::Struct | TypeKind::LargeStruct => shape.size_bytes,
        TypeKind::Array | TypeKind::ExnArray => {
            let elements = length_of(memory, object) * shape.size_bytes;
            let bytes = first_element(shape.size_bytes) + elements;
            bytes.next_multiple_of(OBJECT_ALIGN).max(MIN_OBJECT_BYTES)
        }
        TypeKind::None => panic!("an object has a type of objects"),
    }
}

/// Calls `visit` with the place of each reference in an object, and `exception` with the position
/// of each exception.
#[inline]
pub(super) fn for_each_reference(
    memory: &HeapMemory,
    engine: &Engine,
    (object, shape): (u32, TypeShape),
    mut visit: impl FnMut(u32),
    mut exception: impl FnMut(u32),
) {
    match shape.kind {
        TypeKind::Struct => {
            let mut left = shape.references;
            let fields = object + HEADER_BYTES;
            while left != 0 {
                visit(fields + 4 * left.trailing_zeros());
                left &= left - 1;
            }
        }
        TypeKind::Array if shape.references != 0 => {
            let first = object + first_element(4);
            (0..length_of(memory, object)).for_each(|i| visit(first + 4 * i));
        }
        TypeKind::Array | TypeKind::None => {}
        TypeKind::LargeStruct => {
            let entry = engine.types().get(type_of(memory, object));
            let ObjectLayout::Struct(layout) = entry.layout() else { return };
            for &(cell, offset) in &layout.fields {
                match cell {
                    Cell::Ref => visit(object + offset),
                    Cell::Exn => exception(memory.read_u32(object + offset)),
                    _ => {}
                }
            }
        }
        TypeKind::ExnArray => {
            let first = object + first_element(4);
            let positions = (0..length_of(memory, object)).map(|i| first + 4 * i);
            positions.for_each(|place| exception(memory.read_u32(place)));
        }
    }
}

/// Tables that positions in objects refer to.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    pub(crate) funcs: &'a FuncTable,
    pub(crate) exceptions: &'a ExnHeap,
}

/// The value of a cell, as slots hold it; packed integers are zero-extended.
pub(crate) fn read_cell(memory: &HeapMemory, tables: Tables<'_>, cell: Cell, place: u32) -> Slot {
    let low = match cell {
        Cell::I8 => memory.read_u8(place).into(),
        Cell::I16 => memory.read_u16(place).into(),
        Cell::I32 | Cell::F32 | Cell::Ref => memory.read_u32(place).into(),
        Cell::I64 | Cell::F64 => memory.read_u64(place),
        Cell::V128 => return crate::api::val::split_u128(memory.read_u128(place)),
        Cell::Func => tables.funcs.get(memory.read_u32(place)).map_or(0, FuncPtr::bits),
        Cell::Exn => tables.exceptions.at(memory.read_u32(place)).map_or(0, ExnPtr::bits),
    };
    [low, 0]
}

/// Writes the form of a value that is stored: for functions and exceptions their position.
pub(crate) fn write_stored(memory: &mut HeapMemory, cell: Cell, place: u32, stored: Slot) {
    write_bytes(memory, cell.bytes(), place, stored);
}

/// The same of a cell of that many bytes.
#[expect(clippy::cast_possible_truncation, reason = "upper bits of a narrow value mean nothing")]
pub(crate) fn write_bytes(memory: &mut HeapMemory, bytes: u32, place: u32, stored: Slot) {
    match bytes {
        1 => memory.write_u8(place, stored[0] as u8),
        2 => memory.write_u16(place, stored[0] as u16),
        4 => memory.write_u32(place, stored[0] as u32),
        8 => memory.write_u64(place, stored[0]),
        _ => memory.write_u128(place, crate::api::val::join_u128(stored)),
    }
}

/// Where an element is.
pub(crate) fn element_place(layout: ArrayLayout, array: u32, index: u32) -> u32 {
    array + layout.first + index * layout.element.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_what_their_bits_say() {
        for reference in [
            Reference::Null,
            Reference::Object(1 << 20),
            Reference::I31(-1),
            Reference::I31(0x3fff_ffff),
            Reference::I31(-0x4000_0000),
            Reference::Host(1),
            Reference::Host((1 << 30) - 1),
        ] {
            assert_eq!(Reference::from_bits(reference.bits()), reference);
        }
    }

    #[test]
    fn elements_begin_where_the_layout_says() {
        for cell in [Cell::I8, Cell::I16, Cell::I32, Cell::Ref, Cell::F64, Cell::V128] {
            let field = upshift_abi::types::FieldType {
                storage: match cell {
                    Cell::I8 => upshift_abi::types::StorageType::I8,
                    Cell::I16 => upshift_abi::types::StorageType::I16,
                    Cell::F64 => upshift_abi::types::StorageType::Val(crate::ValType::F64),
                    Cell::V128 => upshift_abi::types::StorageType::Val(crate::ValType::V128),
                    _ => upshift_abi::types::StorageType::Val(crate::ValType::I32),
                },
                mutable: true,
            };
            let ty = upshift_abi::types::SubType {
                is_final: true,
                supertype: None,
                composite: upshift_abi::types::CompositeType::Array(field),
                group_start: upshift_abi::index::TypeIndex(0),
                group_len: 1,
            };
            let ObjectLayout::Array(layout) = ObjectLayout::of(&ty, |_| false) else {
                panic!("an array")
            };
            assert_eq!(first_element(cell.bytes()), layout.first);
        }
    }
}
