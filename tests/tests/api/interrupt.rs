//! Interruption: handles, epochs, fuel.

use super::instantiate;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use upshift::{
    Config, Engine, Error, Linker, MemoryType, Module, SharedMemory, Store, Tier, Trap,
    UpdateDeadline,
};

const SPIN: &str = r#"(module
    (memory 16384)
    (func (export "spin") (loop (br 0)))
    (func $recurse (export "recurse") (loop (call $leaf) (br 0)))
    (func $leaf)
    (func (export "fill") (loop
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3fffffff)) (br 0)))
    (func (export "nothing") (call $leaf)))"#;

fn is_interrupt(error: &Error) -> bool {
    error.downcast_ref::<Trap>() == Some(&Trap::Interrupt)
}

#[test]
fn another_thread_interrupts_loops_calls_and_bulk_operations() {
    let engine = Engine::default();
    for name in ["spin", "recurse", "fill"] {
        let (mut store, instance) = instantiate(&engine, SPIN);
        let handle = store.interrupt_handle();
        let f = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
        let interrupter = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            handle.interrupt();
        });
        assert!(is_interrupt(&f.call(&mut store, ()).unwrap_err()), "{name}");
        interrupter.join().unwrap();
        let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").unwrap();
        nothing.call(&mut store, ()).unwrap();
    }
}

#[test]
fn an_interrupt_before_the_call_ends_the_next_one() {
    let (mut store, instance) = instantiate(&Engine::default(), SPIN);
    let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").unwrap();
    store.interrupt_handle().interrupt();
    assert!(is_interrupt(&nothing.call(&mut store, ()).unwrap_err()));
    nothing.call(&mut store, ()).unwrap();
}

#[test]
fn an_interrupt_wakes_a_waiting_thread() {
    let engine = Engine::default();
    let (mut store, instance) = instantiate(
        &engine,
        r#"(module (memory 1 1 shared)
            (func (export "wait") (drop
                (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#,
    );
    let handle = store.interrupt_handle();
    let wait = instance.get_typed_func::<(), ()>(&mut store, "wait").unwrap();
    let interrupter = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        handle.interrupt();
    });
    assert!(is_interrupt(&wait.call(&mut store, ()).unwrap_err()));
    interrupter.join().unwrap();
}

#[test]
fn a_waiting_thread_asks_the_deadline_callback() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (memory 1 1 shared)
            (func (export "wait") (param i64) (result i32)
                (memory.atomic.wait32 (i32.const 0) (i32.const 0) (local.get 0))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, 0u32);
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let wait = instance.get_typed_func::<i64, u32>(&mut store, "wait").unwrap();
    store.epoch_deadline_callback(|mut store| {
        *store.data_mut() += 1;
        let go_on = *store.data() < 3;
        Ok(if go_on { UpdateDeadline::Continue(1) } else { UpdateDeadline::Interrupt })
    });
    store.set_epoch_deadline(1);
    assert_eq!(wait.call(&mut store, 1_000_000).unwrap(), 2);
    let (stop, stopped) = mpsc::channel::<()>();
    let ticker = thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(2)).is_err() {
            engine.increment_epoch();
        }
    });
    assert!(is_interrupt(&wait.call(&mut store, -1).unwrap_err()));
    assert_eq!(*store.data(), 3);
    stop.send(()).unwrap();
    ticker.join().unwrap();
}

#[test]
fn a_deadline_that_is_extended_loses_no_notification() {
    const ROUNDS: u32 = 3000;
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "" "memory" (memory 1 1 shared))
            (func (export "wait") (result i32)
                (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 20_000_000_000))))"#,
    )
    .unwrap();
    let memory = SharedMemory::new(&engine, MemoryType::shared(1, 1)).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.define(&store, "", "memory", memory.clone()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let wait = instance.get_typed_func::<(), u32>(&mut store, "wait").unwrap();
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
    store.set_epoch_deadline(1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                engine.increment_epoch();
            }
        });
        scope.spawn(|| {
            let mut woken = 0;
            while woken < ROUNDS && !done.load(Ordering::Relaxed) {
                woken += memory.atomic_notify(0, 1).unwrap();
            }
        });
        let results: Vec<u32> = (0..ROUNDS).map(|_| wait.call(&mut store, ()).unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(|&result| result == 0), "woken, not timed out");
    });
}

#[test]
fn epochs_end_calls_at_their_deadline() {
    let engine = Engine::default();
    let (mut store, instance) = instantiate(&engine, SPIN);
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
    store.set_epoch_deadline(2);
    let (started, wait) = mpsc::channel::<()>();
    let ticker = {
        let engine = engine.clone();
        thread::spawn(move || {
            wait.recv().unwrap();
            for _ in 0..2 {
                thread::sleep(Duration::from_millis(5));
                engine.increment_epoch();
            }
        })
    };
    started.send(()).unwrap();
    assert!(is_interrupt(&spin.call(&mut store, ()).unwrap_err()));
    ticker.join().unwrap();
    // The deadline has passed until a new one is set.
    let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").unwrap();
    store.set_epoch_deadline(1);
    nothing.call(&mut store, ()).unwrap();
    engine.increment_epoch();
    assert!(is_interrupt(&nothing.call(&mut store, ()).unwrap_err()));
}

#[test]
fn with_epoch_interruption_stores_start_at_their_deadline() {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let (mut store, instance) = instantiate(&Engine::new(&config).unwrap(), SPIN);
    let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").unwrap();
    assert!(is_interrupt(&nothing.call(&mut store, ()).unwrap_err()));
    store.set_epoch_deadline(1);
    nothing.call(&mut store, ()).unwrap();
}

#[test]
fn a_callback_may_extend_the_deadline() {
    let engine = Engine::default();
    let module = Module::new(&engine, SPIN).unwrap();
    let mut store = Store::new(&engine, 0u32);
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
    store.epoch_deadline_callback(|mut store| {
        *store.data_mut() += 1;
        if *store.data() < 5 {
            store.engine().increment_epoch();
            Ok(UpdateDeadline::Continue(0))
        } else if *store.data() < 6 {
            Ok(UpdateDeadline::Continue(0))
        } else {
            anyhow::bail!("enough")
        }
    });
    store.set_epoch_deadline(0);
    let error = spin.call(&mut store, ()).unwrap_err();
    assert_eq!(error.root_cause().to_string(), "enough");
    assert_eq!(*store.data(), 6);
}

#[test]
fn fuel_is_used_up() {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config).unwrap();
    let (mut store, instance) = instantiate(&engine, SPIN);
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
    let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").unwrap();
    let fill = instance.get_typed_func::<(), ()>(&mut store, "fill").unwrap();
    store.set_fuel(10_000).unwrap();
    let error = spin.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::OutOfFuel));
    assert_eq!(store.get_fuel().unwrap(), 0);
    store.set_fuel(100).unwrap();
    nothing.call(&mut store, ()).unwrap();
    assert!(store.get_fuel().unwrap() <= 100);
    // A fill of a gibibyte costs more than its operator.
    let start = Instant::now();
    store.set_fuel(1_000).unwrap();
    let error = fill.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::OutOfFuel));
    assert!(start.elapsed() < Duration::from_millis(100));
    store.set_fuel(u64::MAX).unwrap();
    nothing.call(&mut store, ()).unwrap();
    let left = store.get_fuel().unwrap();
    assert!(left > u64::MAX - 100, "{left}");
}

#[test]
fn what_is_behind_an_if_is_charged_when_it_runs() {
    const PROGRAM: &str = r#"(module
        (type $none (func))
        (global $x (mut i64) (i64.const 0))
        (func (export "typed") (param i32)
            (i64.const 5)
            (local.get 0)
            (if (type $none) (then return))
            (global.set $x (i64.xor (global.get $x))))
        (func (export "parameter") (param i32)
            (i64.const 5)
            (local.get 0)
            (if (param i64) (result i64) (then return))
            (global.set $x (i64.xor (global.get $x))))
        (func (export "plain") (param i32)
            (local.get 0)
            (if (then return))
            (global.set $x (i64.xor (global.get $x) (i64.const 5)))))"#;
    for tier in [Tier::Baseline, Tier::Optimizer] {
        let mut config = Config::new();
        config.consume_fuel(true).tier(tier);
        let engine = Engine::new(&config).unwrap();
        let (mut store, instance) = instantiate(&engine, PROGRAM);
        for (name, condition, cost) in [
            ("typed", 1, 3),
            ("typed", 0, 6),
            ("parameter", 1, 3),
            ("parameter", 0, 6),
            ("plain", 1, 2),
            ("plain", 0, 6),
        ] {
            let func = instance.get_typed_func::<i32, ()>(&mut store, name).unwrap();
            store.set_fuel(100).unwrap();
            func.call(&mut store, condition).unwrap();
            assert_eq!(100 - store.get_fuel().unwrap(), cost, "{tier:?}: {name}({condition})");
        }
    }
}

#[test]
fn fuel_must_be_configured() {
    let mut store = Store::new(&Engine::default(), ());
    assert!(store.set_fuel(1).is_err());
    assert!(store.get_fuel().is_err());
}

#[test]
fn the_test_modes_change_nothing() {
    let mut config = Config::new();
    let mut zeal = upshift::Zeal::none();
    zeal.enable("interrupt").unwrap();
    zeal.enable("spill").unwrap();
    assert!(zeal.enable("nonsense").is_err());
    config.zeal(zeal);
    let engine = Engine::new(&config).unwrap();
    let (mut store, instance) = instantiate(
        &engine,
        r#"(module
            (func $fac (export "fac") (param i64) (result i64)
                (if (result i64) (i64.eqz (local.get 0))
                    (then (i64.const 1))
                    (else (i64.mul (local.get 0)
                        (call $fac (i64.sub (local.get 0) (i64.const 1)))))))
            (func (export "sum") (param i32) (result i32) (local i32)
                (loop
                    (local.set 1 (i32.add (local.get 1) (local.get 0)))
                    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (local.get 1))
            (func $deep (export "deep") (call $deep)))"#,
    );
    let fac = instance.get_typed_func::<i64, i64>(&mut store, "fac").unwrap();
    assert_eq!(fac.call(&mut store, 10).unwrap(), 3_628_800);
    let sum = instance.get_typed_func::<i32, i32>(&mut store, "sum").unwrap();
    assert_eq!(sum.call(&mut store, 1000).unwrap(), 500_500);
    let deep = instance.get_typed_func::<(), ()>(&mut store, "deep").unwrap();
    let error = deep.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::StackOverflow));
}
