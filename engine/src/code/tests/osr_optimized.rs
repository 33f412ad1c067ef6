//! Transfers into OSR bodies that the optimising compiler made, against the baseline.
//!
//! Each program runs many times, with a transfer at another place each time: at each loop alone and
//! at all, at the first arrival at its header and at later ones.

use super::harness::*;
use super::osr_random::Generator;
use crate::code::ModuleCode;
use crate::vm::Slot;
use std::sync::Arc;
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::hotness::{ENTRY_MODULUS, EXACT_ENTRY_COST};
use upshift_abi::index::{DefinedFuncIndex, FuncIndex};
use upshift_abi::trap::Trap;
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
    let module = (&*source.module, (*source.bytes).as_ref());
    let input = FunctionInput::new(module, &source.layout, func, &source.config);
    let request = Request { entry: Entry::Loop { offset }, effort };
    let compiled = Compiler::new().compile(&input, request).unwrap();
    code.publish_osr(func, offset, compiled).unwrap();
}

/// What a run left behind: its results or trap with its frames, and the fuel.
#[derive(Debug, PartialEq)]
struct Outcome {
    results: Result<Vec<Slot>, (Trap, Vec<FrameId>)>,
    fuel: i64,
}

/// Function and offset of a frame.
type FrameId = (u32, Option<u32>);

/// How a program is run.
#[derive(Clone, Copy, Debug)]
struct Run<'a> {
    args: &'a [Slot],
    fuel: i64,
    /// Units between two looks at the counter.
    period: i32,
}

/// Calls the first function: what came out, and how often code changed on the stack.
fn run(code: &Arc<ModuleCode>, how: Run<'_>) -> (Outcome, usize) {
    let mut store = TestStore::new(code);
    store.again = Some(how.period);
    store.context.set_fuel(how.fuel);
    for i in 0..code.source().module.bodies.len() {
        store.set_counter(
            u32::try_from(i).unwrap(),
            how.period.saturating_add(EXACT_ENTRY_COST.into()),
        );
    }
    let ty = code.source().module.func_type(FuncIndex(0)).clone();
    let results = store.call(store.func(0), &ty, how.args).map_err(|exit| {
        let trap = trap_of(&exit);
        let symbols = exit.frames.iter().flat_map(|&frame| crate::code::symbolize(frame));
        let frames = symbols.enumerate().map(|(i, symbol)| {
            // The tiers name a block that finds no fuel by different operators.
            let is_exact = i > 0 || trap != Trap::OutOfFuel;
            (symbol.func.0, symbol.module_offset.filter(|_| is_exact))
        });
        (trap, frames.collect())
    });
    let results = results.map(|slots| {
        slots.iter().zip(&ty.results).map(|(&slot, &ty)| super::osr::bits(ty, slot)).collect()
    });
    let transfers = store.hot.iter().filter(|(func, offset)| {
        offset.is_some_and(|offset| code.osr_body(*func, offset).is_some())
    });
    (Outcome { results, fuel: store.context.fuel() }, transfers.count())
}

fn configs() -> [CodegenConfig; 3] {
    let plain = CodegenConfig { nan_canonicalize: true, ..CodegenConfig::default() };
    let spill = CodegenConfig { zeal_spill: true, ..plain.clone() };
    let fuel = CodegenConfig { fuel: true, ..plain.clone() };
    [plain, spill, fuel]
}

/// Compares with the baseline; the number of transfers.
fn compare(wat: &str, args: &[Slot], efforts: &[Effort], periods: &[i32]) -> usize {
    let mut transfers = 0;
    for config in configs() {
        let baseline = baseline_code(wat, config.clone());
        let plenty = Run { args, fuel: 1 << 40, period: i32::MAX };
        let used = (1 << 40) - run(&baseline, plenty).0.fuel;
        let budgets = if config.fuel { vec![1 << 40, used / 2, used / 7] } else { vec![1 << 40] };
        let all = loops(&baseline);
        let alone = all.iter().map(|&one| vec![one]);
        for chosen in alone.chain([all.clone()]) {
            for &effort in efforts {
                let code = baseline_code(wat, config.clone());
                chosen.iter().for_each(|&one| publish(&code, one, effort));
                for (&fuel, &period) in
                    budgets.iter().flat_map(|b| periods.iter().map(move |p| (b, p)))
                {
                    let how = Run { args, fuel, period };
                    let expected = run(&baseline, Run { period: i32::MAX, ..how }).0;
                    let (found, entered) = run(&code, how);
                    let what = format!("{chosen:?} {effort:?} {how:?} {config:?} {wat}");
                    assert_eq!(found, expected, "{what}");
                    transfers += entered;
                }
            }
        }
    }
    transfers
}

fn check(wat: &str, args: &[u64]) {
    let args: Vec<Slot> = args.iter().map(|&arg| [arg, 0]).collect();
    let transfers = compare(wat, &args, &[Effort::Quick, Effort::Full], &[0, 1, 2, 7, 30]);
    assert!(transfers > 0, "no transfer in {wat}");
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

#[test]
fn loops_with_many_values_and_deep_stacks() {
    let sets: String =
        (0..1000).map(|i| format!("(local.set {} (i64.const {i}))", i + 1)).collect();
    let operands: String = (0..150)
        .map(|i| match i % 4 {
            0 => format!("(i64.const {i})"),
            1 => format!("(i64.mul (local.get {i}) (i64.const {i}))"),
            2 => format!("(f64.convert_i64_s (local.get {i}))"),
            _ => format!("(i64x2.splat (local.get {i}))"),
        })
        .collect();
    let sums: String = (0..150)
        .rev()
        .map(|i| match i % 4 {
            0 | 1 => "(local.set 1 (i64.add (local.get 1)))",
            2 => "(i64.trunc_f64_s) (local.set 1 (i64.add (local.get 1)))",
            _ => "(i64x2.extract_lane 1) (local.set 1 (i64.add (local.get 1)))",
        })
        .collect();
    let turn: String = (1..1000)
        .step_by(37)
        .map(|i| format!("(local.set {i} (i64.add (local.get {i}) (local.get {})))", i + 1))
        .collect();
    check(
        &format!(
            r#"(module (func (export "f") (param i64) (result i64) (local {})
                {sets} {operands}
                (loop
                  {turn}
                  (br_if 0 (i64.ne (i64.const 0)
                                   (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
                {sums} (i64.add (local.get 1) (local.get 38))))"#,
            "i64 ".repeat(1000)
        ),
        &[12],
    );
}

#[test]
fn loops_of_several_values() {
    check(
        r#"(module (func (export "f") (param i64) (result i64 f64 v128 i32)
            (i64.const 1) (f64.const 1.5) (v128.const i64x2 3 4) (i32.const 5)
            (loop (param i64 f64 v128 i32) (result i64 f64 v128 i32)
              (i32.add (i32.const 7))
              (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
              (call 1)
              (br_if 0 (i64.ne (local.get 0) (i64.const 0)))))
           (func (export "g") (param i64 f64 v128 i32) (result i64 f64 v128 i32)
            (i64.mul (local.get 0) (i64.const 3))
            (f64.add (local.get 1) (local.get 1))
            (i64x2.add (local.get 2) (local.get 2))
            (local.get 3)))"#,
        &[20],
    );
}

#[test]
fn stack_arguments_and_return_areas() {
    let (params, results) = (12, 11);
    let sums: String = (1..params)
        .map(|i| format!("(local.set {i} (i64.add (local.get {i}) (local.get {})))", i - 1))
        .collect();
    let values: String = (0..results).map(|i| format!("(local.get {})", i + 1)).collect();
    check(
        &format!(
            r#"(module (func (export "f") (param {}) (result {})
                (loop
                  {sums}
                  (br_if 0 (i64.ne (i64.const 0)
                                   (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
                {values}))"#,
            "i64 ".repeat(params),
            "i64 ".repeat(results)
        ),
        &[9, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    );
}

#[test]
fn tail_calls_out_of_loops() {
    // Each tail call needs more stack arguments than its caller has, or fewer, and has loops.
    check(
        r#"(module
            (func (export "f") (param i64) (result i64) (local i64)
              (loop
                (local.set 1 (i64.add (local.get 1) (i64.const 5)))
                (if (i64.gt_u (local.get 1) (i64.const 60))
                  (then (return_call 1 (local.get 0) (local.get 1) (i64.const 3) (i64.const 4)
                                       (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8))))
                (br 0))
              unreachable)
            (func (export "g") (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
              (loop
                (local.set 7 (i64.add (local.get 7) (local.get 6)))
                (br_if 0 (i64.lt_u (local.get 7) (i64.const 200))))
              (loop (result i64)
                (local.set 6 (i64.add (local.get 6) (i64.const 1)))
                (if (i64.gt_u (local.get 6) (i64.const 25))
                  (then
                    (if (i64.eqz (local.get 0))
                      (then (return (i64.add (local.get 7) (local.get 6)))))
                    (return_call 0 (i64.sub (local.get 0) (i64.const 1)))))
                (br 0))))"#,
        &[4],
    );
}

#[test]
fn references_and_globals() {
    check(
        r#"(module (global $g (mut i64) (i64.const 0)) (global $r (mut externref) (ref.null extern))
            (func (export "f") (param i64 externref) (result i64 externref funcref)
              (local externref funcref)
              (local.get 1)
              (ref.func 0)
              (loop
                (local.set 3 (select (result funcref) (ref.func 0) (local.get 3)
                                     (ref.is_null (local.get 2))))
                (local.set 2 (local.get 1))
                (global.set $r (local.get 2))
                (global.set $g (i64.add (global.get $g) (local.get 0)))
                (br_if 0 (i64.ne (i64.const 0)
                                 (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
              (drop)
              (local.set 1)
              (i64.add (global.get $g) (i64.extend_i32_u (ref.is_null (local.get 3))))
              (local.get 1)
              (ref.null func)))"#,
        &[10, 0],
    );
}

#[test]
fn traps_in_bodies_have_the_backtraces_of_the_baseline() {
    let wat = |trap: &str| {
        format!(
            r#"(module
                (func (export "f") (param i64) (result i64) (local i64)
                  (loop
                    (local.set 1 (i64.add (local.get 1) (call 1 (local.get 0) (local.get 1))))
                    (br_if 0 (i64.lt_u (local.get 1) (i64.const 1000))))
                  (local.get 1))
                (func (export "g") (param i64 i64) (result i64) (local i64)
                  (loop
                    (local.set 2 (i64.add (local.get 2) (i64.const 7)))
                    (if (i64.gt_u (local.get 1) (i64.const 300)) (then {trap}))
                    (br_if 0 (i64.lt_u (local.get 2) (i64.const 50))))
                  (i64.add (local.get 2) (local.get 0))))"#
        )
    };
    check(&wat("unreachable"), &[3]);
    check(&wat("(local.set 2 (i64.div_u (local.get 0) (i64.const 0)))"), &[3]);
    check(&wat("(local.set 2 (i64.trunc_f64_s (f64.const 1e30)))"), &[3]);
}

#[test]
fn a_loop_that_is_left_goes_on_behind_it() {
    check(
        r#"(module (func (export "f") (param i64) (result i64) (local i64 i64)
            (loop
              (local.set 1 (i64.add (local.get 1) (i64.const 3)))
              (br_if 0 (i64.lt_u (local.get 1) (local.get 0))))
            (if (i64.gt_u (local.get 1) (i64.const 20))
              (then
                (block
                  (loop
                    (local.set 2 (i64.add (local.get 2) (local.get 1)))
                    (loop
                      (br_if 2 (i64.gt_u (local.get 2) (i64.const 1000)))
                      (local.set 2 (i64.add (local.get 2) (i64.const 11)))
                      (br_if 0 (i32.wrap_i64 (i64.rem_u (local.get 2) (i64.const 7)))))
                    (br 0)))))
            (loop (result i64)
              (local.set 2 (i64.sub (local.get 2) (i64.const 9)))
              (br_if 0 (i64.gt_s (local.get 2) (i64.const 0)))
              (i64.add (local.get 2) (local.get 1)))))"#,
        &[40],
    );
}

#[test]
fn threads_in_the_same_loop_agree() {
    let wat = r#"(module (func (export "f") (param i64) (result i64) (local i64 i64 i64)
        (loop
          (local.set 2 (i64.const 0))
          (loop
            (local.set 3 (i64.add (i64.mul (local.get 3) (i64.const 31)) (local.get 2)))
            (br_if 0 (i64.lt_u (local.tee 2 (i64.add (local.get 2) (i64.const 1)))
                               (local.get 0))))
          (br_if 0 (i64.lt_u (local.tee 1 (i64.add (local.get 1) (i64.const 1))) (local.get 0))))
        (local.get 3)))"#;
    let args = [[60, 0]];
    let never = Run { args: &args, fuel: 0, period: i32::MAX };
    let config = CodegenConfig::default();
    let expected = run(&baseline_code(wat, config.clone()), never).0.results;
    let code = baseline_code(wat, config);
    std::thread::scope(|scope| {
        for i in 0..4 {
            let (code, expected) = (&code, &expected);
            scope.spawn(move || {
                for period in 0..60 {
                    let how = Run { period: period * (i + 1) * ENTRY_MODULUS, ..never };
                    assert_eq!(&run(code, how).0.results, expected);
                }
            });
        }
        loops(&code).into_iter().for_each(|one| publish(&code, one, Effort::Full));
    });
}

/// `UPSHIFT_OSR_SEEDS=first+count` runs others.
#[test]
fn random_programs() {
    let seeds = std::env::var("UPSHIFT_OSR_SEEDS").unwrap_or_default();
    let (first, count) = seeds.split_once('+').unwrap_or(("1", "40"));
    let (first, count) = (first.parse::<u64>().unwrap(), count.parse::<u64>().unwrap());
    let mut transfers = 0;
    for seed in first..first + count {
        let effort = if seed % 3 == 0 { Effort::Quick } else { Effort::Full };
        transfers += compare(&Generator::module(seed), &[], &[effort], &[0, 5]);
    }
    assert!(transfers as u64 > count, "{transfers} transfers");
}
