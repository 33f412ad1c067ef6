//! What baseline code takes from hotness counters: as many bytes as run each time, by a guess that
//! skips what a loop skips at most turns.

use upshift_abi::config::CodegenConfig;
use upshift_tests::single::{baseline_first, hotness_costs};

/// The costs in the code of a function with such a body: of its entry, then of its loops in order.
fn costs(body: &str, config: &CodegenConfig) -> Vec<i32> {
    let text = format!("(module (func (param i32 i32) {body}))");
    hotness_costs(&baseline_first(&wat::parse_str(text).expect("well-formed"), config))
}

/// What one loop with such a body costs.
fn turn(body: &str) -> i32 {
    costs(&format!("(block $out (loop $l {body}))"), &CodegenConfig::default())[1]
}

/// Some thousand operators one behind the other.
fn work() -> String {
    "(local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const 77)) (i32.const 5)))".repeat(200)
}

/// Whether two costs are the same, but for a few bytes.
fn is_about(cost: i32, expected: i32) -> bool {
    (cost - expected).abs() <= expected / 8 + 48
}

#[test]
fn code_that_is_skipped_costs_less() {
    let work = work();
    let all = turn(&work);
    assert!(all > 1000, "{all}");
    let half = turn(&format!("(if (local.get 1) (then {work}))"));
    assert!(is_about(half, all / 2), "{half} of {all}");
    let skipped = format!("(block (br_if 0 (local.get 1)) {work})");
    assert!(is_about(turn(&skipped), all / 2), "{} of {all}", turn(&skipped));
    let eighth = format!(
        "(block (br_if 0 (local.get 1)) (br_if 0 (local.get 0)) (br_if 0 (local.get 1)) {work})"
    );
    assert!(is_about(turn(&eighth), all / 8), "{} of {all}", turn(&eighth));
    let either = turn(&format!("(if (local.get 1) (then {work}) (else {work}))"));
    assert!(is_about(either, all), "{either} of {all}");
    let both = format!("{skipped} {work}");
    assert!(is_about(turn(&both), all + all / 2), "{} of {all}", turn(&both));
}

#[test]
fn cases_are_equally_likely() {
    let work = work();
    let case = format!("{work} (br $end))");
    let cases = turn(&format!(
        "(block $end (block (block (block (block
            (br_table 0 1 2 3 (local.get 1))) {case} {case} {case} {work})"
    ));
    assert!(is_about(cases, turn(&work)), "{cases}");
}

#[test]
fn a_loop_is_seldom_left() {
    let work = work();
    let all = turn(&work);
    let left = turn(&format!("(br_if $out (local.get 1)) {work} (br_if $l (local.get 0))"));
    assert!(is_about(left, all), "{left} of {all}");
    // What comes behind a loop runs when the loop did.
    let inner = format!("(block $in (loop (br_if $in (local.get 1)) {work} (br 0)))");
    let body = format!("(loop {inner} {work} (br_if 0 (local.get 1)))");
    let of_loops = costs(&body, &CodegenConfig::default());
    assert_eq!(of_loops.len(), 3, "{of_loops:?}");
    assert!(is_about(of_loops[1], all) && is_about(of_loops[2], all), "{of_loops:?} of {all}");
}

#[test]
fn entries_cost_what_runs_outside_of_loops() {
    let config = CodegenConfig { work_budget: true, ..CodegenConfig::default() };
    let work = work();
    let entry = |body: &str| costs(body, &config)[0];
    let (nothing, plain) = (entry(""), entry(&work));
    assert!(nothing >= 64 && nothing % 16 == 0, "{nothing}");
    assert!(plain > 1000, "{plain}");
    let twice = entry(&format!("{work} {work}"));
    assert!(is_about(twice, 2 * plain - nothing), "{twice}, {plain}");
    let looping = entry(&format!("{work} (loop {work} (br_if 0 (local.get 1)))"));
    assert!(looping % 16 == 1, "{looping}: a function with loops tells its entries");
    assert!(is_about(looping, plain), "{looping}, {plain} without the loop");
    // Without budgets tests count entries.
    let exact = CodegenConfig::default();
    assert_eq!(costs(&work, &exact)[0], costs("", &exact)[0]);
}

#[test]
fn a_turn_that_begins_anew_skips_the_rest() {
    let all = turn(&work());
    let anew = turn(&format!("(br_if $l (local.get 1)) {}", work()));
    assert!(is_about(anew, all / 2), "{anew} of {all}");
}

#[test]
fn rare_places_are_guessed_as_well() {
    // Behind many branches, what a loop does in a turn is the same.
    let half = format!("(if (local.get 1) (then {}))", work());
    let rare = |branches: usize| {
        let branches = "(br_if $x (local.get 1))".repeat(branches);
        let body = format!("(block $x {branches} (loop $l {half} (br_if $l (local.get 1))))");
        costs(&body, &CodegenConfig::default())[1]
    };
    assert!(is_about(rare(0), turn(&half)), "{} of {}", rare(0), turn(&half));
    assert!(is_about(rare(60), rare(0)), "{} of {}", rare(60), rare(0));
    let many = rare(5000);
    assert!(many >= rare(0) - 48 && many <= 2 * rare(0) + 48, "{many} of {}", rare(0));
    // What comes behind a rare place is reached by the branches.
    let chain = "(br_if $x (local.get 1))".repeat(5000);
    let behind = turn(&format!("(block $x {chain} {}) {}", work(), work()));
    assert!(behind >= turn(&work()), "{behind}");
}

#[test]
fn what_does_not_run_costs_nothing() {
    let cases = |count: usize| {
        let targets = "0 ".repeat(count);
        turn(&format!("(block (br_table {targets} 0 (local.get 1)))"))
    };
    assert!(cases(500) <= cases(1) + 32, "{} and {}", cases(500), cases(1));
    let call = "(call 0 (local.get 0) (local.get 1))";
    let calls = |count| call.repeat(count);
    // Ways to handlers lie between the code of blocks.
    let caught = format!("(block (try_table (catch_all 0) {call}))").repeat(50);
    let plain = turn(&calls(50));
    assert!(is_about(turn(&caught), plain), "{} of {plain}", turn(&caught));
    assert_eq!(turn(&work().repeat(50)), 16_000);
}
