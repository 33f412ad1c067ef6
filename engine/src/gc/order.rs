//! Where copied objects lie.

use crate::{
    AsContextMut, Engine, FieldType, RootScope, StorageType, Store, StructRef, StructType, Val,
    ValType,
};

/// References enough that no bitmap has them all.
const MANY: usize = 100;

/// Copied objects lie in the order in which their first fields lead from one to the next, be the object
/// that refers to them small or large.
#[test]
fn what_the_first_field_leads_to_lies_behind() {
    let engine = Engine::default();
    let any = FieldType { storage: StorageType::Val(ValType::ANYREF), mutable: true };
    for count in [2, MANY] {
        let mut store = Store::new(&engine, ());
        let leaf = StructType::new(&engine, [any]).unwrap();
        let parent = StructType::new(&engine, vec![any; count]).unwrap();
        let mut scope = RootScope::new(&mut store);
        let parent = StructRef::new(&mut scope, &parent, &vec![Val::AnyRef(None); count]).unwrap();
        for i in 0..count {
            // The parent alone leads to the others.
            let mut scope = RootScope::new(&mut scope);
            let last = StructRef::new(&mut scope, &leaf, &[Val::AnyRef(None)]).unwrap();
            let first = StructRef::new(&mut scope, &leaf, &[last.to_any_ref().into()]).unwrap();
            parent.set_field(&mut scope, i, first.to_any_ref().into()).unwrap();
        }
        scope.as_context_mut().gc().unwrap();
        let at = |scope: &mut RootScope<_>, object: StructRef| {
            object.to_any_ref().object(AsContextMut::as_context_mut(scope).inner())
        };
        let first = parent.field(&mut scope, 0).unwrap().unwrap_any_ref().unwrap();
        let first = first.as_struct(&scope).unwrap();
        let next = first.field(&mut scope, 0).unwrap().unwrap_any_ref().unwrap();
        let next = next.as_struct(&scope).unwrap();
        let (first, next) = (at(&mut scope, first), at(&mut scope, next));
        assert_eq!(next, first + 16, "{count} fields");
    }
}
