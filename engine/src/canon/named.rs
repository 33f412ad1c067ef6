//! What types name: visiting it, and putting something else in its place.

use upshift_abi::index::TypeIndex;
use upshift_abi::module::Module;
use upshift_abi::types::{
    CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, SubType, ValType,
};

/// A type with all indices that it has mapped.
pub(super) fn map_types(ty: &SubType, map: &impl Fn(TypeIndex) -> TypeIndex) -> SubType {
    let composite = map_composite(&ty.composite, map);
    SubType {
        is_final: ty.is_final,
        supertype: ty.supertype.map(map),
        composite,
        group_start: ty.group_start,
        group_len: ty.group_len,
    }
}

pub(super) fn map_composite(
    composite: &CompositeType,
    map: &impl Fn(TypeIndex) -> TypeIndex,
) -> CompositeType {
    let val = |ty: &ValType| map_val_type(*ty, map);
    let field = |field: &FieldType| {
        let storage = match field.storage {
            StorageType::Val(ty) => StorageType::Val(map_val_type(ty, map)),
            packed => packed,
        };
        FieldType { storage, ..*field }
    };
    match composite {
        CompositeType::Func(ty) => CompositeType::Func(FuncType {
            params: ty.params.iter().map(val).collect(),
            results: ty.results.iter().map(val).collect(),
        }),
        CompositeType::Struct(fields) => CompositeType::Struct(fields.iter().map(field).collect()),
        CompositeType::Array(element) => CompositeType::Array(field(element)),
        CompositeType::Cont(index) => CompositeType::Cont(map(*index)),
    }
}

/// Calls `f` with all indices that a composite type has.
pub(super) fn for_each_named(composite: &CompositeType, f: &mut impl FnMut(TypeIndex)) {
    let seen = std::cell::RefCell::new(f);
    map_composite(composite, &|index| {
        (seen.borrow_mut())(index);
        index
    });
}

/// Calls `f` with all indices that a type has.
pub(super) fn for_each_type(ty: &SubType, f: &mut impl FnMut(TypeIndex)) {
    if let Some(above) = ty.supertype {
        f(above);
    }
    for_each_named(&ty.composite, f);
}

pub(super) fn map_ref_type(ty: RefType, map: &impl Fn(TypeIndex) -> TypeIndex) -> RefType {
    match ty.heap {
        HeapType::Concrete(index) => RefType { heap: HeapType::Concrete(map(index)), ..ty },
        _ => ty,
    }
}

pub(super) fn map_val_type(ty: ValType, map: &impl Fn(TypeIndex) -> TypeIndex) -> ValType {
    match ty {
        ValType::Ref(ty) => ValType::Ref(map_ref_type(ty, map)),
        _ => ty,
    }
}

/// Maps the concrete types of all declarations; what types a module's own types are below stays.
pub(super) fn renumber(module: &mut Module, map: &impl Fn(TypeIndex) -> TypeIndex) {
    for ty in &mut module.types {
        let supertype = ty.supertype;
        *ty = SubType { supertype, ..map_types(ty, map) };
    }
    for table in &mut module.tables {
        table.ty.element = map_ref_type(table.ty.element, map);
    }
    for global in &mut module.globals {
        global.ty.content = map_val_type(global.ty.content, map);
    }
    for segment in &mut module.elems {
        segment.ty = map_ref_type(segment.ty, map);
    }
}
