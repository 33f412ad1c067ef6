//! The engines that Upshift is compared with, found in a directory or on PATH.
//!
//! `DIR/wt/wt` (or `wt` on PATH) is `benches/peers/wt.c` linked with libwasmtime;
//! `DIR/v8/node_modules/.bin/node` (or `node`) runs `benches/peers/v8.mjs`. What is not there
//! is named on standard error and left out of the tables.

use std::env;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, Kind};

/// The configurations that answer each question.
pub(crate) struct Peers {
    /// Run time and start: every tier policy of the peers.
    pub(crate) for_running: Vec<Engine>,
    /// Compile throughput on one thread: the baseline compilers.
    pub(crate) for_compiling: Vec<Engine>,
    /// Instances per second.
    pub(crate) for_instantiating: Vec<Engine>,
}

/// Finds what is installed; of that, the peers whose names contain one of `wanted`, or all
/// without one.
pub(crate) fn locate(dir: Option<&Path>, wanted: &[String]) -> Peers {
    let mut peers = installed(dir);
    let is_wanted = |peer: &Engine| {
        wanted.is_empty() || wanted.iter().any(|part| peer.name.contains(part.as_str()))
    };
    peers.for_running.retain(is_wanted);
    peers.for_compiling.retain(is_wanted);
    peers.for_instantiating.retain(is_wanted);
    peers
}

fn installed(dir: Option<&Path>) -> Peers {
    let wasmtime = find("Wasmtime", dir.map(|dir| dir.join("wt/wt")), "wt");
    let node = find("V8", dir.map(|dir| dir.join("v8/node_modules/.bin/node")), "node");
    let mut peers = Peers { for_running: vec![], for_compiling: vec![], for_instantiating: vec![] };
    if let Some(program) = &wasmtime {
        let wasmtime = |name: &str, flags: &[&str]| driver(name, program, vec![], flags);
        peers.for_running.push(wasmtime("Cranelift", &[]));
        peers.for_running.push(wasmtime("Winch", &["--winch"]));
        peers.for_compiling.push(wasmtime("Winch", &["--winch"]));
        peers.for_instantiating.push(wasmtime("Wasmtime on demand", &[]));
        peers.for_instantiating.push(wasmtime("Wasmtime pooled", &["--pool"]));
    }
    if let Some(program) = &node {
        let eager = "--no-wasm-lazy-compilation";
        let v8 = |name: &str, flags: &[&str]| driver(name, program, v8_arguments(flags), &[]);
        peers.for_running.push(v8("V8", &[]));
        peers.for_running.push(v8("Liftoff", &["--liftoff-only"]));
        peers.for_running.push(v8("TurboFan", &["--no-liftoff", eager]));
        let serial = ["--liftoff-only", eager, "--single-threaded"];
        peers.for_compiling.push(v8("Liftoff", &serial));
        peers.for_instantiating.push(v8("V8", &[]));
    }
    peers
}

fn driver(name: &str, program: &Path, before: Vec<String>, after: &[&str]) -> Engine {
    let after = after.iter().map(|&flag| flag.to_owned()).collect();
    Engine {
        name: name.to_owned(),
        program: program.to_owned(),
        kind: Kind::Driver { before, after },
    }
}

fn v8_arguments(flags: &[&str]) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/v8.mjs");
    ["--no-warnings"].iter().chain(flags).chain([&script]).map(|&flag| flag.to_owned()).collect()
}

fn find(peer: &str, installed: Option<PathBuf>, command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|dir| dir.join(command));
    let found = installed.into_iter().chain(on_path).find(|candidate| candidate.is_file());
    if found.is_none() {
        eprintln!("{peer} is absent: no {command} in --peers or on PATH (see benches/README.md)");
    }
    found
}
