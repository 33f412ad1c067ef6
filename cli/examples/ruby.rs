//! Evaluates Ruby in CRuby, built as a WASI reactor with a host interface for JavaScript.
//!
//! The module comes from the npm package `@ruby/3.4-wasm-wasi`. Its interface follows the
//! first canonical ABI: strings and lists are pairs of pointer and length from `cabi_realloc`,
//! and Ruby values are handles in a table of the host. Imports that only a JavaScript host can
//! provide fail when they are called.
//!
//! ```sh
//! cargo run --release -p upshift-cli --example ruby -- ruby.wasm 'puts [1, 2, 3].sum'
//! ```

use anyhow::{Context, Result, bail};
use upshift::{Caller, Engine, Func, Instance, Linker, Memory, Module, Store};
use upshift_wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};

/// The host's state: WASI, and the guest's values by handle.
struct Host {
    wasi: WasiCtx,
    values: Vec<u32>,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(script)) = (args.next(), args.next()) else {
        bail!("usage: ruby MODULE SCRIPT");
    };
    let engine = Engine::default();
    let module = Module::from_file(&engine, path)?;
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |host: &mut Host| &host.wasi)?;
    define_resources(&mut linker)?;
    linker.define_unknown_imports_as_traps(&module)?;
    let wasi = WasiCtxBuilder::new().inherit_stdio().build()?;
    // Handle 0 is none.
    let mut store = Store::new(&engine, Host { wasi, values: vec![0] });
    let instance = linker.instantiate(&mut store, &module)?;

    let ruby = Ruby::new(&mut store, instance)?;
    ruby.call::<(), ()>(&mut store, "_initialize", ())?;
    ruby.init(&mut store, &["ruby.wasm", "-e_=0"])?;
    ruby.eval(&mut store, &script)?;
    ruby.eval(&mut store, "$stdout.flush")
}

/// Handles of Ruby values.
fn define_resources(linker: &mut Linker<Host>) -> Result<()> {
    const MODULE: &str = "canonical_abi";
    linker.func_wrap(
        MODULE,
        "resource_new_rb-abi-value",
        |mut caller: Caller<'_, Host>, value: u32| -> Result<u32> {
            let values = &mut caller.data_mut().values;
            values.push(value);
            Ok(u32::try_from(values.len() - 1)?)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "resource_get_rb-abi-value",
        |caller: Caller<'_, Host>, handle: u32| -> Result<u32> {
            caller.data().values.get(handle as usize).copied().context("no such value")
        },
    )?;
    Ok(())
}

/// The instance, called by the names of its interface.
struct Ruby {
    instance: Instance,
    memory: Memory,
    realloc: upshift::TypedFunc<(u32, u32, u32, u32), u32>,
}

impl Ruby {
    fn new(store: &mut Store<Host>, instance: Instance) -> Result<Self> {
        let memory = instance.get_memory(&mut *store, "memory").context("no memory")?;
        let realloc = instance.get_typed_func(&mut *store, "cabi_realloc")?;
        Ok(Self { instance, memory, realloc })
    }

    /// Calls an export whose name begins with `name`, up to a colon.
    fn call<P: upshift::WasmParams, R: upshift::WasmResults>(
        &self,
        store: &mut Store<Host>,
        name: &str,
        params: P,
    ) -> Result<R> {
        let matches = |full: &str| full.split(':').next() == Some(name);
        let mut exports = self.instance.exports(&*store);
        let export = exports.find(|export| matches(export.name()));
        let func = export.and_then(|export| export.into_extern().into_func());
        drop(exports);
        let func: Func = func.with_context(|| format!("no function `{name}`"))?;
        func.typed::<P, R>(&*store)?.call(&mut *store, params)
    }

    fn place(&self, store: &mut Store<Host>, align: u32, bytes: &[u8]) -> Result<u32> {
        let len = u32::try_from(bytes.len())?;
        let pointer = self.realloc.call(&mut *store, (0, 0, align, len))?;
        self.memory.write(&mut *store, pointer as usize, bytes)?;
        Ok(pointer)
    }

    /// A string; this interpreter wants them to end with a zero byte.
    fn string(&self, store: &mut Store<Host>, text: &str) -> Result<(u32, u32)> {
        let text = format!("{text}\0");
        Ok((self.place(store, 1, text.as_bytes())?, u32::try_from(text.len())?))
    }

    fn init(&self, store: &mut Store<Host>, args: &[&str]) -> Result<()> {
        let mut list = Vec::new();
        for arg in args {
            let (pointer, len) = self.string(store, arg)?;
            list.extend(pointer.to_le_bytes());
            list.extend(len.to_le_bytes());
        }
        let pointer = self.place(store, 4, &list)?;
        self.call(store, "ruby-init", (pointer, u32::try_from(args.len())?))
    }

    fn eval(&self, store: &mut Store<Host>, script: &str) -> Result<()> {
        let string = self.string(store, script)?;
        // A pair of the value and a state that is 0 when nothing was raised.
        let result: u32 = self.call(store, "rb-eval-string-protect", string)?;
        let mut state = [0; 4];
        self.memory.read(&*store, result as usize + 4, &mut state)?;
        match u32::from_le_bytes(state) {
            0 => Ok(()),
            state => bail!("`{script}` ended with state {state}"),
        }
    }
}
