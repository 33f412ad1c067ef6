//! `--tier-log`: the engine's events as lines of JSON.
//!
//! ```text
//! {"at_us":1532.114,"event":"requested","func":7,"loop":"0x1f3","name":"main","thread":0, …}
//! ```
//! `func` is the function's index (imports count), `loop` the offset of the `loop` operator in the
//! module for code that is entered there. Times are in microseconds, `at_us` since the engine was
//! made.

use crate::output::say;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use upshift::{Engine, Event, EventKind, Module};

/// Events of an engine. It gives each only once, so all who want them get them from here.
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    /// How many are missing.
    pub(crate) lost: u64,
}

impl Events {
    /// Takes all out that an engine has.
    pub(crate) fn take(engine: &Engine) -> Self {
        Self { events: engine.events(), lost: engine.lost_events() }
    }
}

/// What the log is written from.
pub(crate) struct TierLog<'a> {
    pub(crate) events: &'a Events,
    /// The program: its functions are named.
    pub(crate) module: &'a Module,
}

impl TierLog<'_> {
    /// Writes the events to the file at `path`, or to stderr for `-`.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        let Events { events, lost } = self.events;
        for event in events {
            writeln!(text, "{}", self.line(event))?;
        }
        if *lost > 0 {
            writeln!(text, "{}", json!({ "event": "lost", "events": lost }))?;
        }
        if path.as_os_str() == "-" {
            say(&text);
            return Ok(());
        }
        std::fs::write(path, text)
            .with_context(|| format!("failed to write the tier log to {}", path.display()))
    }

    fn line(&self, event: &Event) -> Value {
        let mut line = Map::new();
        line.insert("at_us".to_owned(), microseconds(event.at));
        line.insert("event".to_owned(), event.kind.name().into());
        line.insert("thread".to_owned(), event.thread.into());
        if let Some(module) = event.module {
            line.insert("module".to_owned(), module.into());
        }
        if let Some(func) = event.func {
            line.insert("func".to_owned(), func.into());
            if event.module == Some(self.module.id())
                && let Some(name) = self.module.function_name(func)
            {
                line.insert("name".to_owned(), name.into());
            }
        }
        if let Some(offset) = event.loop_offset {
            line.insert("loop".to_owned(), format!("{offset:#x}").into());
        }
        if let Value::Object(details) = details(&event.kind) {
            line.extend(details);
        }
        Value::Object(line)
    }
}

/// What events of this kind tell beside who and when.
fn details(kind: &EventKind) -> Value {
    match kind {
        EventKind::ModuleLoaded { functions, code_section_bytes } => {
            json!({ "functions": functions, "code_section_bytes": code_section_bytes })
        }
        EventKind::LazyCompiled { optimized, cpu, code_bytes } => json!({
            "tier": if *optimized { "optimized" } else { "baseline" },
            "cpu_us": microseconds(*cpu),
            "code_bytes": code_bytes,
        }),
        EventKind::Requested { counted, expected } => {
            json!({ "counted": counted, "expected_us": microseconds(*expected) })
        }
        EventKind::Dequeued { waiting } => json!({ "waiting": waiting }),
        EventKind::Compiled { cpu, code_bytes, full, inlined } => json!({
            "cpu_us": microseconds(*cpu),
            "code_bytes": code_bytes,
            "inlined": inlined,
            "effort": if *full { "full" } else { "quick" },
        }),
        EventKind::Rejected { reason } => json!({ "reason": reason.to_string() }),
        EventKind::SlowPath { cpu, count } => {
            json!({ "cpu_us": microseconds(*cpu), "count": count })
        }
        EventKind::Collected { kind, pause, heap_bytes } => json!({
            "kind": kind.name(), "pause_us": microseconds(*pause), "heap_bytes": heap_bytes,
        }),
        EventKind::Thrown { thrown, caught } => json!({ "thrown": thrown, "caught": caught }),
        EventKind::Trapped { trap, module_offset, count } => json!({
            "trap": trap.to_string(), "offset": module_offset.map(|offset| format!("{offset:#x}")),
            "count": count,
        }),
        _ => Value::Null,
    }
}

fn microseconds(time: Duration) -> Value {
    (time.as_secs_f64() * 1e6).into()
}
