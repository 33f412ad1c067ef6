//! Conversion of types from the parser's form.
//!
//! The parser is asked for types before validation has made their indices canonical, so every
//! concrete type still carries an index of the module.

use crate::index::TypeIndex;
use crate::types::{
    CompositeType, FieldType, FuncType, GlobalType, HeapType, MemoryType, RefType, StorageType,
    SubType, TableType, ValType,
};
use wasmparser::{AbstractHeapType, CompositeInnerType, PackedIndex, UnpackedIndex};

pub(super) fn sub_type(
    ty: &wasmparser::SubType,
    group_start: TypeIndex,
    group_len: u32,
) -> SubType {
    let composite = match &ty.composite_type.inner {
        CompositeInnerType::Func(ty) => CompositeType::Func(func_type(ty)),
        CompositeInnerType::Array(ty) => CompositeType::Array(field_type(ty.0)),
        CompositeInnerType::Struct(ty) => {
            CompositeType::Struct(ty.fields.iter().copied().map(field_type).collect())
        }
        CompositeInnerType::Cont(ty) => CompositeType::Cont(packed_index(ty.0)),
    };
    SubType {
        is_final: ty.is_final,
        supertype: ty.supertype_idxs.first().copied().map(packed_index),
        composite,
        group_start,
        group_len,
    }
}

fn func_type(ty: &wasmparser::FuncType) -> FuncType {
    let convert = |types: &[wasmparser::ValType]| -> Box<[ValType]> {
        types.iter().copied().map(val_type).collect()
    };
    FuncType { params: convert(ty.params()), results: convert(ty.results()) }
}

fn field_type(ty: wasmparser::FieldType) -> FieldType {
    let storage = match ty.element_type {
        wasmparser::StorageType::I8 => StorageType::I8,
        wasmparser::StorageType::I16 => StorageType::I16,
        wasmparser::StorageType::Val(ty) => StorageType::Val(val_type(ty)),
    };
    FieldType { storage, mutable: ty.mutable }
}

pub(super) fn val_type(ty: wasmparser::ValType) -> ValType {
    match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ValType::Ref(ref_type(ty)),
    }
}

pub(super) fn ref_type(ty: wasmparser::RefType) -> RefType {
    RefType { nullable: ty.is_nullable(), heap: heap_type(ty.heap_type()) }
}

/// Concrete types carry an index of the module, as everywhere in a body.
impl From<wasmparser::HeapType> for HeapType {
    fn from(ty: wasmparser::HeapType) -> Self {
        heap_type(ty)
    }
}

pub(super) fn heap_type(ty: wasmparser::HeapType) -> HeapType {
    match ty {
        wasmparser::HeapType::Concrete(index) | wasmparser::HeapType::Exact(index) => {
            HeapType::Concrete(type_index(index))
        }
        wasmparser::HeapType::Abstract { ty, shared: _ } => match ty {
            AbstractHeapType::Func => HeapType::Func,
            AbstractHeapType::Extern => HeapType::Extern,
            AbstractHeapType::Any => HeapType::Any,
            AbstractHeapType::None => HeapType::None,
            AbstractHeapType::NoExtern => HeapType::NoExtern,
            AbstractHeapType::NoFunc => HeapType::NoFunc,
            AbstractHeapType::Eq => HeapType::Eq,
            AbstractHeapType::Struct => HeapType::Struct,
            AbstractHeapType::Array => HeapType::Array,
            AbstractHeapType::I31 => HeapType::I31,
            AbstractHeapType::Exn => HeapType::Exn,
            AbstractHeapType::NoExn => HeapType::NoExn,
            AbstractHeapType::Cont => HeapType::Cont,
            AbstractHeapType::NoCont => HeapType::NoCont,
        },
    }
}

fn packed_index(index: PackedIndex) -> TypeIndex {
    type_index(index.unpack())
}

fn type_index(index: UnpackedIndex) -> TypeIndex {
    TypeIndex(index.as_module_index().expect("the parser yields indices of the module"))
}

pub(super) fn table_type(ty: wasmparser::TableType) -> TableType {
    TableType {
        element: ref_type(ty.element_type),
        is_64: ty.table64,
        minimum: ty.initial,
        maximum: ty.maximum,
        shared: ty.shared,
    }
}

pub(super) fn memory_type(ty: wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        is_64: ty.memory64,
        shared: ty.shared,
        minimum: ty.initial,
        maximum: ty.maximum,
        page_size_log2: u8::try_from(ty.page_size_log2()).expect("validation allows 0 and 16"),
    }
}

pub(super) fn global_type(ty: wasmparser::GlobalType) -> GlobalType {
    GlobalType { content: val_type(ty.content_type), mutable: ty.mutable, shared: ty.shared }
}
