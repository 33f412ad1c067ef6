//! Machine code: the stubs of the process, the code of each module, and what an address means.

mod block_counts;
mod claim;
pub(crate) mod common;
mod compile;
mod counters;
mod first_entries;
mod frames;
mod function_table;
mod module_code;
pub(crate) mod observer;
mod osr_bodies;
mod shards;
mod stats;
mod stub_cache;
#[cfg(test)]
mod tests;

pub(crate) use compile::{OptimizeFn, compile_baseline, compile_optimized, intermediate_code};
pub(crate) use counters::Counters;
pub(crate) use frames::{FrameSymbol, innermost, symbolize};
pub(crate) use function_table::{FunctionCode, Tier};
pub(crate) use module_code::{ModuleCode, ModuleSource};
pub(crate) use osr_bodies::OsrBody;
pub(crate) use stats::{CodeStats, thread_cpu_ns};
