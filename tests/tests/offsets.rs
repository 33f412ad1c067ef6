//! From instructions to operators, when tables lead from all of them.

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use std::collections::BTreeMap;
use std::ops::Range;
use upshift_abi::code::CompiledFunction;
use upshift_abi::config::CodegenConfig;
use upshift_abi::index::DefinedFuncIndex;
use upshift_optimizer::{Effort, Entry, Request};
use upshift_tests::corpus;
use upshift_tests::single::{baseline_first, compile_first};
use wasmparser::{Operator, Parser, Payload};

const PROGRAM: &str = "(module (memory 1)
    (func (param i32 i32) (result i32)
        (loop $l
            (local.set 1 (i32.xor
                (i32.rotl (i32.mul (local.get 1) (i32.const 31)) (i32.const 5))
                (i32.load (i32.and (local.get 0) (i32.const 0xfff)))))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.popcnt (local.get 1))))";

/// The loop calls the second function four times.
const INLINED: &str = "(module
    (func (param i32) (result i32) (local i32)
        (loop $l
            (local.set 1 (call $tiny (call $tiny (call $tiny (call $tiny (local.get 1))))))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))
    (func $tiny (param i32) (result i32)
        (i32.rotl
            (i32.mul (i32.xor (local.get 0) (i32.const 0x5bd1e995)) (i32.const 0x1b873593))
            (i32.const 13))))";

fn config(operator_offsets: bool) -> CodegenConfig {
    CodegenConfig { operator_offsets, counters: false, ..CodegenConfig::default() }
}

fn compile(operator_offsets: bool) -> (Vec<u8>, CompiledFunction) {
    let bytes = wat::parse_str(PROGRAM).expect("well-formed");
    let compiled = baseline_first(&bytes, &config(operator_offsets));
    (bytes, compiled)
}

/// The first function by the optimizer; nothing when it has none of its own.
fn optimize(bytes: &[u8], operator_offsets: bool) -> CompiledFunction {
    let request = Request { entry: Entry::Function, effort: Effort::Full };
    compile_first(bytes, &config(operator_offsets), |input| {
        upshift_optimizer::Compiler::new().compile(input, request).expect("within all limits")
    })
}

/// The operators of the module's function by their offset.
fn operators(bytes: &[u8]) -> BTreeMap<u32, Operator<'_>> {
    let bodies = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => Some(body),
        _ => None,
    });
    let operators = bodies.flat_map(|body| {
        let reader = body.get_operators_reader().expect("valid");
        reader.into_iter_with_offsets().map(|operator| operator.expect("valid"))
    });
    operators.map(|(operator, at)| (u32::try_from(at).expect("small"), operator)).collect()
}

#[test]
fn instructions_lead_to_their_operators() {
    let (bytes, compiled) = compile(true);
    let operators = operators(&bytes);
    let operator_of = |mnemonic: Mnemonic| {
        let code = Decoder::new(64, &compiled.code, DecoderOptions::NONE);
        let found = code.into_iter().find(|instruction| instruction.mnemonic() == mnemonic);
        let offset = u32::try_from(found.expect("it is there").ip()).expect("small");
        &operators[&compiled.pcs.lookup(offset).expect("a function's code")]
    };
    assert!(matches!(operator_of(Mnemonic::Imul), Operator::I32Mul));
    assert!(matches!(operator_of(Mnemonic::Rol), Operator::I32Rotl));
    assert!(matches!(operator_of(Mnemonic::And), Operator::I32And));
    assert!(matches!(operator_of(Mnemonic::Popcnt), Operator::I32Popcnt));
    assert!(matches!(operator_of(Mnemonic::Jne), Operator::BrIf { .. }));
    let entries = compiled.pcs.entries();
    assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "one for each instruction: {entries:?}");
}

#[test]
fn code_is_the_same_without_their_operators() {
    let ((_, with), (_, without)) = (compile(true), compile(false));
    assert_eq!(with.code, without.code);
    let [with, without] = [with, without].map(|compiled| compiled.pcs.entries().len());
    assert!(with > without + 5, "{with} {without}");
}

#[test]
fn optimized_instructions_lead_to_their_operators() {
    let bytes = wat::parse_str(PROGRAM).expect("well-formed");
    let (compiled, operators) = (optimize(&bytes, true), operators(&bytes));
    let code = Decoder::new(64, &compiled.code, DecoderOptions::NONE);
    let found = code.into_iter().filter_map(|instruction| {
        let offset = u32::try_from(instruction.ip()).expect("small");
        let operator = operators.get(&compiled.pcs.lookup(offset)?)?;
        Some((instruction.mnemonic(), operator))
    });
    let found: Vec<_> = found.collect();
    let has = |mnemonic, is: fn(&Operator<'_>) -> bool| {
        found.iter().any(|&(found, operator)| found == mnemonic && is(operator))
    };
    assert!(has(Mnemonic::Imul, |operator| matches!(operator, Operator::I32Mul)), "{found:?}");
    assert!(has(Mnemonic::Rorx, |operator| matches!(operator, Operator::I32Rotl)), "{found:?}");
    assert!(has(Mnemonic::And, |operator| matches!(operator, Operator::I32And)), "{found:?}");
    assert!(has(Mnemonic::Jne, |operator| matches!(operator, Operator::BrIf { .. })), "{found:?}");
}

#[test]
fn what_is_computed_in_inlined_bodies_belongs_to_them() {
    let bytes = wat::parse_str(INLINED).expect("well-formed");
    let compiled = optimize(&bytes, true);
    let code = Decoder::new(64, &compiled.code, DecoderOptions::NONE);
    let products = code.into_iter().filter(|instruction| instruction.mnemonic() == Mnemonic::Imul);
    let frames = products.map(|instruction| {
        let offset = u32::try_from(instruction.ip()).expect("small");
        compiled.frames_at(DefinedFuncIndex(0), offset).map(|frame| frame.0.0).collect()
    });
    let frames: Vec<Vec<u32>> = frames.collect();
    assert_eq!(frames, vec![vec![1, 0]; 4]);
}

/// Modules with functions, and where the body of the first is.
fn modules() -> impl Iterator<Item = (String, Vec<u8>, Range<u64>)> {
    corpus::modules().into_iter().filter_map(|(name, bytes)| {
        let body = Parser::new(0).parse_all(&bytes).find_map(|payload| match payload {
            Ok(Payload::CodeSectionEntry(body)) => Some(body.range()),
            _ => None,
        })?;
        Some((name.to_string(), bytes, body))
    })
}

#[test]
fn optimized_code_is_the_same_without_their_operators() {
    let compared = modules().map(|(name, bytes, _)| {
        let [with, without] = [true, false].map(|offsets| optimize(&bytes, offsets).code);
        assert_eq!(with, without, "{name}");
    });
    assert!(compared.count() > 10);
}

#[test]
fn all_offsets_lie_in_the_body() {
    for (name, bytes, body) in modules() {
        // With counters, whose slow paths belong to operators, too.
        let config = CodegenConfig { operator_offsets: true, work_budget: true, ..config(true) };
        let config = CodegenConfig { counters: true, ..config };
        for compiled in [baseline_first(&bytes, &config), optimize(&bytes, true)] {
            let own = compiled.pcs.entries().iter().map(|entry| u64::from(entry.1));
            let outside: Vec<u64> = own.filter(|offset| !body.contains(offset)).collect();
            // What is inlined has numbers of its own, behind the module.
            let inlined = |offset: &u64| *offset >= bytes.len() as u64;
            assert!(outside.iter().all(inlined), "{name}: {outside:?} in {body:?}");
        }
    }
}
