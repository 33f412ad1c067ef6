//! A map of machine code for tools that look addresses up there: `/tmp/perf-PID.map`.

use crate::code_names::CodeNames;
use std::fmt::Write;
use upshift::{CodeKind, Module};

/// How `perf` and its like get to know a function's tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierNames {
    /// By its own name: `work-baseline`, `work-osr`, `work-optimized`.
    #[default]
    Own,
    /// By that of the tier of V8 which has the same part, before it the function's index:
    /// `JS:work-3-liftoff`, `JS:work-3-turbofan`. samply knows these names, gives each tier its colour
    /// and shows `work`; those of entries at loops are `JS:work (osr)-3-turbofan`.
    Samply,
}

/// The map's text: address and length in hexadecimal, and a name that says the tier.
#[must_use]
pub fn perf_map(module: &Module, names: CodeNames) -> String {
    let mut out = String::new();
    for range in module.code_ranges() {
        let function = (module.function_name(range.func), range.func);
        let name = names.of(function, range.kind);
        writeln!(out, "{:x} {:x} {name}", range.address, range.len).expect("strings take anything");
    }
    out
}

impl TierNames {
    /// The name of code of a function, which has a name and an index.
    pub(crate) fn of(self, (function, index): (&str, u32), kind: CodeKind) -> String {
        let function = crate::printable(function);
        match (self, kind) {
            (Self::Own, CodeKind::Optimized) => format!("{function}-optimized"),
            (Self::Own, CodeKind::Osr) => format!("{function}-osr"),
            (Self::Own, _) => format!("{function}-baseline"),
            (Self::Samply, CodeKind::Optimized) => format!("JS:{function}-{index}-turbofan"),
            (Self::Samply, CodeKind::Osr) => format!("JS:{function} (osr)-{index}-turbofan"),
            (Self::Samply, _) => format!("JS:{function}-{index}-liftoff"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What samply makes of a name: the function as it shows it, and the tier.
    fn as_samply_reads(name: &str) -> Option<(String, &'static str)> {
        let name = name.strip_prefix("JS:")?;
        let tiers = ["liftoff", "turbofan"].into_iter();
        let mut ends =
            tiers.filter_map(|tier| Some((name.strip_suffix(&format!("-{tier}"))?, tier)));
        let (name, tier) = ends.next()?;
        let (name, index) = name.rsplit_once('-')?;
        Some((format!("{name} (WASM:{index})"), tier))
    }

    #[test]
    fn names_say_the_tier() {
        let of = |names: TierNames, kind| names.of(("a-b\n", 7), kind);
        let kinds = [CodeKind::Baseline, CodeKind::Osr, CodeKind::Optimized];
        let own = kinds.map(|kind| of(TierNames::Own, kind));
        assert_eq!(own, ["baseline", "osr", "optimized"].map(|tier| format!("a-b\\u{{a}}-{tier}")));
        let read = kinds.map(|kind| as_samply_reads(&of(TierNames::Samply, kind)).unwrap());
        let (name, at_loop) = ("a-b\\u{a} (WASM:7)", "a-b\\u{a} (osr) (WASM:7)");
        let expected = [(name, "liftoff"), (at_loop, "turbofan"), (name, "turbofan")];
        assert_eq!(read, expected.map(|(name, tier)| (name.to_owned(), tier)));
    }
}
