//! The command as its users see it: output, exit codes, files of statistics.

mod common;

use common::{Scratch, stderr, stdout, upshift};
use std::process::{Command, Stdio};

/// A WASI program that exits with its number of arguments, the program's name included.
const EXIT_WITH_ARGC: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (call $exit (i32.load (i32.const 0)))))"#;

/// A WASI program that writes its first environment variable to stdout.
const PRINT_ENVIRONMENT: &str = r#"(module
    (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $get (i32.const 0) (i32.const 100)))
        (i32.store (i32.const 16) (i32.load (i32.const 0)))
        (i32.store (i32.const 20) (i32.const 9))
        (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))"#;

/// Functions to call by name.
const FUNCTIONS: &str = r#"(module
    (import "bench" "start" (func $start)) (import "bench" "end" (func $end))
    (memory 1)
    (func (export "div") (param i32 i32) (result i32)
        (i32.div_s (local.get 0) (local.get 1)))
    (func (export "both") (param i64 f64) (result f64 i64) (local.get 1) (local.get 0))
    (func (export "loop") (loop (br 0)))
    (func (export "measured") (call $start) (call $end))
    (func (export "grow") (result i32) (memory.grow (i32.const 100))))"#;

/// A program with a thread, and the status 41 when that has run. With an argument both run for ever.
const TWO_THREADS: &str = r#"(module
    (import "env" "memory" (memory 1 4 shared))
    (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
        (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (export "memory" (memory 0))
    (func $work (param $n i32)
        (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "wasi_thread_start") (param $id i32) (param $more i32)
        (call $work (i32.const 10000000))
        (if (local.get $more) (then (loop $l (br $l))))
        (i32.atomic.store (i32.const 0) (local.get $id))
        (drop (memory.atomic.notify (i32.const 0) (i32.const -1))))
    (func (export "_start")
        (drop (call $sizes (i32.const 8) (i32.const 12)))
        (drop (call $spawn (i32.sub (i32.load (i32.const 8)) (i32.const 1))))
        (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
        (call $exit (i32.add (i32.const 40) (i32.load (i32.const 0))))))"#;

/// A program that does nothing, and a function.
const TWO_EXPORTS: &str = r#"(module
    (func (export "_start"))
    (func (export "f") (result i32) (i32.const 1)))"#;

#[test]
fn programs_end_with_their_own_exit_code() {
    let scratch = Scratch::new("exit");
    let file = scratch.file("argc.wat", EXIT_WITH_ARGC);
    assert_eq!(upshift(&["run", &file]).status.code(), Some(1));
    assert_eq!(upshift(&[&file, "--flag", "two", "--", "x"]).status.code(), Some(5));
    assert!(stderr(&upshift(&[&file])).is_empty());
}

#[test]
fn the_environment_is_what_is_given() {
    let scratch = Scratch::new("env");
    let file = scratch.file("env.wat", PRINT_ENVIRONMENT);
    let output = upshift(&["run", "--env", "NAME=word", &file]);
    assert_eq!((stdout(&output), output.status.code()), ("NAME=word".into(), Some(0)));
}

#[test]
fn functions_are_called_by_name() {
    let scratch = Scratch::new("invoke");
    let file = scratch.file("f.wat", FUNCTIONS);
    assert_eq!(stdout(&upshift(&["run", "--invoke", "div", &file, "-9", "2"])), "-4\n");
    assert_eq!(stdout(&upshift(&["run", "--invoke", "both", &file, "-1", "2.5"])), "2.5\n-1\n");
    let wrong = upshift(&["run", "--invoke", "div", &file, "1"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("(i32 i32) -> (i32)"), "{}", stderr(&wrong));
    let unknown = upshift(&["run", "--invoke", "mul", &file]);
    assert!(stderr(&unknown).contains("no function `mul`"));
}

#[test]
fn traps_end_with_134_and_a_backtrace() {
    let scratch = Scratch::new("traps");
    let file = scratch.file("f.wat", FUNCTIONS);
    let divide = upshift(&["run", "--invoke", "div", &file, "1", "0"]);
    assert_eq!(divide.status.code(), Some(134));
    let text = stderr(&divide);
    assert!(text.contains("integer divide by zero") && text.contains("wasm backtrace"), "{text}");
    for limit in [["--timeout", "200ms"], ["--fuel", "10000"]] {
        let endless = upshift(&["run", limit[0], limit[1], "--invoke", "loop", &file]);
        assert_eq!(endless.status.code(), Some(134), "{}", stderr(&endless));
    }
}

#[test]
fn uncaught_exceptions_are_told_with_what_they_carry() {
    let scratch = Scratch::new("uncaught");
    let text = r#"(module
        (tag $plain) (tag $numbers (export "e") (param i32 f64 externref i64))
        (tag $v (param v128 f32)) (tag $reference (param externref))
        (func (export "plain") (throw $plain))
        (func (export "numbers")
            (throw $numbers (i32.const -5) (f64.const 2.5) (ref.null extern) (i64.const 7)))
        (func (export "vector") (throw $v (v128.const i64x2 1 2) (f32.const -0.5)))
        (func (export "reference") (throw $reference (ref.null extern))))"#;
    let file = scratch.file("throws.wat", text);
    let expected = [
        ("plain", "uncaught exception with the tag `plain` of ()\n"),
        ("numbers", "the tag `e` of (i32 f64 externref i64): -5, 2.5, _, 7\n"),
        ("vector", "`v` of (v128 f32): 0x00000000000000020000000000000001, -0.5\n"),
        ("reference", "`reference` of (externref)\n"),
    ];
    for (name, message) in expected {
        let output = upshift(&["run", "--invoke", name, &file]);
        assert_eq!(output.status.code(), Some(1));
        let text = stderr(&output) + "\n";
        assert!(text.contains(message), "{text}");
    }
    // Nobody gave this tag a name.
    let nameless = scratch.file(
        "nameless.wat",
        r#"(module (tag (param i32)) (func (export "_start") (throw 0 (i32.const 1))))"#,
    );
    let output = upshift(&["run", &nameless]);
    assert!(stderr(&output).contains("with a tag of (i32): 1"), "{}", stderr(&output));
}

#[test]
fn memory_is_limited() {
    let scratch = Scratch::new("memory");
    let file = scratch.file("f.wat", FUNCTIONS);
    assert_eq!(stdout(&upshift(&["run", "--invoke", "grow", &file])), "1\n");
    let limited = upshift(&["run", "--max-memory", "1MiB", "--invoke", "grow", &file]);
    assert_eq!(stdout(&limited), "-1\n");

    // Threads share one, which nobody's store has made.
    let threads = r#"(import "wasi" "thread-spawn" (func (param i32) (result i32)))"#;
    let file = scratch.file(
        "shared.wat",
        &format!(
            r#"(module (import "env" "memory" (memory 8 1000 shared)) {threads}
                (func (export "grow") (result i32) (memory.grow (i32.const 100))))"#
        ),
    );
    assert_eq!(stdout(&upshift(&["run", "--invoke", "grow", &file])), "8\n");
    let limited = upshift(&["run", "--max-memory", "1MiB", "--invoke", "grow", &file]);
    assert_eq!(stdout(&limited), "-1\n");
    let refused = upshift(&["run", "--max-memory", "256KiB", "--invoke", "grow", &file]);
    assert!(stderr(&refused).contains("exceeds memory limits"), "{}", stderr(&refused));
}

#[test]
fn programs_start_threads() {
    let scratch = Scratch::new("threads");
    let file = scratch.file("threads.wat", TWO_THREADS);
    for options in [&["run"][..], &["run", "--stub-unknown-imports"], &["profile"]] {
        let output = upshift(&[options, &[&file]].concat());
        assert_eq!(output.status.code(), Some(41), "{options:?}: {}", stderr(&output));
    }
    // A time is that of the whole program, fuel is of each thread.
    for limit in [["--timeout", "100ms"], ["--fuel", "100000"]] {
        let output = upshift(&[&["run"], &limit[..], &[&file, "for-ever"]].concat());
        assert_eq!(output.status.code(), Some(134), "{}", stderr(&output));
    }
}

#[test]
fn the_stack_is_limited() {
    let scratch = Scratch::new("stack");
    let file = scratch.file(
        "deep.wat",
        r#"(module (func $deep (export "deep") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0)))))"#,
    );
    for tier in ["baseline", "optimizer"] {
        let deep = |options: &[&str], depth| {
            let common = ["run", "--tier", tier, "--invoke", "deep"];
            upshift(&[&common, options, &[&file, depth]].concat())
        };
        assert_eq!(stdout(&deep(&[], "20000")), "20000\n");
        for (size, depth) in [("64KiB", "20000"), ("1GiB", "1000000000")] {
            let ended = deep(&["--max-stack", size], depth);
            assert_eq!(ended.status.code(), Some(134), "{size}: {}", stderr(&ended));
            assert!(stderr(&ended).contains("call stack exhausted"), "{}", stderr(&ended));
        }
        let refused = deep(&["--max-stack", "0"], "1");
        assert!(stderr(&refused).contains("must not be zero"), "{}", stderr(&refused));
    }
}

#[test]
fn statistics_have_the_documented_fields() {
    let scratch = Scratch::new("stats");
    let file = scratch.file("f.wat", FUNCTIONS);
    let stats = ["run", "--stats", "-", "--repeat", "3", "--invoke", "measured", &file];
    let value: serde_json::Value = serde_json::from_str(&stdout(&upshift(&stats))).expect("JSON");
    assert!(value["bench_wall_ms"].is_number() && value["bench_cpu_ms"].is_number(), "{value}");
    assert_eq!(value["invoke_wall_ms"].as_array().map(Vec::len), Some(3));
    assert_eq!(value["functions"], 5);
    assert_eq!(value["baseline_functions"], 1);

    let compile = upshift(&["compile", "--threads", "1", "--stats", "-", &file]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&compile)).expect("JSON");
    for field in [
        "cpu_ms_min",
        "cpu_ms_median",
        "wall_ms_median",
        "validate_cpu_ms_min",
        "code_bytes",
        "mb_per_s",
        "file_bytes",
        "code_section_bytes",
        "functions",
    ] {
        assert!(value[field].is_number(), "{field}: {value}");
    }
    let instantiate = upshift(&["instantiate", "--repeat", "10", "--stats", "-", &file]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&instantiate)).expect("JSON");
    assert!(value["instantiate_us_median"].is_number() && value["instantiate_us_min"].is_number());
}

#[test]
fn code_is_shown_beside_operators() {
    let scratch = Scratch::new("dump");
    let file = scratch.file("f.wat", FUNCTIONS);
    let by_name = stdout(&upshift(&["compile", "--dump", "div", &file]));
    assert!(by_name.contains("i32.div_s") && by_name.contains("idiv"), "{by_name}");
    assert_eq!(by_name, stdout(&upshift(&["compile", "--dump", "2", &file])));
    let missing = upshift(&["compile", "--dump", "nothing", &file]);
    assert!(stderr(&missing).contains("no function is called `nothing`"));
}

#[test]
fn scripts_report_failures_by_line() {
    let scratch = Scratch::new("wast");
    let text = "(module (func (export \"f\") (result i32) (i32.const 1)))\n\
        (assert_return (invoke \"f\") (i32.const 1))\n\
        (assert_return (invoke \"f\") (i32.const 2))\n";
    let file = scratch.file("a.wast", text);
    let directory = scratch.0.display().to_string();
    for extra in [&[][..], &["--isolate"], &["--zeal", "spill,interrupt:7"]] {
        let output = upshift(&[&["wast"], extra, &[directory.as_str()]].concat());
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("{file}:3: result 0: expected i32 2")), "{text}");
        assert!(text.ends_with("2 passed, 1 failed, 0 skipped\n"), "{text}");
    }
    let unknown = upshift(&["wast", "--zeal", "zest", &file]);
    assert!(stderr(&unknown).contains("unknown zeal mode"));
}

#[test]
fn custom_sections_that_make_no_sense_keep_no_module_from_being_used() {
    let scratch = Scratch::new("wast-custom");
    let text = r#"
        (assert_invalid_custom (module (@custom "name" "\ff") (func)) "not a name section")
        (assert_malformed_custom (module quote "(@custom 4)") "no name")
        (assert_malformed_custom (module quote "(@custom \"x\") (func)") "is not malformed")
        (assert_invalid_custom (module (func (drop))) "not because of a section")"#;
    let file = scratch.file("custom.wast", text);
    let output = stdout(&upshift(&["wast", "-v", &file]));
    assert!(output.contains("custom.wast:4: skipped: the parser of the text"), "{output}");
    assert!(output.contains("custom.wast:5: a custom section makes the module"), "{output}");
    assert!(output.ends_with("2 passed, 1 failed, 1 skipped\n"), "{output}");
}

#[test]
fn invalid_modules_are_explained() {
    let scratch = Scratch::new("invalid");
    let bad = scratch.file("bad.wat", "(module (func $oops (result i32) (i64.const 1)))");
    let good = scratch.file("good.wat", FUNCTIONS);
    let output = upshift(&["validate", &good, &bad]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("bad.wat") && text.contains("offset 0x") && text.contains("oops"));
    assert_eq!(upshift(&["validate", &good]).status.code(), Some(0));
    assert_eq!(upshift(&["run", "--tier", "optimizer", &good]).status.code(), Some(0));
    assert_eq!(upshift(&["run", "--tier", "interpreter", &good]).status.code(), Some(2));
    let unknown = upshift(&["run", "--no-such-option", &good]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("unknown option `--no-such-option`"));
    assert_eq!(upshift(&["validate", "--no-such-option", &good]).status.code(), Some(2));
}

#[test]
fn unknown_imports_are_refused_or_stubbed() {
    let scratch = Scratch::new("stub");
    let text = r#"(module (import "js" "f" (func $f)) (func (export "use") (call $f))
        (func (export "rest") (result i32) (i32.const 5)))"#;
    let file = scratch.file("js.wat", text);
    let refused = upshift(&["run", "--invoke", "rest", &file]);
    assert!(stderr(&refused).contains("unknown import: `js::f`"), "{}", stderr(&refused));
    let stubbed = upshift(&["run", "--stub-unknown-imports", "--invoke", "rest", &file]);
    assert_eq!(stdout(&stubbed), "5\n");
    let called = upshift(&["run", "--stub-unknown-imports", "--invoke", "use", &file]);
    assert!(stderr(&called).contains("js::f"), "{}", stderr(&called));
}

#[test]
fn scripts_that_do_not_exist_are_errors() {
    let scratch = Scratch::new("scripts");
    let module = scratch.file("module.wat", FUNCTIONS);
    let script =
        scratch.file("script.wast", "(module) (assert_invalid (module (func (drop))) \"\")");
    for missing in ["no/such/path", &module] {
        let output = upshift(&["wast", &script, missing]);
        assert_eq!(output.status.code(), Some(1), "{missing}");
        assert!(stderr(&output).contains(missing), "{}", stderr(&output));
    }
    let output = upshift(&["wast", &script]);
    assert_eq!(stdout(&output), "2 passed, 0 failed, 0 skipped\n");
}

#[test]
fn files_that_are_no_modules_are_named_as_such() {
    let output = upshift(&["run", env!("CARGO_BIN_EXE_upshift")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("neither a binary module"), "{}", stderr(&output));
    let directory = upshift(&["run", env!("CARGO_MANIFEST_DIR")]);
    assert!(stderr(&directory).contains("a directory"), "{}", stderr(&directory));
}

/// The exit code of the command when what it prints goes to pipes without a reader.
fn exit_code(args: &[&str]) -> Option<i32> {
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("pipes can be made");
        drop(reader);
        Stdio::from(writer)
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
    command.args(args).stdout(closed()).stderr(closed());
    command.status().expect("the command starts").code()
}

#[test]
fn output_that_nobody_reads_changes_no_exit_code() {
    let scratch = Scratch::new("closed");
    let file = scratch.file("program.wat", TWO_EXPORTS);
    let script = scratch.file("a.wast", "(module) (assert_invalid (module) \"x\")");
    let commands: [(&[&str], i32); 14] = [
        (&["run", &file], 0),
        (&["run", "--invoke", "f", &file], 0),
        (&["run", "--stats", "-", &file], 0),
        (&["run", "--tier-log", &file], 0),
        (&["profile", &file], 0),
        (&["profile", "--mode", "exact", &file], 0),
        (&["bisect", &file], 0),
        (&["compile", &file], 0),
        (&["compile", "--dump", "f", &file], 0),
        (&["instantiate", &file], 0),
        (&["inspect", &file], 0),
        (&["validate", "-v", &file, &script], 1),
        (&["wast", "-v", &script], 1),
        (&["completions", "bash"], 0),
    ];
    for (args, expected) in commands {
        assert_eq!(exit_code(args), Some(expected), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let scratch = Scratch::new("full");
    let file = scratch.file("program.wat", TWO_EXPORTS);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
    command.args(["inspect", &file]).stdout(full).stderr(Stdio::null());
    assert_eq!(command.status().expect("the command starts").code(), Some(1));
}
