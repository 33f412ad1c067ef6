//! Tiering: hot functions and loops get optimised code, and the host can watch.

use super::instantiate;
use std::time::{Duration, Instant};
use upshift::{Config, Engine, Event, EventKind, Linker, Module, Policy, Store};

const PROGRAM: &str = r#"(module
    (memory (export "memory") 1)
    (func $step (param i32 i32) (result i32)
        (i32.add (i32.mul (local.get 0) (i32.const 31)) (local.get 1)))
    (func (export "once") (param i32) (result i32) (local i32 i64 f64)
        (local.set 3 (f64.const 1))
        (loop $outer
            (local.set 2 (i64.const 3))
            (loop $inner
                (local.set 1 (call $step (local.get 1) (local.get 0)))
                (local.set 3 (f64.add (local.get 3) (f64.const 0.5)))
                (local.set 2 (i64.sub (local.get 2) (i64.const 1)))
                (br_if $inner (i32.wrap_i64 (local.get 2))))
            (i32.store (i32.const 16) (local.get 1))
            (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.xor (local.get 1) (i32.trunc_f64_s (local.get 3))))
    (func (export "leaf") (param i32) (result i32) (call $step (local.get 0) (i32.const 1))))"#;

fn engine(configure: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config::new();
    config.profiling(true);
    configure(&mut config);
    Engine::new(&config).expect("the machine runs the engine")
}

fn expected(turns: i32) -> i32 {
    let (mut sum, mut float) = (0_i32, 1.0);
    for turn in (1..=turns).rev() {
        for _ in 0..3 {
            sum = sum.wrapping_mul(31).wrapping_add(turn);
            float += 0.5;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "small by construction")]
    let float = float as i32;
    sum ^ float
}

#[test]
fn a_function_whose_loop_came_first_is_optimised_when_it_is_called_again() {
    let engine = engine(|_| {});
    let module = Module::new(&engine, PROGRAM).unwrap();
    let (mut store, instance) = {
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        (store, instance)
    };
    let once = instance.get_typed_func::<i32, i32>(&mut store, "once").unwrap();
    let mut asked = [false; 2];
    // Calls take long enough for the loop to get its code in one of the first.
    for _ in 0..3000 {
        assert_eq!(once.call(&mut store, 300_000).unwrap(), expected(300_000));
        for event in engine.events().iter().filter(|event| event.func == Some(1)) {
            if matches!(event.kind, EventKind::Requested { .. }) {
                asked[usize::from(event.loop_offset.is_some())] = true;
            }
        }
        if asked == [true; 2] {
            return;
        }
    }
    panic!("asked for the function and a loop: {asked:?}");
}

#[test]
fn a_loop_that_runs_once_ends_up_in_optimised_code() {
    let engine = engine(|_| {});
    let module = Module::new(&engine, PROGRAM).unwrap();
    let start = Instant::now();
    let mut turns = 1_000_000;
    // Each instance calls the function once; the counters and the code are the module's.
    while module.stats().osr_entries == 0 {
        assert!(start.elapsed() < Duration::from_secs(100), "{:?}", engine.events());
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let once = instance.get_typed_func::<i32, i32>(&mut store, "once").unwrap();
        assert_eq!(once.call(&mut store, turns).unwrap(), expected(turns));
        turns += 100_000;
    }
    let events = engine.events();
    let of_loops: Vec<&Event> = events.iter().filter(|e| e.loop_offset.is_some()).collect();
    let at = |name: &str| of_loops.iter().position(|event| event.kind.name() == name).unwrap();
    assert!(at("requested") < at("dequeued") && at("dequeued") < at("compiled"));
    assert!(at("compiled") < at("published") && at("published") < at("osr-entered"));
    assert!(events.iter().any(|event| matches!(event.kind, EventKind::SlowPath { .. })));
}

#[test]
fn a_function_that_comes_back_to_a_loop_with_code_is_asked_for_soon() {
    let engine = engine(|_| {});
    let kinds = |events: &[Event]| {
        let events = events.iter().filter(|event| event.func == Some(1));
        events.map(|event| (event.kind.name(), event.loop_offset.is_some())).collect::<Vec<_>>()
    };
    // The first call goes over to the loop's code, unless the compiler was slow.
    for _ in 0..200 {
        let module = Module::new(&engine, PROGRAM).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let once = instance.get_typed_func::<i32, i32>(&mut store, "once").unwrap();
        assert_eq!(once.call(&mut store, 1_000_000).unwrap(), expected(1_000_000));
        let first = kinds(engine.events().as_slice());
        if !first.contains(&("osr-entered", true)) || first.contains(&("requested", false)) {
            continue;
        }
        // Some 0.2 ms of the baseline.
        assert_eq!(once.call(&mut store, 15_000).unwrap(), expected(15_000));
        let second = kinds(engine.events().as_slice());
        assert!(second.contains(&("osr-entered", true)), "{second:?}");
        assert!(second.contains(&("requested", false)), "{second:?}");
        return;
    }
    panic!("no loop got its code during its only call");
}

#[test]
fn a_hot_function_is_asked_for_compiled_and_published() {
    let engine = engine(|config| {
        config.optimize_threads(1);
    });
    let (mut store, instance) = instantiate(&engine, PROGRAM);
    let leaf = instance.get_typed_func::<i32, i32>(&mut store, "leaf").unwrap();
    let (start, mut events) = (Instant::now(), Vec::new());
    let names = |events: &[Event]| -> Vec<&'static str> {
        let of_leaf = events.iter().filter(|event| event.func == Some(2));
        of_leaf.map(|event| event.kind.name()).filter(|name| *name != "slow-path").collect()
    };
    while !names(&events).contains(&"first-entered") {
        assert!(start.elapsed() < Duration::from_secs(100), "{events:?}");
        for i in 0..10_000 {
            assert_eq!(leaf.call(&mut store, i).unwrap(), i * 31 + 1);
        }
        events.extend(engine.events());
    }
    let life = ["lazy-compile-started", "lazy-compiled", "requested", "dequeued", "compiled"];
    assert_eq!(names(&events), [&life[..], &["published", "first-entered"]].concat());
    assert_eq!(engine.lost_events(), 0);
    assert_eq!(leaf.call(&mut store, 1).unwrap(), 32);
}

/// Threads heat the same functions of one module, each through instances of its own, and of
/// modules that are dropped while their functions wait for code.
#[test]
fn threads_heat_the_same_functions() {
    for policy in [Policy::OptimizeEagerly, Policy::Latency, Policy::Balanced] {
        let engine = engine(|config| {
            config.policy(policy).optimize_threads(2);
        });
        let shared = Module::new(&engine, PROGRAM).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (engine, shared) = (&engine, &shared);
                scope.spawn(move || {
                    for round in 0..12 {
                        let own = Module::new(engine, PROGRAM).unwrap();
                        let module = if round % 3 == 2 { &own } else { shared };
                        let mut store = Store::new(engine, ());
                        let instance = Linker::new(engine).instantiate(&mut store, module).unwrap();
                        let once = instance.get_typed_func::<i32, i32>(&mut store, "once").unwrap();
                        let turns = 20_000 + thread * 1000 + round;
                        assert_eq!(once.call(&mut store, turns).unwrap(), expected(turns));
                        let leaf = instance.get_typed_func::<i32, i32>(&mut store, "leaf").unwrap();
                        assert_eq!(leaf.call(&mut store, turns).unwrap(), turns * 31 + 1);
                    }
                });
            }
        });
        // The last requests may still wait for a processor.
        let start = Instant::now();
        while shared.stats().optimizer_functions == 0 {
            assert!(start.elapsed() < Duration::from_secs(100), "{policy}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn deterministic_tiering_is_the_same_each_time() {
    let run = || {
        let engine = engine(|config| {
            config.deterministic_tiering(50);
        });
        let (mut store, instance) = instantiate(&engine, PROGRAM);
        let once = instance.get_typed_func::<i32, i32>(&mut store, "once").unwrap();
        assert_eq!(once.call(&mut store, 1000).unwrap(), expected(1000));
        let steps = engine.events().into_iter();
        let steps = steps.map(|event| (event.func, event.loop_offset, event.kind.name()));
        steps.collect::<Vec<_>>()
    };
    let first = run();
    assert!(first.iter().any(|step| step.2 == "osr-entered"));
    assert_eq!(first, run());
}

#[test]
fn settings_are_checked() {
    let refused = |configure: fn(&mut Config)| {
        let mut config = Config::new();
        configure(&mut config);
        Engine::new(&config).unwrap_err().to_string()
    };
    assert!(refused(|config| drop(config.optimize_cpu_share(0).clone())).contains("percentage"));
    assert!(refused(|config| drop(config.optimize_cpu_share(101).clone())).contains("percentage"));
    assert!(refused(|config| drop(config.deterministic_tiering(0).clone())).contains("from 1"));
}
