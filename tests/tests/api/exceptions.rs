//! Exceptions between host and wasm code: thrown, caught and rethrown on either side, in every mode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use upshift::{
    AsContextMut, Caller, Config, Engine, Error, Exception, ExnRef, Extern, Func, FuncType,
    Instance, Linker, Module, RootScope, Store, Tag, Trap, Val, ValType, WasmBacktrace,
};
use upshift_tests::modes;

/// A module with a tag of its own, that throws what it is told and catches what its import throws.
const GUEST: &str = r#"(module $guest
    (import "host" "tag" (tag $host (param i32 f64)))
    (import "host" "call" (func $call (param i32) (result i32)))
    (tag $own (export "own") (param i64))
    (func $thrower (param i64) (throw $own (local.get 0)))
    (func (export "throw") (param i64) (call $thrower (local.get 0)))
    (func (export "throw_host") (param i32 f64) (throw $host (local.get 0) (local.get 1)))
    (func (export "catch") (param i32) (result i32)
        (block $h (result i32 f64)
            (try_table (catch $host $h) (return (call $call (local.get 0))))
            unreachable)
        drop)
    (func (export "catch_all") (param i32) (result i32)
        (block $h (try_table (catch_all $h) (return (call $call (local.get 0)))) unreachable)
        (i32.const -7))
    (func (export "pass") (param i32) (result i32) (call $call (local.get 0)))
    (func (export "identity") (param exnref) (result exnref) (local.get 0))
    (func (export "rethrow") (param exnref) (throw_ref (local.get 0)))
    (global (export "global") (mut exnref) (ref.null exn))
    (table (export "table") 2 exnref))"#;

/// What the host function does with its argument.
enum Does {
    Throw(i32),
    Fail,
    Trap,
    Panic,
    /// Calls the guest's `throw_host` and gives its error back as it is.
    PassOn,
    /// The same, but catches what comes.
    Catch,
}

const CASES: [Does; 6] =
    [Does::Throw(5), Does::Fail, Does::Trap, Does::Panic, Does::PassOn, Does::Catch];

struct Host {
    tag: Option<Tag>,
    guest: Option<Instance>,
}

fn host_call(mut caller: Caller<'_, Host>, case: i32) -> Result<i32, Error> {
    let tag = caller.data().tag.clone().expect("set before any call");
    match CASES[usize::try_from(case)?] {
        Does::Throw(n) => {
            let exn = ExnRef::new(&mut caller, &tag, &[Val::I32(n), Val::from(1.5f64)])?;
            caller.throw(exn)
        }
        Does::Fail => anyhow::bail!("an ordinary error"),
        Does::Trap => Err(Trap::Unreachable.into()),
        Does::Panic => panic!("a panic of the host"),
        Does::PassOn => call_back(&mut caller).map(|()| 0),
        Does::Catch => {
            let error = call_back(&mut caller).expect_err("it throws");
            let exception = error.downcast_ref::<Exception>().expect("it is an exception");
            let fields = exception.fields(&mut caller);
            Ok(fields[0].unwrap_i32() + 100)
        }
    }
}

fn call_back(caller: &mut Caller<'_, Host>) -> Result<(), Error> {
    let guest = caller.data().guest.expect("set before any call");
    let throw = guest.get_typed_func::<(i32, f64), ()>(&mut *caller, "throw_host")?;
    throw.call(&mut *caller, (23, 0.5))
}

fn guest(engine: &Engine) -> (Store<Host>, Instance) {
    let mut store = Store::new(engine, Host { tag: None, guest: None });
    let mut linker = Linker::new(engine);
    let tag = Tag::new(&mut store, &FuncType::new([ValType::I32, ValType::F64], []));
    linker.define(&store, "host", "tag", tag.clone()).expect("a valid guest");
    linker.func_wrap("host", "call", host_call).expect("a valid guest");
    let module = Module::new(engine, GUEST).expect("a valid guest");
    let instance = linker.instantiate(&mut store, &module).expect("a valid guest");
    store.data_mut().tag = Some(tag);
    store.data_mut().guest = Some(instance);
    (store, instance)
}

/// Runs a test with a guest under every mode.
fn in_every_mode(test: impl Fn(&mut Store<Host>, Instance)) {
    for mode in modes::all() {
        let engine = Engine::new(&mode.config).expect("a valid guest");
        let (mut store, instance) = guest(&engine);
        test(&mut store, instance);
    }
}

fn call(store: &mut Store<Host>, instance: Instance, name: &str, arg: i32) -> Result<i32, Error> {
    instance.get_typed_func::<i32, i32>(&mut *store, name).expect("a valid guest").call(store, arg)
}

#[test]
fn uncaught_exceptions_come_out_typed_and_with_a_backtrace() {
    in_every_mode(|store, instance| {
        let throw = instance.get_typed_func::<i64, ()>(&mut *store, "throw").unwrap();
        let error = throw.call(&mut *store, 42).unwrap_err();
        let exception = error.downcast_ref::<Exception>().expect("typed");
        assert!(exception.to_string().contains("i64"), "{exception}");
        assert_eq!(exception.fields(&mut *store)[0].unwrap_i64(), 42);
        let own = instance.get_tag(&*store, "own").unwrap();
        assert_eq!(exception.tag(&*store), own);
        assert_ne!(Some(own), store.data().tag.clone());
        let exn = exception.exn_ref(&mut *store);
        assert_eq!(exn.field(&mut *store, 0).unwrap().unwrap_i64(), 42);
        assert!(exn.field(&mut *store, 1).is_err());
        let backtrace = error.downcast_ref::<WasmBacktrace>().expect("a backtrace");
        let names: Vec<_> = backtrace.frames().iter().filter_map(|f| f.func_name()).collect();
        assert_eq!(names[0], "thrower");
        assert!(error.downcast_ref::<Trap>().is_none());
        // The store goes on.
        assert_eq!(call(store, instance, "catch", 5).unwrap(), 123);
    });
}

#[test]
fn what_host_functions_throw_is_caught_and_nothing_else_is() {
    in_every_mode(|store, instance| {
        assert_eq!(call(store, instance, "catch", 0).unwrap(), 5);
        assert_eq!(call(store, instance, "catch_all", 0).unwrap(), -7);
        let error = call(store, instance, "pass", 0).unwrap_err();
        assert_eq!(error.downcast_ref::<Exception>().unwrap().fields(&mut *store).len(), 2);
        for name in ["catch", "catch_all", "pass"] {
            let error = call(store, instance, name, 1).unwrap_err();
            assert!(format!("{error:#}").contains("an ordinary error"), "{error:#}");
            let error = call(store, instance, name, 2).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Unreachable));
            let panic = catch_unwind(AssertUnwindSafe(|| call(store, instance, name, 3)));
            let text = *panic.unwrap_err().downcast::<&str>().unwrap();
            assert_eq!(text, "a panic of the host");
        }
    });
}

#[test]
fn exceptions_pass_through_activations() {
    in_every_mode(|store, instance| {
        assert_eq!(call(store, instance, "catch", 4).unwrap(), 23);
        assert_eq!(call(store, instance, "catch_all", 4).unwrap(), -7);
        assert_eq!(call(store, instance, "catch", 5).unwrap(), 123);
        let error = call(store, instance, "pass", 4).unwrap_err();
        let exception = error.downcast_ref::<Exception>().unwrap().clone();
        assert_eq!(exception.fields(&mut *store)[0].unwrap_i32(), 23);
        assert_eq!(Some(exception.tag(&*store)), store.data().tag.clone());
        // Once more, from the embedder.
        let exn = exception.exn_ref(&mut *store);
        let rethrow = instance.get_typed_func::<Option<ExnRef>, ()>(&mut *store, "rethrow");
        let error = rethrow.unwrap().call(&mut *store, Some(exn)).unwrap_err();
        let again = error.downcast_ref::<Exception>().unwrap();
        assert_eq!(again.fields(&mut *store)[1].unwrap_f64(), 0.5);
    });
}

#[test]
fn references_to_exceptions_are_values() {
    in_every_mode(|store, instance| {
        let tag = store.data().tag.clone().unwrap();
        let fields = [Val::I32(9), Val::from(2.0f64)];
        let exn = ExnRef::new(&mut *store, &tag, &fields).unwrap();
        assert_eq!(exn.tag(&*store), tag);
        let identity = instance.get_func(&mut *store, "identity").unwrap();
        let mut result = [Val::I32(0)];
        identity.call(&mut *store, &[exn.into()], &mut result).unwrap();
        let back = result[0].unwrap_exn_ref().unwrap();
        assert_eq!(back.fields(&mut *store)[0].unwrap_i32(), 9);
        identity.call(&mut *store, &[Val::ExnRef(None)], &mut result).unwrap();
        assert!(result[0].unwrap_exn_ref().is_none());
        let global = instance.get_global(&mut *store, "global").unwrap();
        global.set(&mut *store, exn.into()).unwrap();
        let table = instance.get_table(&mut *store, "table").unwrap();
        table.set(&mut *store, 1, Some(exn).into()).unwrap();
        store_keeps_what_is_in_use(store, &tag);
        let kept = global.get(&mut *store).unwrap_exn_ref().unwrap();
        assert_eq!(kept.fields(&mut *store)[1].unwrap_f64(), 2.0);
        assert!(global.set(&mut *store, Val::ExternRef(None)).is_err());
        assert!(identity.call(&mut *store, &[Val::FuncRef(None)], &mut result).is_err());
    });
}

/// Makes far more exceptions than stay.
fn store_keeps_what_is_in_use(store: &mut Store<Host>, tag: &Tag) {
    for i in 0..30_000 {
        let mut scope = RootScope::new(&mut *store);
        let exn = ExnRef::new(&mut scope, tag, &[Val::I32(i), Val::from(0.0f64)])
            .expect("fields that fit");
        assert_eq!(exn.field(&mut scope, 0).expect("fields that fit").unwrap_i32(), i);
    }
    assert!(store.exception_count() < 20_000, "{}", store.exception_count());
}

#[test]
fn uncaught_exceptions_do_not_pile_up() {
    let (mut store, instance) = guest(&Engine::default());
    let throw = instance.get_typed_func::<i64, ()>(&mut store, "throw").unwrap();
    let first = throw.call(&mut store, -1).unwrap_err();
    for i in 0..20_000 {
        assert!(throw.call(&mut store, i).is_err());
    }
    assert!(store.exception_count() < 20_000, "{}", store.exception_count());
    let first = first.downcast_ref::<Exception>().unwrap();
    assert_eq!(first.fields(&mut store)[0].unwrap_i64(), -1);
}

#[test]
fn what_does_not_fit_a_tag_is_an_error() {
    let (mut store, _) = guest(&Engine::default());
    let tag = store.data().tag.clone().unwrap();
    assert!(ExnRef::new(&mut store, &tag, &[]).is_err());
    assert!(ExnRef::new(&mut store, &tag, &[Val::I32(1), Val::I32(1)]).is_err());
    assert_eq!(tag.ty(&store).params.len(), 2);
}

#[test]
#[should_panic(expected = "after its scope")]
fn references_end_with_their_scope() {
    let (mut store, _) = guest(&Engine::default());
    let tag = store.data().tag.clone().unwrap();
    let mut scope = RootScope::new(&mut store);
    let exn = ExnRef::new(&mut scope, &tag, &[Val::I32(1), Val::from(1.0f64)]).unwrap();
    drop(scope);
    let _ = exn.fields(&mut store);
}

#[test]
#[should_panic(expected = "wrong store")]
fn references_belong_to_a_store() {
    let engine = Engine::default();
    let ((mut store, _), (mut other, _)) = (guest(&engine), guest(&engine));
    let tag = store.data().tag.clone().unwrap();
    let exn = ExnRef::new(&mut store, &tag, &[Val::I32(1), Val::from(1.0f64)]).unwrap();
    let _ = other.as_context_mut().throw::<()>(exn);
}

#[test]
fn exceptions_of_another_store_are_ordinary_errors() {
    let engine = Engine::default();
    let (mut other, instance) = guest(&engine);
    let throw = instance.get_typed_func::<i64, ()>(&mut other, "throw").unwrap();
    let error = throw.call(&mut other, 1).unwrap_err();
    let exception = error.downcast_ref::<Exception>().unwrap().clone();
    drop(other);
    let mut store = Store::new(&engine, ());
    let fails =
        Func::wrap(&mut store, move || -> Result<(), Error> { Err(Error::new(exception.clone())) });
    let module = r#"(module (import "" "f" (func $f))
        (func (export "run") (block $h (try_table (catch_all $h) (call $f)))))"#;
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[Extern::Func(fails)]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    assert!(run.call(&mut store, ()).unwrap_err().is::<Exception>());
}

#[test]
fn hoards_of_exceptions_trap() {
    let module = r#"(module (tag $e (param exnref v128 v128 v128 v128 v128 v128 v128))
        (global $made (export "made") (mut i32) (i32.const 0))
        (func (export "run") (local $x exnref)
            (loop $l
                (block $h (result exnref)
                    (try_table (catch_all_ref $h)
                        (throw $e (local.get $x)
                            (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
                            (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
                            (v128.const i64x2 0 0)))
                    unreachable)
                (local.set $x)
                (global.set $made (i32.add (global.get $made) (i32.const 1)))
                (br $l))))"#;
    // Eight fields of 16 bytes each, and a header.
    for (most, made) in [(None, 1_500_000..2_000_000), (Some(1 << 20), 6_000..8_192)] {
        let mut config = Config::new();
        if let Some(most) = most {
            config.gc_heap_max(most);
        }
        let engine = Engine::new(&config).unwrap();
        let (mut store, instance) = super::instantiate(&engine, module);
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::AllocationTooLarge));
        let global = instance.get_global(&mut store, "made").unwrap();
        let count = global.get(&mut store).unwrap_i32();
        assert!(made.contains(&count), "{count}");
    }
}

/// Loops inside of handlers get code of their own while they run, and exceptions go to the handlers around them.
#[test]
fn loops_inside_of_handlers_are_replaced_on_the_stack() {
    let text = include_str!("../../programs/osr_in_handlers.wat");
    for mode in modes::all() {
        let engine = Engine::new(&mode.config).unwrap();
        let (mut store, instance) = super::instantiate(&engine, text);
        for (name, argument, expected) in
            [("f", 3000, 6_852_666_179_422_270_898), ("g", 3000, 1_855_132_124_865_484_803)]
        {
            let func = instance.get_typed_func::<i32, i64>(&mut store, name).unwrap();
            assert_eq!(func.call(&mut store, argument).unwrap(), expected, "{name}, {}", mode.name);
        }
    }
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let func = instance.get_typed_func::<i32, i64>(&mut store, "f").unwrap();
    for _ in 0..1000 {
        assert_eq!(func.call(&mut store, 4_000_000).unwrap(), 1_445_250_515_320_432_141);
        if module.stats().osr_entries > 0 {
            return;
        }
    }
    panic!("no frame went over");
}

/// What is thrown and caught leaves nothing behind, also when a reference to it is taken.
#[test]
fn exceptions_that_are_caught_leave_no_memory_behind() {
    let text = r#"(module (tag $e (param i64))
        (func $thrower (param i64) (throw $e (local.get 0)))
        (func $again (param i64)
            (throw_ref (block $h (result i64 exnref)
                (try_table (catch_ref $e $h) (call $thrower (local.get 0)))
                unreachable) ))
        (func (export "values") (param $n i32) (result i64) (local $s i64)
            (loop $l
                (block $h (result i64)
                    (try_table (catch $e $h) (call $thrower (i64.extend_i32_u (local.get $n))))
                    unreachable)
                (local.set $s (i64.add (local.get $s)))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $s))
        (func (export "references") (param $n i32) (result i64) (local $s i64)
            (loop $l
                (block $h (result i64)
                    (try_table (catch $e $h) (call $again (i64.extend_i32_u (local.get $n))))
                    unreachable)
                (local.set $s (i64.add (local.get $s)))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $s)))"#;
    // Inlined, nothing would be thrown.
    let engine = Engine::new(Config::new().inlining(false)).unwrap();
    let (mut store, instance) = super::instantiate(&engine, text);
    for (name, turns) in [("values", 100_000_000), ("references", 10_000_000)] {
        let func = instance.get_typed_func::<i32, i64>(&mut store, name).unwrap();
        let sum = i64::from(turns) * (i64::from(turns) + 1) / 2;
        assert_eq!(func.call(&mut store, turns).unwrap(), sum);
        assert!(store.exception_count() < 100_000, "{}", store.exception_count());
    }
}

/// A label that only a clause names, to which nothing goes, ends what is charged at once in both tiers.
#[test]
fn clauses_that_nothing_goes_to_cost_the_same_fuel() {
    let text = r#"(module (memory 1) (global $g (mut i32) (i32.const 0))
        (func (export "run")
            (block $h
                (try_table (catch_all $h) (global.set $g (i32.const 1)))
                (drop (i32.load (i32.const -1))))
            (global.set $g (i32.const 2))
            (global.set $g (i32.const 3))))"#;
    let left = modes::all().into_iter().map(|mode| {
        let engine = Engine::new(mode.config.clone().consume_fuel(true)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_fuel(1000).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        assert!(run.call(&mut store, ()).is_err());
        store.get_fuel().unwrap()
    });
    let left: Vec<u64> = left.collect();
    assert!(left.iter().all(|fuel| *fuel == left[0]), "{left:?}");
}
