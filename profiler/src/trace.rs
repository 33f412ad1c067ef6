//! The compile pipeline as a trace for `chrome://tracing` and Perfetto.

use crate::printable;
use crate::tiers::TierReport;
use serde_json::{Value, json};

/// The trace as JSON: a track for each thread, compilations as spans, steps as instants.
#[must_use]
pub fn chrome(report: &TierReport) -> String {
    let name = |index: u32| {
        let found = report.functions.iter().find(|function| function.index == index);
        found.map_or_else(|| format!("func[{index}]"), |function| printable(&function.name))
    };
    let mut events: Vec<Value> = Vec::new();
    for compilation in &report.compilations {
        let (start, end) = compilation.span_ms;
        events.push(json!({
            "name": name(compilation.func), "cat": "optimize", "ph": "X", "pid": 1,
            "tid": compilation.thread, "ts": start * 1e3, "dur": (end - start).max(0.0) * 1e3,
            "args": { "loop": compilation.loop_offset, "cpu_ms": compilation.cpu_ms,
                "code_bytes": compilation.code_bytes },
        }));
    }
    for function in &report.functions {
        let steps = function.steps.iter();
        for step in
            steps.filter(|step| !matches!(&*step.what, "slow-path" | "compiled" | "dequeued"))
        {
            events.push(json!({
                "name": format!("{}: {}", step.what, printable(&function.name)), "cat": "tier",
                "ph": "i", "s": "t", "pid": 1, "tid": step.thread, "ts": step.at_ms * 1e3,
            }));
        }
    }
    for (at, waiting) in &report.queue {
        events.push(json!({
            "name": "queue", "ph": "C", "pid": 1, "tid": 0, "ts": at * 1e3,
            "args": { "waiting": waiting },
        }));
    }
    json!({ "traceEvents": events, "displayTimeUnit": "ms" }).to_string()
}
