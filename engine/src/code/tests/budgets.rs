//! Budgets charge functions on average for what they did.

use super::harness::{TestStore, baseline_code};
use upshift_abi::config::CodegenConfig;
use upshift_abi::hotness::FRAME_BUDGET;

/// A function without loops, one with a loop, and a nest of loops with a call in the inner one and
/// more locals than there are registers.
const PROGRAM: &str = r#"(module
    (func $leaf (export "leaf") (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
    (func (export "turns") (param i64) (result i64)
        (loop $l
            (br_if $l (i32.wrap_i64 (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
        (local.get 0))
    (func (export "nest") (param i64) (result i64) (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i32)
        (loop $outer
            (local.set 1 (i64.const 7))
            (loop $inner
                (local.set 2 (call $leaf (local.get 2)))
                (br_if $inner
                    (i32.wrap_i64 (local.tee 1 (i64.sub (local.get 1) (i64.const 1))))))
            (loop $busy
                (local.set 3 (i64.add (local.get 4) (local.get 5)))
                (local.set 6 (i64.add (local.get 7) (local.get 8)))
                (local.set 9 (i64.add (local.get 10) (local.get 9)))
                (local.set 4 (i64.add (local.get 5) (i64.const 1)))
                (local.set 5 (i64.add (local.get 6) (i64.const 1)))
                (local.set 7 (i64.add (local.get 8) (i64.const 1)))
                (local.set 8 (i64.add (local.get 9) (i64.const 1)))
                (br_if $busy (i32.and (local.tee 11 (i32.add (local.get 11) (i32.const 1)))
                    (i32.const 3))))
            (br_if $outer (i32.wrap_i64 (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
        (local.get 2)))"#;

/// What an entry of the function without loops takes, which has few bytes.
const LEAF_COST: i64 = 64;

/// What counters start from.
const START: i32 = 1 << 30;

/// What `calls` calls of a function with an argument charge it and the first one, in `stores` stores
/// each of which makes its part of the calls.
fn charged(func: u32, argument: u64, calls: u32, stores: u32) -> [i64; 2] {
    let config = CodegenConfig { work_budget: true, ..CodegenConfig::default() };
    let code = baseline_code(PROGRAM, config);
    // All stores of a thread count in the same place.
    let counted = TestStore::new(&code);
    for func in [0, func] {
        counted.set_counter(func, START);
    }
    for _ in 0..stores {
        let mut store = TestStore::new(&code);
        for _ in 0..calls / stores {
            store.run(func, &[argument]).unwrap();
        }
    }
    [func, 0].map(|func| i64::from(START) - i64::from(counted.counter(func)))
}

/// Checks that so much was charged, give or take a twentieth.
fn check(what: &str, charged: i64, expected: i64) {
    assert!(expected > i64::from(FRAME_BUDGET) * 60, "{what}: {expected} is too little to tell");
    let off = (charged - expected).abs();
    assert!(off * 20 <= expected, "{what}: {charged} instead of {expected}");
}

#[test]
fn entries_of_functions_without_loops_are_charged() {
    for stores in [1, 4_000] {
        let [charged, _] = charged(0, 1, 400_000, stores);
        check("entries", charged, 400_000 * LEAF_COST);
    }
}

#[test]
fn turns_are_charged_however_short_the_calls_are() {
    for func in [1, 2] {
        let turns = 100_000;
        // An entry is charged at once, turns by budgets.
        let entry = charged(func, 1, 1, 1)[0] % i64::from(FRAME_BUDGET);
        assert_eq!(entry % 16, 1, "an entry can be told from turns");
        let [long, entries] = charged(func, turns, 1, 1);
        if func == 2 {
            check("calls in loops", entries, 700_000 * LEAF_COST);
        }
        // Budgets at entries come up evenly when entries took a multiple of the largest one.
        let many = if func == 1 { 30 } else { 3 };
        for (argument, stores, times) in [(1, 1, 3), (3, 1, 3), (3, 1_000, 3), (1_000, 1, many)] {
            let calls = u32::try_from(turns / argument * times).unwrap();
            let [charged, _] = charged(func, argument, calls, stores);
            check("turns", charged, times.cast_signed() * long + i64::from(calls) * entry);
        }
    }
}
