//! From instructions of baseline code to operators.

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use std::collections::BTreeMap;
use upshift_abi::code::CompiledFunction;
use upshift_abi::config::CodegenConfig;
use upshift_tests::single::baseline_first;
use wasmparser::{Operator, Parser, Payload};

const PROGRAM: &str = "(module (memory 1)
    (func (param i32 i32) (result i32)
        (loop $l
            (local.set 1 (i32.xor
                (i32.rotl (i32.mul (local.get 1) (i32.const 31)) (i32.const 5))
                (i32.load (i32.and (local.get 0) (i32.const 0xfff)))))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.popcnt (local.get 1))))";

fn compile(operator_offsets: bool) -> (Vec<u8>, CompiledFunction) {
    let bytes = wat::parse_str(PROGRAM).expect("well-formed");
    let config = CodegenConfig { operator_offsets, counters: false, ..CodegenConfig::default() };
    let compiled = baseline_first(&bytes, &config);
    (bytes, compiled)
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
