//! `upshift profile` where something goes wrong: folders, disks, signals, and files that are no profiles.

mod common;

use common::{Scratch, stderr, stdout, upshift};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Says that it runs, and never ends.
const ENDLESS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\05\00\00\00")
    (data (i32.const 16) "runs\n")
    (func $forever (loop (br 0)))
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $forever)))"#;

/// The same in a start function, which runs while the module is instantiated.
const ENDLESS_START: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\05\00\00\00")
    (data (i32.const 16) "runs\n")
    (func $forever
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (loop (br 0)))
    (start $forever))"#;

/// CPU time, in hundredths of a second, after which samplers have samples.
const ENOUGH_TICKS: u64 = 15;

/// The CPU time that a process spent outside the kernel (`proc_pid_stat(5)`).
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("the name ends");
    let ticks = fields.split_whitespace().nth(11).expect("the field is there");
    ticks.parse().expect("it is a number")
}

/// Starts the command and gives it a signal once its program has run for a while; exit code and messages.
fn interrupted(args: &[&str], signal: Signal) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("it is piped");
    BufReader::new(out).read_line(&mut line).expect("it can be read");
    assert_eq!(line, "runs\n");
    while cpu_ticks(child.id()) < ENOUGH_TICKS {
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("it is one");
    kill_process(id, signal).expect("it is there");
    let mut messages = String::new();
    let mut from = child.stderr.take().expect("it is piped");
    from.read_to_string(&mut messages).expect("it is text");
    (child.wait().expect("it ends").code(), messages)
}

#[test]
fn a_program_that_is_interrupted_has_a_profile() {
    let scratch = Scratch::new("ends-signal");
    let endless = scratch.file("endless.wat", ENDLESS);
    let start = scratch.file("start.wat", ENDLESS_START);
    let out = scratch.0.join("out").display().to_string();
    let modes = [
        ("sample", Signal::INT, 130, "profile.json"),
        ("tiers", Signal::TERM, 143, "profile.json"),
        ("exact", Signal::INT, 130, "counts.json"),
    ];
    let of_both = |file| modes.map(|mode| (file, mode));
    for (file, (mode, signal, expected, name)) in [&endless, &start].into_iter().flat_map(of_both) {
        let args = ["profile", "--mode", mode, "--format", "all", "--out", &out, file];
        let (code, messages) = interrupted(&args, signal);
        assert_eq!(code, Some(expected), "{messages}");
        assert!(messages.contains("written to"), "{messages}");
        let text = std::fs::read_to_string(scratch.0.join("out").join(name)).expect("it is there");
        let json: Value = serde_json::from_str(&text).expect("it is whole");
        let functions =
            if mode == "tiers" { &json["tiers"]["functions"] } else { &json["functions"] };
        let functions = functions.as_array().expect("a list");
        assert!(functions.iter().any(|function| function["name"] == "forever"), "{mode}: {json}");
    }
    for (name, file) in [("page.html", &endless), ("start.html", &start)] {
        let page = scratch.0.join(name).display().to_string();
        let explore = ["explore", "--out", &page, file, "forever"];
        let (code, messages) = interrupted(&explore, Signal::INT);
        assert!(code == Some(130) && messages.contains("written"), "{messages}");
        assert!(scratch.0.join(name).exists());
    }
}

#[test]
fn a_program_that_is_interrupted_has_a_tier_log_and_statistics() {
    let scratch = Scratch::new("ends-run");
    let log = scratch.0.join("log").display().to_string();
    let log_option = format!("--tier-log={log}");
    let stats = scratch.0.join("stats").display().to_string();
    for (name, text) in [("endless.wat", ENDLESS), ("start.wat", ENDLESS_START)] {
        let file = scratch.file(name, text);
        let (code, messages) = interrupted(&["run", &log_option, &file], Signal::INT);
        assert_eq!(code, Some(130), "{messages}");
        let events = std::fs::read_to_string(&log).expect("it was written");
        std::fs::remove_file(&log).expect("it is there");
        let forever = |line: &str| line.contains("lazy-compiled") && line.contains("forever");
        assert!(events.lines().any(forever), "{events}");
        let (code, messages) = interrupted(&["run", "--stats", &stats, &file], Signal::TERM);
        assert_eq!(code, Some(143), "{messages}");
        let figures = std::fs::read_to_string(&stats).expect("it was written");
        std::fs::remove_file(&stats).expect("it is there");
        let figures: Value = serde_json::from_str(&figures).expect("JSON");
        assert!(figures["run_wall_ms"].is_number(), "{figures}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_of_before_the_program_runs() {
    let scratch = Scratch::new("ends-folder");
    let file = scratch.file("f.wat", r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let start = scratch.file("start.wat", "(module (func $start (unreachable)) (start $start))");
    let inside = format!("{file}/out");
    for format in ["json", "jitdump"] {
        for out in [&file, &inside] {
            let options = ["profile", "--format", format, "--out", out, "--invoke", "f", &file];
            let output = upshift(&options);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert!(stderr(&output).contains(&format!("failed to write to {out}")));
            assert!(stdout(&output).is_empty(), "it ran");
            // Nothing else is said, of a program that did not run.
            assert!(!stderr(&output).contains("samples in"), "{}", stderr(&output));
            assert_eq!(stderr(&output).matches("Error: ").count(), 1, "{}", stderr(&output));
            let output = upshift(&["profile", "--format", format, "--out", out, &start]);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        }
    }
    let folder = scratch.0.display().to_string();
    let output = upshift(&["explore", "--out", &folder, "--invoke", "f", &file, "0"]);
    assert!(stderr(&output).contains("it is a folder") && stdout(&output).is_empty());
    let page = ["explore", "--out", &inside, "--invoke", "f", &file, "0"];
    let output = upshift(&page);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("failed to write") && stdout(&output).is_empty());
    // The report alone needs no folder.
    let output = upshift(&["profile", "--out", &inside, "--invoke", "f", &file]);
    assert_eq!(stdout(&output), "1\n", "{}", stderr(&output));
}

#[test]
fn what_cannot_be_written_hides_neither_the_rest_nor_how_the_program_ended() {
    let scratch = Scratch::new("ends-disk");
    let traps = r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#;
    let file = scratch.file("traps.wat", traps);
    let out = scratch.0.join("out");
    std::fs::create_dir_all(out.join("tiers.csv")).expect("folders can be made");
    let folder = out.display().to_string();
    let log = format!("--tier-log={file}/log");
    let all = ["profile", "--format", "json,csv", "--out", &folder, &log, "--stats", "/dev/full"];
    let output = upshift(&[&all[..], &[&file]].concat());
    assert_eq!(output.status.code(), Some(134), "{}", stderr(&output));
    for part in ["/dev/full", "traps.wat/log", "tiers.csv", "wasm trap: unreachable"] {
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
    assert!(out.join("profile.json").exists());
    // When the program ended well, the first failure is how the command did.
    let ends = scratch.file("ends.wat", r#"(module (func (export "_start")))"#);
    let output = upshift(&[&all[..], &[&ends]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("tiers.csv"), "{}", stderr(&output));
}

#[test]
fn every_file_is_tried_and_each_failure_told_once() {
    let scratch = Scratch::new("ends-tried");
    let file = scratch.file("f.wat", r#"(module (func (export "_start")))"#);
    let out = scratch.0.join("out");
    let missing = ["report.txt", "profile.json", "stacks.folded"];
    for name in missing {
        std::fs::create_dir_all(out.join(name)).expect("folders can be made");
    }
    let folder = out.display().to_string();
    let output = upshift(&["profile", "--format", "all", "--out", &folder, &file]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for name in missing {
        let told = format!("failed to write {}", out.join(name).display());
        assert_eq!(stderr(&output).matches(&told).count(), 1, "{}", stderr(&output));
    }
    assert!(stderr(&output).contains("but not all of it"), "{}", stderr(&output));
    for name in ["tiers.csv", "firefox.json", "compile-trace.json", "profile.pb.gz"] {
        assert!(out.join(name).exists(), "{name}");
    }
    let exact = ["profile", "--mode", "exact", "--format", "all", "--out", &folder, &file];
    let output = upshift(&exact);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(out.join("counts.json").exists() && out.join("counts.csv").exists());
}

#[test]
fn a_start_function_is_part_of_the_program() {
    let scratch = Scratch::new("ends-start");
    let program = r#"(module
        (func $work (local i32)
            (local.set 0 (i32.const 100_000_000))
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (start $work))"#;
    let file = scratch.file("start.wat", program);
    let out = scratch.0.join("out").display().to_string();
    let output = upshift(&["profile", "--format", "json", "--out", &out, &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = scratch.0.join("out/profile.json");
    let profile: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("JSON");
    let functions = profile["functions"].as_array().expect("a list");
    let of_work = functions.iter().filter(|row| row["name"] == "work");
    let samples: u64 = of_work.filter_map(|row| row["samples"].as_u64()).sum();
    assert!(samples > 0, "{profile}");
    assert!(2 * samples > profile["samples"].as_u64().expect("a number"), "{profile}");
}

#[test]
fn a_tier_log_leaves_the_profile_its_events() {
    let scratch = Scratch::new("ends-log");
    let program = r#"(module (func $f) (func (export "_start") (call $f)))"#;
    let file = scratch.file("program.wat", program);
    let path = |name: &str| scratch.0.join(name).display().to_string();
    let log = format!("--tier-log={}", path("log"));
    let options = ["profile", "--mode", "tiers", "--format", "csv", "--out", &path("out"), &log];
    let output = upshift(&[&options[..], &[&file]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let read = |name: &str| std::fs::read_to_string(path(name)).expect("it was written");
    assert_eq!(read("log").matches("\"lazy-compiled\"").count(), 2);
    assert_eq!(read("out/tiers.csv").lines().count(), 3, "{}", read("out/tiers.csv"));
}

#[test]
fn profiles_of_other_versions_are_refused() {
    let scratch = Scratch::new("ends-version");
    let file = scratch.file("f.wat", r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let folder = scratch.0.display().to_string();
    for (content, why) in [
        ("{\"format\":4000000000,\"samples\":3}", "version 4000000000"),
        ("{\"samples\":3}", "does not say the version"),
        ("{\"format\":1}", "missing field"),
        ("{\"format\":1", "EOF"),
        ("[]", "is no profile"),
    ] {
        scratch.file("profile.json", content);
        for command in [&["report", &folder][..], &["--diff", &folder, "--invoke", "f", &file]] {
            let output = upshift(&[&["profile"], command].concat());
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert!(stderr(&output).contains(why), "{content}: {}", stderr(&output));
            assert!(stderr(&output).contains("is no profile") && stdout(&output).is_empty());
        }
    }
}
