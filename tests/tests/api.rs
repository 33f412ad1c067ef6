//! Tests of the embedder's API: what a host sees, not what wasm code computes.

#[path = "api/blocking.rs"]
mod blocking;
#[path = "api/call_profiles.rs"]
mod call_profiles;
#[path = "api/calls.rs"]
mod calls;
#[path = "api/collections.rs"]
mod collections;
#[path = "api/config.rs"]
mod config;
#[path = "api/errors.rs"]
mod errors;
#[path = "api/events.rs"]
mod events;
#[path = "api/exact.rs"]
mod exact;
#[path = "api/exception_cycles.rs"]
mod exception_cycles;
#[path = "api/exceptions.rs"]
mod exceptions;
#[path = "api/handles.rs"]
mod handles;
#[path = "api/host_values.rs"]
mod host_values;
#[path = "api/inlining.rs"]
mod inlining;
#[path = "api/interrupt.rs"]
mod interrupt;
#[path = "api/js_strings.rs"]
mod js_strings;
#[path = "api/limits.rs"]
mod limits;
#[path = "api/linking.rs"]
mod linking;
#[path = "api/memory.rs"]
mod memory;
#[path = "api/object_graphs.rs"]
mod object_graphs;
#[path = "api/object_tables.rs"]
mod object_tables;
#[path = "api/object_types.rs"]
mod object_types;
#[path = "api/objects.rs"]
mod objects;
#[path = "api/references.rs"]
mod references;
#[path = "api/signals.rs"]
mod signals;
#[path = "api/threads.rs"]
mod threads;
#[path = "api/throw_counts.rs"]
mod throw_counts;
#[path = "api/tiering.rs"]
mod tiering;
#[path = "api/typed_references.rs"]
mod typed_references;

use upshift::{Engine, Instance, Linker, Module, Store};

/// A store with an instance of a module without imports.
fn instantiate(engine: &Engine, wat: &str) -> (Store<()>, Instance) {
    let module = Module::new(engine, wat).expect("a valid module");
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate(&mut store, &module).expect("no imports");
    (store, instance)
}
