//! Which proposals a test script needs.
//!
//! Everything that Upshift has is on unless a proposal changes what other tests expect to be
//! rejected; such a proposal is on for the folders that carry its name. `--features` switches by
//! name: `--features simd,-threads,all`.

use std::path::Path;
use upshift::Config;

/// A switch of [`Config`].
type Switch = fn(&mut Config, bool) -> &mut Config;

/// One row per proposal: its name on the command line and its switch.
const PROPOSALS: &[(&str, Switch)] = &[
    ("bulk-memory", Config::wasm_bulk_memory),
    ("custom-page-sizes", Config::wasm_custom_page_sizes),
    ("exceptions", Config::wasm_exceptions),
    ("extended-const", Config::wasm_extended_const),
    ("function-references", Config::wasm_function_references),
    ("gc", Config::wasm_gc),
    ("memory64", Config::wasm_memory64),
    ("multi-memory", Config::wasm_multi_memory),
    ("multi-value", Config::wasm_multi_value),
    ("reference-types", Config::wasm_reference_types),
    ("relaxed-simd", Config::wasm_relaxed_simd),
    ("simd", Config::wasm_simd),
    ("tail-call", Config::wasm_tail_call),
    ("threads", Config::wasm_threads),
    ("wide-arithmetic", Config::wasm_wide_arithmetic),
];

/// Proposals that make modules valid which the core suite expects to be rejected.
const ONLY_IN_THEIR_FOLDERS: &[&str] = &["custom-page-sizes", "threads", "wide-arithmetic"];

/// Folders with tests of older versions of the specification, and the later proposals that make
/// modules valid which these tests expect to be rejected.
const OLDER: &[(&str, &[&str])] = &[
    ("wasm-v1", &["memory64", "multi-memory"]),
    ("wasm-v2", &["memory64", "multi-memory"]),
    ("function-references", &["memory64", "multi-memory"]),
    ("memory64", &["multi-memory"]),
    ("mutable-global", &["memory64", "multi-memory"]),
    ("multi-value", &["memory64", "multi-memory"]),
    ("reference-types", &["memory64", "multi-memory"]),
    ("threads", &["memory64", "multi-memory", "reference-types"]),
];

/// A list of proposals to switch on or off, from the command line or a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureList {
    switches: Vec<(&'static str, bool)>,
}

impl FeatureList {
    /// Parses `name,-name,all,-all`.
    ///
    /// # Errors
    /// When a name is unknown; the message lists the known ones.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut switches = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
            if name == "all" {
                switches.extend(PROPOSALS.iter().map(|&(name, _)| (name, on)));
                continue;
            }
            let known = PROPOSALS.iter().find(|&&(known, _)| known == name);
            let &(name, _) = known.ok_or_else(|| unknown_feature(name))?;
            switches.push((name, on));
        }
        Ok(Self { switches })
    }

    /// What a script at `path` needs beside the engine's defaults.
    #[must_use]
    pub fn of_path(path: &Path) -> Self {
        let inside = |name: &str| path.iter().any(|part| part.to_str() == Some(name));
        let special = ONLY_IN_THEIR_FOLDERS.iter().map(|&name| (name, inside(name)));
        let older = OLDER.iter().filter(|(folder, _)| inside(folder));
        let later = older.flat_map(|(_, later)| later.iter().map(|&name| (name, false)));
        Self { switches: special.chain(later).collect() }
    }

    /// Applies the switches in their order.
    pub fn apply(&self, config: &mut Config) {
        for (name, on) in &self.switches {
            for (_, switch) in PROPOSALS.iter().filter(|(known, _)| known == name) {
                switch(config, *on);
            }
        }
    }
}

fn unknown_feature(name: &str) -> String {
    let known: Vec<_> = PROPOSALS.iter().map(|(name, _)| *name).collect();
    format!("unknown feature `{name}`; known are all, {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_switch_by_name() {
        let list = FeatureList::parse("simd, -threads").unwrap();
        assert_eq!(list.switches, [("simd", true), ("threads", false)]);
        assert!(FeatureList::parse("warp-drive").unwrap_err().contains("simd"));
        assert_eq!(FeatureList::parse("-all").unwrap().switches.len(), PROPOSALS.len());
    }

    #[test]
    fn folders_switch_proposals_on() {
        let list = FeatureList::of_path(Path::new("proposals/threads/atomic.wast"));
        assert!(list.switches.contains(&("threads", true)));
        assert!(list.switches.contains(&("custom-page-sizes", false)));
    }
}
