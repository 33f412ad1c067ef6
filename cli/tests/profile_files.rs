//! What `upshift profile` leaves in its folder: files of one run, with the names that may be there, and options
//! that it refuses.

mod common;

use common::{Scratch, stderr, stdout, upshift};
use std::path::Path;

/// A loop of so many turns in each of two functions that are called the same.
fn twins(turns: u32) -> String {
    let body = format!(
        "(local i32) (local.set 0 (i32.const {turns}))
         (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
    );
    format!(
        r#"(module (func (@name "secret twin") {body}) (func (@name "secret twin") {body})
            (func (@name "") {body})
            (func (export "_start") (call 0) (call 1) (call 2)))"#
    )
}

/// What is in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let name = |file: std::io::Result<std::fs::DirEntry>| file.expect("readable").file_name();
    let mut names: Vec<String> = files.map(|file| name(file).display().to_string()).collect();
    names.sort();
    names
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_folder_has_files_of_one_run() {
    let scratch = Scratch::new("files-stale");
    let file = scratch.file("twins.wat", &twins(30_000_000));
    let throws = r#"(module (tag $t) (func $throws (throw $t)) (func (export "_start")
        (block $b (try_table (catch_all $b) (call $throws)))))"#;
    let throws = scratch.file("throws.wat", throws);
    let out = scratch.0.join("out");
    let folder = out.display().to_string();
    let run = |options: &[&str]| {
        let output = upshift(&[&["profile", "--out", &folder], options].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    run(&["--format", "all", &throws]);
    assert!(out.join("exceptions.csv").exists());
    for name in ["notes.txt", "perf-1x.map", "jit-.dump"] {
        scratch.file(&format!("out/{name}"), "mine");
    }
    // A process that runs may still write its map.
    let living = format!("perf-{}.map", std::process::id());
    scratch.file(&format!("out/{living}"), "mine");
    run(&["--format", "all", "--turns", &file]);
    run(&["--mode", "exact", "--format", "all", &file]);
    run(&["--format", "json,folded", &file]);
    let mut expected =
        ["jit-.dump", "notes.txt", "profile.json", "stacks.folded"].map(str::to_owned);
    expected.sort();
    let mut expected = expected.to_vec();
    expected.extend(["perf-1x.map".to_owned(), living]);
    expected.sort();
    assert_eq!(names(&out), expected);
    // The old profile is read before its files go.
    let report = run(&["--format", "all", "--diff", &folder, &file]);
    assert!(report.contains("Compared with the old profile"), "{report}");
    assert!(out.join("flamegraph-diff.svg").exists());
}

#[test]
fn no_samples_make_no_picture_and_that_is_told() {
    let scratch = Scratch::new("files-picture");
    let file = scratch.file("short.wat", r#"(module (func (export "_start")))"#);
    let out = scratch.0.join("out").display().to_string();
    let output = upshift(&["profile", "--rate", "1", "--format", "svg", "--out", &out, &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("there is no flamegraph.svg"), "{}", stderr(&output));
}

#[test]
fn names_and_paths_are_kept_out_of_all_files() {
    let scratch = Scratch::new("files-redacted");
    let file = scratch.file("hidden.wat", &twins(30_000_000));
    for (mode, samply) in [("sample", false), ("sample", true), ("tiers", false), ("exact", false)]
    {
        let out = scratch.0.join(format!("{mode}-{samply}"));
        let folder = out.display().to_string();
        let options = ["profile", "--mode", mode, "--format", "all", "--redact", "--out", &folder];
        let samply: &[&str] = if samply { &["--samply"] } else { &[] };
        let output = upshift(&[&options[..], samply, &[&file]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for name in names(&out) {
            let mut bytes = std::fs::read(out.join(&name)).expect("it can be read");
            if name.ends_with(".gz") {
                let mut unpacked = Vec::new();
                let mut reader = flate2::read::GzDecoder::new(bytes.as_slice());
                std::io::Read::read_to_end(&mut reader, &mut unpacked).expect("it is gzip");
                bytes = unpacked;
            }
            let text = String::from_utf8_lossy(&bytes);
            for secret in ["secret", "hidden", "files-redacted"] {
                assert!(!text.contains(secret), "{mode}: {secret} in {name}");
            }
            if name.starts_with("perf-") || name.starts_with("jit-") {
                assert!(text.contains("func[0]") && text.contains("func[1]"), "{name}: {text}");
            }
        }
    }
}

#[test]
fn functions_that_are_called_the_same_are_told_apart() {
    let scratch = Scratch::new("files-twins");
    let file = scratch.file("twins.wat", &twins(60_000_000));
    let folder = |name: &str| scratch.0.join(name).display().to_string();
    let all = ["profile", "--format", "all", "--out"];
    let first = upshift(&[&all[..], &[&folder("old"), &file]].concat());
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(stdout(&first).is_empty(), "that is the program's");
    let diff = upshift(&[&all[..], &[&folder("new"), "--diff", &folder("old"), &file]].concat());
    let report = stderr(&diff);
    let (_, compared) = report.split_once("Compared with").expect("a comparison");
    let files = ["functions.csv", "tiers.csv", "stacks.folded", "profile.json", "firefox.json"];
    for shown in ["secret twin[0]", "secret twin[1]", "func[2]"] {
        for name in files {
            assert!(read(&scratch.0.join("new").join(name)).contains(shown), "{name}: {shown}");
        }
        assert!(compared.contains(shown), "{shown}: {compared}");
    }
    let exact = upshift(&["profile", "--mode", "exact", &file]);
    assert!(stderr(&exact).contains("secret twin[1]"), "{}", stderr(&exact));
}

#[test]
fn options_that_a_mode_ignores_are_refused_before_the_program_runs() {
    let scratch = Scratch::new("files-options");
    let file = scratch.file("f.wat", r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let of_samples: [&[&str]; 5] = [
        &["--rate", "10"],
        &["--source", "auto"],
        &["--lines"],
        &["--with-compilers"],
        &["--turns"],
    ];
    for mode in ["tiers", "exact"] {
        for options in of_samples {
            let args = [&["profile", "--mode", mode, "--invoke", "f"], options, &[&file]].concat();
            let output = upshift(&args);
            assert_eq!(output.status.code(), Some(2), "{mode} {options:?}: {}", stderr(&output));
            assert!(stderr(&output).contains(options[0]) && stdout(&output).is_empty());
        }
    }
}

#[test]
fn too_few_samples_are_told_from_turns_that_were_not_counted() {
    let scratch = Scratch::new("files-turns");
    let file = scratch.file("twins.wat", &twins(60_000_000));
    let report = |options: &[&str]| {
        let output = upshift(&[&["profile", "--rate", "100"], options, &[&file]].concat());
        stderr(&output)
    };
    let counted = report(&["--turns"]);
    assert!(counted.contains("too few samples") && counted.contains("--rate"), "{counted}");
    assert!(!counted.contains("--turns measures it"), "{counted}");
    let not_counted = report(&[]);
    assert!(not_counted.contains("--turns measures it"), "{not_counted}");
}
