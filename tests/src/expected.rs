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
//! [[skipped]]
//! reason = "…"
//! files = ["custom/name_annot.wast"]
//! lines = [7]                               # exactly these directives are skipped; without: at least one
//!
//! [[not_run]]
//! reason = "the component model is not part of the engine"
//! files = ["component-model/*"]
//! ```

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use upshift_cli::wast::{Note, Report};

/// The content of such a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// Scripts that fail.
    #[serde(default)]
    pub expected: Vec<Entry>,
    /// Scripts with directives that are skipped.
    #[serde(default)]
    pub skipped: Vec<Entry>,
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
    /// The directives that fail, or are skipped; all of them and no others.
    pub lines: Option<BTreeSet<usize>>,
    /// The modes in which they are.
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

    /// What is wrong with `report`: failures and skips that are not listed, listed ones that did not
    /// happen.
    #[must_use]
    pub fn problems(&self, mode: &str, label: &str, report: &Report) -> Vec<String> {
        let find = |entries: &'_ [Entry]| {
            entries.iter().position(|entry| entry.covers(label) && entry.applies(mode))
        };
        let failing = find(&self.expected).map(|i| &self.expected[i]);
        let skipped = find(&self.skipped).map(|i| &self.skipped[i]);
        if let Some(entry) = failing.filter(|entry| entry.lines.is_none()) {
            if report.failures.is_empty() && report.skips.is_empty() {
                return vec![format!("{label}: passes, but is listed as: {}", entry.reason)];
            }
            return Vec::new();
        }
        let mut problems = unlisted(label, &report.failures, failing, "");
        problems.extend(unlisted(label, &report.skips, skipped, "skipped: "));
        problems
    }

    /// Patterns that match none of `labels`.
    #[must_use]
    pub fn unused_patterns(&self, labels: &[&str]) -> Vec<&str> {
        let entries = self.expected.iter().chain(&self.skipped);
        let patterns = entries.flat_map(|entry| &entry.files);
        let unused = |pattern: &&String| !labels.iter().any(|label| glob_matches(pattern, label));
        patterns.filter(unused).map(String::as_str).collect()
    }
}

/// Remarks that an entry does not list, and lines that it does although there is no remark.
fn unlisted(label: &str, notes: &[Note], entry: Option<&Entry>, what: &str) -> Vec<String> {
    let none = BTreeSet::new();
    let found: BTreeSet<usize> = notes.iter().map(|note| note.line).collect();
    let lines = match entry {
        Some(Entry { lines: Some(lines), .. }) => lines,
        // Whichever there are.
        Some(_) if !found.is_empty() => &found,
        Some(entry) => {
            return vec![format!("{label}: nothing is, but listed as: {}", entry.reason)];
        }
        None => &none,
    };
    let unexpected = notes.iter().filter(|note| !lines.contains(&note.line));
    let unexpected =
        unexpected.map(|note| format!("{label}:{}: {what}{}", note.line, note.message));
    let reason = entry.map_or("", |entry| &entry.reason);
    let missing = lines.difference(&found);
    let missing = missing.map(|line| format!("{label}:{line}: passes, but is listed as: {reason}"));
    unexpected.chain(missing).collect()
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

    fn notes(lines: &[usize]) -> Vec<Note> {
        lines.iter().map(|&line| Note { line, message: "wrong".into() }).collect()
    }

    fn report(lines: &[usize]) -> Report {
        Report { failures: notes(lines), ..Report::default() }
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

    #[test]
    fn skips_must_be_listed() {
        let list: Expectations = toml::from_str(
            r#"
            expected = [{ reason = "r", files = ["b.wast"], lines = [3] }]
            skipped = [
                { reason = "r", files = ["a.wast", "b.wast"], lines = [7] },
                { reason = "r", files = ["d.wast"] },
            ]"#,
        )
        .unwrap();
        let problems = |label, failures: &[usize], skips: &[usize]| {
            let report = Report { skips: notes(skips), ..report(failures) };
            list.problems("m", label, &report).len()
        };
        assert_eq!(problems("a.wast", &[], &[7]), 0);
        assert_eq!(problems("a.wast", &[], &[]), 1);
        assert_eq!(problems("a.wast", &[], &[7, 8]), 1);
        assert_eq!(problems("a.wast", &[7], &[]), 2);
        assert_eq!(problems("b.wast", &[3], &[7]), 0);
        assert_eq!(problems("c.wast", &[], &[1]), 1);
        assert_eq!(problems("d.wast", &[], &[1, 2]), 0);
        assert_eq!(problems("d.wast", &[], &[]), 1);
        assert_eq!(list.unused_patterns(&["a.wast", "b.wast"]), ["d.wast"]);
    }
}
