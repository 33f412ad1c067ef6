//! Transfers into OSR bodies that the optimising compiler made, against the baseline.
//!
//! Each program runs many times, with a transfer at another place each time: at each loop alone and
//! at all, at the first arrival at its header and at later ones.

use super::harness::*;
use crate::code::ModuleCode;
use crate::vm::Slot;
use std::sync::Arc;
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::index::{DefinedFuncIndex, FuncIndex};
use upshift_optimizer::{Compiler, Effort, Entry, Request};

/// All loops of a module: function and offset.
fn loops(code: &ModuleCode) -> Vec<(DefinedFuncIndex, u32)> {
    let bodies = code.source().module.bodies.iter().enumerate();
    let loops = bodies.flat_map(|(i, body)| {
        let start = u32::try_from(body.range.start).unwrap();
        body.loops.iter().map(move |scan| (DefinedFuncIndex::new(i), start + scan.offset))
    });
    loops.collect()
}

fn publish(code: &ModuleCode, (func, offset): (DefinedFuncIndex, u32), effort: Effort) {
    let source = code.source();
    let input = FunctionInput {
        module: &source.module,
        bytes: (*source.bytes).as_ref(),
        layout: &source.layout,
        func,
        config: &source.config,
    };
    let request = Request { entry: Entry::Loop { offset }, effort };
    let compiled = Compiler::new().compile(&input, request).unwrap();
    code.publish_osr(func, offset, compiled).unwrap();
}

/// What a run left behind: its result or trap with its frames, and the fuel.
#[derive(Debug, PartialEq)]
struct Outcome {
    results: Result<Vec<Slot>, (upshift_abi::trap::Trap, Vec<(u32, Option<u32>)>)>,
    fuel: i64,
}

/// Calls the first function; the counter fires every `period` units.
fn run(code: &Arc<ModuleCode>, args: &[Slot], period: i32) -> (Outcome, usize) {
    let mut store = TestStore::new(code);
    store.again = Some(period);
    store.context.set_fuel(1 << 40);
    for i in 0..code.source().module.bodies.len() {
        store.set_counter(u32::try_from(i).unwrap(), period.saturating_add(8));
    }
    let ty = code.source().module.func_type(FuncIndex(0)).clone();
    let results = store.call(store.func(0), &ty, args).map_err(|exit| {
        let frames = exit.frames.iter().map(|&frame| {
            let symbol = crate::code::symbolize(frame).unwrap();
            (symbol.func.0, symbol.module_offset)
        });
        (trap_of(&exit), frames.collect())
    });
    let transfers = store.hot.iter().filter(|(func, offset)| {
        offset.is_some_and(|offset| code.osr_body(*func, offset).is_some())
    });
    (Outcome { results, fuel: store.context.fuel() }, transfers.count())
}

fn check(wat: &str, args: &[u64]) {
    let args: Vec<Slot> = args.iter().map(|&arg| [arg, 0]).collect();
    let plain = CodegenConfig::default();
    let spill = CodegenConfig { zeal_spill: true, ..plain.clone() };
    let fuel = CodegenConfig { fuel: true, ..plain.clone() };
    for config in [plain, spill, fuel] {
        let (expected, _) = run(&baseline_code(wat, config.clone()), &args, i32::MAX);
        let all = loops(&baseline_code(wat, config.clone()));
        let alone = all.iter().map(|&one| vec![one]);
        for chosen in alone.chain([all.clone()]) {
            for effort in [Effort::Quick, Effort::Full] {
                let code = baseline_code(wat, config.clone());
                chosen.iter().for_each(|&one| publish(&code, one, effort));
                let mut transfers = 0;
                for period in [0, 1, 2, 7, 30] {
                    let (found, entered) = run(&code, &args, period);
                    assert_eq!(found, expected, "{chosen:?} {effort:?} {period} {config:?} {wat}");
                    transfers += entered;
                }
                assert!(transfers > 0, "no transfer at {chosen:?} of {wat}");
            }
        }
    }
}

#[test]
fn a_loop() {
    check(
        r#"(module (func (export "f") (param i64) (result i64) (local i64 i64)
            (loop
              (local.set 2 (i64.add (local.get 2) (local.get 1)))
              (br_if 0 (i64.lt_u (local.tee 1 (i64.add (local.get 1) (i64.const 1)))
                                 (local.get 0))))
            (local.get 2)))"#,
        &[100],
    );
}

#[test]
fn operands_below_a_nest_of_loops_survive() {
    check(
        r#"(module (func (export "f") (param i64) (result i64) (local i64 i64 i64)
            (i64.mul (local.get 0) (i64.const 7))
            (loop (result i64)
              (local.set 2 (i64.const 0))
              (i64.add (local.get 1) (i64.const 1000))
              (loop (result i64)
                (local.set 2 (i64.add (local.get 2) (i64.const 1)))
                (local.set 3 (i64.add (local.get 3) (i64.mul (local.get 1) (local.get 2))))
                (br_if 0 (i64.lt_u (local.get 2) (local.get 0)))
                (local.get 3))
              (local.set 3 (i64.add))
              (local.set 1 (i64.add (local.get 1) (i64.const 1)))
              (br_if 0 (i64.lt_u (local.get 1) (local.get 0)))
              (local.get 3))
            (i64.add)))"#,
        &[9],
    );
}

#[test]
fn operands_survive_the_other_side_of_an_if_around_the_loop() {
    check(
        r#"(module (func (export "f") (param i64) (result i64) (local i64 i64 i64)
            (i64.add (local.get 0) (i64.const 3))
            (loop (result i64)
              (i64.mul (local.get 1) (i64.const 10))
              (local.get 1)
              (if (param i64) (result i64) (i64.eqz (i64.rem_u (local.get 1) (i64.const 3)))
                (then
                  (local.set 2 (i64.const 0))
                  (loop (param i64) (result i64)
                    (i64.add (local.get 1))
                    (local.set 2 (i64.add (local.get 2) (i64.const 1)))
                    (br_if 0 (i64.lt_u (local.get 2) (local.get 0)))))
                (else (i64.add (i64.const 1))))
              (i64.add)
              (local.set 3 (i64.add (local.get 3)))
              (local.set 1 (i64.add (local.get 1) (i64.const 1)))
              (br_if 0 (i64.lt_u (local.get 1) (local.get 0)))
              (local.get 3))
            (i64.add)))"#,
        &[10],
    );
}
