//! The embedder's API: what the crate's root re-exports.

pub(crate) mod backtrace;
pub(crate) mod caller;
pub(crate) mod config;
pub(crate) mod engine;
pub(crate) mod exception;
pub(crate) mod externref;
pub(crate) mod externs;
pub(crate) mod func;
pub(crate) mod function_set;
pub(crate) mod global;
pub(crate) mod instance;
pub(crate) mod interrupt;
pub(crate) mod into_func;
pub(crate) mod limits;
pub(crate) mod link_error;
pub(crate) mod linker;
pub(crate) mod memory;
pub(crate) mod module;
pub(crate) mod module_stats;
pub(crate) mod shared_memory;
pub(crate) mod store;
pub(crate) mod table;
pub(crate) mod tag;
pub(crate) mod typed_func;
pub(crate) mod val;
pub(crate) mod wasm_ty;
