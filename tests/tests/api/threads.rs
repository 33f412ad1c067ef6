//! One engine, one module, many threads.

use std::sync::Barrier;
use std::thread;
use upshift::{Caller, Engine, Linker, Module, Store};

#[test]
fn threads_race_on_functions_that_are_not_compiled() {
    let engine = Engine::default();
    let functions: String = (0..50)
        .map(|i| {
            format!("(func $f{i} (param i32) (result i32) (i32.add (local.get 0) (i32.const {i})))")
        })
        .collect();
    let calls: String =
        (0..50).map(|i| format!("(local.set 0 (call $f{i} (local.get 0)))")).collect();
    let wat = format!(
        "(module {functions} (func (export \"run\") (param i32) (result i32) {calls} (local.get 0)))"
    );
    let bytes = wat::parse_str(&wat).unwrap();
    for _ in 0..20 {
        let module = Module::new(&engine, &bytes).unwrap();
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut store = Store::new(&engine, ());
                    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
                    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
                    barrier.wait();
                    assert_eq!(run.call(&mut store, 1).unwrap(), 1226);
                });
            }
        });
        assert_eq!(module.stats().baseline_functions, 51);
    }
}

#[test]
fn instances_are_made_and_dropped_on_many_threads() {
    let engine = Engine::default();
    let mut linker: Linker<u32> = Linker::new(&engine);
    linker.func_wrap("", "data", |caller: Caller<'_, u32>| *caller.data()).unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "" "data" (func $data (result i32))) (memory 2) (table 4 funcref)
            (elem (i32.const 0) $run)
            (func $run (export "run") (result i32)
                (i32.store (i32.const 70000) (call $data))
                (drop (memory.grow (i32.const 1)))
                (i32.load (i32.const 70000))))"#,
    )
    .unwrap();
    let pre = linker.instantiate_pre(&module).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..300 {
                    let mut store = Store::new(&engine, i);
                    let instance = pre.instantiate(&mut store).unwrap();
                    let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
                    assert_eq!(run.call(&mut store, ()).unwrap(), i);
                }
            });
        }
    });
}

#[test]
fn a_module_outlives_its_handle_while_an_instance_uses_it() {
    let engine = Engine::default();
    let (mut store, instance) =
        super::instantiate(&engine, r#"(module (func (export "f") (result i32) (i32.const 3)))"#);
    drop(engine);
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 3);
}
