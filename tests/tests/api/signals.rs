//! Interruption of optimized loops, which do not poll: signals bring the thread to the next header.

use super::instantiate;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use upshift::{
    Caller, Config, Engine, Error, InterruptHandle, Linker, Module, Store, Tier, Trap,
    UpdateDeadline, WasmBacktrace,
};

fn optimizer() -> Engine {
    let mut config = Config::new();
    config.tier(Tier::Optimizer);
    Engine::new(&config).expect("the settings are valid")
}

fn is_interrupt(error: &Error) -> bool {
    error.downcast_ref::<Trap>() == Some(&Trap::Interrupt)
}

fn interrupt_soon(handle: InterruptHandle) {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(10));
        handle.interrupt();
    });
}

/// Advances the epoch without a pause while `f` runs.
fn with_ticks<R>(engine: &Engine, f: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                engine.increment_epoch();
                thread::sleep(Duration::from_micros(50));
            }
        });
        let result = f();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Endless loops whose blocks end up in machine code in different ways.
const ENDLESS: &str = r#"(module (memory 1) (table funcref (elem $leaf)) (tag $t)
    (type $leaf (func (param i32) (result i32)))
    (func $leaf (type $leaf) (i32.mul (local.get 0) (i32.const 3)))
    (func (export "nothing in it") (loop $l (br $l)))
    (func (export "nothing but a test") (param i32) (loop $l (br_if $l (local.get 0))))
    (func (export "an empty loop around") (loop $o (loop $i (br $o))))
    (func (export "out of the inner") (loop $o (block $b (loop $i (br $b))) (br $o)))
    (func (export "never true") (loop $o (if (i32.const 0) (then (unreachable))) (br $o)))
    (func (export "always true") (loop $o (if (i32.const 1) (then (br $o)))))
    (func (export "a table") (param i32)
        (loop $o (block $a (block $b (br_table $a $b $o (local.get 0)))) (br $o)))
    (func (export "bounded inner") (local i32)
        (loop $o
            (local.set 0 (i32.const 0))
            (loop $i
                (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                (br_if $i (i32.lt_u (local.get 0) (i32.const 100))))
            (br $o)))
    (func (export "a small call") (local i32)
        (loop $o (local.set 0 (call $leaf (local.get 0))) (br $o)))
    (func (export "a call by a table") (local i32)
        (loop $o
            (local.set 0 (call_indirect (type $leaf) (local.get 0) (i32.const 0)))
            (br $o)))
    (func (export "runtime functions") (local i32)
        (loop $o
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 5000))
            (drop (memory.grow (i32.const 0)))
            (drop (table.grow (ref.null func) (i32.const 0)))
            (br $o)))
    (func (export "caught") (loop $o
        (block $h (try_table (catch $t $h) (throw $t)))
        (br $o)))
    (func $throws (throw $t))
    (func (export "caught from a call") (loop $o
        (block $h (try_table (catch $t $h) (call $throws)))
        (br $o)))
    (func (export "caught by the loop") (block $out
        (loop $o (try_table (catch $t $o) (call $throws)) (br $out))))
    (func (export "fills") (loop $o
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x10000)) (br $o)))
    (func (export "copies") (loop $o
        (memory.copy (i32.const 0) (i32.const 1) (i32.const 0xffff)) (br $o)))
    (func (export "thrown on") (local $e exnref)
        (local.set $e (block $h (result exnref) (try_table (catch_all_ref $h) (throw $t)) unreachable))
        (loop $o
            (local.set $e (block $h (result exnref)
                (try_table (catch_all_ref $h) (throw_ref (local.get $e)))
                unreachable))
            (br $o)))
    ;; Cranelift folds the constant, puts what is unlikely last, and the header is only a jump there.
    (func (export "only unlikely code") (param i32) (block $b
        (br_if $b (i32.eqz (local.get 0)))
        (loop $l (@metadata.code.branch_hint "\00") (if (i32.const 1) (then (br $l)))))
        (call $throws))
    (func (export "only unlikely code, the other way") (param i32) (block $b
        (br_if $b (i32.eqz (local.get 0)))
        (call $nothing)
        (loop $l (@metadata.code.branch_hint "\01") (if (i32.const 0) (then (return)) (else (br $l)))))
        (call $throws))
    (func (export "unlikely code behind a table") (param i32) (block $b
        (br_if $b (i32.eqz (local.get 0)))
        (loop $l
            (block $x (br_table $x $b (i32.const 0)))
            (@metadata.code.branch_hint "\00")
            (if (i32.const 1)
                (then (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (br $l)))))
        (call $throws))
    (func (export "unlikely code before other code") (param i32) (block $b
        (br_if $b (i32.eqz (local.get 0)))
        (loop $l (@metadata.code.branch_hint "\00") (if (i32.const 1) (then (br $l))))))
    (func (export "an unlikely branch back") (param i32)
        (loop $l (@metadata.code.branch_hint "\00") (br_if $l (i32.const 1)))
        (call $throws))
    (func $nothing)
    (func $tail (export "tail calls") (param i32)
        (return_call $tail (i32.add (local.get 0) (i32.const 1)))))"#;

#[test]
fn every_endless_loop_is_left() {
    let engine = optimizer();
    let module = Module::new(&engine, ENDLESS).unwrap();
    for export in module.exports() {
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let name = export.name();
        let func = instance.get_func(&mut store, name).unwrap();
        let args = vec![upshift::Val::I32(1); func.ty(&store).params.len()];
        interrupt_soon(store.interrupt_handle());
        let error = func.call(&mut store, &args, &mut []).unwrap_err();
        assert!(is_interrupt(&error), "{name}: {error:?}");
    }
}

#[test]
fn the_backtrace_names_the_loop() {
    let engine = optimizer();
    let text = r#"(module
        (func $host (import "" "host") (param i32))
        (func $inner (param i32)
            (call $host (local.get 0))
            (loop $l (br_if $l (local.get 0))))
        (func $outer (export "outer") (param i32) (call $inner (local.get 0)) (call $host (i32.const 0))))"#;
    let bytes = wat::parse_str(text).unwrap();
    let module = Module::new(&engine, &bytes).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "host", |_: i32| {}).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let outer = instance.get_typed_func::<i32, ()>(&mut store, "outer").unwrap();
    interrupt_soon(store.interrupt_handle());
    let error = outer.call(&mut store, 1).unwrap_err();
    let trace = error.downcast_ref::<WasmBacktrace>().unwrap();
    let names: Vec<_> = trace.frames().iter().map(|frame| frame.func_name().unwrap()).collect();
    assert_eq!(names, ["inner", "outer"]);
    let offset = trace.frames()[0].module_offset().unwrap();
    // What follows the byte of the operator `loop`, 3, and its type: the place is in the loop.
    let header = bytes.windows(2).position(|window| window == [0x03, 0x40]).unwrap();
    assert!((header..=header + 6).contains(&offset), "{offset} in {header}..");
}

/// A loop with many values of each kind alive, and a result that tells when one is lost.
const BUSY: &str = r#"(module (memory 1)
    (type $node (struct (field (mut i32)) (field (mut (ref null $node)))))
    (func (export "run") (param $n i32) (result i64)
        (local $i i32) (local $a i64) (local $b i64) (local $c i64) (local $d i64)
        (local $x f64) (local $y f64) (local $z f32)
        (local $v v128) (local $w v128) (local $list (ref null $node))
        (local.set $b (i64.const 0x9e3779b97f4a7c15))
        (local.set $x (f64.const 1.5))
        (local.set $z (f32.const 0.25))
        (local.set $w (v128.const i32x4 1 2 3 4))
        (loop $l
            (local.set $a (i64.rotl (i64.add (local.get $a) (local.get $b)) (i64.const 7)))
            (local.set $b (i64.xor (local.get $b) (i64.mul (local.get $a) (i64.const 31))))
            (local.set $c (i64.add (local.get $c) (i64.shr_u (local.get $b) (i64.const 3))))
            (local.set $d (i64.sub (local.get $d) (local.get $c)))
            (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 0.999)) (f64.const 0.5)))
            (local.set $y (f64.add (local.get $y) (local.get $x)))
            (local.set $z (f32.add (local.get $z) (f32.const 0.125)))
            (local.set $v (i32x4.add (local.get $v) (local.get $w)))
            (local.set $w (i32x4.mul (local.get $w) (v128.const i32x4 3 5 7 9)))
            (if (i32.eqz (i32.and (local.get $i) (i32.const 1023)))
                (then (local.set $list (struct.new $node (local.get $i) (local.get $list)))))
            (i64.store (i32.and (local.get $i) (i32.const 0xfff8)) (local.get $d))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
        (block $end
            (loop $sum
                (local.set $a (i64.add (i64.rotl (local.get $a) (i64.const 1))
                    (i64.extend_i32_u (struct.get $node 0 (br_on_null $end (local.get $list))))))
                (local.set $list (struct.get $node 1 (local.get $list)))
                (br $sum)))
        (i64.xor
            (i64.xor (i64.xor (local.get $a) (local.get $b)) (i64.xor (local.get $c) (local.get $d)))
            (i64.xor
                (i64.xor (i64.reinterpret_f64 (local.get $y))
                    (i64.extend_i32_u (i32.reinterpret_f32 (local.get $z))))
                (i64.xor (i64x2.extract_lane 0 (local.get $v)) (i64x2.extract_lane 1 (local.get $w)))))))"#;

#[test]
fn constant_interruption_changes_nothing() {
    let engine = optimizer();
    let module = Module::new(&engine, BUSY).unwrap();
    let (mut store, instance) = instantiate(&engine, BUSY);
    let run = instance.get_typed_func::<u32, u64>(&mut store, "run").unwrap();
    let expected = run.call(&mut store, 3_000_000).unwrap();
    let seen = Arc::new(AtomicU32::new(0));
    with_ticks(&engine, || {
        // Several threads in the same code.
        thread::scope(|scope| {
            for _ in 0..3 {
                let seen = Arc::clone(&seen);
                let (engine, module) = (&engine, &module);
                scope.spawn(move || {
                    let mut store = Store::new(engine, ());
                    let instance = Linker::new(engine).instantiate(&mut store, module).unwrap();
                    let run = instance.get_typed_func::<u32, u64>(&mut store, "run").unwrap();
                    store.epoch_deadline_callback(move |_| {
                        seen.fetch_add(1, Ordering::Relaxed);
                        Ok(UpdateDeadline::Continue(1))
                    });
                    store.set_epoch_deadline(1);
                    for _ in 0..5 {
                        assert_eq!(run.call(&mut store, 3_000_000).unwrap(), expected);
                    }
                });
            }
        });
    });
    assert!(seen.load(Ordering::Relaxed) > 15, "{seen:?}");
}

#[test]
fn a_loop_sees_what_the_host_writes_at_an_interruption() {
    let engine = optimizer();
    let module = Module::new(
        &engine,
        r#"(module (memory (export "memory") 1)
            (func (export "wait") (loop $l (br_if $l (i32.eqz (i32.load (i32.const 8)))))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, None);
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    *store.data_mut() = Some(memory);
    store.epoch_deadline_callback(|mut store| {
        let memory = store.data().unwrap();
        memory.write(&mut store, 8, &[1])?;
        Ok(UpdateDeadline::Continue(1_000_000))
    });
    store.set_epoch_deadline(1);
    let wait = instance.get_typed_func::<(), ()>(&mut store, "wait").unwrap();
    with_ticks(&engine, || wait.call(&mut store, ()).unwrap());
}

#[test]
fn a_store_is_not_interrupted_for_another() {
    const COUNT: &str = r#"(module
        (func (export "count") (param i32)
            (loop $l
                (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    for inner_tier in [Tier::Optimizer, Tier::Baseline] {
        let engine = optimizer();
        let mut config = Config::new();
        config.tier(inner_tier);
        let inner_engine = Engine::new(&config).unwrap();
        let module = Module::new(&inner_engine, COUNT).unwrap();
        let mut inner = Store::new(&inner_engine, ());
        let instance = Linker::new(&inner_engine).instantiate(&mut inner, &module).unwrap();
        let count = instance.get_typed_func::<u32, ()>(&mut inner, "count").unwrap();
        let module = Module::new(
            &engine,
            r#"(module (func $host (import "" "host"))
                (func $run (export "run") (call $host) (loop $l (br $l))))"#,
        )
        .unwrap();
        let mut store = Store::new(&engine, ());
        let handle = store.interrupt_handle();
        let mut linker = Linker::new(&engine);
        let inner = std::sync::Mutex::new(inner);
        let counted = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&counted);
        linker
            .func_wrap("", "host", move |_: Caller<'_, ()>| {
                handle.interrupt();
                count.call(&mut *inner.lock().unwrap(), 50_000_000).unwrap();
                noted.store(true, Ordering::Relaxed);
            })
            .unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(is_interrupt(&error), "{error:?}");
        assert!(counted.load(Ordering::Relaxed), "the inner store ran to its end");
        let trace = error.downcast_ref::<WasmBacktrace>().unwrap();
        let names: Vec<_> = trace.frames().iter().map(|frame| frame.func_name()).collect();
        assert_eq!(names, [Some("run")]);
    }
}

#[test]
fn hosts_start_threads_and_processes_while_loops_are_interrupted() {
    let engine = optimizer();
    let module = Module::new(
        &engine,
        r#"(module (func $host (import "" "host") (param i32))
            (func (export "run") (param i32)
                (loop $l
                    (call $host (local.get 0))
                    (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "host", |n: i32| {
            if n % 50 == 0 {
                assert!(std::process::Command::new("true").status().unwrap().success());
            } else {
                thread::spawn(|| {}).join().unwrap();
            }
        })
        .unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(0)));
    store.set_epoch_deadline(0);
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    run.call(&mut store, 500).unwrap();
}

#[test]
fn a_loop_that_is_mostly_in_the_host_is_left() {
    let engine = optimizer();
    let module = Module::new(
        &engine,
        r#"(module (func $host (import "" "host"))
            (func (export "run") (loop $l (call $host) (br $l))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "host", || thread::sleep(Duration::from_millis(3))).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    interrupt_soon(store.interrupt_handle());
    assert!(is_interrupt(&run.call(&mut store, ()).unwrap_err()));
}

#[test]
fn without_signals_loops_poll() {
    let mut config = Config::new();
    config.tier(Tier::Optimizer).signal_interruption(false);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, ENDLESS).unwrap();
    for name in ["nothing in it", "an empty loop around", "runtime functions"] {
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
        interrupt_soon(store.interrupt_handle());
        assert!(is_interrupt(&func.call(&mut store, ()).unwrap_err()), "{name}");
    }
}

#[test]
fn step_by_step_nothing_changes() {
    let mut config = Config::new();
    let mut zeal = upshift::Zeal::none();
    zeal.enable("step").unwrap();
    config.tier(Tier::Optimizer).zeal(zeal);
    let run = |engine: &Engine| {
        let module = Module::new(engine, BUSY).unwrap();
        let mut store = Store::new(engine, 0u32);
        let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
        store.epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            // The time has come already, so each poll asks again, in the test mode.
            Ok(UpdateDeadline::Continue(u64::from(*store.data() == u32::MAX)))
        });
        store.set_epoch_deadline(0);
        let run = instance.get_typed_func::<u32, u64>(&mut store, "run").unwrap();
        (run.call(&mut store, 2_000).unwrap(), *store.data())
    };
    let (expected, _) = run(&optimizer());
    let (result, polls) = run(&Engine::new(&config).unwrap());
    assert_eq!(result, expected);
    assert!(polls >= 2_000, "a poll at each turn: {polls}");
}
