//! Lowerings of operators, by family; the files have the names of the baseline tier's.

mod array;
pub(crate) mod atomic;
pub(crate) mod call;
mod cast;
mod convert;
mod exception;
mod fill;
mod float;
mod int;
mod memory;
mod object;
mod reference;
mod simd;
mod structure;
mod table;
mod variable;
mod vector_memory;
mod wide;
