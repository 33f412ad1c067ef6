//! Tests of all functions without an engine: a byte buffer is the guest's memory.

#![expect(clippy::unwrap_used, reason = "tests")]

mod basics;
mod common;
mod files;
mod model;
mod ops;
mod oracle;
mod paths;
mod waiting;
