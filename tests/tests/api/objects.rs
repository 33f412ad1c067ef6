//! Objects between host and wasm code, in every mode: handles stay good while objects move.

use upshift::{
    AnyRef, ArrayRef, ArrayType, AsContextMut, CollectorKind, Config, Engine, ExnRef, ExternRef,
    FieldType, Func, FuncType, HeapType, I31, Instance, Linker, Module, RootScope, StorageType,
    Store, StructRef, StructType, Tag, Trap, Val, ValType,
};
use upshift_tests::modes;

/// Lists of numbers, made and read by wasm code, and churn that makes the collector work.
const GUEST: &str = r#"(module
    (type $node (struct (field i32) (field (mut anyref))))
    (type $refs (array (mut anyref)))
    (import "host" "between" (func $between (param anyref) (result anyref)))
    (func (export "cons") (param i32 anyref) (result anyref)
        (struct.new $node (local.get 0) (local.get 1)))
    (func $churn (export "churn") (param i32)
        (local $keep anyref)
        (loop $l
            (local.set $keep (struct.new $node (local.get 0) (local.get $keep)))
            (if (i32.eqz (i32.and (local.get 0) (i32.const 63)))
                (then (local.set $keep (array.new_default $refs (i32.const 100)))))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "sum") (param anyref) (result i32)
        (local $s i32) (local $n (ref null $node))
        (block $end (result anyref)
            (loop $l
                (local.set $n (br_on_cast_fail $end anyref (ref $node) (local.get 0)))
                (local.set $s (i32.add (local.get $s) (struct.get $node 0 (local.get $n))))
                (local.set 0 (struct.get $node 1 (local.get $n)))
                (br $l))
            unreachable)
        drop (local.get $s))
    (func (export "through") (param $a anyref) (result anyref)
        (local $mine (ref $node))
        (local.set $mine (struct.new $node (i32.const 1000) (local.get $a)))
        (struct.new $node (i32.const 1) (call $between (local.get $mine))))
    (global (export "kept") (mut anyref) (ref.null any))
    (table (export "table") 4 anyref))"#;

pub(super) fn all_modes() -> Vec<modes::Mode> {
    let mut modes = modes::all().to_vec();
    modes.extend([modes::gc(), modes::null_collector()]);
    modes
}

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(config: &Config) -> Self {
        let engine = Engine::new(config).expect("the test is right");
        let module = Module::new(&engine, GUEST).expect("the test is right");
        let mut linker: Linker<()> = Linker::new(&engine);
        linker
            .func_wrap(
                "host",
                "between",
                |mut caller: upshift::Caller<'_, ()>, a: Option<AnyRef>| {
                    let churn = caller.get_export("churn").and_then(upshift::Extern::into_func);
                    churn.expect("an export").call(&mut caller, &[Val::I32(2000)], &mut [])?;
                    let node = a.and_then(|any| any.as_struct(&caller)).expect("a structure");
                    let ty = node.ty(&caller);
                    let value = node.field(&mut caller, 0)?.unwrap_i32();
                    let new = StructRef::new(&mut caller, &ty, &[Val::I32(value + 1), a.into()])?;
                    Ok::<_, upshift::Error>(Some(new.to_any_ref()))
                },
            )
            .expect("the test is right");
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).expect("the test is right");
        Self { store, instance }
    }

    fn func(&mut self, name: &str) -> Func {
        self.instance.get_func(&mut self.store, name).expect("the test is right")
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Val {
        let func = self.func(name);
        let mut results = vec![Val::I32(0); func.ty(&self.store).results.len()];
        func.call(&mut self.store, args, &mut results).expect("the test is right");
        results.first().copied().unwrap_or(Val::I32(0))
    }
}

#[test]
fn handles_stay_good_while_objects_move() {
    for mode in all_modes() {
        let mut guest = Guest::new(&mode.config);
        let mut list = Val::AnyRef(None);
        for i in 1..=100 {
            list = guest.call("cons", &[Val::I32(i), list]);
        }
        let owned = list.unwrap_any_ref().unwrap().to_owned_ref(&guest.store);
        guest.call("churn", &[Val::I32(20_000)]);
        guest.store.gc().unwrap();
        assert_eq!(guest.call("sum", &[list]).unwrap_i32(), 5050, "{}", mode.name);
        let again = owned.to_any_ref(&guest.store);
        assert!(AnyRef::ref_eq(&guest.store, &again, &list.unwrap_any_ref().unwrap()));
        assert_eq!(guest.call("sum", &[again.into()]).unwrap_i32(), 5050, "{}", mode.name);
    }
}

#[test]
fn objects_go_through_the_host_which_collects_meanwhile() {
    for mode in all_modes() {
        let mut guest = Guest::new(&mode.config);
        let list = guest.call("cons", &[Val::I32(5), Val::AnyRef(None)]);
        let result = guest.call("through", &[list]);
        // 1 in front, 1001 by the host, 1000 by the guest, 5.
        assert_eq!(guest.call("sum", &[result]).unwrap_i32(), 2007, "{}", mode.name);
    }
}

#[test]
fn globals_and_tables_are_roots() {
    for mode in all_modes() {
        let mut guest = Guest::new(&mode.config);
        let global = guest.instance.get_global(&mut guest.store, "kept").unwrap();
        let table = guest.instance.get_table(&mut guest.store, "table").unwrap();
        {
            let mut scope = RootScope::new(&mut guest.store);
            let ty = StructType::new(scope.as_context_mut().engine(), []).unwrap();
            let object = StructRef::new(&mut scope, &ty, &[]).unwrap();
            global.set(&mut scope, object.into()).unwrap();
            table.set(&mut scope, 2, Some(object.to_any_ref()).into()).unwrap();
        }
        guest.call("churn", &[Val::I32(10_000)]);
        guest.store.gc().unwrap();
        let a = global.get(&mut guest.store).unwrap_any_ref().unwrap();
        let b = Val::from(table.get(&mut guest.store, 2).unwrap()).unwrap_any_ref().unwrap();
        assert!(AnyRef::ref_eq(&guest.store, &a, &b), "{}", mode.name);
        assert!(a.as_struct(&guest.store).is_some() && a.as_array(&guest.store).is_none());
    }
}

#[test]
fn fields_and_elements_are_checked() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let field = |storage, mutable| FieldType { storage, mutable };
    let fields = [
        field(StorageType::I8, true),
        field(StorageType::Val(ValType::I64), false),
        field(StorageType::Val(ValType::ANYREF), true),
        field(StorageType::Val(ValType::FUNCREF), true),
        field(StorageType::Val(ValType::EXTERNREF), true),
        field(StorageType::Val(ValType::EXNREF), true),
        field(StorageType::Val(ValType::V128), true),
    ];
    let ty = StructType::new(&engine, fields).unwrap();
    let host = ExternRef::new(&mut store, 7u8).unwrap();
    let func = Func::wrap(&mut store, || 42i32);
    let tag = Tag::new(&mut store, &FuncType::new([ValType::I32], []));
    let exn = ExnRef::new(&mut store, &tag, &[Val::I32(9)]).unwrap();
    let i31 = AnyRef::from_i31(&store, I31::new_i32(-5).unwrap());
    let values = [
        Val::I32(0x1ff),
        Val::I64(-1),
        Val::AnyRef(Some(i31)),
        func.into(),
        host.into(),
        exn.into(),
        Val::from(1u128 << 100),
    ];
    let object = StructRef::new(&mut store, &ty, &values).unwrap();
    store.gc().unwrap();
    assert_eq!(object.field(&mut store, 0).unwrap().unwrap_i32(), 0xff);
    assert_eq!(object.field(&mut store, 1).unwrap().unwrap_i64(), -1);
    let any = object.field(&mut store, 2).unwrap().unwrap_any_ref().unwrap();
    assert_eq!(any.as_i31().map(I31::get_i32), Some(-5));
    let func = object.field(&mut store, 3).unwrap().unwrap_func_ref().unwrap();
    assert_eq!(func.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 42);
    let value = object.field(&mut store, 4).unwrap().unwrap_extern_ref().unwrap();
    assert_eq!(value.data(&store).unwrap().downcast_ref::<u8>(), Some(&7));
    let thrown = object.field(&mut store, 5).unwrap().unwrap_exn_ref().unwrap();
    assert_eq!(thrown.field(&mut store, 0).unwrap().unwrap_i32(), 9);
    assert_eq!(object.field(&mut store, 6).unwrap().unwrap_v128().as_u128(), 1 << 100);
    assert!(object.field(&mut store, 7).is_err());
    assert!(object.set_field(&mut store, 1, Val::I64(0)).is_err(), "not mutable");
    assert!(object.set_field(&mut store, 0, Val::I64(0)).is_err(), "another type");
    assert!(StructRef::new(&mut store, &ty, &values[1..]).is_err());

    let array_ty = ArrayType::new(&engine, field(StorageType::I16, true)).unwrap();
    let array = ArrayRef::new(&mut store, &array_ty, Val::I32(-1), 1000).unwrap();
    array.set(&mut store, 999, Val::I32(5)).unwrap();
    assert_eq!(array.get(&mut store, 998).unwrap().unwrap_i32(), 0xffff);
    assert_eq!((array.len(&store), array.elements(&mut store).unwrap().len()), (1000, 1000));
    assert!(array.get(&mut store, 1000).is_err() && array.set(&mut store, 0, host.into()).is_err());
    let other = Store::new(&Engine::default(), ());
    let foreign = StructType::new(other.engine(), fields).unwrap();
    assert!(StructRef::new(&mut store, &foreign, &values).is_err(), "another engine's type");
}

/// Throws an exception whose only field is a new object, catches it by reference, and gives the
/// number in the object.
const THROWER: &str = r#"(module
    (type $cell (struct (field i32) (field exnref)))
    (tag $t (param (ref $cell)))
    (func $throw (param i32) (throw $t (struct.new $cell (local.get 0) (ref.null exn))))
    (func (export "caught") (param i32) (result i32)
        (local $exn exnref)
        (block $h (result (ref $cell) exnref)
            (try_table (catch_ref $t $h) (call $throw (local.get 0)))
            unreachable)
        (local.set $exn)
        drop
        (block $again (result (ref $cell))
            (try_table (catch $t $again) (throw_ref (local.get $exn)))
            unreachable)
        (struct.get $cell 0))
    (func (export "caught_here") (param i32) (result i32)
        (block $h (result (ref $cell) exnref)
            (try_table (catch_ref $t $h)
                (throw $t (struct.new $cell (local.get 0) (ref.null exn))))
            unreachable)
        drop
        (struct.get $cell 0)))"#;

#[test]
fn making_an_exception_may_move_what_it_holds() {
    for mode in all_modes() {
        // Enough exceptions that those not in use are looked for, and objects with them.
        let count = if mode.name.contains("gc") { 200 } else { 10_000 };
        let engine = Engine::new(&mode.config).unwrap();
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, THROWER).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for name in ["caught", "caught_here"] {
            let caught = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
            for i in 0..count {
                assert_eq!(caught.call(&mut store, i).unwrap(), i, "{name}, {}", mode.name);
            }
        }
        let fields = [ValType::I32, ValType::EXNREF]
            .map(|ty| FieldType { storage: StorageType::Val(ty), mutable: false });
        let ty = StructType::new(&engine, fields).unwrap();
        let tag = Tag::new(&mut store, &FuncType::new([ValType::ANYREF], []));
        for i in 0..count {
            let mut scope = RootScope::new(&mut store);
            let object = StructRef::new(&mut scope, &ty, &[i.into(), Val::ExnRef(None)]).unwrap();
            let exn = ExnRef::new(&mut scope, &tag, &[object.into()]).unwrap();
            let object = exn.field(&mut scope, 0).unwrap().unwrap_any_ref().unwrap();
            let object = object.as_struct(&scope).unwrap();
            let number = object.field(&mut scope, 0).unwrap().unwrap_i32();
            assert_eq!(number, i, "{}", mode.name);
        }
    }
}

#[test]
fn exceptions_that_only_objects_hold_stay() {
    // The null collector keeps all exceptions that objects may hold, too.
    for mode in all_modes().into_iter().filter(|mode| mode.name != "null-collector") {
        let engine = Engine::new(&mode.config).unwrap();
        let mut store = Store::new(&engine, ());
        let exn_field = FieldType { storage: StorageType::Val(ValType::EXNREF), mutable: true };
        let ty = StructType::new(&engine, [exn_field]).unwrap();
        let tag = Tag::new(&mut store, &FuncType::new([ValType::ANYREF], []));
        let mut holder = {
            let mut scope = RootScope::new(&mut store);
            let inner = StructRef::new(&mut scope, &ty, &[Val::ExnRef(None)]).unwrap();
            let exn = ExnRef::new(&mut scope, &tag, &[inner.into()]).unwrap();
            let holder = StructRef::new(&mut scope, &ty, &[exn.into()]).unwrap();
            holder.to_any_ref().to_owned_ref(&scope)
        };
        for _ in 0..30_000 {
            let mut scope = RootScope::new(&mut store);
            ExnRef::new(&mut scope, &tag, &[Val::AnyRef(None)]).unwrap();
        }
        store.gc().unwrap();
        assert!(store.exception_count() < 20_000, "{}", mode.name);
        let any = holder.to_any_ref(&store);
        let exn = any.as_struct(&store).unwrap().field(&mut store, 0).unwrap();
        let inner = exn.unwrap_exn_ref().unwrap().field(&mut store, 0).unwrap();
        let inner = inner.unwrap_any_ref().unwrap().as_struct(&store).unwrap();
        assert!(inner.field(&mut store, 0).unwrap().unwrap_exn_ref().is_none());
        holder = any.to_owned_ref(&store);
        drop(holder);
    }
}

#[test]
fn a_full_heap_traps_and_the_store_goes_on() {
    for (mode, kind) in [
        (modes::baseline(), CollectorKind::Generational),
        (modes::optimizer(), CollectorKind::Generational),
        (modes::baseline(), CollectorKind::Null),
    ] {
        let mut config = mode.config;
        config.collector(kind).gc_heap_max(4 << 20);
        let mut guest = Guest::new(&config);
        let mut list = Val::AnyRef(None);
        let mut made = 0;
        let cons = guest.func("cons");
        let error = loop {
            let mut scope = RootScope::new(&mut guest.store);
            let mut result = [Val::AnyRef(None)];
            if let Err(error) = cons.call(&mut scope, &[Val::I32(1), list], &mut result) {
                break error;
            }
            let kept = guest.instance.get_global(&mut scope, "kept").unwrap();
            kept.set(&mut scope, result[0]).unwrap();
            drop(scope);
            let kept = guest.instance.get_global(&mut guest.store, "kept").unwrap();
            list = kept.get(&mut guest.store);
            made += 1;
        };
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::AllocationTooLarge));
        assert!(made > 50_000, "{made}");
        assert_eq!(guest.call("sum", &[list]).unwrap_i32(), made);
        if kind == CollectorKind::Generational {
            let kept = guest.instance.get_global(&mut guest.store, "kept").unwrap();
            kept.set(&mut guest.store, Val::AnyRef(None)).unwrap();
        }
    }
}

#[test]
fn what_is_not_reachable_is_freed() {
    let mut config = Config::new();
    config.gc_heap_max(16 << 20);
    let mut guest = Guest::new(&config);
    for _ in 0..40 {
        guest.call("churn", &[Val::I32(100_000)]);
    }
    let stats = guest.store.gc_stats();
    assert!(stats.minor > 10, "{stats:?}");
    assert!(stats.heap_bytes < 8 << 20 && stats.total > std::time::Duration::ZERO, "{stats:?}");
}

#[test]
fn converted_references_come_back_as_they_were() {
    let mut guest = Guest::new(&Config::new());
    let list = guest.call("cons", &[Val::I32(3), Val::AnyRef(None)]).unwrap_any_ref().unwrap();
    let outside = ExternRef::convert_any(&guest.store, list);
    assert!(outside.data(&guest.store).is_none());
    guest.store.gc().unwrap();
    let back = AnyRef::convert_extern(&guest.store, outside);
    assert!(AnyRef::ref_eq(&guest.store, &back, &list));
    assert!(
        back.matches_ty(&guest.store, HeapType::Struct)
            && !back.matches_ty(&guest.store, HeapType::I31)
    );
    let host = ExternRef::new(&mut guest.store, "x").unwrap();
    let inside = AnyRef::convert_extern(&guest.store, host);
    assert!(!inside.is_eqref() && inside.as_struct(&guest.store).is_none());
    assert_eq!(guest.call("sum", &[inside.into()]).unwrap_i32(), 0);
}

/// A loop that holds a reference in a register while the host handles an epoch deadline.
const INTERRUPTED: &str = r#"(module
    (type $node (struct (field i32) (field (mut anyref))))
    (import "host" "tick" (func $tick))
    (global $keep (mut anyref) (ref.null any))
    (func $churn (export "churn") (param i32)
        (loop $l
            (global.set $keep (struct.new $node (local.get 0) (ref.null any)))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "run") (result i32)
        (local $i i32) (local $s i32) (local $n (ref null $node))
        (local.set $n (struct.new $node (i32.const 7) (ref.null any)))
        (call $tick)
        (loop $l
            (local.set $s (i32.add (local.get $s) (struct.get $node 0 (local.get $n))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))
        (local.get $s)))"#;

type Deadline = fn(upshift::StoreContextMut<'_, ()>) -> upshift::Result<upshift::UpdateDeadline>;

fn interrupted(config: &Config, callback: Deadline) -> (Store<()>, Instance) {
    ticking(config, INTERRUPTED, callback)
}

/// An instance of a module that makes the deadline pass by `host.tick`.
fn ticking(config: &Config, text: &str, callback: Deadline) -> (Store<()>, Instance) {
    let mut config = config.clone();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).expect("the test is right");
    let module = Module::new(&engine, text).expect("the test is right");
    let mut linker: Linker<()> = Linker::new(&engine);
    let tick = |caller: upshift::Caller<'_, ()>| caller.engine().increment_epoch();
    linker.func_wrap("host", "tick", tick).expect("the test is right");
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(callback);
    let instance = linker.instantiate(&mut store, &module).expect("the test is right");
    (store, instance)
}

#[test]
fn objects_stay_while_a_deadline_is_handled() {
    for mode in all_modes() {
        let (mut store, instance) = interrupted(&mode.config, |mut store| {
            store.set_epoch_deadline(10);
            let ty = StructType::new(store.engine(), [])?;
            for _ in 0..1000 {
                StructRef::new(&mut store, &ty, &[])?;
            }
            store.gc()?;
            Ok(upshift::UpdateDeadline::Continue(10))
        });
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 7000, "{}", mode.name);
    }
}

/// `$f` is where the deadline is noticed: at its entry, before it has a frame. It calls itself, so it is never
/// inlined.
const CAUGHT_NOWHERE: &str = r#"(module
    (import "host" "tick" (func $tick))
    (tag $e)
    (func (export "throws") (throw $e))
    (func $f (param $n i32) (result i32)
        (local $a i32) (local $b i32)
        (local.set $a (i32.mul (local.get $n) (i32.const 3)))
        (local.set $b (i32.xor (local.get $a) (local.get $n)))
        (if (local.get $n) (then (drop (call $f (i32.sub (local.get $n) (i32.const 1))))))
        (i32.add (local.get $a) (local.get $b)))
    (func (export "run") (param $x i64) (param $y i64) (result i64)
        (block $caught
            (try_table (catch $e $caught)
                (call $tick)
                (drop (call $f (i32.const 7)))))
        (i64.add (local.get $x) (local.get $y))))"#;

#[test]
fn an_exception_of_a_deadline_ends_the_call() {
    for mode in all_modes() {
        let (mut store, instance) =
            ticking(&mode.config, CAUGHT_NOWHERE, |_| unreachable!("replaced"));
        let throws = instance.get_typed_func::<(), ()>(&mut store, "throws").unwrap();
        store.epoch_deadline_callback(move |mut store| {
            store.set_epoch_deadline(10);
            Err(throws.call(&mut store, ()).expect_err("it throws"))
        });
        let run = instance.get_typed_func::<(i64, i64), i64>(&mut store, "run").unwrap();
        let error = run.call(&mut store, (5, 6)).expect_err("the deadline has passed");
        assert!(error.downcast_ref::<upshift::Exception>().is_some(), "{}: {error:?}", mode.name);
        assert_eq!(run.call(&mut store, (5, 6)).unwrap(), 11, "{}", mode.name);
    }
}

#[test]
fn wasm_code_at_a_deadline_does_not_collect() {
    for mode in all_modes() {
        let (mut store, instance) = interrupted(&mode.config, |_| unreachable!("replaced"));
        let churn = instance.get_typed_func::<i32, ()>(&mut store, "churn").unwrap();
        store.epoch_deadline_callback(move |mut store| {
            store.set_epoch_deadline(10);
            // More than the nursery holds.
            let error = churn.call(&mut store, 10_000_000).expect_err("there is no room");
            assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::AllocationTooLarge));
            Ok(upshift::UpdateDeadline::Continue(10))
        });
        if mode.name == "null-collector" {
            continue;
        }
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 7000, "{}", mode.name);
    }
}

#[test]
fn a_panic_at_a_deadline_does_not_end_collection() {
    let (mut store, instance) =
        interrupted(&modes::baseline().config, |_| panic!("by the callback"));
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    let call = std::panic::AssertUnwindSafe(|| run.call(&mut store, ()));
    assert!(std::panic::catch_unwind(call).is_err());
    store.set_epoch_deadline(10);
    let churn = instance.get_typed_func::<i32, ()>(&mut store, "churn").unwrap();
    churn.call(&mut store, 10_000_000).expect("the nursery is collected again");
}

#[test]
fn arrays_of_segments_are_freed() {
    for mut mode in modes::all() {
        mode.config.gc_heap_max(4 << 20);
        let engine = Engine::new(&mode.config).expect("the test is right");
        let module = Module::new(
            &engine,
            r#"(module
                (type $refs (array (mut i31ref)))
                (elem $e i31ref (ref.i31 (i32.const 1)) (ref.i31 (i32.const 2)))
                (func (export "run") (param i32) (result i32)
                    (local $a (ref null $refs))
                    (loop $l
                        (local.set $a (array.new_elem $refs $e (i32.const 0) (i32.const 2)))
                        (array.init_elem $refs $e
                            (local.get $a) (i32.const 0) (i32.const 1) (i32.const 1))
                        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                    (i31.get_u (array.get $refs (local.get $a) (i32.const 0)))))"#,
        )
        .expect("the test is right");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 200_000).unwrap(), 2, "{}", mode.name);
    }
}

/// A module whose only body is `code`, behind four types of functions and type 4 of structures, in
/// this order: the index 4 is the opcode of `if`.
fn with_raw_body(code: &[u8]) -> Vec<u8> {
    use wasm_encoder::{
        CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection,
    };
    let mut types = TypeSection::new();
    for _ in 0..4 {
        types.ty().function([], [wasm_encoder::ValType::I32]);
    }
    types.ty().struct_([]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    let mut body = Function::new([]);
    body.raw(code.iter().copied());
    let mut bodies = CodeSection::new();
    bodies.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&bodies);
    module.finish()
}

#[test]
fn a_test_whose_operator_is_written_long_is_the_same_test() {
    // struct.new 4, ref.test (ref 4) with its number in two bytes, end.
    let bytes = with_raw_body(&[0xfb, 0x01, 4, 0xfb, 0x94, 0x00, 4, 0x0b]);
    for mode in modes::all() {
        let engine = Engine::new(&mode.config).expect("the test is right");
        let module = Module::new(&engine, &bytes).expect("the test is right");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 1, "{}", mode.name);
    }
}

/// A thousand stores that keep a kilobyte of objects each.
#[test]
fn small_heaps_cost_little() {
    const STORES: u64 = 1000;
    const MOST_BYTES_EACH: u64 = 1 << 20;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        1024 * number.expect("Linux tells").parse::<u64>().expect("a number")
    };
    let engine = Engine::default();
    let linker: Linker<()> = Linker::new(&engine);
    let module = Module::new(
        &engine,
        r#"(module
            (type $node (struct (field i32) (field (ref null $node))))
            (global $list (mut (ref null $node)) (ref.null $node))
            (func (export "run") (param $i i32)
                (loop $live
                    (global.set $list (struct.new $node (local.get $i) (global.get $list)))
                    (br_if $live (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#,
    );
    let module = module.expect("the test is right");
    let before = resident();
    let stores: Vec<Store<()>> = (0..STORES)
        .map(|_| {
            let mut store = Store::new(&engine, ());
            let instance = linker.instantiate(&mut store, &module).expect("the test is right");
            let run = instance.get_typed_func::<i32, ()>(&mut store, "run");
            run.expect("the test is right").call(&mut store, 64).expect("there is room");
            store.gc().expect("there is room");
            store
        })
        .collect();
    let used = resident().saturating_sub(before);
    assert!(used < STORES * MOST_BYTES_EACH, "{used} bytes for {} stores", stores.len());
}
