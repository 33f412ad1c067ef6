//! The host module `spectest` that test scripts import from.

use anyhow::Result;
use upshift::{
    Extern, Global, GlobalType, HeapType, Linker, Memory, MemoryType, Ref, RefType, SharedMemory,
    Store, Table, TableType, Val, ValType,
};

/// Defines `spectest`. Its functions take their arguments and do nothing.
pub(super) fn define(linker: &mut Linker<()>, store: &mut Store<()>) -> Result<()> {
    linker.func_wrap("spectest", "print", || {})?;
    linker.func_wrap("spectest", "print_i32", |_: i32| {})?;
    linker.func_wrap("spectest", "print_i64", |_: i64| {})?;
    linker.func_wrap("spectest", "print_f32", |_: f32| {})?;
    linker.func_wrap("spectest", "print_f64", |_: f64| {})?;
    linker.func_wrap("spectest", "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap("spectest", "print_f64_f64", |_: f64, _: f64| {})?;
    let globals = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6_f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6_f64.to_bits())),
    ];
    for (name, content, value) in globals {
        let ty = GlobalType { content, mutable: false, shared: false };
        let global = Global::new(&mut *store, ty, value)?;
        linker.define(&*store, "spectest", name, Extern::from(global))?;
    }
    for (name, is_64) in [("table", false), ("table64", true)] {
        let element = RefType { nullable: true, heap: HeapType::Func };
        let maximum = Some(20);
        let ty = TableType { element, is_64, minimum: 10, maximum, shared: false };
        let table = Table::new(&mut *store, ty, Ref::Func(None))?;
        linker.define(&*store, "spectest", name, Extern::from(table))?;
    }
    let memory = Memory::new(&mut *store, memory_type(false))?;
    linker.define(&*store, "spectest", "memory", Extern::from(memory))?;
    let shared = SharedMemory::new(store.engine(), memory_type(true))?;
    linker.define(&*store, "spectest", "shared_memory", Extern::from(shared))?;
    Ok(())
}

fn memory_type(shared: bool) -> MemoryType {
    MemoryType { is_64: false, shared, minimum: 1, maximum: Some(2), page_size_log2: 16 }
}
