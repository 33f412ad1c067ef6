//! The unsafe kernel: address space, code memory, signals, entry into and exit from machine code,
//! stack walks, and the structures of `upshift_abi::layout` that machine code reads.
//!
//! Everything outside of this module is safe code. What the functions here ask of it is stated
//! once: **handles** ([`InstanceRef`], [`FuncPtr`], [`GlobalPtr`], [`TablePtr`], [`MemoryPtr`],
//! [`CodePtr`]) are plain addresses, and whoever keeps one keeps the owner of what it points to
//! alive (a store owns its instances, tables, memories, globals and host functions until it is
//! dropped, and its modules with them; code comes from a `ModuleCode` that an instance keeps).
//! Everything of a store is used by one thread at a time, except shared memories and what
//! [`Interrupter`] touches.

mod alt_stack;
pub(crate) mod code_map;
pub(crate) mod code_memory;
mod context;
mod entry;
mod exception;
mod file_map;
mod func;
mod heap;
mod host;
mod instance;
mod kicker;
mod memory;
mod memory_ops;
mod memory_pool;
mod osr;
mod pages;
mod raise;
mod roots;
pub(crate) mod shims;
pub(crate) mod signals;
mod step;
mod table;
mod type_table;
mod unwind;

pub(crate) use code_map::is_machine_code;
pub(crate) use context::{Context, Interrupter, Probe, Settings};
pub(crate) use entry::{Slot, Trampoline, enter};
pub(crate) use exception::{ExnHeap, ExnPtr, MAX_EXCEPTION_BYTES};
pub(crate) use file_map::map_file;
pub(crate) use func::{CodePtr, FuncPtr, GlobalBox, GlobalPtr, HostFunc, HostFuncBody, TagPtr};
pub(crate) use heap::{HEAP_BYTES, HeapMemory};
pub(crate) use host::{Exit, ExitReason, VmHost};
pub(crate) use instance::{InstanceBox, InstanceHead, InstanceRef};
pub(crate) use memory::{LinearMemory, MemoryPlan, MemoryPtr, SharedLinearMemory};
pub(crate) use pages::Image;
pub(crate) use raise::{SiteCounts, Throws};
pub(crate) use roots::Registers;
#[cfg(test)]
pub(crate) use signals::tests::signal_case;
pub(crate) use table::{TableBox, TablePtr};
pub(crate) use type_table::{MAX_TYPES, TypeShape, TypeTable};
pub(crate) use unwind::Frame;
