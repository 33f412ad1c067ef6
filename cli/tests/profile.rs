//! `upshift profile` as its users see it: the report, and files that other tools can read.

mod common;
#[path = "profile/readers.rs"]
mod readers;

use common::{Scratch, stderr, stdout, upshift};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::sync::LazyLock;

/// A function whose loop takes all the time, behind its name.
const HOT: &str = "(param i32) (result i32) (local i32)
    (loop (result i32)
        (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) (local.get 0)))
        (i32.store (i32.and (local.get 1) (i32.const 0xfff0)) (local.get 0))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))
        (local.get 1))";

/// `_start` spends its time in `hot`, whose name needs escaping in every format.
static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    format!(
        r#"(module
    (memory (export "memory") 1)
    (func $hot (@name "hot <\"a\", b>") {HOT})
    (func (export "_start")
        (drop (call $hot (i32.const 100_000_000)))))"#
    )
});

struct Run {
    scratch: Scratch,
    output: Output,
}

impl Run {
    /// Runs `program` under the profiler, with the options `options`.
    fn new(name: &str, program: &str, options: &[&str]) -> Self {
        let scratch = Scratch::new(&format!("profile-{name}"));
        let file = scratch.file("program.wat", program);
        let out = scratch.0.join("out").display().to_string();
        let output = upshift(&[&["profile", "--out", &out], options, &[&file]].concat());
        Self { scratch, output }
    }

    fn out(&self) -> PathBuf {
        self.scratch.0.join("out")
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.out().join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("UTF-8")
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn stderr(&self) -> String {
        stderr(&self.output)
    }
}

#[test]
fn every_format_is_well_formed_and_names_the_hot_function() {
    let run = Run::new("all", &PROGRAM, &["--format", "all"]);
    assert_eq!(run.output.status.code(), Some(0), "{}", run.stderr());
    assert!(run.stderr().contains("Time by kind of code"), "{}", run.stderr());
    let profile = run.json("profile.json");
    let functions = profile["functions"].as_array().expect("a list of functions");
    let hottest = functions.iter().find(|row| row["tier"] == "osr").expect("the loop was replaced");
    assert_eq!(hottest["name"], "hot <\"a\", b>");
    let firefox = run.json("firefox.json");
    assert_eq!(firefox["meta"]["interval"].as_f64().map(f64::round), Some(1.0));
    let threads = firefox["threads"].as_array().expect("a list of threads");
    assert!(threads.iter().any(|thread| thread["samples"]["length"].as_u64() > Some(0)));
    let trace = run.json("compile-trace.json");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| !events.is_empty()));
    let csv = run.read("functions.csv");
    let head =
        "function,index,tier,self_ms,total_ms,samples,inlined,cycles,instructions,branch-misses,";
    assert!(csv.starts_with(head), "{csv}");
    assert!(csv.contains("\"hot <\"\"a\"\", b>\",0,osr,"), "{csv}");
    let svg = run.read("flamegraph.svg");
    assert!(svg.contains("<svg") && svg.contains("hot &lt;"), "{svg}");
    assert!(run.read("stacks.folded").lines().all(|line| {
        line.rsplit_once(' ').is_some_and(|(_, weight)| weight.parse::<u64>().is_ok())
    }));
    assert!(run.read("timeline.html").contains("hot &lt;"));
    assert!(run.read("report.txt").contains("hot <"));
    // Gzip, and the first bytes of a jitdump.
    assert!(run.bytes("profile.pb.gz").starts_with(&[0x1f, 0x8b]));
    let files = std::fs::read_dir(run.out()).expect("the folder is there");
    let names = files.map(|file| file.expect("it can be read").file_name().display().to_string());
    let dump = names.into_iter().find(|name| name.ends_with(".dump")).expect("a jitdump");
    assert!(dump.starts_with("jit-") && run.bytes(&dump).starts_with(b"DTiJ"));
}

#[test]
fn a_profile_is_shown_again_and_compared() {
    let scratch = Scratch::new("profile-again");
    let file = scratch.file("report", &PROGRAM);
    let folder = |name: &str| scratch.0.join(name).display().to_string();
    let (old, new) = (folder("old"), folder("new"));
    let all = ["profile", "--format", "all", "--out"];
    // A program may be called as the subcommand is.
    let first = upshift(&[&all[..], &[&old, &file]].concat());
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let second = upshift(&[&all[..], &[&new, "--diff", &old, &file]].concat());
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    let read = |name: &str| std::fs::read_to_string(scratch.0.join(name)).expect("it was written");
    assert!(read("new/report.txt").contains("Compared with the old profile"));
    assert!(read("new/flamegraph-diff.svg").contains("hot &lt;"));
    assert!(!scratch.0.join("old/flamegraph-diff.svg").exists());
    let shown = upshift(&["profile", "report", &old]);
    assert_eq!((stdout(&shown), stderr(&shown)), (read("old/report.txt"), String::new()));
    let compared = upshift(&["profile", "report", &new, "--diff", &old]);
    assert_eq!(stdout(&compared), read("new/report.txt"));
    let only = upshift(&["profile", "report", &new, "--function", "_start"]);
    assert!(stdout(&only).contains("_start") && !stdout(&only).contains("hot <"));
}

#[test]
fn profiles_that_cannot_be_compared_with_are_refused_before_the_program_runs() {
    let scratch = Scratch::new("profile-old");
    let file = scratch.file("f.wat", r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    scratch.file("profile.json", "{}");
    let folder = scratch.0.display().to_string();
    let run = |options: &[&str]| {
        let output = upshift(&[&["profile", "--invoke", "f"], options, &[&file]].concat());
        assert!(stdout(&output).is_empty());
        (output.status.code(), stderr(&output))
    };
    let (code, message) = run(&["--diff", &folder]);
    assert!(code == Some(1) && message.contains("is no profile"), "{message}");
    let (code, message) = run(&["--diff", &folder, "--format", "svg"]);
    assert!(code == Some(1) && message.contains("`--format folded` writes"), "{message}");
    let (code, message) = run(&["--diff", &folder, "--mode", "tiers"]);
    assert!(code == Some(2) && message.contains("only --mode sample"), "{message}");
}

#[test]
fn nearly_all_time_is_where_the_program_spends_it() {
    let run = Run::new("time", &PROGRAM, &["--format", "json"]);
    let profile = run.json("profile.json");
    let functions = profile["functions"].as_array().expect("a list of functions");
    let ms = |row: &Value| row["self_ms"].as_f64().expect("a number");
    let all: f64 = functions.iter().map(ms).sum();
    let hot: f64 = functions.iter().filter(|row| row["index"] == 0).map(ms).sum();
    assert!(hot > 0.8 * all, "{hot} of {all}");
}

#[test]
fn tiers_are_reported_without_samples() {
    let run = Run::new("tiers", &PROGRAM, &["--mode", "tiers", "--format", "all"]);
    let profile = run.json("profile.json");
    assert_eq!(profile["samples"], 0);
    assert_eq!(profile["exceptions"], Value::Null);
    for of_samples in ["flamegraph.svg", "functions.csv"] {
        assert!(!run.out().join(of_samples).exists(), "{of_samples}");
    }
    let tiers = run.read("tiers.csv");
    let rows: Vec<Vec<&str>> = tiers.lines().map(|row| row.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|&head| head == name).expect(name);
    // The name has a comma, so what is behind it stands one place further.
    let hot = rows.iter().find(|row| row[0] == "\"hot <\"\"a\"\"").expect("a row");
    let cell = |name: &str| hot[column(name) + 1];
    assert_eq!(cell("index"), "0");
    for known in ["requested_at_ms", "waited_ms", "ready_after_ms", "optimizer_compile_ms"] {
        assert!(cell(known).parse::<f64>().is_ok(), "{known}: {hot:?}");
    }
    assert!(cell("osr_entries").starts_with("0x"), "{hot:?}");
    let report = run.read("report.txt");
    let code = report.lines().find(|line| line.starts_with("Machine code: ")).expect("a line");
    assert!(!code.contains(" 0 ") && code.ends_with("optimized"), "{code}");
    for unknown in ["entered_after_ms", "osr_self_ms", "speed_up", "repaid_after_ms"] {
        assert_eq!(cell(unknown), "", "{unknown}");
    }
}

#[test]
fn a_screen_tells_the_most_when_the_report_is_not_asked_for() {
    let run = Run::new("screen", &PROGRAM, &["--format", "json,csv", "--top", "100"]);
    let shown = run.stderr();
    assert!(shown.lines().count() <= 24, "{shown}");
    for part in ["samples in", "hot <", "Tiers: ", "Queue: ", "profile written to"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!run.out().join("report.txt").exists());
    let tiers = run.read("tiers.csv");
    assert!(tiers.contains(",assumed,"), "{tiers}");
    let exact = Run::new("screen-exact", &PROGRAM, &["--mode", "exact", "--format", "csv"]);
    assert!(exact.stderr().contains("operators executed") && exact.stderr().lines().count() < 24);
}

#[test]
fn code_has_names_that_samply_knows() {
    let run = Run::new("samply", &PROGRAM, &["--format", "perfmap,jitdump", "--samply"]);
    let files = std::fs::read_dir(run.out()).expect("the folder is there");
    let names = files.map(|file| file.expect("it can be read").file_name().display().to_string());
    let names: Vec<String> = names.collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        let content = String::from_utf8_lossy(&run.bytes(&name)).into_owned();
        for code in ["JS:hot <\"a\", b>-0-liftoff", "JS:hot <\"a\", b> (osr)-0-turbofan"] {
            assert!(content.contains(code), "{name}: {code}");
        }
    }
}

#[test]
fn programs_keep_their_exit_code() {
    let exits = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.const 7))))"#;
    let run = Run::new("exit", exits, &[]);
    assert_eq!(run.output.status.code(), Some(7));
    assert!(run.stderr().contains("samples in"), "{}", run.stderr());
}

#[test]
fn rates_are_checked_before_the_program_runs() {
    let scratch = Scratch::new("profile-rate");
    let prints = r#"(module (func (export "f") (result i32) (i32.const 1)))"#;
    let file = scratch.file("program.wat", prints);
    for rate in ["0", "100001", "many"] {
        let output = upshift(&["profile", "--rate", rate, "--invoke", "f", &file]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stdout(&output).is_empty());
    }
    let output = upshift(&["profile", "--rate", "100000", "--invoke", "f", &file]);
    assert_eq!(stdout(&output), "1\n", "{}", stderr(&output));
}

#[test]
fn no_functions_take_no_time() {
    let run = Run::new("nothing", "(module)", &["--mode", "tiers"]);
    assert!(!run.stderr().contains("-0.0"), "{}", run.stderr());
}

/// `work` is entered three times; its inner loop turns 5 * 7 times at each.
const COUNTED: &str = r#"(module
    (func $leaf (param i32) (if (local.get 0) (then (nop)) (else (return))))
    (func $work (export "work") (local $i i32) (local $j i32)
        (local.set $i (i32.const 5))
        (loop $outer
            (local.set $j (i32.const 7))
            (loop $inner
                (call $leaf (i32.and (local.get $j) (i32.const 1)))
                (br_if $inner (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
            (br_if $outer (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
    (func $never (nop)))"#;

#[test]
fn exact_counts_are_exact() {
    let options = ["--mode", "exact", "--format", "text,json,csv", "--invoke", "work"];
    let run = Run::new("exact", COUNTED, &[&options[..], &["--repeat", "3"]].concat());
    assert_eq!(run.output.status.code(), Some(0), "{}", run.stderr());
    let counts = run.json("counts.json");
    let functions = counts["functions"].as_array().expect("a list of functions");
    assert_eq!(functions.len(), 2, "{counts}");
    let named = |name: &str| functions.iter().find(|f| f["name"] == name).expect("it ran");
    let (work, leaf) = (named("work"), named("leaf"));
    assert_eq!((&work["entries"], &leaf["entries"]), (&Value::from(3), &Value::from(105)));
    assert_eq!(work["loops"][0]["turns"], 15);
    assert_eq!(work["loops"][1]["turns"], 105);
    assert_eq!(work["operators"]["i32_and"], 105);
    assert_eq!(work["operators"]["i32_sub"], 120);
    assert_eq!(work["operators"]["loop"], 3 + 15);
    assert_eq!(work["operators"]["call"], 105);
    assert_eq!((&leaf["operators"]["if"], &leaf["operators"]["nop"]), (&105.into(), &60.into()));
    assert_eq!(leaf["operators"]["return"], 45);
    assert_eq!(counts["calls"][0]["count"], 105);
    let csv = run.read("counts.csv");
    assert!(csv.contains("operator,1,\"work\",i32_sub,120\r\n"), "{csv}");
    assert!(csv.contains("call,1,\"work\",0,105\r\n"), "{csv}");
    assert!(run.stderr().contains("operators executed"), "{}", run.stderr());
    let shown = run.stderr();
    let of_work = shown.lines().filter(|line| line.contains(" work: loop at 0x"));
    let turns: Vec<_> = of_work.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(turns, ["105", "15"], "{shown}");
    let nothing = Run::new("exact-nothing", r#"(module (func (export "_start")))"#, &options[..2]);
    assert!(!nothing.stderr().contains("from, to"), "{}", nothing.stderr());
}

#[test]
fn formats_that_a_mode_does_not_have_are_refused_before_the_program_runs() {
    let scratch = Scratch::new("profile-formats");
    let file = scratch.file("f.wat", r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let out = scratch.0.join("out").display().to_string();
    for (mode, format) in [("exact", "svg"), ("exact", "text,firefox"), ("tiers", "folded")] {
        let options = ["--mode", mode, "--format", format, "--out", &out];
        let output = upshift(&[&["profile"], &options[..], &["--invoke", "f", &file]].concat());
        assert_eq!(output.status.code(), Some(2), "{mode} {format}: {}", stderr(&output));
        assert!(stderr(&output).contains("has no format"), "{}", stderr(&output));
        assert!(stdout(&output).is_empty() && !scratch.0.join("out").exists());
    }
}

/// The number of the system call on this architecture.
const PERF_EVENT_OPEN: i64 = 298;
/// What a container answers.
const EPERM: u32 = 1;

/// Runs the command where the kernel refuses `perf_event_open`, as containers do.
fn upshift_without_perf(args: &[&str]) -> Output {
    std::thread::scope(|scope| {
        // The filter is of the thread and of what it starts.
        let confined = scope.spawn(|| {
            let refused = BTreeMap::from([(PERF_EVENT_OPEN, Vec::new())]);
            let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(EPERM));
            let filter = SeccompFilter::new(refused, allow, refuse, TargetArch::x86_64);
            let program: BpfProgram =
                filter.and_then(TryInto::try_into).expect("the filter is well-formed");
            seccompiler::apply_filter(&program).expect("filters need no rights");
            upshift(args)
        });
        confined.join().expect("the command starts")
    })
}

#[test]
fn where_the_kernel_refuses_a_timer_samples() {
    let scratch = Scratch::new("profile-refused");
    let file = scratch.file("program.wat", &PROGRAM);
    let out = scratch.0.join("out").display().to_string();
    let run = |source: &str| {
        let options = ["profile", "--format", "json", "--source", source, "--out", &out, &file];
        upshift_without_perf(&options)
    };
    let refused = run("perf");
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("permits no sampling"), "{}", stderr(&refused));
    let output = run("auto");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(scratch.0.join("out/profile.json")).expect("it was written");
    let profile: Value = serde_json::from_str(&text).expect("JSON");
    assert!(profile["source"].as_str().is_some_and(|source| source.starts_with("timer")));
    assert!(profile["samples"].as_u64() > Some(0), "{profile}");
    let functions = profile["functions"].as_array().expect("a list of functions");
    assert!(functions.iter().any(|row| row["name"] == "hot <\"a\", b>"), "{profile}");
    let value = |name: &str| {
        let counters = profile["counters"].as_array().expect("a list of counters");
        counters.iter().find(|counter| counter["name"] == name).expect("it is listed")["value"]
            .clone()
    };
    assert_eq!((value("cycles"), value("task-clock-ns")), (Value::Null, Value::Null));
    assert!(value("page-faults").as_u64() > Some(0), "{profile}");
}

#[test]
fn all_threads_of_a_program_are_sampled() {
    let program = format!(
        r#"(module
        (import "env" "memory" (memory 2 2 shared))
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (export "memory" (memory 0))
        (func $hot (@name "hot") {HOT})
        (func (export "wasi_thread_start") (param i32 i32)
            (drop (call $hot (i32.const 50_000_000)))
            (i32.atomic.store (i32.const 0x1_0000) (i32.const 1)))
        (func (export "_start")
            (drop (call $spawn (i32.const 0)))
            (drop (call $hot (i32.const 50_000_000)))
            (loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 0x1_0000)))))))"#
    );
    for source in ["auto", "timer"] {
        let options = ["--format", "json,folded", "--source", source];
        let run = Run::new(&format!("threads-{source}"), &program, &options);
        assert_eq!(run.output.status.code(), Some(0), "{}", stderr(&run.output));
        let profile: Value = serde_json::from_str(&run.read("profile.json")).expect("JSON");
        let threads = profile["threads"].as_array().expect("a list of threads");
        let names: Vec<_> = threads.iter().filter_map(|thread| thread["name"].as_str()).collect();
        assert_eq!((names.len(), names[1]), (2, "wasi-1"), "{profile}");
        assert!(threads.iter().all(|thread| thread["samples"].as_u64() > Some(0)), "{profile}");
        let folded = run.read("stacks.folded");
        for root in ["_start", "wasi_thread_start"] {
            let found = folded.lines().any(|line| line.starts_with(root) && line.contains("hot"));
            assert!(found, "{root}: {folded}");
        }
    }
}

#[test]
fn names_can_be_kept_out() {
    let run = Run::new("redacted", &PROGRAM, &["--format", "all", "--redact"]);
    assert_eq!(run.output.status.code(), Some(0), "{}", run.stderr());
    let texts =
        ["profile.json", "firefox.json", "functions.csv", "flamegraph.svg", "stacks.folded"];
    let more = ["report.txt", "timeline.html", "compile-trace.json"];
    for name in texts.iter().chain(&more) {
        let text = run.read(name);
        // Functions of the host may be called so, too, but for what follows.
        let named = ["hot <", "hot &lt;"].iter().any(|start| text.contains(start));
        assert!(!named && text.contains("func[0]"), "{name}: {text}");
    }
}

#[test]
fn a_report_has_no_colours_where_nobody_sees_them() {
    let run = Run::new("colours", &PROGRAM, &["--format", "text"]);
    assert!(!run.stderr().contains('\u{1b}'), "{}", run.stderr());
    assert!(run.stderr().contains("page-faults"), "{}", run.stderr());
}

#[test]
fn a_run_can_be_profiled_by_an_option() {
    let scratch = Scratch::new("profile-short");
    let file = scratch.file("program.wat", &PROGRAM);
    let output = upshift(&["--profile", &file]);
    assert!(stderr(&output).contains("Time by kind of code"), "{}", stderr(&output));
    let output = upshift(&["run", "--profile=svg,nonsense", &file]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = upshift(&["run", &file]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn turns_are_counted_in_each_tier() {
    let options = ["--turns", "--rate", "10000", "--format", "text,json"];
    let run = Run::new("turns", &PROGRAM, &options);
    assert_eq!(run.output.status.code(), Some(0), "{}", run.stderr());
    assert!(run.stderr().contains("Turns of loops, and calls"), "{}", run.stderr());
    let profile = run.json("profile.json");
    let turns = profile["turns"].as_array().expect("a list of loops and functions");
    let count = |of: &Value| {
        let side = |side: &str| of[side]["turns"].as_u64().expect("a number");
        side("baseline") + side("optimized")
    };
    let looped = turns.iter().find(|of| !of["loop_offset"].is_null()).expect("the loop turned");
    assert_eq!(count(looped), 100_000_000);
    assert!(looped["optimized"]["turns"].as_u64() > Some(0), "{looped}");
    assert_eq!(turns.iter().filter(|of| of["loop_offset"].is_null()).map(count).sum::<u64>(), 2);
    // Nothing is measured unless it is asked for, and the report says so.
    let run = Run::new("no-turns", &PROGRAM, &["--format", "text,json"]);
    assert_eq!(run.json("profile.json")["turns"], Value::Array(Vec::new()));
    assert!(run.stderr().contains("nothing was measured"), "{}", run.stderr());
}

/// `_start` catches what `deep` throws, forty times, and traps or exits then.
fn throwing(end: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (tag $t)
        (func $deep (param i32)
            (if (i32.eqz (local.get 0)) (then (throw $t)))
            (call $deep (i32.sub (local.get 0) (i32.const 1))))
        (func (export "_start") (local i32)
            (local.set 0 (i32.const 40))
            (loop $l
                (block $caught
                    (try_table (catch_all $caught) (call $deep (i32.const 10))))
                (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            {end}
            (loop $forever (br $forever))))"#
    )
}

#[test]
fn exceptions_are_counted_however_the_program_ends() {
    for (name, end, code) in [
        ("exits", "(call $exit (i32.const 3))", 3),
        ("traps", "(unreachable)", 134),
        ("throws", "(throw $t)", 1),
    ] {
        let program = throwing(end);
        let options = ["--format", "text,json,csv"];
        let run = Run::new(&format!("exceptions-{name}"), &program, &options);
        assert_eq!(run.output.status.code(), Some(code), "{name}: {}", run.stderr());
        let thrown = if name == "throws" { 41 } else { 40 };
        let says = format!("Exceptions: {thrown} thrown, 40 caught");
        assert!(run.stderr().contains(&says), "{name}: {}", run.stderr());
        let found = &run.json("profile.json")["exceptions"];
        assert_eq!((&found["thrown"], &found["caught"]), (&thrown.into(), &40.into()));
        assert!(run.read("exceptions.csv").contains("\"deep\",1,40,0\r\n"), "{found}");
    }
}

#[test]
fn exceptions_and_traps_are_marked_when_they_were() {
    let program = throwing("(unreachable)");
    for mode in ["sample", "tiers"] {
        let name = format!("marked-{mode}");
        let options = ["--format", "all", "--mode", mode];
        // Some samples, and so a thread to mark.
        let rate: &[&str] = if mode == "sample" { &["--rate", "20000"] } else { &[] };
        let run = Run::new(&name, &program, &[&options[..], rate].concat());
        assert_eq!(run.output.status.code(), Some(134), "{}", run.stderr());
        let events = run.json("profile.json");
        let events = events["tiers"]["incidents"].as_array().expect("a list").clone();
        let sum = |kind: &str, field: &str| -> u64 {
            let of = events.iter().filter(|event| event["what"]["kind"] == kind);
            of.filter_map(|event| event["what"][field].as_u64()).sum()
        };
        assert_eq!((sum("exceptions", "thrown"), sum("exceptions", "caught")), (40, 40));
        assert_eq!(sum("traps", "count"), 1, "{events:?}");
        let rows = run.read("events.csv").lines().count();
        assert_eq!(rows, events.len() + 1);
        for file in ["compile-trace.json", "timeline.html", "report.txt"] {
            assert!(run.read(file).contains("trap: wasm trap:"), "{file}: {}", run.stderr());
        }
        if mode == "sample" {
            assert!(run.read("firefox.json").contains("trap: wasm trap:"));
        }
    }
}

#[test]
fn a_folder_has_nothing_of_an_earlier_program() {
    let scratch = Scratch::new("profile-stale");
    let long = scratch.file("long.wat", &PROGRAM);
    let short = scratch.file("short.wat", r#"(module (func (export "_start")))"#);
    let out = scratch.0.join("out");
    let folder = out.display().to_string();
    let run = |options: &[&str]| {
        let all = ["profile", "--format", "svg,csv", "--rate", "100", "--out", &folder];
        let output = upshift(&[&all[..], options].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };
    let files = ["flamegraph.svg", "turns.csv"];
    run(&["--turns", &long]);
    assert!(files.iter().all(|name| out.join(name).exists()));
    // It ends before the first sample.
    run(&[&short]);
    assert!(!files.iter().any(|name| out.join(name).exists()));
    let report = upshift(&["profile", "--rate", "100", &short]);
    assert!(stderr(&report).contains("less CPU time than"), "{}", stderr(&report));
    assert!(!stderr(&report).contains("self ms"), "{}", stderr(&report));
}
