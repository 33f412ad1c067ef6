//! Types as messages name them: by their structure. A type itself only knows its number in the engine,
//! which says nothing to anybody.
//!
//! ```text
//! (ref null (struct (field i32) (field (mut anyref)) (field (ref (array ...)))))
//! ```
//!
//! What a structure refers to is named by its kind only, and long lists are cut: types refer to
//! themselves, and have up to 10,000 fields.

use super::val::{Ref, Val};
use crate::canon::{TypeEntry, TypeRegistry};
use crate::store::StoreInner;
use std::fmt::{self, Display, Write};
use upshift_abi::types::{
    CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, ValType,
};

/// Bytes of a name after which a list is cut.
const LONG_BYTES: usize = 160;

/// The name of a type.
pub(crate) fn type_name(types: &TypeRegistry, ty: ValType) -> String {
    let mut name = Name { types, text: String::new() };
    name.value(ty, Detail::Full);
    name.text
}

/// A type whose name is only made when it is needed.
pub(crate) struct Named<'a, T>(pub(crate) &'a TypeRegistry, pub(crate) T);

impl Display for Named<'_, ValType> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&type_name(self.0, self.1))
    }
}

impl Display for Named<'_, &FuncType> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&func_type_name(self.0, self.1))
    }
}

/// The name of a function type, as `(i32 anyref) -> (i32)`.
pub(crate) fn func_type_name(types: &TypeRegistry, ty: &FuncType) -> String {
    format!("{} -> {}", params_name(types, &ty.params), params_name(types, &ty.results))
}

/// The names of parameters or results, as `(i32 anyref)`.
pub(crate) fn params_name(types: &TypeRegistry, params: &[ValType]) -> String {
    let mut name = Name { types, text: String::new() };
    name.values(params, "(");
    name.push(")");
    name.text
}

/// The name of what is declared to be a field, or the elements of an array.
pub(crate) fn field_name(types: &TypeRegistry, field: FieldType) -> String {
    let mut name = Name { types, text: String::new() };
    name.field(field, Detail::Full);
    name.text
}

/// The name of a defined type, without that it is one of references.
pub(crate) fn definition_name(types: &TypeRegistry, entry: &TypeEntry) -> String {
    let mut name = Name { types, text: String::new() };
    name.definition(entry, Detail::Full);
    name.text
}

/// The name of the type that a value has now: of an object it is the object's own.
pub(crate) fn value_type_name(store: &StoreInner, value: &Val) -> String {
    let types = store.engine().types();
    let reference = |nullable, heap| type_name(types, ValType::Ref(RefType { nullable, heap }));
    let object = |entry: &TypeEntry| format!("(ref {})", definition_name(types, entry));
    match value.as_ref() {
        None => type_name(types, value.ty()),
        Some(Ref::Func(Some(func))) => object(&func.entry(store)),
        Some(Ref::Any(Some(any))) => match any.entry(store) {
            Some(entry) => object(&entry),
            None if any.is_eqref() => reference(false, HeapType::I31),
            None => reference(false, HeapType::Any),
        },
        Some(Ref::Extern(Some(_))) => reference(false, HeapType::Extern),
        Some(Ref::Exn(Some(_))) => reference(false, HeapType::Exn),
        Some(Ref::Func(None)) => reference(true, HeapType::NoFunc),
        Some(Ref::Any(None)) => reference(true, HeapType::None),
        Some(Ref::Extern(None)) => reference(true, HeapType::NoExtern),
        Some(Ref::Exn(None)) => reference(true, HeapType::NoExn),
    }
}

/// How much of a defined type is named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Its structure.
    Full,
    /// Its kind.
    Kind,
}

/// A name that is being written.
struct Name<'a> {
    types: &'a TypeRegistry,
    text: String,
}

impl Name<'_> {
    fn push(&mut self, text: impl Display) {
        write!(self.text, "{text}").expect("strings take everything");
    }

    fn value(&mut self, ty: ValType, detail: Detail) {
        let ValType::Ref(RefType { nullable, heap: HeapType::Concrete(index) }) = ty else {
            return self.push(ty);
        };
        self.push(if nullable { "(ref null " } else { "(ref " });
        match self.types.find(index) {
            Some(entry) => self.definition(&entry, detail),
            None => self.push("of a type that is not in use"),
        }
        self.push(")");
    }

    fn definition(&mut self, entry: &TypeEntry, detail: Detail) {
        let supertype = entry.supertype_entry();
        if entry.is_final() && supertype.is_none() {
            return self.composite(entry.composite(), detail);
        }
        self.push(if entry.is_final() { "(sub final " } else { "(sub " });
        if let Some(above) = supertype {
            self.composite(above.composite(), Detail::Kind);
            self.push(" ");
        }
        self.composite(entry.composite(), detail);
        self.push(")");
    }

    fn composite(&mut self, ty: &CompositeType, detail: Detail) {
        let (kind, empty) = match ty {
            CompositeType::Func(ty) => ("(func", ty.params.is_empty() && ty.results.is_empty()),
            CompositeType::Struct(fields) => ("(struct", fields.is_empty()),
            CompositeType::Array(_) => ("(array", false),
            CompositeType::Cont(_) => ("(cont", false),
        };
        self.push(kind);
        match ty {
            _ if empty => {}
            CompositeType::Func(ty) if detail == Detail::Full => {
                self.group(" (param ", &ty.params);
                self.group(" (result ", &ty.results);
            }
            CompositeType::Struct(fields) if detail == Detail::Full => self.fields(fields),
            CompositeType::Array(element) if detail == Detail::Full => {
                self.push(" ");
                self.field(*element, Detail::Kind);
            }
            _ => self.push(" ..."),
        }
        self.push(")");
    }

    /// Parameters or results, if there are any.
    fn group(&mut self, start: &str, types: &[ValType]) {
        if !types.is_empty() {
            self.values(types, start);
            self.push(")");
        }
    }

    fn values(&mut self, types: &[ValType], start: &str) {
        self.push(start);
        for (i, &ty) in types.iter().enumerate() {
            self.push(if i == 0 { "" } else { " " });
            if self.is_long() {
                return self.push("...");
            }
            // Where a type is only one of several, its structure is too much.
            let detail = if types.len() == 1 { Detail::Full } else { Detail::Kind };
            self.value(ty, detail);
        }
    }

    fn fields(&mut self, fields: &[FieldType]) {
        for &field in fields {
            if self.is_long() {
                return self.push(" ...");
            }
            self.push(" (field ");
            self.field(field, Detail::Kind);
            self.push(")");
        }
    }

    fn field(&mut self, field: FieldType, detail: Detail) {
        self.push(if field.mutable { "(mut " } else { "" });
        match field.storage {
            StorageType::I8 => self.push("i8"),
            StorageType::I16 => self.push("i16"),
            StorageType::Val(ty) => self.value(ty, detail),
        }
        self.push(if field.mutable { ")" } else { "" });
    }

    fn is_long(&self) -> bool {
        self.text.len() >= LONG_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(nullable: bool, entry: &TypeEntry) -> ValType {
        ValType::Ref(RefType { nullable, heap: entry.heap_type() })
    }

    fn field(ty: ValType, mutable: bool) -> FieldType {
        FieldType { storage: StorageType::Val(ty), mutable }
    }

    #[test]
    fn structures_are_named_and_what_they_refer_to_is_not() {
        let types = TypeRegistry::new().unwrap();
        let node = [field(ValType::I32, false), field(ValType::ANYREF, true)];
        let node = types.register_composite(CompositeType::Struct(node.into())).unwrap();
        let name = type_name(&types, reference(false, &node));
        assert_eq!(name, "(ref (struct (field i32) (field (mut anyref))))");
        let bytes = FieldType { storage: StorageType::I8, mutable: true };
        let bytes = types.register_composite(CompositeType::Array(bytes)).unwrap();
        assert_eq!(type_name(&types, reference(true, &bytes)), "(ref null (array (mut i8)))");
        let outer = [field(reference(true, &node), false), field(reference(false, &bytes), true)];
        let outer = types.register_composite(CompositeType::Struct(outer.into())).unwrap();
        assert_eq!(
            type_name(&types, reference(false, &outer)),
            "(ref (struct (field (ref null (struct ...))) (field (mut (ref (array ...))))))"
        );
        let func = FuncType::new([reference(false, &node), ValType::I64], [reference(true, &node)]);
        assert_eq!(
            func_type_name(&types, &func),
            "((ref (struct ...)) i64) -> ((ref null (struct (field i32) (field (mut anyref)))))"
        );
        let func = types.register(&FuncType::new([], [ValType::F32])).unwrap();
        assert_eq!(type_name(&types, reference(false, &func)), "(ref (func (result f32)))");
    }

    #[test]
    fn long_types_are_cut() {
        let types = TypeRegistry::new().unwrap();
        let fields = vec![field(ValType::I32, true); 10_000];
        let many = types.register_composite(CompositeType::Struct(fields.into())).unwrap();
        let name = type_name(&types, reference(false, &many));
        assert!(name.len() < 2 * LONG_BYTES && name.ends_with("(field (mut i32)) ...))"), "{name}");
        let params = func_type_name(&types, &FuncType::new(vec![ValType::V128; 1000], []));
        assert!(params.len() < 2 * LONG_BYTES && params.ends_with("v128 ...) -> ()"), "{params}");
    }
}
