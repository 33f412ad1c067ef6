//! What machine code is called in files for `perf`.

use crate::perf_map::TierNames;
use crate::symbols::{readable, unnamed};
use upshift::CodeKind;

/// See the module head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeNames {
    /// How a function's tier is told.
    pub tiers: TierNames,
    /// Whether functions are shown by their numbers, for files that leave the house.
    pub redacted: bool,
}

impl CodeNames {
    /// The name of code of a function, which may have a name and has an index.
    pub(crate) fn of(self, (name, index): (Option<&str>, u32), kind: CodeKind) -> String {
        let name = match name.filter(|_| !self.redacted) {
            Some(name) => readable(name, index),
            None => unnamed(index),
        };
        self.tiers.of((&name, index), kind)
    }
}
