//! What the numeric validator accepts is what `wasmparser` accepts.

use super::super::Decoder;
use super::*;
use crate::ops::ScalarOp;
use crate::scan::LoopScan;
use std::fmt::Write as _;
use wasmparser::{BinaryReader, OperatorsReader};

/// Features with which bodies of numbers are validated by themselves.
fn features() -> WasmFeatures {
    WasmFeatures::all().difference(WasmFeatures::SHARED_EVERYTHING_THREADS)
}

/// A real program, compiled from C.
const LISP: &[u8] = include_bytes!("../../../../examples/programs/lisp.wasm");

/// All rules of numbers in a few lines.
const RULES: &str = r#"
(module
  (type $pair (func (param i32 i64) (result i64 i32)))
  (memory 1)
  (table 2 funcref)
  (table $objects 2 externref)
  (global $i (mut i32) (i32.const 0))
  (global $f f64 (f64.const 0))
  (func $swap (type $pair) (local f32 f32 f64)
    (local.get 1) (local.get 0))
  (func $vector (result v128) (v128.const i64x2 0 0))
  (func (param i32 i64 f32 f64) (result f64)
    (block (result i64)
      (local.get 0) (local.get 1)
      (block (type $pair) (call $swap) (br_if 0 (i32.const -7)))
      (drop)
      (call_indirect (type $pair) (i32.const 5) (i64.const 0x123456789abcdef) (i32.const -100000))
      (drop) (drop))
    (loop (param i64) (result f64)
      (local.set 1)
      (if (result f32) (i64.eqz (local.get 1))
        (then (f32.load offset=1000000 (i32.load8_u (local.get 0))))
        (else (select (local.get 2) (f32.const 1) (global.get $i))))
      (local.tee 2) (f64.promote_f32) (local.tee 3)
      (block (br_table 0 0 0 (i32.trunc_sat_f64_s (global.get $f))))
      (i64.store align=4 (memory.grow (memory.size)) (local.get 1))
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
      (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
      (global.set $i (i32.extend8_s (i32.const 77)))
      (br_if 0 (local.get 1) (i32.const 0)) drop
      (if (i32.const 1) (then (return (f64.const 1)))))
    (if (param f64) (result f64) (i32.const 1) (then (br 0 (f64.const 0)) (i32.add) drop)
      (else (unreachable)))))
"#;

/// Declarations that matter to numbers, and those that are none; the last five bodies are not accepted.
const DECLARATIONS: &str = r#"
(module
  (type $record (struct (field i32)))
  (type $open (sub (func (param i32) (result i64))))
  (type $callee (func (result i64)))
  (import "env" "f" (func $imported (param f32) (result f64)))
  (import "env" "g" (global $imported_global i64))
  (import "env" "m" (memory $m i64 1))
  (memory $second 1)
  (table $long i64 2 funcref)
  (table $typed 2 (ref null $callee))
  (global $vector (mut v128) (v128.const i64x2 0 0))
  (global $wide (mut f64) (f64.const 0))
  (elem declare func $second_body)
  (func $first_body (param i32) (result i64)
    (global.set $wide (call $imported (f32.const 1)))
    (i64.store offset=0xffffffff (i64.const 8) (global.get $imported_global))
    (memory.fill (i64.const 0) (i32.const 1) (i64.const 2))
    (memory.copy (i64.const 0) (i64.const 1) (i64.const 2))
    (i64.add (memory.grow (memory.size))
      (call_indirect $long (type $open) (local.get 0) (i64.const 1))))
  (func $second_body (result i64) (i64.load (i64.const -1)))
  (func (result i32) (i32.load $second (i32.const 0)))
  (func (result i64) (i64.load offset=0x100000000 (i64.const 0)))
  (func (result i64) (call_indirect $typed (type $callee) (i32.const 0)))
  (func (global.set $vector (global.get $vector)))
  (func (drop (struct.new $record (i32.const 0)))))
"#;

/// A module whose bodies wait to be validated.
struct Fixture {
    module: Module,
    /// Index, type, bytes and place of each.
    bodies: Vec<(u32, u32, Vec<u8>, u64)>,
    context: Context,
}

/// A body that waits to be validated.
fn outlined(index: u32, ty: u32, bytes: &[u8], start: u64) -> PendingBody<'_> {
    let reader = BinaryReader::new_features(bytes, start, features());
    PendingBody { index, ty, body: FunctionBody::new(reader) }
}

/// What validation has found out about a body.
type Found = (Box<[LoopScan]>, Vec<u32>);

impl Fixture {
    fn new(bytes: &[u8]) -> Self {
        let mut decoder = Decoder::new(features());
        decoder.read_sections(bytes, features()).unwrap();
        let Decoder { module, pending, .. } = decoder;
        let bodies = pending.bodies.iter().map(|PendingBody { index, ty, body }| {
            (*index, *ty, body.as_bytes().to_vec(), body.range().start)
        });
        Self { bodies: bodies.collect(), context: pending.context.unwrap(), module }
    }

    /// What `wasmparser` says of a body.
    fn expected(&self, index: u32, ty: u32, body: &[u8], start: u64) -> Option<Found> {
        let rules = BodyRules { context: &self.context, numeric: None };
        let validated = rules.validate(&[outlined(index, ty, body, start)]).ok()?;
        Some((validated.bodies.into_iter().next()?.loops, validated.call_sites))
    }

    /// Compares the validators for a body; says whether the numeric one accepted it.
    fn check(&self, numeric: &mut NumericValidator<'_>, body: (u32, u32, &[u8], u64)) -> bool {
        let (index, ty, bytes, start) = body;
        let mut scanner = LoopScanner::default();
        let accepted = numeric.accepts(ty, bytes, start as u32, &mut scanner);
        let found = (scanner.finish(), scanner.take_call_sites());
        if accepted {
            assert_eq!(self.expected(index, ty, bytes, start), Some(found), "{bytes:02x?}");
        } else {
            assert!(found.0.is_empty() && found.1.is_empty());
        }
        accepted
    }
}

#[test]
fn bodies_of_numbers_are_accepted() {
    let [rules, declarations] = [RULES, DECLARATIONS].map(|text| wat::parse_str(text).unwrap());
    for (bytes, rejected) in [(LISP, 0), (&rules, 1), (&declarations, 5)] {
        let fixture = Fixture::new(bytes);
        let context = NumericContext::new(&fixture.module, features()).unwrap();
        let mut numeric = NumericValidator::new(&context);
        let bodies = fixture.bodies.iter();
        let accepted = bodies
            .filter(|(index, ty, body, start)| {
                fixture.check(&mut numeric, (*index, *ty, body, *start))
            })
            .count();
        assert_eq!(accepted + rejected, fixture.bodies.len());
        for (index, ty, body, start) in &fixture.bodies {
            assert!(fixture.expected(*index, *ty, body, *start).is_some());
        }
    }
}

#[test]
fn no_mutated_body_is_accepted_that_is_not_valid() {
    let [rules, declarations] = [RULES, DECLARATIONS].map(|text| wat::parse_str(text).unwrap());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    for (bytes, rounds) in [(LISP, 100), (&rules, 40_000), (&declarations, 40_000)] {
        let fixture = Fixture::new(bytes);
        let context = NumericContext::new(&fixture.module, features()).unwrap();
        let mut numeric = NumericValidator::new(&context);
        let mut accepted = 0;
        for _ in 0..rounds {
            for (index, ty, body, start) in &fixture.bodies {
                let mut body = body.clone();
                for _ in 0..=random(2) {
                    let at = random(body.len());
                    match random(4) {
                        0 => body[at] ^= 1 << random(8),
                        1 => body[at] = random(256) as u8,
                        2 => drop(body.remove(at)),
                        _ => body.insert(at, random(256) as u8),
                    }
                    if body.is_empty() {
                        break;
                    }
                }
                accepted += usize::from(fixture.check(&mut numeric, (*index, *ty, &body, *start)));
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }
}

#[test]
fn other_rules_are_left_to_wasmparser() {
    let module = Fixture::new(LISP).module;
    let needed = [
        WasmFeatures::FLOATS,
        WasmFeatures::MULTI_VALUE,
        WasmFeatures::SIGN_EXTENSION,
        WasmFeatures::SATURATING_FLOAT_TO_INT,
        WasmFeatures::BULK_MEMORY,
        WasmFeatures::REFERENCE_TYPES,
    ];
    for feature in needed {
        assert!(NumericContext::new(&module, features().difference(feature)).is_none());
    }
    assert!(NumericContext::new(&module, WasmFeatures::all()).is_none());
}

/// A body of so many blocks, operands and locals.
fn large_body(blocks: usize, operands: usize, locals: usize) -> String {
    let (open, close) = ("(block ".repeat(blocks), ")".repeat(blocks));
    let (push, drop) = ("i32.const 0 ".repeat(operands), "drop ".repeat(operands));
    format!("(module (func (local{}) {open}{push}{drop}{close}))", " i32".repeat(locals))
}

#[test]
fn large_bodies_are_given_up() {
    let accepts = |(blocks, operands, locals)| {
        let bytes = wat::parse_str(large_body(blocks, operands, locals)).unwrap();
        let fixture = Fixture::new(&bytes);
        let context = NumericContext::new(&fixture.module, features()).unwrap();
        let (index, ty, ref body, start) = fixture.bodies[0];
        fixture.check(&mut NumericValidator::new(&context), (index, ty, body, start))
    };
    assert!(accepts((1023, 1024, 10_000)));
    for large in [(1024, 0, 0), (0, 1025, 0), (0, 0, 10_001)] {
        assert!(!accepts(large), "{large:?}");
    }
}

#[test]
fn bodies_that_are_given_up_leave_nothing_behind() {
    let mut text = "(module (memory 1) (table 1 funcref) (type $t (func))".to_owned();
    let vector = "(drop (v128.const i64x2 0 0))";
    for abandoned in ["", vector, "", vector, ""] {
        let call = "(call_indirect (type $t) (i32.const 0))";
        let access = "(local.set 0 (i32.load (local.get 1)))";
        let body = format!("{access} (loop {call} {access} (loop {access} {abandoned} {call}))");
        write!(text, "(func (local i32 i32) {body})").unwrap();
        write!(text, "(func (local i32 i32) {access} {call} {abandoned} {body})").unwrap();
    }
    text.push(')');
    let bytes = wat::parse_str(text).unwrap();
    let fixture = Fixture::new(&bytes);
    let context = NumericContext::new(&fixture.module, features()).unwrap();
    let (loops, call_sites): (Vec<_>, Vec<_>) = (fixture.bodies.iter())
        .map(|(index, ty, body, start)| fixture.expected(*index, *ty, body, *start).unwrap())
        .unzip();
    let pending: Vec<_> = (fixture.bodies.iter())
        .map(|(index, ty, body, start)| outlined(*index, *ty, body, *start))
        .collect();
    let rules = BodyRules { context: &fixture.context, numeric: Some(&context) };
    let validated = rules.validate(&pending).unwrap();
    let found: Vec<_> = validated.bodies.into_iter().map(|body| body.loops).collect();
    assert_eq!(found, loops);
    assert_eq!(validated.call_sites, call_sites.concat());
    assert_eq!(validated.call_sites.len(), 25);
}

#[test]
fn scalar_operators_have_the_opcodes_of_their_rows() {
    let name_of = |bytes: &[u8]| {
        let operator = OperatorsReader::new(BinaryReader::new(bytes, 0)).read().unwrap();
        format!("{operator:?}").to_lowercase()
    };
    for (i, op) in ScalarOp::ALL.iter().enumerate() {
        let opcode = 0x45 + i as u8;
        let encoded = if opcode <= 0xc4 { vec![opcode] } else { vec![0xfc, opcode - 0xc5] };
        assert_eq!(name_of(&encoded), op.name().replace('_', ""));
    }
}
