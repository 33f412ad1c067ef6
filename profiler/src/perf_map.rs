//! A map of machine code for `perf report`: `/tmp/perf-PID.map`.

use crate::symbols::function_name;
use std::fmt::Write;
use upshift::{CodeKind, Module};

/// The map's text: address and length in hexadecimal, and a name that says the tier.
#[must_use]
pub fn perf_map(module: &Module) -> String {
    let mut out = String::new();
    for range in module.code_ranges() {
        let tier = match range.kind {
            CodeKind::Optimized => "optimized",
            CodeKind::Osr => "osr",
            _ => "baseline",
        };
        let name = crate::printable(&function_name(module, range.func));
        writeln!(out, "{:x} {:x} {name}-{tier}", range.address, range.len)
            .expect("strings take anything");
    }
    out
}
