//! Lowerings, one file for each family of operators.

mod array;
pub(crate) mod atomic;
pub(crate) mod call;
mod cast;
pub(crate) mod convert;
mod exception;
pub(crate) mod fill;
pub(crate) mod float;
pub(crate) mod int;
pub(crate) mod memory;
pub(crate) mod object;
pub(crate) mod reference;
mod simd;
mod structure;
pub(crate) mod table;
pub(crate) mod variable;
mod wide;
