//! Lowerings of operators, by family; the files have the names of the baseline tier's.

pub(crate) mod atomic;
pub(crate) mod call;
mod convert;
mod exception;
mod float;
mod int;
mod memory;
mod reference;
mod simd;
mod table;
mod variable;
mod vector_memory;
mod wide;
