//! References by their Rust types: how one becomes another, and where functions take and give them.

use upshift::{
    AnyRef, ArrayRef, ArrayType, AsContextMut, Engine, EqRef, ExternRef, FieldType, HeapType, I31,
    RootScope, StorageType, Store, StructRef, StructType, Val, ValType,
};

pub(super) fn field(ty: ValType, mutable: bool) -> FieldType {
    FieldType { storage: StorageType::Val(ty), mutable }
}

/// A structure of one number.
pub(super) fn boxed(mut store: impl AsContextMut, number: i32) -> StructRef {
    let ty = StructType::new(store.as_context_mut().engine(), [field(ValType::I32, false)])
        .expect("a type");
    StructRef::new(store, &ty, &[number.into()]).expect("there is room")
}

fn array(mut store: impl AsContextMut, length: u32) -> ArrayRef {
    let ty =
        ArrayType::new(store.as_context_mut().engine(), field(ValType::I64, true)).expect("a type");
    ArrayRef::new(store, &ty, Val::I64(1), length).expect("there is room")
}

#[test]
fn what_ref_eq_compares_has_a_type() {
    let mut store = Store::new(&Engine::default(), ());
    let (object, array) = (boxed(&mut store, 1), array(&mut store, 3));
    let small = I31::new_i32(-7).unwrap();
    let small_ref = EqRef::from_i31(&store, small);
    let host = ExternRef::new(&mut store, "of the host").unwrap();
    assert!(AnyRef::convert_extern(&store, host).as_eqref().is_none());

    let eq = EqRef::from(object);
    assert_eq!(eq.as_struct(&store), Some(object));
    assert_eq!((eq.as_array(&store), eq.as_i31()), (None, None));
    assert_eq!(EqRef::from(array).as_array(&store), Some(array));
    assert_eq!(array.to_eq_ref().as_struct(&store), None);
    assert_eq!((small_ref.as_i31(), small_ref.as_struct(&store)), (Some(small), None));
    assert_eq!(AnyRef::from(object).as_eqref(), Some(eq));
    assert_eq!(AnyRef::from(eq), AnyRef::from(object));
    assert!(Val::from(Some(eq)).unwrap_any_ref().unwrap().is_eqref());

    let again = boxed(&mut store, 1);
    assert!(EqRef::ref_eq(&store, &eq, &object.to_eq_ref()));
    assert!(!EqRef::ref_eq(&store, &eq, &again.into()));
    let other_seven = EqRef::from_i31(&store, small);
    assert!(EqRef::ref_eq(&store, &small_ref, &other_seven));
    assert!(eq.matches_ty(&store, HeapType::Struct) && !eq.matches_ty(&store, HeapType::I31));
}

#[test]
fn owned_forms_outlive_scopes() {
    let mut store = Store::new(&Engine::default(), ());
    let (eq, object, elements) = {
        let mut scope = RootScope::new(&mut store);
        let (object, array) = (boxed(&mut scope, 41), array(&mut scope, 5));
        (
            object.to_eq_ref().to_owned_ref(&scope),
            object.to_owned_ref(&scope),
            array.to_owned_ref(&scope),
        )
    };
    store.gc().unwrap();
    let eq = eq.to_any_ref(&store).as_eqref().unwrap();
    let object = object.to_any_ref(&store).as_struct(&store).unwrap();
    assert!(EqRef::ref_eq(&store, &eq, &object.into()));
    assert_eq!(object.field(&mut store, 0).unwrap().unwrap_i32(), 41);
    assert_eq!(elements.to_any_ref(&store).as_array(&store).unwrap().len(&store), 5);
}
