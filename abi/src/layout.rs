//! Memory that machine code reads and writes directly.
//!
//! Every structure here is `#[repr(C)]`; the compilers take offsets with `offset_of!`, the engine
//! uses the very same structures, so there is no table of offsets that could disagree.
//!
//! ```text
//!  r15 ─► ThreadContext            one per executing store: limits, fuel, exits, builtin stubs
//!  rdi ─► Instance (vmctx)         one per instantiation
//!           ├ memory0, counters, type ids, …          fixed head, hot fields first
//!           └ tail: memories, tables, imported functions, globals, tags, function records
//!                 (module-dependent; InstanceLayout computes the offsets)
//! ```
//!
//! Null is all-zero bits for every reference kind. A reference occupies 8 bytes in every slot,
//! register and table element: a function reference is the address of a [`FuncRef`], a reference to
//! an exception that of an [`ExnHeader`]; all others are 32 bits, zero-extended ([`ObjectHeader`]
//! tells what they mean).

mod exception;
mod func;
mod global;
mod instance;
mod memory;
mod object;
mod table;
mod thread;

pub use exception::{EXN_FIELD_BYTES, ExnHeader, exn_field_offset};
pub use func::{CanonTypeId, FuncImport, FuncRef, MAX_SUPERTYPES, Supertypes};
pub use global::GlobalCell;
pub use instance::{GlobalPlace, Instance, InstanceLayout};
pub use memory::{MemoryDef, MemorySlot, MemoryStyle};
pub use object::{
    ARRAY_HEADER_BYTES, ArrayHeader, ArrayLayout, CARD_ELEMENTS, CARD_SHIFT, Cell,
    DESCRIPTOR_SHIFT, DISPLAY_LENGTH, GC_CARDS, GC_OFFSET, GC_UNLOGGED, HEADER_BYTES, HOST_BIT,
    HOST_SHIFT, I31_BIT, LENGTH_OFFSET, MAX_ARRAY_LENGTH, MIN_OBJECT_BYTES, NULL_GUARD_BYTES,
    OBJECT_ALIGN, ObjectHeader, ObjectLayout, StructLayout, TYPE_OFFSET, TypeDescriptor, TypeKind,
};
pub use table::{
    TABLE_CARD_ELEMENTS, TABLE_CARD_SHIFT, TABLE_CARD_WRITTEN, TABLE_CARD_YOUNG, TableDef,
};
pub use thread::{
    ActivationLink, HOT_FIELD_RANGE, Landing, OsrTransfer, SMALL_BULK_BYTES, STACK_HEADROOM_BYTES,
    ThreadContext,
};
