//! The compile pipeline as a trace for `chrome://tracing` and Perfetto, with collections, exceptions and traps.

use crate::incidents::{Incident, What};
use crate::printable;
use crate::tiers::TierReport;
use serde_json::{Value, json};

/// The trace as JSON: a track for each thread, compilations and collections as spans, steps as instants.
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
    events.extend(report.incidents.iter().flat_map(incident));
    json!({ "traceEvents": events, "displayTimeUnit": "ms" }).to_string()
}

/// A collection is a span, and has the heap's size; exceptions and traps are instants.
fn incident(incident: &Incident) -> Vec<Value> {
    let Incident { at_ms, thread, what, .. } = incident;
    let function = incident.printable_name();
    let instant = |name: &str| {
        json!({
            "name": name, "cat": "incident", "ph": "i", "s": "t", "pid": 1, "tid": thread,
            "ts": at_ms * 1e3, "args": { "what": printable(&what.title()), "function": function },
        })
    };
    match what {
        What::Collection { of, pause_ms, heap_bytes } => {
            let span = json!({
                "name": format!("{of} collection"), "cat": "gc", "ph": "X", "pid": 1, "tid": thread,
                "ts": at_ms * 1e3, "dur": pause_ms * 1e3, "args": { "function": function },
            });
            let size = json!({
                "name": "objects", "ph": "C", "pid": 1, "tid": 0, "ts": incident.end_ms() * 1e3,
                "args": { "bytes": heap_bytes },
            });
            if of == "exceptions" { vec![span] } else { vec![span, size] }
        }
        What::Exceptions { .. } => vec![instant("exceptions")],
        What::Traps { .. } => vec![instant("traps")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incidents_are_spans_instants_and_a_counter() {
        let incidents = crate::incidents::examples();
        let report = TierReport { incidents, ..TierReport::default() };
        let trace: Value = serde_json::from_str(&chrome(&report)).expect("it is JSON");
        let events = trace["traceEvents"].as_array().expect("there are some");
        let phases: Vec<&str> = events.iter().filter_map(|event| event["ph"].as_str()).collect();
        assert_eq!(phases, ["X", "C", "i", "i"]);
        assert_eq!((&events[0]["ts"], &events[0]["dur"]), (&json!(2000.0), &json!(2500.0)));
        assert_eq!((&events[1]["ts"], &events[1]["args"]["bytes"]), (&json!(4500.0), &json!(4096)));
        assert_eq!(events[2]["args"]["what"], "7 thrown, 6 caught");
        assert_eq!(events[3]["args"]["function"], "a\\u{1b}<b>");
    }
}
