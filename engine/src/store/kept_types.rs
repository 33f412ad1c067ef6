//! Types of the objects that the host makes: kept as long as the store, which may hold objects of them.

use super::StoreInner;
use crate::Result;
use crate::canon::TypeEntry;
use std::collections::HashMap;
use upshift_abi::layout::{CanonTypeId, Cell, ObjectLayout};
use upshift_abi::types::ValType;

/// See the module head. By number: that of a type that is kept is no other type's.
#[derive(Debug, Default)]
pub(super) struct KeptTypes(HashMap<CanonTypeId, TypeEntry>);

impl KeptTypes {
    fn contains(&self, entry: &TypeEntry) -> bool {
        // Another engine may use the same number.
        self.0.get(&entry.id()).is_some_and(|kept| kept.same(entry))
    }
}

impl StoreInner {
    /// Keeps what a value type names as long as the store, which is about to hold a variable of that type.
    ///
    /// # Errors
    /// When it is no type of the store's engine, or not in use any more.
    pub(crate) fn keep_named(&mut self, ty: ValType) -> Result<()> {
        if let Some(entry) = self.engine().types().hold_value(ty)? {
            self.insert_type(entry);
        }
        Ok(())
    }

    /// Keeps a type as long as the store: objects of it are about to be made by the host.
    ///
    /// # Errors
    /// When it belongs to another engine.
    pub(crate) fn keep_type(&mut self, entry: &TypeEntry) -> Result<()> {
        if self.kept_types.contains(entry) {
            return Ok(());
        }
        if !self.engine().types().owns(entry) {
            anyhow::bail!("the type belongs to another engine");
        }
        self.insert_type(entry.clone());
        Ok(())
    }

    fn insert_type(&mut self, entry: TypeEntry) {
        self.objects_hold_exceptions |= match entry.layout() {
            ObjectLayout::Struct(layout) => layout.fields.iter().any(|field| field.0 == Cell::Exn),
            ObjectLayout::Array(layout) => layout.element == Cell::Exn,
            ObjectLayout::None => false,
        };
        self.kept_types.0.insert(entry.id(), entry);
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        AsContext, AsContextMut, Engine, FieldType, Global, GlobalType, RefType, RootScope,
        StorageType, Store, StructRef, StructType, Val, ValType,
    };
    use upshift_abi::types::CompositeType;

    fn struct_of(engine: &Engine, fields: usize, ty: ValType) -> StructType {
        let field = FieldType { storage: StorageType::Val(ty), mutable: false };
        StructType::new(engine, vec![field; fields]).unwrap()
    }

    #[test]
    fn types_of_objects_are_kept_once_while_the_store_lives() {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let mut owned = Vec::new();
        for _ in 0..3 {
            for count in 0..100 {
                let mut scope = RootScope::new(&mut store);
                let ty = struct_of(&engine, count, ValType::I32);
                let fields: Vec<Val> = (0..count).map(|_| Val::I32(7)).collect();
                let object = StructRef::new(&mut scope, &ty, &fields).unwrap();
                owned.push((count, object.to_owned_ref(&scope)));
            }
        }
        assert_eq!(store.as_context().inner().kept_types.0.len(), 100);
        // Nobody else holds the types now, and their numbers would be used again.
        for count in 0..2000 {
            struct_of(&engine, count, ValType::I64);
        }
        for (count, object) in owned {
            let object = object.to_any_ref(&store).as_struct(&store).unwrap();
            assert_eq!(object.ty(&store), struct_of(&engine, count, ValType::I32));
        }
        assert!(!store.as_context().inner().objects_hold_exceptions);
        let exceptions = struct_of(&engine, 2, ValType::EXNREF);
        // A variable of the type comes first.
        let ty = ValType::Ref(RefType { nullable: true, heap: exceptions.heap_type() });
        Global::new(
            &mut store,
            GlobalType { content: ty, mutable: true, shared: false },
            Val::AnyRef(None),
        )
        .unwrap();
        StructRef::new(&mut store, &exceptions, &[Val::ExnRef(None); 2]).unwrap();
        assert!(store.as_context().inner().objects_hold_exceptions);
    }

    #[test]
    fn types_of_another_engine_with_the_same_number_are_refused() {
        let (engine, other) = (Engine::default(), Engine::default());
        let entry = |engine: &Engine, element: ValType| {
            let element = FieldType { storage: StorageType::Val(element), mutable: false };
            engine.types().register_composite(CompositeType::Array(element)).unwrap()
        };
        let (ours, theirs) = (entry(&engine, ValType::I32), entry(&other, ValType::I64));
        assert_eq!(ours.id(), theirs.id());
        let mut store = Store::new(&engine, ());
        let mut store = store.as_context_mut();
        store.inner_mut().keep_type(&ours).unwrap();
        assert!(store.inner_mut().keep_type(&theirs).is_err());
        assert!(store.inner_mut().keep_type(&ours).is_ok());
    }
}
