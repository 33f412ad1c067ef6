//! When objects are collected, and what of them stays in memory.

use upshift::{Config, Engine, Instance, Module, Store};

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
