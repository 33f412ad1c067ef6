//! Profiles of calls through references: whom each `call_ref` and `call_indirect` of baseline code
//! has called, and how often; and how often each `br_on_cast` and `br_on_cast_fail` goes where.
//!
//! Sites are numbered in the order in which they stand in the module. A site has [`MAX_TARGETS`]
//! entries and one for what found no place, behind the hotness counters that an instance's `counters`
//! field points to:
//!
//! ```text
//! site:  [ record | count ] × 4  [ unused | count ]      32 bits each
//! ```
//!
//! `record` is the low half of the distance from the instance to the function's record, so that it
//! means the same in all instances of a module. A record of another instance is at a distance that is
//! most likely none of a record; whoever uses a profile compares with the record anyway.
//!
//! Branches on casts are sites, too, with two counts:
//!
//! ```text
//! site:  [ unused | executed ] [ unused | not taken ] …
//! ```
//!
//! Behind the sites, when [`turn_counts`](crate::config::CodegenConfig::turn_counts) asks for it, each
//! function has one counter of its entries, and one for each of its loops, of their turns. Bodies
//! that were inlined count as what they are:
//!
//! ```text
//! counter:  [ in the baseline | in optimised code ]      64 bits each
//! ```

use crate::index::{DefinedFuncIndex, FuncIndex};
use crate::module::Module;
use smallvec::SmallVec;
use std::fmt;

/// The words of the two counts of a branch on a cast in its site.
pub const BRANCH_WORDS: [usize; 2] = [1, 3];
/// Functions that are told apart at a site.
pub const MAX_TARGETS: usize = 4;
/// Sites of a module that have a profile, the first ones: all threads together may have 16 rows of
/// them.
pub const MAX_SITES: usize = 1 << 14;
/// 32-bit words of a site.
pub const SITE_WORDS: usize = 2 * (MAX_TARGETS + 1);
/// Hotness counters are rounded up to so many.
pub const COUNTER_GROUP: usize = 32;

/// Where the words of a site are behind the hotness counters of a module with so many functions.
#[must_use]
pub const fn site_word(functions: usize, site: usize) -> usize {
    let groups = functions.div_ceil(COUNTER_GROUP);
    let counters = if groups == 0 { COUNTER_GROUP } else { groups * COUNTER_GROUP };
    counters + site * SITE_WORDS
}

/// 32-bit words of a counter of entries or turns.
const TURN_WORDS: usize = 4;

/// Where the counters of entries and turns begin.
fn first_turn_word(module: &Module) -> usize {
    site_word(module.bodies.len(), module.call_sites.len()).next_multiple_of(TURN_WORDS)
}

/// The word behind the counters of entries and turns.
#[must_use]
pub fn turn_words_end(module: &Module) -> usize {
    let last = module.bodies.last();
    let loops = last.map_or(0, |body| body.first_loop as usize + body.loops.len());
    first_turn_word(module) + TURN_WORDS * (module.bodies.len() + loops)
}

/// Where the counter of a function's entries is, or of the turns of its loop with this position in
/// [`Body::loops`](crate::module::Body::loops); in the baseline or in optimised code.
///
/// # Panics
/// When the module has no such function.
#[must_use]
pub fn turn_word(
    module: &Module,
    func: DefinedFuncIndex,
    position: Option<usize>,
    optimized: bool,
) -> usize {
    let before = func.index() + module.bodies[func.index()].first_loop as usize;
    let counter = before + position.map_or(0, |position| position + 1);
    first_turn_word(module) + TURN_WORDS * counter + if optimized { TURN_WORDS / 2 } else { 0 }
}

/// Whom a site has called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Functions of the module, those called most first.
    pub funcs: SmallVec<[(FuncIndex, u64); MAX_TARGETS]>,
    /// All calls, those of other functions too.
    pub total: u64,
}

impl Targets {
    /// Adds calls of a function, or of none that is known.
    pub fn add(&mut self, func: Option<FuncIndex>, count: u64) {
        self.total += count;
        let Some(func) = func else { return };
        match self.funcs.iter_mut().find(|(found, _)| *found == func) {
            Some((_, sum)) => *sum += count,
            None => self.funcs.push((func, count)),
        }
    }

    /// Puts the functions into their order.
    pub fn sort(&mut self) {
        self.funcs.sort_by_key(|&(func, count)| (std::cmp::Reverse(count), func));
    }
}

/// What baseline code found out about the calls of a module.
pub trait CallProfile: fmt::Debug + Sync {
    /// Whom a site has called so far.
    fn targets(&self, site: usize) -> Targets;

    /// How often a branch on a cast was executed, and how often not taken, so far.
    fn branches(&self, site: usize) -> [u64; 2];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_lie_behind_the_counters() {
        assert_eq!(site_word(0, 0), COUNTER_GROUP);
        assert_eq!(site_word(1, 0), COUNTER_GROUP);
        assert_eq!(site_word(COUNTER_GROUP + 1, 2), 2 * COUNTER_GROUP + 2 * SITE_WORDS);
    }

    #[test]
    fn targets_are_summed_and_ordered() {
        let mut targets = Targets::default();
        for (func, count) in [(Some(3), 5), (None, 7), (Some(1), 9), (Some(3), 6)] {
            targets.add(func.map(FuncIndex), count);
        }
        targets.sort();
        assert_eq!(targets.funcs.as_slice(), [(FuncIndex(3), 11), (FuncIndex(1), 9)]);
        assert_eq!(targets.total, 27);
    }
}
