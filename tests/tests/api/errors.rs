//! Traps, errors and panics of host functions, backtraces.

use super::instantiate;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use upshift::{Engine, Instance, Linker, Module, Store, Trap, WasmBacktrace};
use upshift_tests::modes;

#[derive(Debug, PartialEq)]
struct HostError(u32);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host error {}", self.0)
    }
}

impl std::error::Error for HostError {}

const CALLS_HOST: &str = r#"(module $demo
    (import "" "host" (func $host))
    (func $inner (call $host))
    (func $outer (export "run") (call $inner)))"#;

fn run_with(linker: &Linker<()>, wat: &str) -> upshift::Error {
    let module = Module::new(linker.engine(), wat).expect("a valid module");
    let mut store = Store::new(linker.engine(), ());
    let instance = linker.instantiate(&mut store, &module).expect("imports are defined");
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("an export `run`");
    run.call(&mut store, ()).expect_err("the call fails")
}

#[test]
fn traps_carry_a_backtrace_with_names_and_offsets() {
    let linker = Linker::new(&Engine::default());
    let error = run_with(
        &linker,
        r#"(module $demo
            (func $inner unreachable)
            (func $outer (export "run") nop (call $inner)))"#,
    );
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Unreachable));
    assert_eq!(error.root_cause().to_string(), "wasm trap: unreachable");
    let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
    let names: Vec<_> = backtrace.frames().iter().map(|frame| frame.func_name()).collect();
    assert_eq!(names, [Some("inner"), Some("outer")]);
    let frame = &backtrace.frames()[1];
    assert_eq!((frame.module_name(), frame.func_index()), (Some("demo"), 1));
    // One byte of locals, one of `nop`.
    assert_eq!(frame.func_offset(), Some(2));
    assert!(error.to_string().contains("demo!inner"), "{error}");
}

#[test]
fn a_branch_to_a_trap_is_not_where_the_trap_is() {
    let wat = r#"(module
        (func (export "if") (if (i32.eqz (memory.size)) (then unreachable)))
        (func (export "br_if") (block (br_if 0 (memory.size)) unreachable))
        (memory 0))"#;
    for mode in modes::all() {
        let engine = Engine::new(&mode.config).expect("the test is right");
        let module = Module::new(&engine, wat).expect("a valid module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
        // Locals 1, memory.size 2, i32.eqz 1, if 2; locals 1, block 2, memory.size 2, br_if 2.
        for (name, offset) in [("if", 6), ("br_if", 7)] {
            let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let error = run.call(&mut store, ()).expect_err("the call fails");
            let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
            let found = backtrace.frames()[0].func_offset();
            assert_eq!(found, Some(offset), "{name}, {}", mode.name);
        }
    }
}

#[test]
fn host_errors_come_back_as_they_are() {
    let mut linker = Linker::new(&Engine::default());
    linker.func_wrap("", "host", || -> Result<(), HostError> { Err(HostError(7)) }).unwrap();
    let error = run_with(&linker, CALLS_HOST);
    assert_eq!(error.downcast_ref::<HostError>(), Some(&HostError(7)));
    assert_eq!(error.downcast_ref::<WasmBacktrace>().unwrap().frames().len(), 2);
}

#[test]
fn host_panics_unwind_through_the_caller_and_leave_the_store_usable() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "host", || -> Result<(), HostError> { panic!("from the host") }).unwrap();
    let module = Module::new(&engine, CALLS_HOST).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    for _ in 0..3 {
        let panic = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, ()))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"from the host"));
    }
}

#[test]
fn errors_of_inner_activations_pass_outer_ones() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "host", |mut caller: upshift::Caller<'_, ()>| -> upshift::Result<()> {
            let trap = caller.get_export("trap").unwrap().into_func().unwrap();
            trap.call(&mut caller, &[], &mut [])
        })
        .unwrap();
    let error = run_with(
        &linker,
        r#"(module
            (import "" "host" (func $host))
            (func $trap (export "trap") unreachable)
            (func $run (export "run") (call $host)))"#,
    );
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Unreachable));
    let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
    let names: Vec<_> = backtrace.frames().iter().map(|frame| frame.func_name()).collect();
    assert_eq!(names, [Some("trap"), Some("run")]);
}

#[test]
fn every_kind_of_trap_is_told_apart() {
    let (mut store, instance) = instantiate(
        &Engine::default(),
        r#"(module
            (memory 1)
            (table 2 funcref)
            (elem (i32.const 1) $load)
            (func $load (export "load") (drop (i32.load (i32.const -4))))
            (func (export "divide") (drop (i32.div_s (i32.const 1) (i32.const 0))))
            (func (export "overflow") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
            (func (export "convert") (drop (i32.trunc_f32_s (f32.const nan))))
            (func (export "undefined") (call_indirect (i32.const 9)))
            (func (export "null") (call_indirect (i32.const 0)))
            (func (export "signature") (drop (call_indirect (result i32) (i32.const 1))))
            (func $deep (export "deep") (call $deep)))"#,
    );
    let cases = [
        ("load", Trap::MemoryOutOfBounds),
        ("divide", Trap::IntegerDivisionByZero),
        ("overflow", Trap::IntegerOverflow),
        ("convert", Trap::BadConversionToInteger),
        ("undefined", Trap::UndefinedElement),
        ("null", Trap::UninitializedElement),
        ("signature", Trap::BadSignature),
        ("deep", Trap::StackOverflow),
    ];
    for (name, trap) in cases {
        let f = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
        let error = f.call(&mut store, ()).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>(), Some(&trap), "{name}");
    }
}

#[test]
fn deep_recursion_shows_some_frames_only() {
    let linker = Linker::new(&Engine::default());
    let error = run_with(&linker, r#"(module (func $f (export "run") (call $f)))"#);
    let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
    assert!(backtrace.frames().len() < 100);
    assert!(backtrace.to_string().contains("more frames"), "{backtrace}");
}

#[test]
fn recursion_through_the_host_ends_in_a_trap() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "host", |mut caller: upshift::Caller<'_, ()>| -> upshift::Result<()> {
            let run = caller.get_export("run").unwrap().into_func().unwrap();
            run.call(&mut caller, &[], &mut [])
        })
        .unwrap();
    let error = run_with(
        &linker,
        r#"(module (import "" "host" (func $host)) (func (export "run") (call $host)))"#,
    );
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::StackOverflow));
}

#[test]
fn invalid_modules_say_what_is_wrong() {
    let engine = Engine::default();
    let bytes = wat::parse_str("(module (func (result i32)))").unwrap();
    let error = Module::new(&engine, &bytes).unwrap_err();
    assert!(error.downcast_ref::<upshift::DecodeError>().is_some());
    assert!(error.to_string().contains("type mismatch"), "{error}");
    assert!(Module::validate(&engine, &bytes).is_err());
    assert!(Module::from_binary(&engine, b"\0asm").is_err());
    assert!(Module::new(&engine, "(module (func").is_err());
}

#[test]
fn proposals_that_are_off_are_named() {
    let mut config = upshift::Config::new();
    config.wasm_gc(false);
    let engine = Engine::new(&config).unwrap();
    let reject = |wat: &str| {
        let bytes = wat::parse_str(wat).unwrap();
        Module::new(&engine, bytes).unwrap_err().to_string()
    };
    let structs = reject("(module (type $s (struct)) (func (drop (struct.new $s))))");
    assert!(structs.contains("garbage collection is switched off"), "{structs}");
    let cont = reject("(module (type $f (func)) (type (cont $f)))");
    assert!(cont.contains("stack switching"), "{cont}");
}
