//! One switch per proposal, and that each does something.

use upshift::{Config, Engine, Module};

type Switch = fn(&mut Config, bool) -> &mut Config;

/// The switch of each proposal and a module that needs it.
const SWITCHES: &[(&str, Switch, &str)] = &[
    (
        "mutable global",
        Config::wasm_mutable_global,
        r#"(module (global (export "g") (mut i32) (i32.const 0)))"#,
    ),
    (
        "saturating float to int",
        Config::wasm_saturating_float_to_int,
        "(module (func (drop (i32.trunc_sat_f32_s (f32.const 1)))))",
    ),
    (
        "sign extension",
        Config::wasm_sign_extension,
        "(module (func (drop (i32.extend8_s (i32.const 1)))))",
    ),
    ("simd", Config::wasm_simd, "(module (func (drop (v128.const i64x2 0 0))))"),
    (
        "relaxed simd",
        Config::wasm_relaxed_simd,
        "(module (func (param v128 v128 v128) (result v128)
            (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))",
    ),
    ("threads", Config::wasm_threads, "(module (memory 1 1 shared))"),
    ("multi memory", Config::wasm_multi_memory, "(module (memory 1) (memory 1))"),
    ("memory64", Config::wasm_memory64, "(module (memory i64 1))"),
    ("tail call", Config::wasm_tail_call, "(module (func (return_call 0)))"),
    (
        "bulk memory",
        Config::wasm_bulk_memory,
        "(module (memory 1) (func
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))",
    ),
    ("reference types", Config::wasm_reference_types, "(module (table 1 externref))"),
    (
        "multi value",
        Config::wasm_multi_value,
        "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))",
    ),
    (
        "extended const",
        Config::wasm_extended_const,
        "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
    ),
    (
        "wide arithmetic",
        Config::wasm_wide_arithmetic,
        "(module (func (param i64 i64) (result i64 i64)
            (i64.mul_wide_u (local.get 0) (local.get 1))))",
    ),
    (
        "function references",
        Config::wasm_function_references,
        "(module (type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0))))",
    ),
    ("exceptions", Config::wasm_exceptions, "(module (tag))"),
    ("custom page sizes", Config::wasm_custom_page_sizes, "(module (memory 1 (pagesize 1)))"),
];

#[test]
fn each_proposal_has_a_switch() {
    for (name, switch, wat) in SWITCHES {
        let bytes = wat::parse_str(wat).unwrap();
        let loads = |enable: bool| {
            let mut config = Config::new();
            switch(&mut config, enable);
            Module::new(&Engine::new(&config).unwrap(), &bytes)
        };
        loads(true).unwrap_or_else(|error| panic!("{name} on: {error}"));
        assert!(loads(false).is_err(), "{name} off");
    }
}

#[test]
fn proposals_to_come_are_refused_by_name() {
    let switches: [(Switch, &str); 2] = [
        (Config::wasm_stack_switching, "stack switching"),
        (Config::wasm_shared_everything_threads, "shared-everything threads"),
    ];
    for (switch, name) in switches {
        let mut config = Config::new();
        switch(&mut config, true);
        let error = Engine::new(&config).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
