//! Our own test scripts, in every mode: `tests/wast/<subject>/*.wast`.

use std::path::Path;
use upshift_tests::expected::Expectations;
use upshift_tests::modes;
use upshift_tests::suite::{self, Script};

#[test]
fn own_scripts_pass_in_every_mode() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("wast");
    let files = upshift_tests::files_below(&root, "wast");
    assert!(!files.is_empty(), "there are scripts");
    let scripts: Vec<Script> = files.iter().map(|file| Script::read(&root, file)).collect();
    for mode in modes::all() {
        suite::run("own scripts", &mode, &scripts, &Expectations::default());
    }
}
