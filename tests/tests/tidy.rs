//! The rules of the source tree that no compiler checks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use upshift_tests::source::{blank_comments_and_strings, declared_modules, functions, words};
use upshift_tests::{files_below, workspace_root};

/// Longest file.
const MAX_FILE_LINES: usize = 800;
/// Longest function, in lines of its body that hold code.
const MAX_FUNCTION_LINES: usize = 70;

/// The crates, and what each may depend on: workspace crates by name, and external crates that
/// it must not use. Tests and benches may use everything.
const CRATES: &[Crate] = &[
    Crate { folder: "abi", workspace: &[], banned: &["cranelift", "dynasm", "libc", "rustix"] },
    Crate {
        folder: "baseline",
        workspace: &["upshift-abi"],
        banned: &["cranelift", "libc", "rustix"],
    },
    Crate {
        folder: "optimizer",
        workspace: &["upshift-abi"],
        banned: &["dynasm", "libc", "rustix"],
    },
    Crate {
        folder: "engine",
        workspace: &["upshift-abi", "upshift-baseline", "upshift-optimizer"],
        banned: &["cranelift", "dynasm"],
    },
    Crate { folder: "wasi", workspace: &["upshift"], banned: &["cranelift", "dynasm", "libc"] },
    Crate { folder: "profiler", workspace: &["upshift"], banned: &["cranelift", "dynasm"] },
    Crate {
        folder: "cli",
        workspace: &["upshift", "upshift-profiler", "upshift-wasi"],
        banned: &["cranelift", "dynasm", "libc"],
    },
];

/// One row of the table of crates.
struct Crate {
    folder: &'static str,
    workspace: &'static [&'static str],
    banned: &'static [&'static str],
}

/// Crates that only use others, for tests and measurements.
const LEAVES: [&str; 2] = ["tests", "benches"];

/// Where `unsafe` may stand: the engine's unsafe kernel and what else is named here.
const UNSAFE_ALLOWED: &[&str] = &[
    "engine/src/vm/",
    "engine/src/vm.rs",
    "profiler/src/jitdump.rs",
    "profiler/src/sampler/clock.rs",
    "profiler/src/sampler/event.rs",
    "profiler/src/sampler/host.rs",
    "profiler/src/sampler/ring.rs",
    "profiler/src/sampler/timer.rs",
];

/// Where machine code is assembled.
const DYNASM_ALLOWED: &[&str] = &[
    "baseline/src/masm/",
    "baseline/src/masm.rs",
    "baseline/src/stubs/",
    "baseline/src/stubs.rs",
    "engine/src/code/tests/",
];

/// Marks of unfinished work and of silenced warnings, in two halves so that this file has none.
const BANNED: &[(&str, &str)] = &[
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X"),
    ("db", "g!("),
    ("to", "do!("),
    ("unimple", "mented!("),
    ("#[all", "ow("),
    ("#![all", "ow("),
    ("#[ign", "ore"),
];

/// A Rust file of the workspace.
struct Source {
    /// Path below the workspace, with forward slashes.
    path: String,
    text: String,
    blanked: String,
}

fn sources() -> Vec<Source> {
    let root = workspace_root();
    let folders = CRATES.iter().map(|row| row.folder).chain(LEAVES);
    let files = folders.flat_map(|folder| files_below(&root.join(folder), "rs"));
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("source files are readable");
        let path = file.strip_prefix(&root).expect("below the root").display().to_string();
        Source { path, blanked: blank_comments_and_strings(&text), text }
    };
    files.map(read).collect()
}

/// Fails with all complaints at once.
fn expect_none(rule: &str, complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

fn allowed(list: &[&str], path: &str) -> bool {
    list.iter().any(|start| path.starts_with(start))
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > MAX_FILE_LINES).then(|| format!("{}: {lines} lines", source.path))
    });
    expect_none("files have at most 800 lines", long.collect());
}

#[test]
fn functions_are_short() {
    let mut complaints = Vec::new();
    for source in sources() {
        for function in functions(&source.blanked) {
            if function.code_lines > MAX_FUNCTION_LINES {
                complaints.push(format!(
                    "{}:{}: `{}` has {} lines",
                    source.path, function.line, function.name, function.code_lines
                ));
            }
        }
    }
    expect_none("functions have at most 70 lines", complaints);
}

#[test]
fn every_file_says_what_it_is() {
    let headless = sources().into_iter().filter(|source| !source.text.starts_with("//!"));
    expect_none("files start with `//!`", headless.map(|source| source.path).collect());
}

#[test]
fn there_is_no_debt() {
    let banned: Vec<String> = BANNED.iter().map(|(a, b)| format!("{a}{b}")).collect();
    let mut complaints = Vec::new();
    for source in sources() {
        for (i, line) in source.text.lines().enumerate() {
            for word in banned.iter().filter(|word| line.contains(word.as_str())) {
                complaints.push(format!("{}:{}: {word}", source.path, i + 1));
            }
        }
    }
    expect_none("no marks of debt", complaints);
}

#[test]
fn unsafe_code_stays_in_the_kernel() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| !allowed(UNSAFE_ALLOWED, &source.path)) {
        for (at, _) in words(&source.blanked).filter(|(_, word)| *word == "unsafe") {
            let line = source.blanked[..at].matches('\n').count() + 1;
            complaints.push(format!("{}:{line}", source.path));
        }
    }
    expect_none("`unsafe` stands in engine/src/vm only", complaints);
}

#[test]
fn every_unsafe_block_has_a_reason() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| allowed(UNSAFE_ALLOWED, &source.path)) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (i, line) in source.blanked.lines().enumerate() {
            let block = line.contains("unsafe {") || line.contains("unsafe impl");
            if block && !comment_above(&lines, i).contains("SAFETY:") {
                complaints.push(format!("{}:{}", source.path, i + 1));
            }
        }
    }
    expect_none("a `SAFETY:` comment stands before each unsafe block", complaints);
}

/// The comment that belongs to line `i`: before it, or before the statement it continues.
fn comment_above(lines: &[&str], i: usize) -> String {
    const STATEMENT: usize = 8;
    let start = i.saturating_sub(STATEMENT);
    let before = lines[start..=i].iter().rev();
    let mut comment = String::new();
    for line in before {
        let line = line.trim();
        let seen = !comment.is_empty();
        if line.starts_with("//") {
            comment.insert_str(0, line);
        } else if seen {
            break;
        }
    }
    comment
}

#[test]
fn machine_code_is_assembled_in_few_files() {
    let elsewhere = sources().into_iter().filter(|source| {
        source.blanked.contains("dynasm!(") && !allowed(DYNASM_ALLOWED, &source.path)
    });
    expect_none("dynasm! elsewhere", elsewhere.map(|source| source.path).collect());
}

#[test]
fn crates_depend_on_the_layer_below_only() {
    let mut complaints = Vec::new();
    for row in CRATES {
        let manifest = workspace_root().join(row.folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("each crate has a manifest");
        let manifest: toml::Table = text.parse().expect("manifests are TOML");
        for section in ["dependencies", "build-dependencies"] {
            let Some(toml::Value::Table(dependencies)) = manifest.get(section) else { continue };
            for name in dependencies.keys() {
                let own = name.starts_with("upshift") && !row.workspace.contains(&name.as_str());
                if own || row.banned.iter().any(|banned| name.starts_with(banned)) {
                    complaints.push(format!("{} must not depend on {name}", row.folder));
                }
            }
        }
    }
    expect_none("crate edges", complaints);
}

#[test]
fn every_crate_is_in_the_table() {
    let text = std::fs::read_to_string(workspace_root().join("Cargo.toml"));
    let manifest: toml::Table =
        text.expect("the workspace has a manifest").parse().expect("manifests are TOML");
    let members = manifest["workspace"]["members"].as_array().expect("a list of members");
    let members: BTreeSet<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    let known: BTreeSet<&str> = CRATES.iter().map(|row| row.folder).chain(LEAVES).collect();
    assert_eq!(members, known);
}

#[test]
fn every_file_is_reachable() {
    let root = workspace_root();
    let sources = sources();
    let mut reachable: BTreeSet<PathBuf> = BTreeSet::new();
    for source in &sources {
        let path = Path::new(&source.path);
        if is_crate_root(path) {
            reachable.insert(path.to_owned());
        }
        reachable.extend(declared_modules(path, &source.blanked));
    }
    let lost = sources.iter().filter(|source| !reachable.contains(Path::new(&source.path)));
    let lost = lost.map(|source| root.join(&source.path).display().to_string());
    expect_none("files that no module declares", lost.collect());
}

fn is_crate_root(path: &Path) -> bool {
    let parent = path.parent().unwrap_or(path);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let in_src = parent.ends_with("src") && parent.components().count() == 2;
    (in_src && matches!(name, "lib.rs" | "main.rs"))
        || name == "build.rs"
        || parent.ends_with("src/bin")
        || (name == "main.rs" && parent.parent().is_some_and(|bins| bins.ends_with("src/bin")))
        || (parent.components().count() == 2
            && ["tests", "examples", "benches"].iter().any(|folder| parent.ends_with(folder)))
}
