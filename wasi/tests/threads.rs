//! Guests with threads.

use anyhow::Result;
use std::sync::Arc;
use upshift::{Config, Engine, Linker, Module, Store, StoreLimitsBuilder, Tier, Trap};
use upshift_wasi::{I32Exit, WasiCtx, WasiThreads};

/// Threads at once.
const MAX_THREADS: usize = 20;

/// A module whose main function is `main` and whose threads run `thread` with `$id` and `$arg`.
fn program(main: &str, thread: &str) -> String {
    format!(
        r#"(module
        (import "env" "memory" (memory 1 4 shared))
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff"
            (func $poll (param i32 i32 i32 i32) (result i32)))
        (export "memory" (memory 0))
        (func $wait (param $at i32) (param $while i32)
            (drop (memory.atomic.wait32 (local.get $at) (local.get $while) (i64.const -1))))
        (func (export "wasi_thread_start") (param $id i32) (param $arg i32) {thread})
        (func (export "main") (result i32) (local $i i32) {main}))"#
    )
}

fn run_in(config: &Config, text: &str) -> Result<i32> {
    let engine = Engine::new(config)?;
    let module = Module::new(&engine, text)?;
    let wasi = Arc::new(WasiCtx::builder().build()?);
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |wasi: &mut Arc<WasiCtx>| &**wasi)?;
    assert!(WasiThreads::<Arc<WasiCtx>>::are_imported_by(&module));
    let mut store = Store::new(&engine, Arc::clone(&wasi));
    let make_store = move || Ok(Store::new(&engine, Arc::clone(&wasi)));
    let mut threads = WasiThreads::add_to_linker(&mut linker, &mut store, &module, make_store)?;
    threads.max_threads(MAX_THREADS).stack_size(1 << 20);
    threads.run(&mut store, |store| {
        let instance = linker.instantiate(&mut *store, &module)?;
        instance.get_typed_func::<(), i32>(&mut *store, "main")?.call(store, ())
    })
}

fn run(main: &str, thread: &str) -> Result<i32> {
    run_in(&Config::new(), &program(main, thread))
}

/// Waits until the word at 0 is what `threads` threads make it.
fn until_all(threads: u32) -> String {
    format!(
        "(loop $again
            (local.set $i (i32.atomic.load (i32.const 0)))
            (if (i32.lt_u (local.get $i) (i32.const {threads})) (then
                (call $wait (i32.const 0) (local.get $i)) (br $again))))"
    )
}

/// What a thread does at its end.
const DONE: &str = "(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const -1)))";

#[test]
fn threads_share_the_memory() {
    let thread = format!(
        "(local $n i32)
        (loop $l
            (drop (i32.atomic.rmw.add (i32.const 8) (local.get $arg)))
            (br_if $l (i32.lt_u
                (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000))))
        (drop (i32.atomic.rmw.add (i32.const 12) (local.get $id)))
        {DONE}"
    );
    let main = format!(
        "(loop $l
            (if (i32.le_s (call $spawn (local.get $i)) (i32.const 0)) (then unreachable))
            (br_if $l (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
        {}
        ;; Numbers are 1 to 4, arguments 0 to 3.
        (if (i32.ne (i32.load (i32.const 12)) (i32.const 10)) (then unreachable))
        (i32.load (i32.const 8))",
        until_all(4)
    );
    for tier in [Tier::Auto, Tier::Baseline, Tier::Optimizer] {
        let mut config = Config::new();
        config.tier(tier);
        assert_eq!(run_in(&config, &program(&main, &thread)).unwrap(), 6 * 20_000, "{tier:?}");
    }
}

#[test]
fn an_exit_of_a_thread_ends_all_others() {
    // One waits in memory, one in WASI, one runs; so does the main function.
    let thread = "(if (i32.eq (local.get $arg) (i32.const 0)) (then
            (call $wait (i32.const 64) (i32.const 0))))
        (if (i32.eq (local.get $arg) (i32.const 1)) (then
            ;; The clock in a thousand hours.
            (i32.store8 (i32.const 136) (i32.const 0))
            (i32.store (i32.const 144) (i32.const 1))
            (i64.store (i32.const 152) (i64.const 3600000000000000))
            (drop (call $poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320)))))
        (if (i32.eq (local.get $arg) (i32.const 2)) (then (loop $l (br $l))))
        (call $exit (i32.const 7))";
    let spawn = "(drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 1)))
        (drop (call $spawn (i32.const 2))) (drop (call $spawn (i32.const 3)))";
    for wait in ["(call $wait (i32.const 64) (i32.const 0))", "(loop $l (br $l))"] {
        let error = run(&format!("{spawn} {wait} (i32.const 0)"), thread).unwrap_err();
        let exit = error.chain().find_map(|cause| cause.downcast_ref::<I32Exit>());
        assert_eq!(exit, Some(&I32Exit(7)), "{error:?}");
    }
}

#[test]
fn a_thread_of_the_start_function_ends_the_guest() {
    let start = "(start $start)
        (func $start
            (if (i32.eqz (i32.atomic.rmw.add (i32.const 32) (i32.const 1))) (then
                (drop (call $spawn (i32.const 0)))
                (call $wait (i32.const 64) (i32.const 0)))))
        (func $wait ";
    let text = program("(i32.const 0)", "(call $exit (i32.const 7))");
    let error = run_in(&Config::new(), &text.replace("(func $wait ", start)).unwrap_err();
    assert!(error.chain().any(|cause| cause.downcast_ref() == Some(&I32Exit(7))), "{error:?}");
}

#[test]
fn a_memory_may_be_imported_twice() {
    let import = "(import \"env\" \"memory\" (memory 1 4 shared))";
    let text = program("(i32.store 1 (i32.const 0) (i32.const 6)) (i32.load (i32.const 0))", "");
    let text = text.replace(import, &import.repeat(2));
    assert_eq!(run_in(&Config::new(), &text).unwrap(), 6);
}

#[test]
fn a_trap_of_a_thread_ends_the_guest() {
    let main = "(drop (call $spawn (i32.const 5))) (call $wait (i32.const 64) (i32.const 0))
        (i32.const 0)";
    let error = run(main, "(drop (i32.div_u (local.get $arg) (i32.const 0)))").unwrap_err();
    assert!(error.to_string().contains("thread 1 failed"), "{error:?}");
    let trap = error.chain().find_map(|cause| cause.downcast_ref::<Trap>());
    assert_eq!(trap, Some(&Trap::IntegerDivisionByZero), "{error:?}");
}

#[test]
fn the_end_of_the_main_function_ends_threads() {
    let main = "(drop (call $spawn (i32.const 0)))
        (loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 0))))) (i32.const 3)";
    let thread = "(i32.atomic.store (i32.const 0) (i32.const 1)) (loop $l (br $l))";
    assert_eq!(run(main, thread).unwrap(), 3);
    let error = run(&format!("{main} (call $exit (i32.const 4))"), thread).unwrap_err();
    assert!(error.chain().any(|cause| cause.downcast_ref() == Some(&I32Exit(4))), "{error:?}");
}

#[test]
fn threads_start_threads_until_there_are_too_many() {
    let main = "(drop (call $spawn (i32.const 0)))
        (loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 4))))) (i32.load (i32.const 0))";
    // Each starts one more, and waits.
    let thread = "(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
        (if (i32.lt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
            (i32.atomic.store (i32.const 4) (i32.const 1))))
        (call $wait (i32.const 64) (i32.const 0))";
    assert_eq!(run(main, thread).unwrap(), i32::try_from(MAX_THREADS).unwrap());
}

#[test]
fn what_a_thread_needs_may_be_missing() {
    let main = "(drop (call $spawn (i32.const 0))) (call $wait (i32.const 64) (i32.const 0))
        (i32.const 0)";
    let without = program(main, "").replace("wasi_thread_start", "start_thread");
    let error = run_in(&Config::new(), &without).unwrap_err();
    assert!(format!("{error:#}").contains("wasi_thread_start"), "{error:?}");
    // A guest that never starts any does not need it.
    let never = program("(i32.const 9)", "").replace("wasi_thread_start", "start_thread");
    assert_eq!(run_in(&Config::new(), &never).unwrap(), 9);
}

#[test]
fn a_store_that_cannot_be_made_ends_the_guest() {
    for panics in [false, true] {
        let engine = Engine::default();
        let main = "(drop (call $spawn (i32.const 0))) (loop $l (br $l)) (i32.const 0)";
        let module = Module::new(&engine, program(main, "")).unwrap();
        let mut linker = Linker::new(&engine);
        upshift_wasi::add_to_linker(&mut linker, |wasi: &mut Arc<WasiCtx>| &**wasi).unwrap();
        let mut store = Store::new(&engine, Arc::new(WasiCtx::builder().build().unwrap()));
        let make_store = move || {
            assert!(!panics, "on purpose");
            anyhow::bail!("no store today")
        };
        let mut threads =
            WasiThreads::add_to_linker(&mut linker, &mut store, &module, make_store).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let main = instance.get_typed_func::<(), i32>(&mut store, "main").unwrap();
        let error = threads.run(&mut store, |store| main.call(store, ())).unwrap_err();
        let expected = if panics { "panicked" } else { "no store today" };
        assert!(format!("{error:#}").contains(expected), "{error:?}");
    }
}

#[test]
fn shared_memories_are_within_the_limits_of_the_store() {
    let engine = Engine::default();
    let module = Module::new(&engine, program("(i32.const 9)", "")).unwrap();
    for (pages, allowed) in [(1, true), (0, false)] {
        let mut linker = Linker::new(&engine);
        let limits = StoreLimitsBuilder::new().memory_size(pages << 16).build();
        let wasi = Arc::new(WasiCtx::builder().build().unwrap());
        let mut store = Store::new(&engine, (wasi, limits));
        store.limiter(|(_, limits)| limits);
        upshift_wasi::add_to_linker(&mut linker, |(wasi, _): &mut (Arc<WasiCtx>, _)| &**wasi)
            .unwrap();
        let make_store = || anyhow::bail!("no thread is started");
        let made = WasiThreads::add_to_linker(&mut linker, &mut store, &module, make_store);
        match made {
            Ok(_) => assert!(allowed),
            Err(error) => {
                assert!(!allowed && error.to_string().contains("memory limits"), "{error:?}");
            }
        }
    }
}
