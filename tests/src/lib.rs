//! What the test suites of the workspace share.
//!
//! | suite (`tests/`) | what it shows |
//! |---|---|
//! | `spec` | the official test suite, in every mode; known failures are listed and must fail |
//! | `wast` | scripts of our own, in every mode |
//! | `ops` | each simple operator against its reference semantics |
//! | `costs` | what baseline code takes from hotness counters |
//! | `disas` | machine code of small functions, compared with what is stored |
//! | `loops` | generated modules full of loops do the same in every mode |
//! | `objects` | generated programs over objects do as a model says, in every mode |
//! | `throws` | generated programs that throw and catch do as a model says, in every mode |
//! | `hostile` | broken and extreme modules give typed errors, in time |
//! | `determinism` | the same module compiles to the same bytes |
//! | `profiler` | the profiler samples while modules come and go |
//! | `tidy` | the rules of the source tree |
//!
//! `src/bin/fuzz.rs` is the fuzzer, `src/bin/profiler.rs` measures how accurate the profiler is.

#![forbid(unsafe_code)]

pub mod corpus;
mod encoding;
pub mod engines;
pub mod expected;
pub mod fuzz;
pub mod loops;
pub mod matrix;
pub mod modes;
pub mod mutate;
pub mod objects;
pub mod profiled;
pub mod single;
pub mod source;
pub mod suite;
pub mod throws;

use std::path::{Path, PathBuf};

/// The workspace's directory.
///
/// # Panics
/// When this crate does not lie in a workspace.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the crate lies in the workspace").to_owned()
}

/// All files below `directory` with the extension `extension`, sorted.
///
/// # Panics
/// When a directory cannot be read.
#[must_use]
pub fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path);
            let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            waiting.extend(entries.flatten().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The first program, from that of a seed on, that does not run for too long in a model, and what the
/// model says of it.
fn first_that_ends<P, E>(
    seed: u64,
    generate: impl Fn(u64) -> P,
    model: impl Fn(&P) -> Option<E>,
) -> (P, E) {
    let mut seed = seed;
    loop {
        let program = generate(seed);
        if let Some(expected) = model(&program) {
            return (program, expected);
        }
        seed = seed.wrapping_add(0x1000_0000_0000);
    }
}
