//! Lowerings, one file for each family of operators.

pub(crate) mod atomic;
pub(crate) mod call;
pub(crate) mod convert;
mod exception;
pub(crate) mod float;
pub(crate) mod int;
pub(crate) mod memory;
pub(crate) mod reference;
mod simd;
pub(crate) mod table;
pub(crate) mod variable;
mod wide;
