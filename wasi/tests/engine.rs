//! The functions as modules see them, through the engine.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use upshift::{Config, Engine, Linker, Module, SharedMemory, Store, Trap, TypedFunc};
use upshift_wasi::{FUNCTIONS, I32Exit, MemoryInputPipe, MemoryOutputPipe, WasiCtx};

/// Every function with its signature, as the interface has it: `w` is 32 bits, `l` 64.
const SIGNATURES: &[(&str, &str)] = &[
    ("args_get", "ww"),
    ("args_sizes_get", "ww"),
    ("environ_get", "ww"),
    ("environ_sizes_get", "ww"),
    ("clock_res_get", "ww"),
    ("clock_time_get", "wlw"),
    ("fd_advise", "wllw"),
    ("fd_allocate", "wll"),
    ("fd_close", "w"),
    ("fd_datasync", "w"),
    ("fd_fdstat_get", "ww"),
    ("fd_fdstat_set_flags", "ww"),
    ("fd_fdstat_set_rights", "wll"),
    ("fd_filestat_get", "ww"),
    ("fd_filestat_set_size", "wl"),
    ("fd_filestat_set_times", "wllw"),
    ("fd_pread", "wwwlw"),
    ("fd_prestat_get", "ww"),
    ("fd_prestat_dir_name", "www"),
    ("fd_pwrite", "wwwlw"),
    ("fd_read", "wwww"),
    ("fd_readdir", "wwwlw"),
    ("fd_renumber", "ww"),
    ("fd_seek", "wlww"),
    ("fd_sync", "w"),
    ("fd_tell", "ww"),
    ("fd_write", "wwww"),
    ("path_create_directory", "www"),
    ("path_filestat_get", "wwwww"),
    ("path_filestat_set_times", "wwwwllw"),
    ("path_link", "wwwwwww"),
    ("path_open", "wwwwwllww"),
    ("path_readlink", "wwwwww"),
    ("path_remove_directory", "www"),
    ("path_rename", "wwwwww"),
    ("path_symlink", "wwwww"),
    ("path_unlink_file", "www"),
    ("poll_oneoff", "wwww"),
    ("proc_exit", "w"),
    ("proc_raise", "w"),
    ("sched_yield", ""),
    ("random_get", "ww"),
    ("sock_accept", "www"),
    ("sock_recv", "wwwwww"),
    ("sock_send", "wwwww"),
    ("sock_shutdown", "ww"),
];

fn import(module: &str, name: &str, parameters: &str) -> String {
    let types: String =
        parameters.chars().map(|c| if c == 'w' { " i32" } else { " i64" }).collect();
    let result = if name == "proc_exit" { "" } else { "(result i32)" };
    format!("(import \"{module}\" \"{name}\" (func ${name} (param{types}) {result}))\n")
}

/// A module with the imports it needs, all of preview 1.
fn with_imports(body: &str) -> String {
    let imports: String = SIGNATURES
        .iter()
        .filter(|(name, _)| body.contains(&format!("${name}")))
        .map(|(name, parameters)| import("wasi_snapshot_preview1", name, parameters))
        .collect();
    format!("(module {imports} {body})")
}

struct Program {
    store: Store<WasiCtx>,
    run: TypedFunc<(), i32>,
}

impl Program {
    fn new(ctx: WasiCtx, body: &str) -> Self {
        let engine = Engine::new(Config::new().wasm_threads(true)).unwrap();
        let module = Module::new(&engine, with_imports(body)).unwrap();
        let mut linker = Linker::new(&engine);
        upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
        let mut store = Store::new(&engine, ctx);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        Self { store, run }
    }

    fn run(&mut self) -> upshift::Result<i32> {
        self.run.call(&mut self.store, ())
    }

    /// Runs the program, which must block, and ends it from another thread.
    fn assert_interrupted(&mut self) {
        let handle = self.store.interrupt_handle();
        let start = Instant::now();
        let interrupter = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            handle.interrupt();
        });
        let error = self.run().unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt), "{error:?}");
        assert!(start.elapsed() >= Duration::from_millis(25));
        interrupter.join().unwrap();
    }
}

#[test]
fn all_functions_have_their_signatures_in_both_snapshots() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    let names = |list: &[(&'static str, usize)]| list.iter().map(|f| f.0).collect::<Vec<_>>();
    let expected: Vec<_> = SIGNATURES.iter().map(|(name, types)| (*name, types.len())).collect();
    assert_eq!(names(FUNCTIONS), names(&expected));
    assert_eq!(FUNCTIONS, expected);
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let imports: String = SIGNATURES.iter().map(|f| import(module, f.0, f.1)).collect();
        let module = Module::new(&engine, format!("(module {imports})")).unwrap();
        let mut store = Store::new(&engine, WasiCtx::builder().build().unwrap());
        linker.instantiate(&mut store, &module).unwrap();
    }
    let again = upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| &*ctx);
    assert!(again.is_err(), "nothing is replaced silently");
}

const COPY: &str = r#"
    (data (i32.const 0) "\40\00\00\00\20\00\00\00")
    (func (export "run") (result i32)
        (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16))
            (then (unreachable)))
        (i32.store (i32.const 4) (i32.load (i32.const 16)))
        (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))
            (then (unreachable)))
        (drop (call $random_get (i32.const 1024) (i32.const 100)))
        (if (i64.eqz (i64.load (i32.const 1024))) (then (unreachable)))
        (if (i64.ne (i64.const 0) (i64.load (i32.const 1124))) (then (unreachable)))
        (i32.load (i32.const 16)))"#;

#[test]
fn input_becomes_output() {
    for memory in ["(memory (export \"memory\") 1)", "(memory (export \"memory\") 1 1 shared)"] {
        let out = MemoryOutputPipe::new(100);
        let mut builder = WasiCtx::builder();
        builder.stdin(Box::new(MemoryInputPipe::new("hello"))).stdout(Box::new(out.clone()));
        let mut program = Program::new(builder.build().unwrap(), &format!("{memory} {COPY}"));
        assert_eq!(program.run().unwrap(), 5, "{memory}");
        assert_eq!(out.contents(), b"hello");
    }
}

#[test]
fn an_exit_is_an_error_of_the_call() {
    // It needs no memory either.
    let body = r#"(func (export "run") (result i32) (call $proc_exit (i32.const 7)) unreachable)"#;
    let mut program = Program::new(WasiCtx::builder().build().unwrap(), body);
    let error = program.run().unwrap_err();
    assert_eq!(error.downcast_ref::<I32Exit>(), Some(&I32Exit(7)), "{error:?}");
}

#[test]
fn without_a_memory_every_pointer_is_bad() {
    let body = r#"(func (export "run") (result i32)
        (call $random_get (i32.const 0) (i32.const 1)))"#;
    let mut program = Program::new(WasiCtx::builder().build().unwrap(), body);
    assert_eq!(program.run().unwrap(), 21);
}

#[test]
fn a_blocked_read_is_interrupted() {
    for memory in ["(memory (export \"memory\") 1)", "(memory (export \"memory\") 1 1 shared)"] {
        let (socket, mut peer) = UnixStream::pair().unwrap();
        let ctx = WasiCtx::builder().preopened_socket(OwnedFd::from(socket)).build().unwrap();
        let read = r#"(data (i32.const 0) "\40\00\00\00\20\00\00\00")
            (func (export "run") (result i32)
                (drop (call $fd_read (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 16)))
                (i32.load (i32.const 16)))"#;
        let mut program = Program::new(ctx, &format!("{memory} {read}"));
        program.assert_interrupted();
        // The store works on.
        peer.write_all(b"data").unwrap();
        assert_eq!(program.run().unwrap(), 4);
    }
}

#[test]
fn a_sleep_is_interrupted() {
    let sleep = r#"(memory (export "memory") 1)
        (data (i32.const 24) "\ff\ff\ff\ff\ff\ff\ff\ff")
        (func (export "run") (result i32)
            (i32.store (i32.const 16) (i32.const 1))
            (call $poll_oneoff
                (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))"#;
    let mut program = Program::new(WasiCtx::builder().build().unwrap(), sleep);
    program.assert_interrupted();
}

/// Threads of one guest: a shared memory, and one context for all.
#[test]
fn threads_share_a_context() {
    let engine = Engine::new(Config::new().wasm_threads(true)).unwrap();
    let write = r#"(import "host" "memory" (memory 1 1 shared))
        (export "memory" (memory 0))
        (func (export "run") (param $at i32)
            (i32.store (local.get $at) (i32.add (local.get $at) (i32.const 8)))
            (i32.store offset=4 (local.get $at) (i32.const 4))
            (drop (call $fd_write
                (i32.const 1) (local.get $at) (i32.const 1)
                (i32.add (local.get $at) (i32.const 16)))))"#;
    let types = import("wasi_snapshot_preview1", "fd_write", "wwww");
    let module = Module::new(&engine, format!("(module {types} {write})")).unwrap();
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |ctx: &mut Arc<WasiCtx>| &**ctx).unwrap();
    let imported = module.imports().find_map(|import| import.ty().memory().copied());
    let memory = SharedMemory::new(&engine, imported.unwrap()).unwrap();
    let out = MemoryOutputPipe::new(1 << 20);
    let ctx = Arc::new(WasiCtx::builder().stdout(Box::new(out.clone())).build().unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let (engine, module, linker) = (&engine, &module, &linker);
            let (ctx, memory) = (Arc::clone(&ctx), memory.clone());
            scope.spawn(move || {
                let at = u32::from(thread) * 64;
                memory.write(at as usize + 8, &[b'a' + thread; 4]).unwrap();
                let mut store = Store::new(engine, ctx);
                let mut linker = linker.clone();
                linker.define(&mut store, "host", "memory", memory).unwrap();
                let instance = linker.instantiate(&mut store, module).unwrap();
                let run = instance.get_typed_func::<u32, ()>(&mut store, "run").unwrap();
                for _ in 0..500 {
                    run.call(&mut store, at).unwrap();
                }
            });
        }
    });
    let written = out.contents();
    assert_eq!(written.len(), 4 * 4 * 500);
    for letter in b"abcd" {
        assert_eq!(written.iter().filter(|&byte| byte == letter).count(), 2000);
    }
    assert!(written.chunks(4).all(|chunk| chunk.iter().all(|byte| *byte == chunk[0])));
}

#[test]
fn calls_are_cheap() {
    let body = r#"(memory (export "memory") 1)
        (func (export "run") (result i32) (local $i i32)
            (loop $again
                (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0)))
                (br_if $again (i32.lt_u
                    (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
            (local.get $i))"#;
    let mut program = Program::new(WasiCtx::builder().build().unwrap(), body);
    let start = Instant::now();
    assert_eq!(program.run().unwrap(), 10_000);
    let each = start.elapsed() / 10_000;
    println!("clock_time_get: {each:?} a call");
    assert!(each < Duration::from_micros(20), "{each:?}");
}
