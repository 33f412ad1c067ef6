//! Types of objects that the host defines: what may be below what, and that they are those of modules.

use super::references::field;
use upshift::{
    ArrayRef, ArrayType, Engine, FieldType, Finality, Func, FuncType, Global, GlobalType, HeapType,
    Linker, Module, Ref, RefType, StorageType, Store, StructRef, StructType, Table, TableType,
    TypeError, Val, ValType,
};

fn reference(nullable: bool, heap: HeapType) -> ValType {
    ValType::Ref(RefType { nullable, heap })
}

fn open(
    engine: &Engine,
    above: Option<&StructType>,
    fields: &[FieldType],
) -> Result<StructType, TypeError> {
    let fields = fields.iter().copied();
    StructType::with_finality_and_supertype(engine, Finality::NonFinal, above, fields)
        .map_err(|error| error.downcast().expect("a typed error"))
}

#[test]
fn types_below_others_are_those_of_modules() {
    let engine = Engine::default();
    let linker: Linker<()> = Linker::new(&engine);
    let base = open(&engine, None, &[field(ValType::I32, true)]).unwrap();
    let middle = open(
        &engine,
        Some(&base),
        &[field(ValType::I32, true), field(reference(true, HeapType::Eq), false)],
    );
    let middle = middle.unwrap();
    let fields = [
        field(ValType::I32, true),
        field(reference(false, base.heap_type()), false),
        FieldType { storage: StorageType::I16, mutable: true },
    ];
    let leaf =
        StructType::with_finality_and_supertype(&engine, Finality::Final, Some(&middle), fields);
    let leaf = leaf.unwrap();
    assert_eq!((leaf.finality(), base.finality()), (Finality::Final, Finality::NonFinal));
    assert_eq!(leaf.supertype().as_ref(), Some(&middle));
    assert_eq!(leaf.supertype().unwrap().supertype().as_ref(), Some(&base));
    assert_eq!(base.supertype(), None);
    assert!(leaf.matches(&leaf) && leaf.matches(&base) && !base.matches(&leaf));
    let plain = StructType::new(&engine, [field(ValType::I32, true)]).unwrap();
    assert!(plain != base && !plain.matches(&base) && !leaf.matches(&plain));

    let module = Module::new(
        &engine,
        r#"(module
            (type $base (sub (struct (field (mut i32)))))
            (type $middle (sub $base (struct (field (mut i32)) (field eqref))))
            (type $leaf (sub final $middle
                (struct (field (mut i32)) (field (ref $base)) (field (mut i16)))))
            (func (export "depth") (param (ref null $base)) (result i32)
                (i32.add (ref.test (ref $base) (local.get 0))
                    (i32.add (ref.test (ref $middle) (local.get 0))
                        (ref.test (ref $leaf) (local.get 0)))))
            (func (export "leaf") (param (ref $base)) (result (ref $middle))
                (struct.new $leaf (i32.const 5) (local.get 0) (i32.const 6))))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module.unwrap()).unwrap();
    let depth = instance.get_typed_func::<Option<StructRef>, i32>(&mut store, "depth").unwrap();
    let of_base = StructRef::new(&mut store, &base, &[Val::I32(1)]).unwrap();
    let of_middle = [Val::I32(2), Val::AnyRef(None)];
    let of_middle = StructRef::new(&mut store, &middle, &of_middle).unwrap();
    let of_leaf = [Val::I32(3), of_middle.into(), Val::I32(4)];
    let of_leaf = StructRef::new(&mut store, &leaf, &of_leaf).unwrap();
    for (object, expected) in [(of_base, 1), (of_middle, 2), (of_leaf, 3)] {
        assert_eq!(depth.call(&mut store, Some(object)).unwrap(), expected);
    }
    let of_plain = StructRef::new(&mut store, &plain, &[Val::I32(1)]).unwrap();
    let error = depth.call(&mut store, Some(of_plain)).unwrap_err().to_string();
    assert_eq!(
        error,
        "argument 0 has type (ref (struct (field (mut i32)))), \
         expected (ref null (sub (struct (field (mut i32)))))"
    );
    let make = instance.get_typed_func::<StructRef, StructRef>(&mut store, "leaf").unwrap();
    let made = make.call(&mut store, of_leaf).unwrap();
    assert_eq!(made.ty(&store), leaf);
    assert_eq!(made.ty(&store).supertype().unwrap().supertype(), Some(base.clone()));
    assert_eq!(made.field(&mut store, 2).unwrap().unwrap_i32(), 6);

    // A field of a supertype holds objects of all types below.
    let holder =
        StructType::new(&engine, [field(reference(true, base.heap_type()), true)]).unwrap();
    let holder = StructRef::new(&mut store, &holder, &[of_leaf.into()]).unwrap();
    holder.set_field(&mut store, 0, of_middle.into()).unwrap();
    holder.set_field(&mut store, 0, Val::AnyRef(None)).unwrap();
    assert!(holder.set_field(&mut store, 0, of_plain.into()).is_err());
}

#[test]
fn types_of_modules_are_found_in_signatures() {
    let engine = Engine::default();
    let (mut store, instance) = super::instantiate(
        &engine,
        r#"(module
            (rec (type $list (struct (field i32) (field (ref null $list)) (field (ref $bytes))))
                (type $bytes (array (mut i8))))
            (func (export "sum") (param $l (ref null $list)) (result i32)
                (local $sum i32)
                (block $end
                    (loop $next
                        (br_if $end (ref.is_null (local.get $l)))
                        (local.set $sum
                            (i32.add (local.get $sum) (struct.get $list 0 (local.get $l))))
                        (local.set $l (struct.get $list 1 (local.get $l)))
                        (br $next)))
                (local.get $sum)))"#,
    );
    let sum = instance.get_func(&mut store, "sum").unwrap();
    let ValType::Ref(RefType { heap, .. }) = sum.ty(&store).params[0] else {
        panic!("a reference")
    };
    let list = StructType::from_heap_type(&engine, heap).expect("a structure");
    let StorageType::Val(ValType::Ref(bytes)) = list.fields()[2].storage else { panic!("bytes") };
    let bytes = ArrayType::from_heap_type(&engine, bytes.heap).expect("an array");
    assert_eq!(ArrayType::from_heap_type(&engine, heap), None);
    assert_eq!(StructType::from_heap_type(&engine, HeapType::Struct), None);
    assert_eq!(StructType::from_heap_type(&Engine::default(), heap), None);

    let bytes = ArrayRef::new(&mut store, &bytes, Val::I32(0), 1).unwrap();
    let mut head = None::<StructRef>;
    for i in 1..=4 {
        let fields = [Val::I32(i), head.into(), bytes.into()];
        head = Some(StructRef::new(&mut store, &list, &fields).unwrap());
    }
    let sum = sum.typed::<Option<StructRef>, i32>(&store).unwrap();
    assert_eq!(sum.call(&mut store, head).unwrap(), 10);
}

#[test]
fn what_may_not_be_below_a_type_is_refused() {
    let engine = Engine::default();
    let (i32, i64) = (field(ValType::I32, false), field(ValType::I64, false));
    let any = field(ValType::ANYREF, false);
    let base = open(&engine, None, &[i32, any]).unwrap();
    let last = StructType::new(&engine, [i32, any]).unwrap();
    let refused =
        |above: &StructType, fields: &[FieldType]| open(&engine, Some(above), fields).unwrap_err();
    assert_eq!(
        refused(&last, &[i32, any]),
        TypeError::FinalSupertype("(struct (field i32) (field anyref))".to_owned())
    );
    assert_eq!(refused(&base, &[i32]), TypeError::MissingFields { expected: 2, found: 1 });
    assert_eq!(
        refused(&base, &[i64, any]).to_string(),
        "field 0 has type i64, which is not below i32 of the supertype"
    );
    let eq = field(ValType::Ref(RefType { nullable: true, heap: HeapType::Eq }), false);
    let not_below = |error| assert!(matches!(error, TypeError::NotBelow { .. }), "{error}");
    not_below(refused(&base, &[i32, field(ValType::EXTERNREF, false)]));
    not_below(refused(&base, &[FieldType { mutable: true, ..i32 }, any]));
    not_below(refused(&base, &[FieldType { storage: StorageType::I8, mutable: false }, any]));
    let narrow = open(&engine, Some(&base), &[i32, eq]).unwrap();
    not_below(refused(&narrow, &[i32, any]));
    // What may be set is of the same type.
    let set = |field: FieldType| FieldType { mutable: true, ..field };
    let written = open(&engine, None, &[set(any)]).unwrap();
    not_below(refused(&written, &[set(eq)]));
    not_below(refused(&written, &[any]));
    open(&engine, Some(&written), &[set(any), set(eq)]).unwrap();

    let mut deepest = open(&engine, None, &[]).unwrap();
    for _ in 0..63 {
        deepest = open(&engine, Some(&deepest), &[]).unwrap();
    }
    assert_eq!(refused(&deepest, &[]), TypeError::TooDeep);
    let foreign = open(&Engine::default(), None, &[i32]).unwrap();
    assert_eq!(refused(&foreign, &[i32]), TypeError::UnknownType);
    let many = StructType::new(&engine, vec![i32; 10_001]).unwrap_err();
    assert_eq!(many.downcast_ref::<TypeError>(), Some(&TypeError::TooManyFields(10_001)));
}

#[test]
fn arrays_are_below_arrays() {
    let engine = Engine::default();
    let define = |finality, above: Option<&ArrayType>, element| {
        ArrayType::with_finality_and_supertype(&engine, finality, above, element)
    };
    let any = define(Finality::NonFinal, None, field(ValType::ANYREF, false)).unwrap();
    let i31 = ValType::Ref(RefType { nullable: false, heap: HeapType::I31 });
    let small = define(Finality::Final, Some(&any), field(i31, false)).unwrap();
    assert!(small.matches(&any) && !any.matches(&small) && small.supertype() == Some(any.clone()));
    let error = define(Finality::Final, Some(&any), field(ValType::I32, false)).unwrap_err();
    let text = "the element has type i32, which is not below anyref of the supertype";
    assert_eq!(error.downcast::<TypeError>().unwrap().to_string(), text);
    assert!(define(Finality::Final, Some(&any), field(i31, true)).is_err());
    assert!(define(Finality::Final, Some(&small), field(i31, false)).is_err());

    let mut store = Store::new(&engine, ());
    let holder =
        StructType::new(&engine, [field(reference(false, any.heap_type()), false)]).unwrap();
    let value = upshift::AnyRef::from_i31(&store, upshift::I31::wrapping_i32(9));
    let array = ArrayRef::new(&mut store, &small, value.into(), 3).unwrap();
    StructRef::new(&mut store, &holder, &[array.into()]).unwrap();
}

#[test]
fn a_type_of_another_engine_is_no_type() {
    let (engine, other) = (Engine::default(), Engine::default());
    let mine = StructType::new(&engine, [field(ValType::I32, false)]).unwrap();
    // The first type of the other engine, too.
    let theirs = StructType::new(&other, [field(ValType::I64, false)]).unwrap();
    assert_ne!(mine.heap_type(), theirs.heap_type());
    let foreign = reference(true, theirs.heap_type());
    let unknown = |error: upshift::Error| {
        assert_eq!(error.downcast_ref::<TypeError>(), Some(&TypeError::UnknownType), "{error}");
    };
    unknown(StructType::new(&engine, [field(foreign, false)]).unwrap_err());
    unknown(ArrayType::new(&engine, field(foreign, true)).unwrap_err());
    let mut store = Store::new(&engine, ());
    let null = Val::AnyRef(None);
    Global::new(&mut store, GlobalType::new(foreign, true), null).expect_err("of another engine");
    let element = RefType { nullable: true, heap: theirs.heap_type() };
    let table = TableType::new(element, 1, None);
    Table::new(&mut store, table, Ref::Any(None)).expect_err("of another engine");
    let object = StructRef::new(&mut store, &mine, &[Val::I32(1)]).unwrap().to_any_ref();
    assert!(object.matches_ty(&store, mine.heap_type()));
    assert!(!object.matches_ty(&store, theirs.heap_type()));
    StructRef::new(&mut store, &theirs, &[Val::I64(1)]).expect_err("of another engine");
    let made = std::panic::AssertUnwindSafe(|| {
        Func::new(&mut store, FuncType::new([foreign], []), |_, _, _| Ok(()))
    });
    std::panic::catch_unwind(made).expect_err("of another engine");
}

#[test]
fn a_type_that_is_gone_is_no_other_type() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let make = |count| StructType::new(&engine, vec![field(ValType::I32, false); count]).unwrap();
    let gone = make(1).heap_type();
    let (global, kept) = {
        let ty = make(2);
        let global = GlobalType::new(reference(true, ty.heap_type()), true);
        (Global::new(&mut store, global, Val::AnyRef(None)).unwrap(), ty.heap_type())
    };
    // Enough for those that are gone to be forgotten, and their places to be used again.
    let others: Vec<_> = (3..2000).map(make).collect();
    assert!(others.iter().all(|ty| ty.heap_type() != gone && ty.heap_type() != kept));
    let error = StructType::new(&engine, [field(reference(true, gone), false)]).unwrap_err();
    assert_eq!(error.downcast_ref::<TypeError>(), Some(&TypeError::UnknownType));
    // A variable keeps its type.
    assert_eq!(make(2).heap_type(), kept);
    let object = StructRef::new(&mut store, &make(2), &[Val::I32(7), Val::I32(8)]).unwrap();
    global.set(&mut store, object.into()).unwrap();
    let read = global.get(&mut store).unwrap_any_ref().unwrap().as_struct(&store).unwrap();
    assert_eq!(read.field(&mut store, 1).unwrap().unwrap_i32(), 8);
    let other = StructRef::new(&mut store, &make(1), &[Val::I32(7)]).unwrap();
    assert!(global.set(&mut store, other.into()).is_err());
}
