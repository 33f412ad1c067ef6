//! What machine code is called in files for `perf`.

use crate::perf_map::{self, TierNames};
use crate::symbols::{readable, unnamed};
use std::fmt::Write;
use upshift::{CodeKind, Module};

/// See the module head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeNames {
    /// How a function's tier is told.
    pub tiers: TierNames,
    /// Whether functions are shown by their numbers, for files that leave the house.
    pub redacted: bool,
}

impl CodeNames {
    /// The map of a module's code for `perf report`.
    #[must_use]
    pub fn perf_map(self, module: &Module) -> String {
        if !self.redacted {
            return perf_map::perf_map(module, self.tiers);
        }
        let mut out = String::new();
        for range in module.code_ranges() {
            let name = self.of((None, range.func), range.kind);
            writeln!(out, "{:x} {:x} {name}", range.address, range.len)
                .expect("strings take anything");
        }
        out
    }

    /// The name of code of a function, which may have a name and has an index.
    pub(crate) fn of(self, (name, index): (Option<&str>, u32), kind: CodeKind) -> String {
        let name = match name.filter(|_| !self.redacted) {
            Some(name) => readable(name, index),
            None => unnamed(index),
        };
        self.tiers.of((&name, index), kind)
    }
}
