//! What OSR maps say about functions of which that is known.

use crate::Compiler;
use upshift_abi::code::{CompiledFunction, OsrEntry, OsrPlace};
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;
use wasmparser::WasmFeatures;

fn compile(wat: &str, config: &CodegenConfig) -> (CompiledFunction, Vec<u32>) {
    let bytes = wat::parse_str(wat).unwrap();
    let options = DecodeOptions { features: WasmFeatures::all(), objects: true, parallel: false };
    let module = decode(&bytes, &options).unwrap();
    let layout = InstanceLayout::of(&module);
    let func = DefinedFuncIndex(0);
    let input = FunctionInput::new((&module, &bytes), &layout, func, config);
    let compiled = Compiler::new().compile(&input).unwrap();
    let start = module.bodies[0].range.start as u32;
    let loops = module.bodies[0].loops.iter().map(|scan| start + scan.offset).collect();
    (compiled, loops)
}

/// The function's entries by loop, after checks that hold for all maps.
fn entries(wat: &str, config: &CodegenConfig) -> (CompiledFunction, Vec<OsrEntry>) {
    let (compiled, loops) = compile(wat, config);
    let entries: Vec<OsrEntry> = loops
        .iter()
        .map(|offset| {
            let mut found = compiled.osr.entries().iter().filter(|e| e.1.loop_offset == *offset);
            let (at, entry) = found.next().expect("each loop has an entry");
            assert!(found.next().is_none(), "one entry for each loop");
            assert_eq!(compiled.osr.lookup(*at), Some(entry));
            assert_eq!(compiled.osr.lookup(*at - 1), None);
            assert_eq!(compiled.code[*at as usize], 0xe9, "behind the call is the way back");
            entry.clone()
        })
        .collect();
    let slots = entries.iter().flat_map(|entry| &entry.operands);
    let slots = slots.filter_map(|place| match place {
        OsrPlace::Slot(slot) => Some(slot),
        _ => None,
    });
    for &slot in slots.chain(&compiled.osr.local_slots) {
        assert!(slot > 48 && slot <= compiled.frame_bytes, "slot {slot} lies in the frame");
    }
    for (place, saved) in compiled.saved.into_iter().enumerate() {
        assert!(saved == 0 || saved == 16 + 8 * place as u32);
    }
    (compiled, entries)
}

/// Three hot locals, a cold one, a reference, and operands of both kinds.
const LOOP: &str = r#"(module (func (param i64 f32 externref) (result i64) (local v128 i64)
    (i32.const 5)
    (local.get 0)
    (loop (param i64) (result i64)
      (local.set 0 (i64.add (local.get 0)))
      (local.set 1 (f32.add (local.get 1) (local.get 1)))
      (local.set 3 (v128.not (local.get 3)))
      (br_if 0 (local.get 0) (i64.eqz (local.get 0))))
    (drop) (drop) (local.get 4)))"#;

#[test]
fn hot_locals_are_in_registers_and_all_others_in_slots() {
    let (compiled, entries) = entries(LOOP, &CodegenConfig::default());
    assert_eq!(compiled.osr.local_slots[..], [56, 64, 72, 88, 96]);
    let entry = &entries[0];
    assert_eq!(entry.operands[..], [OsrPlace::Const(5), OsrPlace::Slot(112)]);
    let locals = |class: fn(OsrPlace) -> bool| {
        let mut found: Vec<u32> = entry
            .locals
            .iter()
            .filter(|(_, place)| class(*place))
            .map(|(local, _)| *local)
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(locals(|place| matches!(place, OsrPlace::Int(_))), [0]);
    assert_eq!(locals(|place| matches!(place, OsrPlace::Float(_))), [1, 3]);
    assert_eq!(entry.locals.len(), 3);
    assert_eq!(compiled.osr.return_area, None);
}

#[test]
fn with_few_registers_everything_is_in_slots() {
    let config = CodegenConfig { zeal_spill: true, ..CodegenConfig::default() };
    let (_, entries) = entries(LOOP, &config);
    assert!(entries[0].locals.is_empty());
}

#[test]
fn saved_registers_and_the_return_area_are_named() {
    let wat = r#"(module
        (func (param i64 i64) (result i64 i64 i64 i64 i64 i64 i64 i64 i64)
          (loop
            (local.set 0 (i64.add (local.get 0) (local.get 1)))
            (call 1)
            (br 0))
          unreachable)
        (func))"#;
    let (compiled, entries) = entries(wat, &CodegenConfig::default());
    assert_eq!(compiled.osr.return_area, Some(48));
    // A loop with calls keeps its locals in callee-saved registers.
    for (_, place) in &entries[0].locals {
        let OsrPlace::Int(register) = *place else { panic!("integers are in general registers") };
        let place = upshift_abi::conv::CALLEE_SAVED.iter().position(|&saved| saved == register);
        assert_ne!(compiled.saved[place.expect("a callee-saved register")], 0);
    }
    assert_eq!(entries[0].locals.len(), 2);
}

#[test]
fn parameters_on_the_stack_have_slots_of_their_own() {
    let wat = r#"(module (func (param i64 i64 i64 i64 i64 i64 i32 i64) (result i64)
        (loop (br_if 0 (local.get 6))) (local.get 7)))"#;
    let (compiled, entries) = entries(wat, &CodegenConfig::default());
    assert_eq!(compiled.osr.local_slots[..], [56, 64, 72, 80, 88, 96, 104, 112]);
    assert_eq!(entries[0].locals.iter().map(|entry| entry.0).collect::<Vec<_>>(), [6]);
}

#[test]
fn functions_without_loops_or_counters_have_no_map() {
    let config = CodegenConfig { counters: false, ..CodegenConfig::default() };
    let (compiled, _) = compile(LOOP, &config);
    assert_eq!(compiled.osr, Default::default());
    let (compiled, _) = compile("(module (func (param i64)))", &CodegenConfig::default());
    assert_eq!(compiled.osr, Default::default());
}

#[test]
fn vectors_are_never_constants_at_a_header() {
    let wat = r#"(module (func
        (v128.const i64x2 0 0) (v128.const i64x2 1 2) (i64.const 3) (f32.const 1) (ref.null func)
        (loop (br 0)) unreachable))"#;
    let (_, entries) = entries(wat, &CodegenConfig::default());
    let slots = entries[0].operands[..2].iter().all(|place| matches!(place, OsrPlace::Slot(_)));
    assert!(slots, "{:?}", entries[0].operands);
    let constants = [3, u64::from(1f32.to_bits()), 0].map(OsrPlace::Const);
    assert_eq!(entries[0].operands[2..], constants);
}

#[test]
fn the_tables_of_a_hostile_nest_stay_small() {
    let (operands, loops) = (4000, 2000);
    let wat = format!(
        "(module (func {} {} {} unreachable))",
        "(i32.const 1)".repeat(operands),
        "(loop ".repeat(loops),
        ")".repeat(loops)
    );
    let (compiled, _) = compile(&wat, &CodegenConfig::default());
    let found = compiled.osr.entries();
    assert!(found.len() < loops && found.len() > 200, "{} entries", found.len());
    assert!(found.iter().all(|(_, entry)| entry.operands.len() == operands));
}
