//! Modules to start from: small ones of every kind, and generated ones.

use wasm_smith::{Config, Module};

/// Small modules in the text format that together use every feature of the engine.
pub const TEXTS: &[(&str, &str)] = &[
    ("empty", "(module)"),
    (
        "integers",
        r#"(module (func (export "f") (param i32 i64) (result i64)
            (i64.add (i64.extend_i32_s (i32.div_s (local.get 0) (i32.const 3)))
                (i64.rem_u (local.get 1) (i64.const 10)))))"#,
    ),
    (
        "floats",
        r#"(module (func (export "f") (param f32 f64) (result f64)
            (f64.add (f64.promote_f32 (f32.sqrt (local.get 0)))
                (f64.convert_i32_s (i32.trunc_sat_f64_s (local.get 1))))))"#,
    ),
    (
        "loop",
        r#"(module (func (export "f") (param i32) (result i32) (local i32)
            (loop (local.set 1 (i32.add (local.get 1) (local.get 0)))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1)))"#,
    ),
    (
        "branches",
        r#"(module (func (export "f") (param i32) (result i32)
            (block $a (block $b (block $c (br_table $a $b $c (local.get 0))) (return (i32.const 1)))
                (return (i32.const 2))) (i32.const 3)))"#,
    ),
    (
        "memory",
        r#"(module (memory (export "m") 1 3) (data (i32.const 8) "\01\02\03\04")
            (data $p "passive")
            (func (export "f") (param i32) (result i32)
                (i32.store8 offset=3 (local.get 0) (i32.const 7))
                (memory.fill (i32.const 100) (local.get 0) (i32.const 20))
                (memory.copy (i32.const 200) (i32.const 4) (i32.const 16))
                (memory.init $p (i32.const 300) (i32.const 1) (i32.const 3)) (data.drop $p)
                (i32.add (memory.grow (i32.const 1)) (i32.load (local.get 0)))))"#,
    ),
    (
        "memory64",
        r#"(module (memory i64 1) (func (export "f") (param i64) (result i64)
            (i64.store (local.get 0) (i64.const 5)) (i64.load offset=8 (local.get 0))))"#,
    ),
    (
        "memories",
        r#"(module (memory $a 1) (memory $b 1) (func (export "f") (param i32) (result i32)
            (i32.store $b (local.get 0) (i32.const 9))
            (memory.copy $a $b (i32.const 0) (local.get 0) (i32.const 4))
            (i32.load $a (i32.const 0))))"#,
    ),
    (
        "tables",
        r#"(module (table $t 4 8 funcref) (table $e 2 externref) (elem (i32.const 0) $g $h)
            (elem $p func $h) (type $s (func (param i32) (result i32)))
            (func $g (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func $h (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
            (func (export "f") (param i32) (result i32)
                (table.init $p (i32.const 2) (i32.const 0) (i32.const 1))
                (drop (table.grow $e (ref.null extern) (i32.const 1)))
                (call_indirect (type $s) (i32.const 20) (local.get 0))))"#,
    ),
    (
        "globals",
        r#"(module (global $g (mut i32) (i32.const 3)) (global (export "v") (mut v128)
            (v128.const i64x2 1 2)) (func (export "f") (result i32)
            (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))"#,
    ),
    (
        "calls",
        r#"(module (func $fib (export "f") (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                    (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#,
    ),
    (
        "many values",
        r#"(module (func $many (param i32 i64 f32 f64 i32 i64 f32 f64 i32 i64)
                (result i64 i32 f64 f32 i64 i32 f64 f32 i64 i32)
                (local.get 9) (local.get 8) (local.get 7) (local.get 6) (local.get 5)
                (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))
            (func (export "f") (result i64 i32 f64 f32 i64 i32 f64 f32 i64 i32)
                (call $many (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (i32.const 5)
                    (i64.const 6) (f32.const 7) (f64.const 8) (i32.const 9) (i64.const 10))))"#,
    ),
    (
        "tail calls",
        r#"(module (func $go (export "f") (param i32 i32) (result i32)
            (if (result i32) (local.get 0)
                (then (return_call $go (i32.sub (local.get 0) (i32.const 1))
                    (i32.add (local.get 1) (i32.const 2))))
                (else (local.get 1)))))"#,
    ),
    (
        "vectors",
        r#"(module (memory 1) (func (export "f") (param v128 i32) (result v128)
            (v128.store (i32.const 16) (i32x4.add (local.get 0) (i32x4.splat (local.get 1))))
            (i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31
                (v128.load (i32.const 16)) (f32x4.sqrt (local.get 0)))))"#,
    ),
    (
        "atomics",
        r#"(module (memory 1 1 shared) (func (export "f") (param i32 i64) (result i64)
            (drop (i32.atomic.rmw8.add_u (local.get 0) (i32.const 5)))
            (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
            (i64.atomic.rmw.cmpxchg (i32.const 8) (i64.const 0) (local.get 1))))"#,
    ),
    (
        "wide arithmetic",
        r#"(module (func (export "f") (param i64 i64) (result i64 i64)
            (i64.add128 (local.get 0) (local.get 1) (i64.const -1) (i64.const 1))))"#,
    ),
    (
        "imports",
        r#"(module (import "h" "f" (func $f (param i32) (result i32)))
            (import "h" "m" (memory 1)) (import "h" "g" (global $g i32))
            (import "h" "t" (table 1 funcref))
            (func (export "f") (result i32) (call $f (global.get $g))) (start 2) (func (nop)))"#,
    ),
    (
        "names and traps",
        r#"(module $named (func $bad (export "f") (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (i32.div_u (i32.const 1) (i32.sub (local.get 0) (i32.const 1)))))"#,
    ),
];

/// The modules of [`TEXTS`] as bytes.
///
/// # Panics
/// When one of the texts is wrong.
#[must_use]
pub fn modules() -> Vec<(&'static str, Vec<u8>)> {
    let encode = |text| wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    TEXTS.iter().map(|&(name, text)| (name, encode(text))).collect()
}

/// A valid module made from random bytes, with what the engine supports.
#[must_use]
pub fn generate(entropy: &[u8]) -> Option<Vec<u8>> {
    // Without objects, more is left for everything else; and without exceptions and atomics, other engines
    // know what is left.
    let kind = entropy.first().map_or(0, |byte| byte % 4);
    let config = Config {
        gc_enabled: kind.is_multiple_of(2),
        exceptions_enabled: kind != 1,
        threads_enabled: kind != 1,
        compact_imports_enabled: false,
        export_everything: true,
        max_imports: 6,
        max_funcs: 12,
        min_funcs: 1,
        max_instructions: 400,
        max_memories: 2,
        max_memory32_bytes: 4 << 20,
        max_memory64_bytes: 4 << 20,
        max_tables: 2,
        max_table_elements: 1000,
        ..Config::default()
    };
    let mut source = arbitrary::Unstructured::new(entropy);
    Some(Module::new(config, &mut source).ok()?.to_bytes())
}
