//! When objects are collected, and what of them stays in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use upshift::{
    AsContextMut, Caller, Config, Engine, Extern, ExternRef, Func, Instance, Module, Store, Tier,
    Trap, Val,
};

/// Makes arrays that nobody keeps.
const LARGE_ARRAYS: &str = r#"(module
    (type $numbers (array (mut i32)))
    (type $refs (array (mut anyref)))
    (func (export "numbers") (param $length i32)
        (drop (array.new_default $numbers (local.get 0))))
    (func (export "refs") (param $length i32)
        (drop (array.new_default $refs (local.get 0)))))"#;

/// Arrays of a megabyte are old from the start, so the nursery never fills up.
#[test]
fn large_arrays_alone_are_collected_before_the_heap_is_full() {
    const ARRAYS: u64 = 200;
    const BYTES: u64 = 1 << 20;
    let engine = Engine::new(&Config::new()).expect("the test is right");
    let module = Module::new(&engine, LARGE_ARRAYS).expect("the test is right");
    for name in ["numbers", "refs"] {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
        let make = instance.get_typed_func::<u32, ()>(&mut store, name);
        let make = make.expect("the test is right");
        for _ in 0..ARRAYS {
            make.call(&mut store, u32::try_from(BYTES / 4).expect("small")).expect("there is room");
        }
        let stats = store.gc_stats();
        assert!(stats.major > 1 && stats.heap_peak_bytes < ARRAYS * BYTES / 2, "{stats:?}");
    }
}

/// Every frame refers to an object of its own. Those that nothing refers to are collected at the end, and
/// others take their places.
const DEEP: &str = r#"(module
    (type $box (struct (field i32)))
    (type $list (struct (field (ref null $list))))
    (import "" "collect" (func $collect))
    (global $list (mut (ref null $list)) (ref.null $list))
    (func $fill (param $n i32)
        (call $collect)
        (loop $l
            (global.set $list (struct.new $list (global.get $list)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $collect))
    (func $deep (export "deep") (param $n i32) (result i32) (local $box (ref null $box))
        (if (i32.eqz (local.get $n)) (then (call $fill (i32.const 300_000)) (return (i32.const 0))))
        (local.set $box (struct.new $box (local.get $n)))
        (i32.add
            (call $deep (i32.sub (local.get $n) (i32.const 1)))
            (i32.eq (local.get $n) (struct.get $box 0 (local.get $box))))))"#;

#[test]
fn all_frames_of_a_deep_stack_are_looked_through() {
    // More than 2^20.
    const FRAMES: u32 = 1_200_000;
    const STACK_BYTES: usize = 400 << 20;
    for tier in [Tier::Baseline, Tier::Optimizer] {
        let run = move || {
            let mut config = Config::new();
            config.tier(tier).max_wasm_stack(STACK_BYTES).gc_nursery(4 << 20);
            let engine = Engine::new(&config).expect("the test is right");
            let module = Module::new(&engine, DEEP).expect("the test is right");
            let mut store = Store::new(&engine, ());
            let collect =
                Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.as_context_mut().gc());
            let instance = Instance::new(&mut store, &module, &[Extern::Func(collect)]);
            let instance = instance.expect("the test is right");
            let deep = instance.get_typed_func::<u32, u32>(&mut store, "deep");
            let sound = deep.expect("the test is right").call(&mut store, FRAMES);
            assert_eq!(sound.expect("the stack is large enough"), FRAMES, "{tier:?}");
            assert!(store.gc_stats().minor > 3);
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES + (64 << 20)).spawn(run);
        thread.expect("there are threads").join().expect("the test is right");
    }
}

/// A value of the host that does not go quietly.
struct Loud(Arc<AtomicUsize>);

impl Drop for Loud {
    fn drop(&mut self) {
        if self.0.fetch_add(1, Relaxed) == 3 {
            panic!("dropped");
        }
    }
}

#[test]
fn a_value_that_panics_when_it_is_dropped_harms_nothing() {
    const TEXT: &str = r#"(module
        (import "" "value" (func $value (result externref)))
        (type $list (struct (field (ref null $list)) (field externref)))
        (global $list (mut (ref null $list)) (ref.null $list))
        (func (export "keep")
            (global.set $list (struct.new $list (global.get $list) (call $value))))
        (func (export "length") (result i32) (local $at (ref null $list)) (local $n i32)
            (local.set $at (global.get $list))
            (loop $l
                (if (ref.is_null (local.get $at)) (then (return (local.get $n))))
                (if (ref.is_null (struct.get $list 1 (local.get $at))) (then unreachable))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (local.set $at (struct.get $list 0 (local.get $at)))
                (br $l))
            unreachable)
        (func (export "work") (param $n i32)
            (loop $l
                (drop (call $value))
                (drop (struct.new $list (ref.null $list) (ref.null extern)))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let engine = Engine::new(&Config::new()).expect("the test is right");
    let module = Module::new(&engine, TEXT).expect("the test is right");
    let mut store = Store::new(&engine, ());
    let dropped = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&dropped);
    let value = Func::wrap(&mut store, move |caller: Caller<'_, ()>| {
        ExternRef::new(caller, Loud(Arc::clone(&made))).map(Some)
    });
    let instance = Instance::new(&mut store, &module, &[Extern::Func(value)]);
    let instance = instance.expect("the test is right");
    let keep = instance.get_typed_func::<(), ()>(&mut store, "keep").expect("it is there");
    let length = instance.get_typed_func::<(), i32>(&mut store, "length").expect("it is there");
    let work = instance.get_typed_func::<i32, ()>(&mut store, "work").expect("it is there");
    for _ in 0..10 {
        keep.call(&mut store, ()).expect("there is room");
    }
    // The panic comes from where the collection was, through wasm code, to who called that.
    let panicked = catch_unwind(AssertUnwindSafe(|| work.call(&mut store, 100_000)));
    assert!(panicked.is_err(), "{panicked:?}");
    assert!(dropped.load(Relaxed) > 100, "the others were dropped all the same");
    work.call(&mut store, 100_000).expect("the store goes on");
    store.gc().expect("there is room");
    assert_eq!(length.call(&mut store, ()).expect("the list is sound"), 10);
}

/// Builds a list, and makes objects that nobody keeps.
const LIST: &str = r#"(module
    (type $list (struct (field (ref null $list)) (field i64)))
    (global $list (mut (ref null $list)) (ref.null $list))
    (global $last (mut (ref null $list)) (ref.null $list))
    (func (export "build") (param $n i32)
        (loop $l
            (global.set $list (struct.new $list (global.get $list) (i64.const 1)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "drop") (global.set $list (ref.null $list)))
    (func (export "garbage") (param $n i32)
        (loop $l
            (global.set $last (struct.new $list (ref.null $list) (i64.const 1)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

/// Nodes of the list, of 24 bytes each, and as many objects as have ten times their bytes.
const NODES: u32 = 2_000_000;
const TEN_TIMES: u32 = 10 * NODES;

fn list() -> (Store<()>, impl Fn(&mut Store<()>, &str, u32)) {
    let mut config = Config::new();
    config.tier(Tier::Optimizer);
    let engine = Engine::new(&config).expect("the test is right");
    let module = Module::new(&engine, LIST).expect("the test is right");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
    let run = move |store: &mut Store<()>, name: &str, n: u32| {
        let func = instance.get_func(&mut *store, name).expect("it is exported");
        let n = Val::I32(n.cast_signed());
        let args = [n];
        let count = func.ty(&*store).params.len();
        func.call(store, &args[..count], &mut []).expect("no trap");
    };
    (store, run)
}

#[test]
fn old_objects_that_died_are_found_while_new_ones_die_young() {
    let (mut store, run) = list();
    run(&mut store, "build", NODES);
    run(&mut store, "garbage", TEN_TIMES);
    run(&mut store, "drop", 0);
    let full = store.gc_stats().heap_bytes;
    assert!(full > 48_000_000);
    // The collection before found that all was alive, so the next one takes longer to come.
    run(&mut store, "garbage", 2 * TEN_TIMES);
    let stats = store.gc_stats();
    assert!(stats.heap_bytes < full / 4, "{stats:?}");
}

#[test]
fn objects_that_stay_are_looked_at_less_and_less() {
    let (mut store, run) = list();
    run(&mut store, "build", NODES);
    let before = store.gc_stats().major;
    run(&mut store, "garbage", 6 * TEN_TIMES);
    let stats = store.gc_stats();
    assert!((2..=4).contains(&(stats.major - before)), "{stats:?}");
    assert_eq!((stats.minor_pauses.count, stats.major_pauses.count), (stats.minor, stats.major));
}

#[test]
fn the_smallest_heap_is_enough_for_garbage() {
    let mut config = Config::new();
    config.gc_heap_max(Config::MIN_GC_HEAP - 1);
    assert!(Engine::new(&config).is_err());
    config.gc_heap_max(Config::MIN_GC_HEAP);
    let engine = Engine::new(&config).expect("the test is right");
    let module = Module::new(&engine, LIST).expect("the test is right");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
    let call = |store: &mut Store<()>, name: &str, n: u32| {
        let func = instance.get_typed_func::<u32, ()>(&mut *store, name);
        func.expect("it is exported").call(store, n)
    };
    call(&mut store, "build", 10_000).expect("there is room");
    call(&mut store, "garbage", 1_000_000).expect("there is room");
    let error = call(&mut store, "build", 100_000).expect_err("there is no room");
    assert_eq!(error.downcast_ref(), Some(&Trap::AllocationTooLarge));
    assert!(Trap::AllocationTooLarge.to_string().contains("no room in the heap"));
}
