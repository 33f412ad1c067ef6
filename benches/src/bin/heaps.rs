//! What the heap of a store costs: makes many stores with an instance that keeps a kilobyte of
//! objects each, and tells what memory the process has then.
//!
//! `cargo run --release -p upshift-benches --bin heaps [STORES]`; 10,000 without a number.

use anyhow::{Context, Result};
use std::fs;
use upshift::{Engine, Instance, Linker, Module, Store};

/// Keeps a list of 64 objects of 16 bytes, and makes some garbage.
const MODULE: &str = r#"(module
    (type $node (struct (field i32) (field (ref null $node))))
    (global $list (mut (ref null $node)) (ref.null $node))
    (func (export "run")
        (local $i i32)
        (loop $garbage
            (drop (struct.new $node (local.get $i) (ref.null $node)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $garbage (i32.lt_u (local.get $i) (i32.const 64))))
        (loop $live
            (global.set $list (struct.new $node (local.get $i) (global.get $list)))
            (br_if $live (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#;

fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let engine = Engine::default();
    let module = Module::new(&engine, MODULE)?;
    let linker: Linker<()> = Linker::new(&engine);
    // What the first one brings for all is not theirs.
    let mut stores = vec![run(&engine, &linker, &module)?];
    let before = Memory::now()?;
    for _ in 0..count {
        stores.push(run(&engine, &linker, &module)?);
    }
    let after = Memory::now()?;
    let each = |bytes: u64| bytes / count.max(1) / 1024;
    println!("{count} stores with a heap each");
    println!("resident: {} KiB a store", each(after.resident - before.resident));
    println!("page tables: {} KiB a store", each(after.page_tables - before.page_tables));
    println!("in all: {} MiB", (after.resident + after.page_tables) >> 20);
    println!("mappings: {}", fs::read_to_string("/proc/self/maps")?.lines().count());
    Ok(())
}

fn run(engine: &Engine, linker: &Linker<()>, module: &Module) -> Result<(Store<()>, Instance)> {
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, module)?;
    instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
    store.gc()?;
    Ok((store, instance))
}

/// What the process has, in bytes.
struct Memory {
    resident: u64,
    page_tables: u64,
}

impl Memory {
    fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(1024 * number.with_context(|| format!("no {name}"))?.parse::<u64>()?)
        };
        Ok(Self { resident: field("VmRSS:")?, page_tables: field("VmPTE:")? })
    }
}
