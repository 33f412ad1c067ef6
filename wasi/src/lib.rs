//! WASI preview 1 for Upshift: all 46 functions, and the older `wasi_unstable`.
//!
//! - [`WasiCtxBuilder`] describes what a guest is given; [`WasiCtx`] is its state, usable from
//!   several threads.
//! - [`add_to_linker`] provides the functions to modules.
//! - `proc_exit` ends the guest with the error [`I32Exit`], never the process.
//! - What blocks the guest can be interrupted by the host: see [`Waiter`].
//! - [`WasiThreads`] lets a guest start threads (wasi-threads).
//! - [`DirectCalls`] calls the functions without an engine.
//!
//! Paths are resolved by `cap-primitives`. Invalid pointers are answered with error codes, never
//! with a panic, and nothing that a guest asks for takes unbounded memory of the host.

#![forbid(unsafe_code)]

mod args_env;
mod call;
mod clock;
mod ctx;
mod descriptor;
mod dir;
mod direct;
mod error;
mod fd;
mod functions;
mod io;
mod linker;
mod memory;
mod path;
mod poll;
mod proc;
mod random;
mod snapshot0;
mod sock;
mod stdio;
mod table;
mod threads;
pub mod types;

pub use call::Waiter;
pub use ctx::{WasiCtx, WasiCtxBuilder};
pub use direct::{DirectCalls, PlainWaiter};
pub use error::I32Exit;
pub use functions::{FUNCTIONS, Snapshot};
pub use linker::add_to_linker;
pub use memory::{GuestMemory, SharedBytes};
pub use stdio::{InputStream, MemoryInputPipe, MemoryOutputPipe, OutputStream};
pub use threads::WasiThreads;
