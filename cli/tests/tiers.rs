//! Options that say what is optimized, when and by whom.

mod common;

use common::{Scratch, stderr, stdout, upshift};
use serde_json::Value;

/// Functions with names as C++ has them, two of them with loops.
const NAMED: &str = r#"(module
    (func $"f(int, int)" (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func $"g<int, char>" (param i32) (result i32) (local i32)
        (loop
            (local.set 1 (call $"f(int, int)" (local.get 1) (local.get 0)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))
    (func (export "main") (result i32) (local i32)
        (loop
            (br_if 0 (i32.lt_u
                (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100))))
        (call $"g<int, char>" (local.get 0))))"#;

/// What was published of a run with these options: functions, and with loops their offsets.
fn published(scratch: &Scratch, options: &[&str]) -> (Vec<(u64, Option<String>)>, String) {
    let file = scratch.file("named.wat", NAMED);
    let log = scratch.0.join("log").display().to_string();
    let log_option = format!("--tier-log={log}");
    let run = ["run", "--no-inlining", &log_option, "--invoke", "main", &file];
    let output = upshift(&[&run[..1], options, &run[1..]].concat());
    assert_eq!(stdout(&output), "5050\n", "{}", stderr(&output));
    let text = std::fs::read_to_string(log).expect("it was written");
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let optimized = |event: &Value| {
        event["event"] == "published"
            || event["event"] == "lazy-compiled" && event["tier"] == "optimized"
    };
    let events = events.filter(optimized).map(|event| {
        let offset = event["loop"].as_str().map(str::to_owned);
        (event["func"].as_u64().expect("a number"), offset)
    });
    (events.collect(), stderr(&output))
}

#[test]
fn functions_are_optimized_by_name() {
    let scratch = Scratch::new("tier-only");
    for (list, expected) in [("f(int, int)", 0), ("g<int, char>", 1), ("main", 2), ("2", 2)] {
        let (found, warnings) = published(&scratch, &["--tier=optimizer", "--tier-only", list]);
        assert_eq!(found, [(expected, None)], "{list}");
        assert_eq!(warnings, "");
    }
    let (found, warnings) =
        published(&scratch, &["--tier=optimizer", "--tier-only", "f(int, int),h,main,7"]);
    assert_eq!(found, [(2, None), (0, None)]);
    assert!(warnings.contains("`h`") && warnings.contains("`7`"), "{warnings}");
    assert_eq!(warnings.lines().count(), 2, "{warnings}");
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    let scratch = Scratch::new("tier-lists");
    let file = scratch.file("named.wat", NAMED);
    for list in ["12-3", "f(a", "99999999999", "3@4"] {
        let output = upshift(&["run", "--tier-only", list, "--invoke", "main", &file]);
        assert_eq!(output.status.code(), Some(2), "{list}: {}", stderr(&output));
    }
    let refused: [&[&str]; 6] = [
        &["--compile-threads", "0"],
        &["--compile-cpu-share", "0"],
        &["--compile-cpu-share", "101"],
        &["--compile-queue", "0"],
        &["--max-optimized-code", "much"],
        &["--tier-at", "0"],
    ];
    for options in refused {
        let output = upshift(&[&["run"], options, &["--invoke", "main", &file]].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}: {}", stderr(&output));
    }
}

#[test]
fn loops_alone_are_optimized() {
    let scratch = Scratch::new("tier-loops");
    for mode in [&["--zeal", "tier"][..], &["--tier-at", "1"]] {
        let all = [mode, &["--tier-only", "1@0x0-0xffff,main@0x0-0xffff"]].concat();
        let (found, warnings) = published(&scratch, &all);
        assert_eq!(warnings, "");
        let [(2, Some(of_main)), (1, Some(of_g))] = &found[..] else { panic!("{found:?}") };
        for (func, offset) in [(2, of_main), (1, of_g)] {
            let list = format!("{func}@{offset}");
            let one = [mode, &["--tier-only", &list]].concat();
            assert_eq!(published(&scratch, &one).0, [(func, Some(offset.clone()))]);
        }
        let list = format!("0@{of_g}");
        let wrong = [mode, &["--tier-only", &list]].concat();
        let (found, warnings) = published(&scratch, &wrong);
        assert!(found.is_empty() && warnings.contains(&list), "{warnings}");
    }
}

#[test]
fn functions_are_optimized_at_an_entry() {
    let scratch = Scratch::new("tier-at");
    let count = |entries| published(&scratch, &["--tier-at", entries]).0.len();
    assert!(count("2") > count("1000000"), "{} {}", count("2"), count("1000000"));
    assert_eq!(count("1000000"), 0);
    let functions = published(&scratch, &["--tier-at", "99"]).0;
    assert!(functions.contains(&(0, None)), "{functions:?}");
}

#[test]
fn compilers_have_limits() {
    let scratch = Scratch::new("tier-limits");
    let limits = ["--compile-threads=1", "--compile-cpu-share=50", "--compile-queue=3"];
    let eager = ["--policy", "optimize-eagerly", "--max-optimized-code", "0"];
    let (found, _) = published(&scratch, &[&limits[..], &eager].concat());
    assert!(found.is_empty(), "{found:?}");
    let (found, _) = published(&scratch, &["--tier-at", "2", "--max-optimized-code", "1MiB"]);
    assert!(!found.is_empty());
}
