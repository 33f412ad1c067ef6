//! What long runs take of memory.

mod common;

use common::{Scratch, stderr, stdout, upshift};

/// Exceptions with references, which are left at once, beside 16 MiB of objects that could hold them.
const THROWS: &str = r#"(module
    (type $node (struct (field $exn (mut exnref)) (field $next (ref null $node))))
    (tag $tag (param i32))
    (global $nodes (mut (ref null $node)) (ref.null $node))
    (func $build (param $count i32)
        (loop $l
            (global.set $nodes (struct.new $node (ref.null exn) (global.get $nodes)))
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (func (export "throw") (param $count i32)
        (call $build (i32.const 0x100000))
        (loop $l
            (block $h (result i32 exnref)
                (try_table (catch_ref $tag $h) (throw $tag (local.get $count)))
                unreachable)
            drop
            drop
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))"#;

#[test]
fn ten_million_exceptions_leave_no_more_than_the_objects_beside_them_allow() {
    let scratch = Scratch::new("throws");
    let file = scratch.file("throws.wat", THROWS);
    let stats = scratch.0.join("stats.json").display().to_string();
    let output = upshift(&["run", "--stats", &stats, "--invoke", "throw", &file, "10000000"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let stats = std::fs::read_to_string(&stats).expect("statistics were asked for");
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("they are JSON");
    // All exceptions together would take 640 MB.
    let peak = stats["peak_rss_bytes"].as_u64().expect("a number");
    assert!(peak < 160 << 20, "{peak} bytes");
}
