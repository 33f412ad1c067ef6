//! The folder that files go to. What an earlier run left there goes before the program runs, so that all that
//! is there in the end is of one run.

use anyhow::{Context, Result};
use rustix::fs::Access;
use std::path::Path;

/// What files are called, but for those that have the process in their name.
const NAMES: [&str; 16] = [
    "report.txt",
    super::stored::SUMMARY,
    "functions.csv",
    "tiers.csv",
    "turns.csv",
    "exceptions.csv",
    "events.csv",
    super::stored::STACKS,
    "flamegraph.svg",
    "flamegraph-diff.svg",
    "firefox.json",
    "compile-trace.json",
    "timeline.html",
    "profile.pb.gz",
    "counts.json",
    "counts.csv",
];

/// Makes the folder; one that cannot be written to is told of.
pub(super) fn prepare(folder: &Path) -> Result<()> {
    let prepared = std::fs::create_dir_all(folder)
        .and_then(|()| Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?));
    prepared.with_context(|| format!("failed to write to {}", folder.display()))
}

/// Removes the files of an earlier run, and no others.
pub(super) fn clear(folder: &Path) -> Result<()> {
    let unread = || format!("failed to look into {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(unread)? {
        let entry = entry.with_context(unread)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let left = NAMES.contains(&name) || process_in(name).is_some_and(|id| is_over(folder, id));
        if left && !entry.file_type()?.is_dir() {
            let path = entry.path();
            std::fs::remove_file(&path)
                .with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Whether [`clear`] knows a file by its name.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name) || process_in(name).is_some()
}

/// The process that a file has in its name.
fn process_in(name: &str) -> Option<u32> {
    let within = |start, end| name.strip_prefix(start)?.strip_suffix(end);
    let digits = within("perf-", ".map").or_else(|| within("jit-", ".dump"))?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Whether a process that wrote such a file is over. Where temporary files are, every just-in-time compiler
/// writes files that are called so.
fn is_over(folder: &Path, process: u32) -> bool {
    let same = |other: &Path| match (folder.canonicalize(), other.canonicalize()) {
        (Ok(folder), Ok(other)) => folder == other,
        _ => false,
    };
    let shared = same(&std::env::temp_dir()) || same(Path::new("/tmp"));
    !shared && !Path::new(&format!("/proc/{process}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for name in ["profile.json", "perf-12.map", "jit-7.dump"] {
            assert!(is_known(name), "{name}");
        }
        for name in ["notes.txt", "perf-.map", "perf-1a.map", "perf-12.map.bak", "xjit-7.dump"] {
            assert!(!is_known(name), "{name}");
        }
    }

    #[test]
    fn maps_of_others_stay() {
        let own = std::process::id();
        assert!(!is_over(Path::new("/"), own));
        let unused = u32::MAX;
        assert!(is_over(Path::new("/"), unused));
        assert!(!is_over(&std::env::temp_dir(), unused));
    }
}
