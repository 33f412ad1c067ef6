//! What is known of functions as CSV, with a head line ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)).
//! What is not known is empty.

use crate::profile::Category;
use crate::sampler::COUNTERS;
use crate::summary::{Basis, Summary};
use crate::tiers::FunctionTiers;

/// Where time went: functions by tier.
#[must_use]
pub fn functions(summary: &Summary) -> String {
    let mut out = String::from("function,index,tier,self_ms,total_ms,samples,inlined");
    COUNTERS.iter().for_each(|name| out.extend([",", name]));
    out.push_str("\r\n");
    for row in &summary.functions {
        let index = row.index.map_or(String::new(), |index| index.to_string());
        let name = quoted(&crate::printable(&row.name));
        let (tier, own, total) = (row.tier.name(), row.self_ms, row.total_ms);
        out.push_str(&format!(
            "{name},{index},{tier},{own:.3},{total:.3},{},{}",
            row.samples, row.inlined
        ));
        for counter in COUNTERS {
            let count = row.counts.get(counter).map(u64::to_string);
            out.extend([",", &count.unwrap_or_default()]);
        }
        out.push_str("\r\n");
    }
    out
}

/// Columns of [`tiers`]. Times of steps are since the engine was made, other times are durations.
const TIER_COLUMNS: [&str; 18] = [
    "function",
    "index",
    "requested_at_ms",
    "waited_ms",
    "ready_after_ms",
    "entered_after_ms",
    "baseline_compile_ms",
    "optimizer_compile_ms",
    "baseline_code_bytes",
    "optimizer_code_bytes",
    "baseline_self_ms",
    "optimized_self_ms",
    "osr_self_ms",
    "osr_entries",
    "speed_up",
    "speed_up_is",
    "saved_ms",
    "repaid_after_ms",
];

/// What the tiers did with each function, what that cost, and what it saved. An entry at a loop is
/// the loop's offset in the module, and when: `0x6d4a@30.5`.
#[must_use]
pub fn tiers(summary: &Summary) -> String {
    let mut out = TIER_COLUMNS.join(",");
    out.push_str("\r\n");
    for function in &summary.tiers.functions {
        out.push_str(&tier_cells(summary, function).join(","));
        out.push_str("\r\n");
    }
    out
}

fn tier_cells(summary: &Summary, function: &FunctionTiers) -> [String; TIER_COLUMNS.len()] {
    let ms = |ms: f64| format!("{ms:.3}");
    let known = |value: Option<f64>| value.map(ms).unwrap_or_default();
    let requested = function.steps.iter().find(|step| step.what == "requested");
    let optimised = requested.is_some() || function.optimizer_compile_ms > 0.0;
    let spent = |tier| {
        let mut rows = summary.functions.iter();
        let own =
            rows.find(|row| row.index == Some(function.index) && !row.inlined && row.tier == tier);
        summary.sampling.as_ref().map(|_| own.map_or(0.0, |row| row.self_ms))
    };
    let entries = function.osr_entries.iter().map(|(loop_at, at)| format!("{loop_at:#x}@{at:.3}"));
    let repaid = summary.repaid.iter().find(|repaid| repaid.index == function.index);
    let basis = repaid.map(|repaid| match repaid.basis {
        Basis::Measured => "measured",
        Basis::Program => "program's",
        Basis::Assumed => "assumed",
    });
    [
        quoted(&crate::printable(&function.name)),
        function.index.to_string(),
        known(requested.map(|step| step.at_ms)),
        known(optimised.then_some(function.waited_ms)),
        known(function.tier_up_ms),
        known(function.first_entry_ms),
        ms(function.baseline_compile_ms),
        ms(function.optimizer_compile_ms),
        function.baseline_code_bytes.to_string(),
        function.optimizer_code_bytes.to_string(),
        known(spent(Category::Baseline)),
        known(spent(Category::Optimized)),
        known(spent(Category::Osr)),
        entries.collect::<Vec<_>>().join(" "),
        known(repaid.map(|repaid| repaid.factor.times)),
        basis.unwrap_or_default().to_owned(),
        known(repaid.map(|repaid| repaid.saved_ms)),
        known(repaid.and_then(|repaid| repaid.after_ms)),
    ]
}

/// A field in quotes. One that a spreadsheet would take for a formula gets an apostrophe.
pub(crate) fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
    }
}
