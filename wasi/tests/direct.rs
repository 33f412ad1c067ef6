//! Tests of all functions without an engine: a byte buffer is the guest's memory.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "direct/basics.rs"]
mod basics;
#[path = "direct/common.rs"]
mod common;
#[path = "direct/files.rs"]
mod files;
#[path = "direct/model.rs"]
mod model;
#[path = "direct/ops.rs"]
mod ops;
#[path = "direct/oracle.rs"]
mod oracle;
#[path = "direct/paths.rs"]
mod paths;
#[path = "direct/waiting.rs"]
mod waiting;
