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
