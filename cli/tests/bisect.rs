//! `upshift bisect`, and the digests of runs that it compares.

mod common;

use common::{Scratch, stderr, stdout, upshift};

/// A loop that sums up squares, in a function that calls another.
const SUM: &str = r#"(module
    (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
    (func $sum (export "sum") (param i32) (result i32) (local i32)
        (loop (local.set 1 (i32.add (local.get 1) (call $square (local.get 0))))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1)))"#;

/// A WASI program that exits with its number of arguments, and has noise in its memory.
const NOISE: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $noise (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $noise (i32.const 64) (i32.const 16)))
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (call $exit (i32.load (i32.const 0)))))"#;

/// Recursion, with values that each call keeps, and another function.
const DEEP: &str = r#"(module
    (func $other (result i32) (i32.const 1))
    (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 0))
            (else (i32.add (call $other)
                (i32.add (local.get 0) (call $deep (i32.sub (local.get 0) (i32.const 1)))))))))"#;

#[test]
fn nothing_differs_in_a_program_that_is_right() {
    let scratch = Scratch::new("bisect");
    let sum = scratch.file("sum.wat", SUM);
    let noise = scratch.file("noise.wat", NOISE);
    for args in [
        vec!["bisect", "--invoke", "sum", &sum, "100"],
        vec!["bisect", &noise, "-x", "y"],
        vec!["bisect", "--zeal", "gc", "--features=-threads", "--", &noise, "-x", "y"],
    ] {
        let output = upshift(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), "nothing differs\n");
        for run in ["optimizer --tier-only", "tier --tier-only", "--tier-at 50 --tier-only"] {
            assert!(stderr(&output).contains(run), "{}", stderr(&output));
        }
    }
    // The runs that are compared are those of the program itself, not refusals of an option.
    let output = upshift(&["bisect", &noise, "-x", "y"]);
    assert!(stderr(&output).contains("exit status: 3, exit 3,"), "{}", stderr(&output));
    let ignored = "memory 0 is not the same twice in the baseline";
    assert!(stderr(&output).contains(ignored), "{}", stderr(&output));
}

#[test]
fn a_program_that_does_not_begin_is_an_error() {
    let scratch = Scratch::new("bisect-error");
    let unknown = r#"(module (import "js" "f" (func)) (func (export "_start")))"#;
    let unknown = scratch.file("unknown.wat", unknown);
    let simd = r#"(module (func (export "_start") (drop (v128.const i64x2 0 0))))"#;
    let simd = scratch.file("simd.wat", simd);
    let sum = scratch.file("sum.wat", SUM);
    let cases: [(&[&str], &str); 6] = [
        (&[&unknown], "unknown import: `js::f`"),
        (&["--features=-simd", &simd], "SIMD support is not enabled"),
        (&["--invoke", "sum", &sum], "0 arguments were given"),
        (&["--invoke", "product", &sum], "no function `product`"),
        (&["--no-such-option", &sum], "unknown option `--no-such-option`"),
        (&["missing.wasm"], "missing.wasm"),
    ];
    for (args, message) in cases {
        let output = upshift(&[&["bisect"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{args:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{args:?}: {}", stdout(&output));
    }
    let stubbed = upshift(&["bisect", "--stub-unknown-imports", &unknown]);
    assert_eq!(stdout(&stubbed), "nothing differs\n", "{}", stderr(&stubbed));
    // What the search itself chooses.
    for option in ["--tier=optimizer", "--tier-only=1", "--stats=-", "--tier-log", "--tier-at=3"] {
        let output = upshift(&["bisect", option, "--invoke", "sum", &sum, "3"]);
        assert_eq!(output.status.code(), Some(2), "{option}: {}", stderr(&output));
        assert!(stderr(&output).contains("is not for bisect"), "{}", stderr(&output));
    }
}

/// How deep recursion goes is up to the tier, so it is a difference that is found.
#[test]
fn a_difference_is_found() {
    let scratch = Scratch::new("bisect-deep");
    let deep = scratch.file("deep.wat", DEEP);
    let options = ["--max-stack", "64KiB", "--invoke", "deep", &deep];
    let ends = |tier: &str, depth: u32| {
        let output =
            upshift(&[&["run", "--tier", tier], &options[..], &[&depth.to_string()]].concat());
        output.status.code() == Some(0)
    };
    let most = |tier| {
        (0..16).rev().fold(0, |low, bit| {
            let depth = low | 1 << bit;
            if ends(tier, depth) { depth } else { low }
        })
    };
    let depths = [most("baseline"), most("optimizer")];
    assert_ne!(depths[0], depths[1]);
    let depth = depths.iter().sum::<u32>() / 2;
    let output = upshift(&[&["bisect"], &options[..], &[&depth.to_string()]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let expected = "function 1 (deep) differs when it is optimized from the start\n";
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
    assert!(stderr(&output).contains("the exit status differs"), "{}", stderr(&output));
}

#[test]
fn digests_tell_programs_apart_that_print_the_same() {
    let scratch = Scratch::new("digest");
    let digest = |body: &str| {
        let text = format!(
            r#"(module (memory 1) (global $g (mut f64) (f64.const 0)) (global externref (ref.null extern))
                (tag $e (param i32)) (func (export "_start") {body}))"#
        );
        let file = scratch.file("program.wat", &text);
        let path = scratch.0.join("digest").display().to_string();
        upshift(&["run", "--digest", &path, &file]);
        std::fs::read_to_string(path).expect("it was written")
    };
    let bodies = [
        "",
        "(i32.store8 (i32.const 65535) (i32.const 1))",
        "(global.set $g (f64.const -0))",
        "(unreachable)",
        "(drop (i32.load (i32.const -1)))",
        "(i32.store8 (i32.const 65535) (i32.const 1)) (unreachable)",
        "(throw $e (i32.const 1))",
        "(throw $e (i32.const 2))",
        "(drop (memory.grow (i32.const 1)))",
    ];
    let digests = bodies.map(digest);
    for (i, one) in digests.iter().enumerate() {
        assert_eq!(*one, digest(bodies[i]));
        assert!(digests[i + 1..].iter().all(|other| other != one), "{}: {one}", bodies[i]);
    }
    // How deep the stack is when it is full is no difference.
    let endless = |locals| {
        let text = format!("(module (memory 1) (func $f (export \"_start\") {locals} (call $f)))");
        let file = scratch.file("endless.wat", &text);
        let path = scratch.0.join("endless").display().to_string();
        upshift(&["run", "--digest", &path, &file]);
        std::fs::read_to_string(path).expect("it was written")
    };
    let count = "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))";
    assert_eq!(endless(""), endless(count));
    assert!(endless("").contains("call stack exhausted"), "{}", endless(""));
}
