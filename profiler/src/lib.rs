//! The profiler of Upshift: where time goes, in which tier, and what the tiers cost.
//!
//! ```text
//! Profiler ── Recordings ── Symbols ── Profile ──┬─ folded, flamegraph, Firefox Profiler, pprof
//! (samplers)  raw stacks     names     samples   ├─ Summary ── text, JSON, CSV, differences
//! Engine::events ────────────────── TierReport ──┴─ timeline, Chrome trace
//! Config::code_observer ── jitdump
//! ```
//!
//! A [`Sampler`] interrupts a thread that runs the program and notes stacks, a [`Profiler`] has one
//! for each of several threads; nothing is looked up
//! while the program runs. Names, tiers and offsets come afterwards from the module, whose code
//! stays where it is ([`upshift::Module::code_location`]).

pub mod code_names;
pub mod counters;
pub mod diff;
pub mod exact;
pub mod exceptions;
pub mod firefox;
pub mod flame;
mod host_names;
pub mod incidents;
pub mod jitdump;
mod maps;
mod names;
pub mod perf_map;
pub mod pprof;
pub mod profile;
pub mod profiler;
pub mod sampler;
pub mod source;
pub mod summary;
pub mod symbols;
pub mod table;
pub mod text;
pub mod tiers;
pub mod timeline;
pub mod trace;
pub mod turns;

pub use counters::{Counters, Reading};
pub use exact::ExactReport;
pub use incidents::Incident;
pub use profile::{Category, Profile};
pub use profiler::Profiler;
pub use sampler::{Recording, Sampler};
pub use summary::Summary;
pub use tiers::TierReport;

/// Text that is safe on a terminal and in one line: control characters and others that are not seen
/// themselves, such as those that turn the direction of text, become `\u{…}`.
#[must_use]
pub fn printable(name: &str) -> String {
    // Nearly all are, and some programs have a hundred thousand long ones.
    if name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return name.to_owned();
    }
    name.chars().flat_map(|c| escape(c).into_iter().flatten()).collect()
}

/// A character, or what stands for it when it is not seen.
fn escape(c: char) -> [Option<char>; 10] {
    let mut out = [None; 10];
    if c.is_control() || is_format(c) {
        for (place, c) in out.iter_mut().zip(c.escape_unicode()) {
            *place = Some(c);
        }
    } else {
        out[0] = Some(c);
    }
    out
}

/// Whether a character is of Unicode's categories Cf, Zl and Zp: it changes how others are shown.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("plain ü"), "plain ü");
        assert_eq!(printable("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\u{a}b");
        assert_eq!(printable("\u{202e}x"), "\\u{202e}x");
        let unseen = "a\u{2028}\u{2029}\u{200b}\u{feff}\u{ad}\u{e0020}b";
        let shown = r"a\u{2028}\u{2029}\u{200b}\u{feff}\u{ad}\u{e0020}b";
        assert_eq!(printable(unseen), shown);
    }
}
