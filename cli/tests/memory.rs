//! What long runs take of memory.

mod common;

use common::{Scratch, stderr, stdout, upshift};

#[test]
fn ten_million_exceptions_leave_no_more_than_the_objects_beside_them_allow() {
    let scratch = Scratch::new("throws");
    let text = include_str!("../../tests/programs/exceptions_beside_objects.wat");
    let file = scratch.file("throws.wat", text);
    let stats = scratch.0.join("stats.json").display().to_string();
    let invoke = ["--invoke", "build_and_throw", &file, "10000000"];
    let output = upshift(&[&["run", "--stats", &stats], &invoke[..]].concat());
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let stats = std::fs::read_to_string(&stats).expect("statistics were asked for");
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("they are JSON");
    // All exceptions together would take 640 MB.
    let peak = stats["peak_rss_bytes"].as_u64().expect("a number");
    assert!(peak < 160 << 20, "{peak} bytes");
}
