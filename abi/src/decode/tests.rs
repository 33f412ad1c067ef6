//! Tests of the decoder on modules in text form.

use super::*;
use crate::index::*;
use crate::module::*;
use crate::scan::{INNER_LOOP_FACTOR, LoopLocal, LoopScan, MAX_LOOP_LOCALS};
use crate::types::*;
use std::fmt::Write as _;

fn options() -> DecodeOptions {
    // With shared types as well no body would be validated by the validator of numbers.
    let features = WasmFeatures::all().difference(WasmFeatures::SHARED_EVERYTHING_THREADS);
    DecodeOptions { features, objects: true, parallel: false }
}

fn decode_text(text: &str) -> Module {
    let bytes = wat::parse_str(text).unwrap();
    decode(&bytes, &options()).unwrap()
}

fn error_of(text: &str, features: WasmFeatures) -> DecodeError {
    let bytes = wat::parse_str(text).unwrap();
    decode(&bytes, &DecodeOptions { features, objects: true, parallel: false }).unwrap_err()
}

/// A module with something in every section.
const EVERYTHING: &str = r#"
(module $everything
  (type $sig (func (param i32 f64) (result i64)))
  (rec (type $node (sub (struct (field (mut i32)) (field (ref null $list)) (field i8))))
       (type $list (array (mut (ref null $node)))))
  (type $leaf (sub final $node (struct (field (mut i32)) (field (ref null $list)) (field i8))))
  (import "env" "f" (func $f (type $sig)))
  (import "env" "t" (table 1 2 funcref))
  (import "env" "m" (memory i64 1 4))
  (import "env" "g" (global $g i32))
  (import "env" "e" (tag (param i32)))
  (table $own i64 3 9 (ref func) (ref.func $h))
  (memory $shared 2 3 shared)
  (global $sum (mut i32) (i32.add (global.get $g) (i32.const 5)))
  (global $v v128 (v128.const i32x4 1 0 0 0))
  (global $r funcref (ref.func $f))
  (tag $own_tag (param f32))
  (export "run" (func $run))
  (export "own" (table $own))
  (export "mem" (memory $shared))
  (export "sum" (global $sum))
  (export "tag" (tag $own_tag))
  (start $start)
  (elem (table $own) (i64.const 1) func $run $run)
  (elem funcref (ref.func $h) (ref.null func))
  (elem declare func $d)
  (data (memory 1) (i32.const 8) "hello")
  (data "passive")
  (func $start)
  (func $run (result i32) (local i64) (ref.func $d) drop i32.const 1)
  (func $h)
  (func $d))
"#;

#[test]
fn every_section_is_read() {
    let bytes = wat::parse_str(EVERYTHING).unwrap();
    let module = decode(&bytes, &options()).unwrap();
    assert_eq!(module.name.as_deref(), Some("everything"));
    let counts = module.imported;
    assert_eq!((counts.funcs, counts.tables, counts.memories), (1, 1, 1));
    assert_eq!((counts.globals, counts.tags), (1, 1));
    assert_eq!(module.imports.len(), 5);
    assert_eq!((module.imports[1].module.as_str(), module.imports[1].name.as_str()), ("env", "t"));
    assert_eq!(module.imports[4].item, ExternIndex::Tag(TagIndex(0)));
    assert_eq!(module.funcs.len(), 5);
    assert_eq!(module.func_type(FuncIndex(0)).to_string(), "(i32 f64) -> (i64)");
    assert_eq!(module.start, Some(FuncIndex(1)));
    // $f (global), $start, $run (export, elem), $h (table, elem), $d (declared).
    assert_eq!(module.escaping_funcs, [0, 1, 2, 3, 4].map(FuncIndex));

    assert!(module.tables[0].init.is_none());
    assert_eq!(module.tables[1].init.as_ref().unwrap().ops[..], [ConstOp::RefFunc(FuncIndex(3))]);
    assert_eq!((module.tables[1].ty.is_64, module.tables[1].ty.maximum), (true, Some(9)));
    assert_eq!((module.memories[0].is_64, module.memories[0].maximum), (true, Some(4)));
    assert!(module.memories[1].shared && !module.memories[1].is_64);
    assert_eq!(module.memories[1].page_size_log2, 16);
    let init = |i: usize| &module.globals[i].init.as_ref().unwrap().ops[..];
    let sum = [ConstOp::GlobalGet(GlobalIndex(0)), ConstOp::I32Const(5), ConstOp::I32Add];
    assert_eq!(init(1), sum);
    assert_eq!(init(2), [ConstOp::V128Const(1)]);
    assert!(module.globals[1].ty.mutable && module.globals[0].init.is_none());
    assert_eq!(module.tags.len(), 2);
    assert_eq!(module.exports.len(), 5);
    assert_eq!(module.exports[2].name, "mem");
    assert_eq!(module.exports[2].item, ExternIndex::Memory(MemoryIndex(1)));

    assert_eq!(module.bodies.len(), 4);
    for body in &module.bodies {
        assert_eq!(bytes[body.range.end - 1], 0x0b, "a body ends with `end`");
        assert!(module.code_section.start < body.range.start);
        assert!(body.range.end <= module.code_section.end);
    }
    assert_eq!(module.bodies[1].range.len(), 9);
}

#[test]
fn segments_are_read() {
    let bytes = wat::parse_str(EVERYTHING).unwrap();
    let module = decode(&bytes, &options()).unwrap();
    let ElemMode::Active { table, offset } = &module.elems[0].mode else {
        panic!("the first segment is active");
    };
    assert_eq!((*table, &offset.ops[..]), (TableIndex(1), &[ConstOp::I64Const(1)][..]));
    assert!(matches!(&module.elems[0].items, ElemItems::Funcs(f) if f[..] == [FuncIndex(2); 2]));
    assert!(matches!(module.elems[1].mode, ElemMode::Passive));
    assert_eq!(module.elems[1].ty, RefType::FUNCREF);
    let ElemItems::Exprs(items) = &module.elems[1].items else { panic!("expressions") };
    assert_eq!(items[1].ops[..], [ConstOp::RefNull(HeapType::Func)]);
    assert!(matches!(module.elems[2].mode, ElemMode::Declared));
    assert_eq!(module.elems[2].items.len(), 1);

    let (memory, offset) = module.data[0].active.as_ref().unwrap();
    assert_eq!((*memory, &offset.ops[..]), (MemoryIndex(1), &[ConstOp::I32Const(8)][..]));
    assert_eq!(&bytes[module.data[0].range.clone()], b"hello");
    assert!(module.data[1].active.is_none());
    assert_eq!(&bytes[module.data[1].range.clone()], b"passive");
}

#[test]
fn recursion_groups_are_flattened() {
    let module = decode_text(EVERYTHING);
    let node = &module.types[1];
    assert_eq!((node.group_start, node.group_len, node.is_final), (TypeIndex(1), 2, false));
    let list = RefType { nullable: true, heap: HeapType::Concrete(TypeIndex(2)) };
    let CompositeType::Struct(fields) = &node.composite else { panic!("a structure") };
    assert_eq!(fields[1].storage, StorageType::Val(ValType::Ref(list)));
    assert_eq!((fields[2].storage, fields[0].mutable), (StorageType::I8, true));
    assert_eq!(module.types[2].group_start, TypeIndex(1));
    assert!(matches!(module.types[2].composite, CompositeType::Array(_)));
    let leaf = &module.types[3];
    assert_eq!((leaf.supertype, leaf.is_final), (Some(TypeIndex(1)), true));
    assert_eq!((leaf.group_start, leaf.group_len), (TypeIndex(3), 1));
}

#[test]
fn branch_hints_reach_their_bodies() {
    let module = decode_text(
        r#"(module (func) (func (param i32)
             (@metadata.code.branch_hint "\01") local.get 0 if end
             (@metadata.code.branch_hint "\00") local.get 0 if end))"#,
    );
    assert!(module.bodies[0].branch_hints.is_empty());
    let hints: Vec<bool> = module.bodies[1].branch_hints.iter().map(|h| h.1).collect();
    assert_eq!(hints.len(), 2);
    assert!(module.bodies[1].branch_hints.is_sorted());
}

#[test]
fn malformed_custom_sections_are_ignored() {
    let module = decode_text(
        r#"(module (@custom "metadata.code.branch_hint" (before code) "\05\00\01\02\07\07")
             (@custom "name" "\01\ff\ff") (func))"#,
    );
    assert!(module.bodies[0].branch_hints.is_empty());
    assert!(module.name.is_none() && module.name_section.is_some());
}

#[test]
fn errors_say_where() {
    let text = "(module (func nop) (func $wrong (result i32) i64.const 3))";
    let error = error_of(text, WasmFeatures::all());
    assert_eq!((error.func, error.func_name.as_deref()), (Some(1), Some("wrong")));
    assert_eq!(error.kind, DecodeErrorKind::Invalid);
    let bytes = wat::parse_str(text).unwrap();
    assert_eq!(bytes[error.offset], 0x0b);
    let shown = error.to_string();
    assert!(shown.contains("type mismatch") && shown.contains("in function 1 <wrong>"), "{shown}");

    let error = error_of("(module (memory i64 1))", WasmFeatures::MVP);
    assert_eq!((error.func, error.kind), (None, DecodeErrorKind::MissingFeature));
    let error = decode(b"\0asm\x0d\0\x01\0", &options()).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Unsupported);
    assert!(decode(b"", &options()).is_err());
}

/// An invalid body is reported rather than an invalid section behind it.
#[test]
fn the_first_error_in_module_order_counts() {
    let text = r#"(module (memory 1) (func $wrong drop) (data (i32.const 0) "x"))"#;
    let mut bytes = wat::parse_str(text).unwrap();
    let at = bytes.len();
    bytes.extend([0x7f, 0x00]);
    let error = decode(&bytes, &options()).unwrap_err();
    assert!(error.offset < at && error.func == Some(0), "{error}");
}

/// Two invalid bodies far apart, so that chunks race: the first is reported each time.
#[test]
fn parallel_validation_is_deterministic() {
    let mut text = String::from("(module ");
    for i in 0..20_000 {
        let wrong = if i == 700 || i == 19_000 { "drop" } else { "nop" };
        write!(text, "(func (param i32) loop local.get 0 br_if 0 end {wrong} nop nop)").unwrap();
    }
    text.push(')');
    let bytes = wat::parse_str(&text).unwrap();
    let parallel = DecodeOptions { objects: true, parallel: true, ..options() };
    for _ in 0..8 {
        assert_eq!(decode(&bytes, &parallel).unwrap_err().func, Some(700));
    }
    let bytes = wat::parse_str(text.replace("drop", "nop")).unwrap();
    let (one, many) = (decode(&bytes, &options()).unwrap(), decode(&bytes, &parallel).unwrap());
    assert_eq!(one.bodies.len(), many.bodies.len());
    for (a, b) in one.bodies.iter().zip(&many.bodies) {
        assert_eq!((&a.range, &a.loops), (&b.range, &b.loops));
    }
}

#[test]
fn truncation_and_flips_never_panic() {
    let bytes = wat::parse_str(EVERYTHING).unwrap();
    // Sections may be missing at the end, so some truncations are valid modules.
    for end in 0..bytes.len() {
        let _ = decode(&bytes[..end], &options());
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let _ = decode(&flipped, &options());
        }
    }
}

fn loops_of(body: &str) -> Box<[LoopScan]> {
    let text = format!("(module (memory 1) (memory 1) (func $f {body}))");
    decode_text(&text).bodies.pop().unwrap().loops
}

fn local(local: u32, weight: u32, written: bool) -> LoopLocal {
    LoopLocal { local, weight, written }
}

#[test]
fn nested_loops_are_scanned() {
    let loops = loops_of(
        "(param i32 i32) (local i64 f32)
         local.get 3 drop
         (loop
           local.get 0 drop
           (loop (local.set 1 (i32.load (local.get 1))) (i32.store8 1 (i32.const 0) (local.get 0)))
           (block (drop (local.tee 2 (i64.const 1))) (drop (local.get 0))))
         (loop (call $f (i32.const 1) (i32.const 2)) (v128.store (i32.const 0) (v128.const i64x2 0 0)))",
    );
    assert_eq!(loops.len(), 3);
    assert!(loops.is_sorted_by_key(|l| l.offset));
    let factor = INNER_LOOP_FACTOR;
    let outer = [local(1, 2 * factor, true), local(0, factor + 2, false), local(2, 1, true)];
    assert_eq!(loops[0].locals[..], outer);
    assert_eq!((loops[0].memory_weight, loops[0].inner_loops), (factor, 1));
    assert_eq!(loops[1].locals[..], [local(1, 2, true), local(0, 1, false)]);
    assert_eq!((loops[1].memory_weight, loops[1].inner_loops), (1, 0));
    assert!(!loops[0].has_call && !loops[1].has_call);
    assert!(loops[2].has_call && loops[2].locals.is_empty());
    assert_eq!(loops[2].memory_weight, 1);
}

#[test]
fn loop_offsets_count_from_the_body() {
    let bytes = wat::parse_str("(module (func (local i32) nop (loop nop (loop))))").unwrap();
    let module = decode(&bytes, &options()).unwrap();
    let body = &module.bodies[0];
    for scan in &body.loops {
        assert_eq!(bytes[body.range.start + scan.offset as usize], 0x03);
    }
    assert_eq!(body.loops.len(), 2);
}

#[test]
fn only_the_hottest_locals_are_named() {
    let mut body = format!("(local{})(loop ", " i32".repeat(200));
    for i in 0..200 {
        // Local 199 - k is accessed once more for each k below 24.
        let accesses = if i >= 176 { i - 174 } else { 1 };
        body.push_str(&format!("(drop (local.get {i}))").repeat(accesses));
    }
    let loops = loops_of(&(body + ")"));
    assert_eq!(loops[0].locals.len(), MAX_LOOP_LOCALS);
    assert_eq!(loops[0].locals[0], local(199, 25, false));
    assert_eq!(loops[0].locals[23], local(176, 2, false));
}

/// A nest of 20000 loops around 24 locals: linear time, bounded memory, saturated weights.
#[test]
fn deep_nests_stay_linear() {
    let depth = 20_000;
    let accesses: String = (0..24).map(|i| format!("(drop (local.get {i}))")).collect();
    let locals = " i32".repeat(50_000);
    let text =
        format!("(local{locals}) {}{accesses}{}", "loop ".repeat(depth), "end ".repeat(depth));
    let loops = loops_of(&text);
    assert_eq!(loops.len(), depth);
    assert_eq!(loops[depth - 1].locals.len(), 24);
    assert_eq!(loops[0].locals[0], local(0, u32::MAX, false));
    let named: usize = loops.iter().map(|l| l.locals.len()).sum();
    assert!(named < depth * 5, "{named}");
}
