//! Hand-written machine code between the engine and wasm code.
//!
//! | stub | one per | entered by |
//! |---|---|---|
//! | [`entry_trampoline`] | function type | the engine |
//! | [`host_stub`] | function type | wasm code that calls a host function |
//! | [`builtin_stubs`] | process | wasm code that calls the runtime |
//! | [`trap_stub`] | process | the signal handler, in place of a faulting instruction |
//! | [`lazy_stub`], [`lazy_thunk`], [`lazy_common`] | function, module, process | the first call |
//!
//! All of them are position-independent. Every stub keeps the chain of frame pointers and records
//! where wasm code was left (`exit_fp`, `exit_pc`), so that the engine can walk the stack. A stub
//! that calls the engine tests `pending` afterwards and leaves to the handler of the innermost
//! entry trampoline when it is set: `rsp` and `rbp` are loaded from `entry_sp` and `entry_fp`,
//! `r15` is the thread context.

#![expect(clippy::useless_conversion, reason = "dynasm converts dynamic register numbers")]

mod builtin;
mod bulk;
mod counting;
mod emit;
mod entry;
mod host;
mod lazy;

pub use builtin::{builtin_stubs, trap_stub};
pub use entry::entry_trampoline;
pub use host::host_stub;
pub use lazy::{
    LAZY_STUB_BYTES, LAZY_STUB_SLOT_FROM, LAZY_STUB_SLOW, lazy_common, lazy_stub, lazy_thunk,
};
