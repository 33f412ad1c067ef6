//! Exceptions and objects that hold each other: freed together, and kept together, in every mode.

use crate::objects::all_modes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use upshift::{AsContextMut, Engine, ExternRef, Func, Instance, Module, Store, TypedFunc};

/// Nodes that hold an exception, and exceptions that hold a node and a value of the host.
const MODULE: &str = r#"(module
    (rec
        (type $node (struct (field $number i32) (field $exn (mut exnref))))
        (type $exns (array (mut exnref))))
    (import "host" "value" (func $value (result externref)))
    (tag $tag (param (ref $node) externref))
    (global $kept (mut (ref null $node)) (ref.null $node))
    (global $exn (mut exnref) (ref.null exn))
    (table $exns 2 exnref)
    (func $thrown (param $node (ref $node)) (result exnref)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (throw $tag (local.get $node) (call $value)))
            unreachable))
    (func $node_of (param $exn exnref) (result (ref $node))
        (block $h (result (ref $node) externref)
            (try_table (catch $tag $h) (throw_ref (local.get $exn)))
            unreachable)
        drop)
    ;; A node whose exception holds the node.
    (func $cycle (param $number i32) (result (ref $node))
        (local $node (ref $node))
        (local.set $node (struct.new $node (local.get $number) (ref.null exn)))
        (struct.set $node $exn (local.get $node) (call $thrown (local.get $node)))
        (local.get $node))
    (func (export "cycles") (param $count i32)
        (loop $l
            (drop (call $cycle (local.get $count)))
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    ;; The same through an array.
    (func (export "arrays") (param $count i32)
        (local $node (ref $node)) (local $array (ref $exns))
        (loop $l
            (local.set $node (struct.new $node (local.get $count) (ref.null exn)))
            (local.set $array (array.new_default $exns (i32.const 100)))
            (array.set $exns (local.get $array) (i32.const 99)
                (call $thrown (local.get $node)))
            (struct.set $node $exn (local.get $node)
                (array.get $exns (local.get $array) (i32.const 99)))
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (func (export "keep") (param $number i32)
        (global.set $kept (call $cycle (local.get $number))))
    (func (export "keep_in_global") (param $number i32)
        (global.set $exn (struct.get $node $exn (call $cycle (local.get $number)))))
    (func (export "keep_in_table") (param $number i32)
        (table.set $exns (i32.const 1) (struct.get $node $exn (call $cycle (local.get $number)))))
    ;; The numbers of what was kept, each by way of its exception; negative when one is not a cycle.
    (func $number (param $exn exnref) (result i32)
        (local $node (ref $node))
        (if (ref.is_null (local.get $exn)) (then (return (i32.const 0))))
        (local.set $node (call $node_of (local.get $exn)))
        (if (i32.eqz (ref.eq (local.get $node)
                (call $node_of (struct.get $node $exn (local.get $node)))))
            (then (return (i32.const -10000))))
        (struct.get $node $number (local.get $node)))
    (func (export "numbers") (result i32)
        (i32.add (call $number (global.get $exn))
            (i32.add (call $number (table.get $exns (i32.const 1)))
                (if (result i32) (ref.is_null (global.get $kept))
                    (then (i32.const 0))
                    (else (call $number (struct.get $node $exn
                        (ref.as_non_null (global.get $kept)))))))))
    ;; A chain that alternates: each node's exception holds the node before.
    (func (export "chain") (param $length i32)
        (local $node (ref $node)) (local $next (ref $node))
        (local.set $node (struct.new $node (i32.const 0) (ref.null exn)))
        (loop $l
            (local.set $next (struct.new $node (local.get $length) (ref.null exn)))
            (struct.set $node $exn (local.get $next) (call $thrown (local.get $node)))
            (local.set $node (local.get $next))
            (br_if $l (local.tee $length (i32.sub (local.get $length) (i32.const 1)))))
        (global.set $kept (local.get $node)))
    (func (export "length") (result i32)
        (local $node (ref $node)) (local $length i32)
        (local.set $node (ref.as_non_null (global.get $kept)))
        (block $end
            (loop $l
                (br_if $end (ref.is_null (struct.get $node $exn (local.get $node))))
                (local.set $node (call $node_of (struct.get $node $exn (local.get $node))))
                (local.set $length (i32.add (local.get $length) (i32.const 1)))
                (br $l)))
        (local.get $length))
    ;; What only a frame holds, while others are made and left.
    (func (export "in_frame") (param $count i32) (result i32)
        (local $exn exnref) (local $sum i32)
        (loop $l
            (local.set $exn (struct.get $node $exn (call $cycle (local.get $count))))
            (drop (call $cycle (i32.const 0)))
            (drop (struct.new $node (i32.const 0) (ref.null exn)))
            (local.set $sum (i32.add (local.get $sum) (call $number (local.get $exn))))
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
        (local.get $sum))
    (func (export "leave")
        (global.set $kept (ref.null $node))
        (global.set $exn (ref.null exn))
        (table.set $exns (i32.const 1) (ref.null exn))))"#;

/// A value of the host that counts how many of its kind there are.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Guest {
    store: Store<()>,
    instance: Instance,
    /// The number of the host's values.
    values: Arc<AtomicUsize>,
}

impl Guest {
    fn new(engine: &Engine) -> Self {
        let mut store = Store::new(engine, ());
        let module = Module::new(engine, MODULE).expect("the test is right");
        let values = Arc::new(AtomicUsize::new(0));
        let counter = values.clone();
        let value = Func::wrap(&mut store, move |mut caller: upshift::Caller<'_, ()>| {
            counter.fetch_add(1, Ordering::Relaxed);
            ExternRef::new(caller.as_context_mut(), Counted(counter.clone())).map(Some)
        });
        let instance =
            Instance::new(&mut store, &module, &[value.into()]).expect("the test is right");
        Self { store, instance, values }
    }

    fn call(&mut self, name: &str, argument: i32) {
        let func: TypedFunc<i32, ()> =
            self.instance.get_typed_func(&mut self.store, name).expect("the test is right");
        func.call(&mut self.store, argument).expect("the test is right");
    }

    fn number(&mut self, name: &str) -> i32 {
        let func: TypedFunc<(), i32> =
            self.instance.get_typed_func(&mut self.store, name).expect("the test is right");
        func.call(&mut self.store, ()).expect("the test is right")
    }

    /// The numbers of exceptions and of the host's values that are left by a collection.
    fn left(&mut self) -> (usize, usize) {
        self.store.gc().expect("the test is right");
        (self.store.exception_count(), self.values.load(Ordering::Relaxed))
    }
}

/// All modes that collect.
fn in_every_mode(mut check: impl FnMut(Guest, i32, &str)) {
    for mode in all_modes().into_iter().filter(|mode| mode.name != "null-collector") {
        let engine = Engine::new(&mode.config).expect("the test is right");
        // Enough that young and old objects are among them; every allocation collects in some modes.
        let collects = mode.name.contains("gc") || mode.name == "inline-tier";
        let count = if collects { 100 } else { 20_000 };
        check(Guest::new(&engine), count, mode.name);
    }
}

#[test]
fn cycles_through_objects_are_freed() {
    in_every_mode(|mut guest, count, mode| {
        for name in ["cycles", "arrays"] {
            guest.call(name, count);
            assert_eq!(guest.left(), (0, 0), "{name}, {mode}");
        }
    });
}

#[test]
fn cycles_are_freed_before_they_pile_up() {
    in_every_mode(|mut guest, count, mode| {
        guest.call("cycles", count);
        let left = guest.store.exception_count();
        assert!(left < 10_000, "{left}, {mode}");
    });
}

#[test]
fn cycles_that_are_in_use_stay_as_they_are() {
    in_every_mode(|mut guest, count, mode| {
        guest.call("keep", 1);
        guest.call("keep_in_global", 20);
        guest.call("keep_in_table", 300);
        for _ in 0..2 {
            guest.call("cycles", count);
            assert_eq!(guest.left(), (3, 3), "{mode}");
            assert_eq!(guest.number("numbers"), 321, "{mode}");
        }
        let leave: TypedFunc<(), ()> =
            guest.instance.get_typed_func(&mut guest.store, "leave").unwrap();
        leave.call(&mut guest.store, ()).unwrap();
        assert_eq!(guest.number("numbers"), 0, "{mode}");
        assert_eq!(guest.left(), (0, 0), "{mode}");
    });
}

#[test]
fn cycles_that_a_frame_holds_stay() {
    in_every_mode(|mut guest, count, mode| {
        let count = count.min(2000);
        let func: TypedFunc<i32, i32> =
            guest.instance.get_typed_func(&mut guest.store, "in_frame").unwrap();
        let sum = func.call(&mut guest.store, count).unwrap();
        assert_eq!(sum, count * (count + 1) / 2, "{mode}");
        assert_eq!(guest.left(), (0, 0), "{mode}");
    });
}

#[test]
fn long_chains_of_exceptions_and_objects_stay_whole() {
    in_every_mode(|mut guest, count, mode| {
        guest.call("chain", count);
        let expected = usize::try_from(count).unwrap();
        assert_eq!(guest.left(), (expected, expected), "{mode}");
        assert_eq!(guest.number("length"), count, "{mode}");
        guest.call("chain", 1);
        assert_eq!(guest.left(), (1, 1), "{mode}");
    });
}

#[test]
fn a_store_without_objects_frees_exceptions_when_asked() {
    let mut store = Store::new(&Engine::default(), ());
    let ty = upshift::FuncType::new([upshift::ValType::I32], []);
    let tag = upshift::Tag::new(&mut store, &ty);
    {
        let mut scope = upshift::RootScope::new(&mut store);
        let exn = upshift::ExnRef::new(&mut scope, &tag, &[7.into()]).unwrap();
        scope.as_context_mut().gc().unwrap();
        assert_eq!(exn.field(&mut scope, 0).unwrap().unwrap_i32(), 7);
    }
    store.gc().unwrap();
    assert_eq!(store.exception_count(), 0);
}

#[test]
fn many_objects_are_not_looked_at_for_few_exceptions() {
    let text = include_str!("../../programs/exceptions_beside_objects.wat");
    let mut store = Store::new(&Engine::default(), ());
    let module = Module::new(store.engine(), text).expect("the test is right");
    let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
    let build: TypedFunc<i32, ()> = instance.get_typed_func(&mut store, "build").unwrap();
    let throw: TypedFunc<i32, ()> = instance.get_typed_func(&mut store, "throw").unwrap();
    // Few objects: exceptions are looked for whenever there are 256 KiB.
    throw.call(&mut store, 100_000).unwrap();
    let few = store.gc_stats().major;
    assert!(few >= 8, "{few} collections");
    assert!(store.exception_count() < 20_000);
    // 16 MiB of objects: whenever there are as many bytes of exceptions.
    build.call(&mut store, 1 << 20).unwrap();
    let before = store.gc_stats().major;
    throw.call(&mut store, 1_000_000).unwrap();
    let many = store.gc_stats().major - before;
    assert!((1..=6).contains(&many), "{many} collections");
    assert!(store.exception_count() < 600_000);
}
