//! Runtime functions that machine code calls: what [`crate::vm::VmHost`] promises, in safe code.
//!
//! Every function finds the instance's memories and tables through the store, checks everything
//! before it changes anything, and charges fuel for large operations before they start.

pub(crate) mod atomics;
pub(crate) mod memory;
pub(crate) mod object;
pub(crate) mod parking;
pub(crate) mod poll;
pub(crate) mod table;
