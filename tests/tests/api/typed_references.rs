//! References as parameters and results of typed functions, and of closures of the host.

use super::objects::all_modes;
use super::references::boxed;
use upshift::{
    AnyRef, ArrayRef, Caller, Engine, EqRef, Extern, ExternRef, Func, I31, Instance, Linker,
    Module, Store, StructRef, TypeMismatch, V128, Val, WasmParams, WasmResults,
};

const GUEST: &str = r#"(module
    (type $box (struct (field i32)))
    (type $pair (struct (field (mut i32)) (field (mut anyref))))
    (type $bytes (array (mut i8)))
    (type $f (func (param i32) (result i32)))
    (func (export "box") (param i32) (result (ref $box)) (struct.new $box (local.get 0)))
    (func (export "pair") (param i32 anyref) (result (ref null $pair))
        (struct.new $pair (local.get 0) (local.get 1)))
    (func (export "bytes") (param i32) (result (ref $bytes)) (array.new_default $bytes (local.get 0)))
    (func (export "unbox") (param (ref $box)) (result i32) (struct.get $box 0 (local.get 0)))
    (func (export "unbox_or") (param (ref null $box) i32) (result i32)
        (if (result i32) (ref.is_null (local.get 0))
            (then (local.get 1))
            (else (struct.get $box 0 (local.get 0)))))
    (func (export "length") (param (ref $bytes)) (result i32) (array.len (local.get 0)))
    (func (export "same") (param eqref eqref) (result i32) (ref.eq (local.get 0) (local.get 1)))
    (func (export "is_struct") (param anyref) (result i32) (ref.test (ref struct) (local.get 0)))
    (func (export "struct") (param structref) (result structref) (local.get 0))
    (func (export "half") (param i31ref) (result (ref i31))
        (ref.i31 (i32.div_s (i31.get_s (local.get 0)) (i32.const 2))))
    (func (export "array") (param (ref array)) (result arrayref) (local.get 0))
    (func (export "call") (param (ref $f) i32) (result i32)
        (call_ref $f (local.get 1) (local.get 0)))
    (func $twice (export "twice") (type $f) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "get_twice") (result (ref $f)) (ref.func $twice))
    (func (export "extern") (param (ref extern)) (result (ref extern)) (local.get 0)))"#;

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(config: &upshift::Config) -> Self {
        let engine = Engine::new(config).expect("the test is right");
        let (store, instance) = super::instantiate(&engine, GUEST);
        Self { store, instance }
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> upshift::Result<R> {
        let func = self.instance.get_typed_func::<P, R>(&mut self.store, name).expect(name);
        func.call(&mut self.store, params)
    }

    /// Why a function has not these types.
    fn mismatch<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> String {
        let func = self.instance.get_typed_func::<P, R>(&mut self.store, name);
        func.expect_err(name).downcast::<TypeMismatch>().expect(name).to_string()
    }
}

#[test]
fn results_have_supertypes_of_what_is_declared() {
    for mode in all_modes() {
        let mut guest = Guest::new(&mode.config);
        let object: StructRef = guest.call("box", 5).unwrap();
        let again: Option<StructRef> = guest.call("box", 6).unwrap();
        let any: AnyRef = guest.call("box", 7).unwrap();
        let eq: Option<EqRef> = guest.call("box", 8).unwrap();
        let bytes: ArrayRef = guest.call("bytes", 9).unwrap();
        let pair: Option<StructRef> = guest.call("pair", (10, object)).unwrap();
        guest.store.gc().unwrap();
        let store = &mut guest.store;
        assert_eq!(object.field(&mut *store, 0).unwrap().unwrap_i32(), 5, "{}", mode.name);
        assert_eq!(again.unwrap().field(&mut *store, 0).unwrap().unwrap_i32(), 6);
        assert_eq!(any.as_struct(&*store).unwrap().field(&mut *store, 0).unwrap().unwrap_i32(), 7);
        let eq = eq.unwrap().as_struct(&*store).unwrap();
        assert_eq!(eq.field(&mut *store, 0).unwrap().unwrap_i32(), 8);
        assert_eq!(bytes.len(&*store), 9);
        let held = pair.unwrap().field(&mut *store, 1).unwrap().unwrap_any_ref().unwrap();
        assert!(AnyRef::ref_eq(&*store, &held, &object.into()));
        let half: I31 = guest.call("half", I31::wrapping_i32(-8)).unwrap();
        let other: EqRef = guest.call("half", Some(I31::wrapping_i32(-8))).unwrap();
        assert_eq!((half.get_i32(), other.as_i31()), (-4, Some(half)));
        let func: Func = guest.call("get_twice", ()).unwrap();
        assert_eq!(guest.call::<_, i32>("call", (func, 21)).unwrap(), 42);
        let host = ExternRef::new(&mut guest.store, 3u8).unwrap();
        let back: ExternRef = guest.call("extern", host).unwrap();
        assert!(ExternRef::same(&guest.store, &back, &host));
    }
}

#[test]
fn arguments_have_subtypes_of_what_is_declared() {
    for mode in all_modes() {
        let mut guest = Guest::new(&mode.config);
        let object: StructRef = guest.call("box", 5).unwrap();
        let array: ArrayRef = guest.call("bytes", 2).unwrap();
        let same = guest.call::<_, i32>("same", (object, object.to_eq_ref())).unwrap();
        assert_eq!(same, 1, "{}", mode.name);
        assert_eq!(guest.call::<_, i32>("same", (Some(object), array)).unwrap(), 0);
        let small = I31::wrapping_i32(3);
        let small_ref = EqRef::from_i31(&guest.store, small);
        assert_eq!(guest.call::<_, i32>("same", (small, small_ref)).unwrap(), 1);
        assert_eq!(guest.call::<_, i32>("is_struct", object).unwrap(), 1);
        assert_eq!(guest.call::<_, i32>("is_struct", Some(array)).unwrap(), 0);
        assert_eq!(guest.call::<_, i32>("is_struct", None::<EqRef>).unwrap(), 0);
        assert!(guest.call::<_, Option<StructRef>>("struct", None::<StructRef>).unwrap().is_none());
        let back: Option<AnyRef> = guest.call("array", array).unwrap();
        assert!(AnyRef::ref_eq(&guest.store, &back.unwrap(), &array.into()));
    }
}

#[test]
fn arguments_of_defined_types_are_checked_at_each_call() {
    for mode in all_modes() {
        let mut guest = Guest::new(&mode.config);
        let object: StructRef = guest.call("box", 5).unwrap();
        let pair: Option<StructRef> = guest.call("pair", (1, None::<AnyRef>)).unwrap();
        let array: ArrayRef = guest.call("bytes", 2).unwrap();
        assert_eq!(guest.call::<_, i32>("unbox", object).unwrap(), 5, "{}", mode.name);
        assert_eq!(guest.call::<_, i32>("unbox", Some(object)).unwrap(), 5);
        assert_eq!(guest.call::<_, i32>("unbox", object.to_any_ref()).unwrap(), 5);
        assert_eq!(guest.call::<_, i32>("unbox_or", (object, 1)).unwrap(), 5);
        assert_eq!(guest.call::<_, i32>("unbox_or", (None::<StructRef>, 1)).unwrap(), 1);
        assert_eq!(guest.call::<_, i32>("length", array).unwrap(), 2);
        // The host's type is the same.
        let made = boxed(&mut guest.store, 77);
        assert_eq!(guest.call::<_, i32>("unbox", made).unwrap(), 77);

        let mut fails = |name: &str, value: Option<AnyRef>| {
            let error = guest.call::<_, i32>(name, value).expect_err("another type");
            error.downcast::<TypeMismatch>().expect("a mismatch").to_string()
        };
        let expected = "expected (ref (struct (field i32)))";
        assert_eq!(
            fails("unbox", pair.map(AnyRef::from)),
            format!(
                "argument 0 has type (ref (struct (field (mut i32)) (field (mut anyref)))), {expected}"
            )
        );
        assert_eq!(fails("unbox", None), format!("argument 0 has type nullref, {expected}"));
        let array = Some(AnyRef::from(array));
        let found = "argument 0 has type (ref (array (mut i8)))";
        assert_eq!(fails("unbox", array), format!("{found}, {expected}"));
        let small = AnyRef::from_i31(&guest.store, I31::wrapping_i32(0));
        let error = guest.call::<_, i32>("unbox_or", (small, 1)).unwrap_err();
        let error = error.downcast_ref::<TypeMismatch>().unwrap();
        assert_eq!((error.what(), error.found()), ("argument 0", "(ref i31)"));
        assert_eq!(error.expected(), "(ref null (struct (field i32)))");

        let wrong = Func::wrap(&mut guest.store, |_: i64| 0i32);
        let error = guest.call::<_, i32>("call", (wrong, 1)).unwrap_err().to_string();
        assert_eq!(
            error,
            "argument 0 has type (ref (func (param i64) (result i32))), \
             expected (ref (func (param i32) (result i32)))"
        );
        let right = Func::wrap(&mut guest.store, |v: i32| v + 1);
        assert_eq!(guest.call::<_, i32>("call", (Some(right), 1)).unwrap(), 2);
    }
}

#[test]
fn what_can_never_fit_is_no_function_of_the_type() {
    let mut guest = Guest::new(&upshift::Config::new());
    let boxed = "(ref (struct (field i32)))";
    assert_eq!(
        guest.mismatch::<ArrayRef, i32>("unbox"),
        format!("parameter 0 has type {boxed}, expected (ref array)")
    );
    assert_eq!(
        guest.mismatch::<I31, i32>("unbox"),
        format!("parameter 0 has type {boxed}, expected (ref i31)")
    );
    assert_eq!(
        guest.mismatch::<Option<ExternRef>, i32>("unbox"),
        format!("parameter 0 has type {boxed}, expected externref")
    );
    // Without a type that a module defined, Rust has one for what is declared.
    assert_eq!(
        guest.mismatch::<(AnyRef, EqRef), i32>("same"),
        "parameter 0 has type eqref, expected (ref any)"
    );
    assert_eq!(
        guest.mismatch::<Option<ArrayRef>, Option<ArrayRef>>("array"),
        "parameter 0 has type (ref array), expected arrayref"
    );
    assert_eq!(
        guest.mismatch::<ArrayRef, ArrayRef>("array"),
        "result 0 has type arrayref, expected (ref array)"
    );
    assert_eq!(
        guest.mismatch::<Option<I31>, Option<StructRef>>("half"),
        "result 0 has type (ref i31), expected structref"
    );
    assert_eq!(
        guest.mismatch::<(i32, Option<AnyRef>), StructRef>("pair"),
        "result 0 has type (ref null (struct (field (mut i32)) (field (mut anyref)))), \
         expected (ref struct)"
    );
    assert_eq!(
        guest.mismatch::<(i32, V128), Option<StructRef>>("pair"),
        "parameter 1 has type anyref, expected v128"
    );
    let func = guest.instance.get_func(&mut guest.store, "same").unwrap();
    let error = func.typed::<EqRef, i32>(&guest.store).unwrap_err();
    assert_eq!(error.to_string(), "type mismatch: the function has type (eqref eqref) -> (i32)");
    assert_eq!(error.root_cause().to_string(), "expected 1 parameters, found 2");
}

#[test]
fn closures_take_and_give_references_by_their_types() {
    for mode in all_modes() {
        let engine = Engine::new(&mode.config).unwrap();
        let mut linker: Linker<()> = Linker::new(&engine);
        let first = |mut caller: Caller<'_, ()>, object: StructRef| -> upshift::Result<I31> {
            let churn = caller.get_export("churn").and_then(Extern::into_func).expect("an export");
            churn.typed::<i32, ()>(&caller)?.call(&mut caller, 2000)?;
            Ok(I31::wrapping_i32(object.field(&mut caller, 0)?.unwrap_i32()))
        };
        linker.func_wrap("host", "first", first).unwrap();
        linker
            .func_wrap("host", "either", |a: Option<EqRef>, b: Option<ArrayRef>| -> Option<EqRef> {
                a.or(b.map(EqRef::from))
            })
            .unwrap();
        linker.func_wrap("host", "same", |a: ArrayRef, b: Func, _: EqRef| (a, b)).unwrap();
        let module = Module::new(
            &engine,
            r#"(module
                (type $box (struct (field i32) (field i64)))
                (type $bytes (array (mut i8)))
                (import "host" "first" (func $first (param (ref struct)) (result (ref i31))))
                (import "host" "either" (func $either (param eqref arrayref) (result eqref)))
                (import "host" "same" (func $same (param (ref array) (ref func) (ref eq))
                    (result (ref array) (ref func))))
                (func (export "churn") (param i32)
                    (loop $l
                        (drop (struct.new $box (local.get 0) (i64.const 0)))
                        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
                (func $run (export "run") (result i32)
                    (local $bytes (ref $bytes))
                    (local.set $bytes (array.new_default $bytes (i32.const 3)))
                    (call $same
                        (local.get $bytes) (ref.func $run)
                        (call $first (struct.new $box (i32.const 40) (i64.const 1))))
                    drop
                    (ref.eq (call $either (ref.null eq) (local.get $bytes)))
                    (i31.get_s (call $first (struct.new $box (i32.const 41) (i64.const 1))))
                    i32.add))"#,
        );
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module.unwrap()).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 42, "{}", mode.name);
    }
}

#[test]
fn errors_name_types_by_their_structure() {
    let mut guest = Guest::new(&upshift::Config::new());
    let unbox = guest.instance.get_func(&mut guest.store, "unbox").unwrap();
    let mut fails = |value: Val| {
        let error = unbox.call(&mut guest.store, &[value], &mut [Val::I32(0)]).unwrap_err();
        error.downcast::<TypeMismatch>().expect("a mismatch").to_string()
    };
    let expected = "expected (ref (struct (field i32)))";
    assert_eq!(fails(Val::AnyRef(None)), format!("argument 0 has type nullref, {expected}"));
    assert_eq!(fails(Val::I64(0)), format!("argument 0 has type i64, {expected}"));

    let engine = guest.store.engine().clone();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("host", "f", |_: StructRef| ()).unwrap();
    let module = Module::new(
        &engine,
        r#"(module
            (type $box (struct (field i32)))
            (import "host" "f" (func (param (ref null $box)))))"#,
    );
    let error = linker.instantiate(&mut guest.store, &module.unwrap()).unwrap_err().to_string();
    let expected = "expected function type ((ref null (struct (field i32)))) -> ()";
    assert!(error.contains(&format!("{expected}, found ((ref struct)) -> ()")), "{error}");
    let module = Module::new(
        &engine,
        r#"(module
            (rec (type $f (func (param (ref struct)))) (type (struct)))
            (import "host" "f" (func (type $f))))"#,
    );
    let error = linker.instantiate(&mut guest.store, &module.unwrap()).unwrap_err().to_string();
    assert!(error.contains("found ((ref struct)) -> () (another type of this form)"), "{error}");
}
