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

/// Text that is safe on a terminal and in one line: control characters become `\u{…}`.
#[must_use]
pub fn printable(name: &str) -> String {
    name.chars().flat_map(|c| escape(c).into_iter().flatten()).collect()
}

/// A character, or what stands for it when it is a control character.
fn escape(c: char) -> [Option<char>; 10] {
    let mut out = [None; 10];
    if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
        for (place, c) in out.iter_mut().zip(c.escape_unicode()) {
            *place = Some(c);
        }
    } else {
        out[0] = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("plain ü"), "plain ü");
        assert_eq!(printable("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\u{a}b");
        assert_eq!(printable("\u{202e}x"), "\\u{202e}x");
    }
}
