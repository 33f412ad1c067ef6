//! The compile pipeline as a trace for `chrome://tracing` and Perfetto, with collections, exceptions and traps.

use crate::incidents::{Incident, What};
use crate::printable;
use crate::tiers::TierReport;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The trace as JSON: a track for each thread, by its name, compilations and collections as spans, steps as instants.
#[must_use]
pub fn chrome(report: &TierReport) -> String {
    let name = |index: u32| {
        let found = report.functions.iter().find(|function| function.index == index);
        found.map_or_else(|| format!("func[{index}]"), |function| printable(&function.name))
    };
    let mut events = thread_names(report);
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
        for (began, step) in function.lazy_compilations() {
            events.push(json!({
                "name": printable(&function.name), "cat": "first call", "ph": "X", "pid": 1,
                "tid": step.thread, "ts": began * 1e3,
                "dur": (step.at_ms - began).max(0.0) * 1e3,
            }));
        }
        for step in function.moments() {
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

/// Names of threads: those that optimize, and all others that something happened on.
fn thread_names(report: &TierReport) -> Vec<Value> {
    let steps = report.functions.iter().flat_map(|function| &function.steps);
    let others = steps.map(|step| step.thread);
    let others = others.chain(report.incidents.iter().map(|incident| incident.thread));
    let mut names: BTreeMap<u32, String> =
        others.map(|thread| (thread, format!("program, thread {thread}"))).collect();
    let optimizers = report.optimizers().into_iter().enumerate();
    names.extend(optimizers.map(|(place, thread)| (thread, format!("optimizer {place}"))));
    let name = |(thread, name)| {
        json!({
            "name": "thread_name", "ph": "M", "pid": 1, "tid": thread, "ts": 0,
            "args": { "name": name },
        })
    };
    names.into_iter().map(name).collect()
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
        assert_eq!(phases, ["M", "X", "C", "i", "i"]);
        assert_eq!((&events[1]["ts"], &events[1]["dur"]), (&json!(2000.0), &json!(2500.0)));
        assert_eq!((&events[2]["ts"], &events[2]["args"]["bytes"]), (&json!(4500.0), &json!(4096)));
        assert_eq!(events[3]["args"]["what"], "7 thrown, 6 caught");
        assert_eq!(events[4]["args"]["function"], "a\\u{1b}<b>");
        assert_eq!(events[0]["args"]["name"], "program, thread 0");
    }
}
