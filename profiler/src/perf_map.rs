//! A map of machine code for `perf report`: `/tmp/perf-PID.map`.

use crate::symbols::function_name;
use std::fmt::Write;
use upshift::{CodeKind, Module};

/// The map's text: address and length in hexadecimal, and a name that says the tier.
#[must_use]
pub fn perf_map(module: &Module) -> String {
    let mut out = String::new();
    for range in module.code_ranges() {
        let name = perf_name(&function_name(module, range.func), range.kind);
        writeln!(out, "{:x} {:x} {name}", range.address, range.len).expect("strings take anything");
    }
    out
}

/// What `perf` shows for a function's code: its name and the tier.
pub(crate) fn perf_name(function: &str, kind: CodeKind) -> String {
    let tier = match kind {
        CodeKind::Optimized => "optimized",
        CodeKind::Osr => "osr",
        _ => "baseline",
    };
    format!("{}-{tier}", crate::printable(function))
}
