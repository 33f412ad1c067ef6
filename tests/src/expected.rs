//! Known failures of test scripts: listed in a TOML file with the reason, and required to fail.
//!
//! ```toml
//! [[expected]]
//! reason = "exceptions are not supported yet"
//! files = ["proposals/exceptions/*.wast"]   # `*` stands for any characters
//!
//! [[expected]]
//! reason = "…"
//! files = ["wasm-v3/br.wast"]
//! lines = [12, 40]                          # exactly these directives; without: at least one
//! modes = ["spill"]                         # only there; without: in every mode
//!
//! [[not_run]]
//! reason = "the component model is not part of the engine"
//! files = ["component-model/*"]
//! ```

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use upshift_cli::wast::Report;

/// The content of such a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// Scripts that fail.
    #[serde(default)]
    pub expected: Vec<Entry>,
    /// Scripts that are not even tried.
    #[serde(default)]
    pub not_run: Vec<Entry>,
}

/// One group of scripts with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Why.
    pub reason: String,
    /// Patterns of labels.
    pub files: Vec<String>,
    /// The directives that fail; all of them and no others.
    pub lines: Option<BTreeSet<usize>>,
    /// The modes in which they fail.
    pub modes: Option<Vec<String>>,
}

impl Entry {
    fn covers(&self, label: &str) -> bool {
        self.files.iter().any(|pattern| glob_matches(pattern, label))
    }

    fn applies(&self, mode: &str) -> bool {
        self.modes.as_ref().is_none_or(|modes| modes.iter().any(|name| name == mode))
    }
}

impl Expectations {
    /// Reads the file at `path`.
    ///
    /// # Panics
    /// When it cannot be read or understood: a mistake in the source tree.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Why the script `label` is not to be run, if that is so.
    #[must_use]
    pub fn not_run(&self, label: &str) -> Option<&str> {
        let entry = self.not_run.iter().find(|entry| entry.covers(label))?;
        Some(&entry.reason)
    }

    /// What is wrong with `report`: failures that are not listed, listed ones that did not happen.
    #[must_use]
    pub fn problems(&self, mode: &str, label: &str, report: &Report) -> Vec<String> {
        let entry = self.expected.iter().find(|entry| entry.covers(label) && entry.applies(mode));
        let Some(entry) = entry else {
            return report.failure_lines().collect();
        };
        let Some(lines) = &entry.lines else {
            if report.failures.is_empty() && report.skips.is_empty() {
                return vec![format!("{label}: passes, but is listed as: {}", entry.reason)];
            }
            return Vec::new();
        };
        let failed: BTreeSet<usize> = report.failures.iter().map(|note| note.line).collect();
        let unexpected = report.failures.iter().filter(|note| !lines.contains(&note.line));
        let mut problems: Vec<String> =
            unexpected.map(|note| format!("{label}:{}: {}", note.line, note.message)).collect();
        problems.extend(
            lines
                .difference(&failed)
                .map(|line| format!("{label}:{line}: passes, but is listed as: {}", entry.reason)),
        );
        problems
    }

    /// Patterns that match none of `labels`.
    #[must_use]
    pub fn unused_patterns(&self, labels: &[&str]) -> Vec<&str> {
        let patterns = self.expected.iter().flat_map(|entry| &entry.files);
        let unused = |pattern: &&String| !labels.iter().any(|label| glob_matches(pattern, label));
        patterns.filter(unused).map(String::as_str).collect()
    }
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any characters.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|&i| text.is_char_boundary(i)).any(|i| glob_matches(rest, &text[i..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift_cli::wast::Note;

    fn report(lines: &[usize]) -> Report {
        let note = |&line: &usize| Note { line, message: "wrong".into() };
        Report { failures: lines.iter().map(note).collect(), ..Report::default() }
    }

    #[test]
    fn globs() {
        assert!(glob_matches("gc/*.wast", "gc/array.wast"));
        assert!(!glob_matches("gc/*.wast", "gcc/array.wast"));
        assert!(glob_matches("*/gc/*", "spec/gc/a.wast"));
    }

    #[test]
    fn listed_failures_must_fail() {
        let list: Expectations = toml::from_str(
            r#"
            expected = [
                { reason = "r", files = ["a.wast"] },
                { reason = "r", files = ["b.wast"], lines = [3] },
            ]"#,
        )
        .unwrap();
        let problems = |label, lines: &[usize]| list.problems("m", label, &report(lines)).len();
        assert_eq!(problems("a.wast", &[1]), 0);
        assert_eq!(problems("a.wast", &[]), 1);
        assert_eq!(problems("b.wast", &[3]), 0);
        assert_eq!(problems("b.wast", &[4]), 2);
        assert_eq!(problems("c.wast", &[4]), 1);
        assert_eq!(list.unused_patterns(&["a.wast"]), ["b.wast"]);
    }
}
