//! What the program's threads did beside running code: collections, exceptions and traps, from the engine's
//! events.

use crate::names::Names;
use crate::symbols::unnamed;
use crate::table::quoted;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;
use upshift::{Event, EventKind, Module};

/// See the module head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// When it began, in milliseconds since the engine was made.
    pub at_ms: f64,
    /// Number of the thread.
    pub thread: u32,
    /// Index of the function that ran, imports count; none where none of the module did.
    pub func: Option<u32>,
    /// Its name: not yet safe to print.
    pub name: Option<String>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// The program waited for a collection.
    Collection {
        /// Of what: `minor`, `major` or `exceptions`.
        of: Cow<'static, str>,
        /// For how long, in milliseconds.
        pause_ms: f64,
        /// Bytes that objects took afterwards.
        heap_bytes: u64,
    },
    /// Exceptions were thrown, the last one by this function.
    Exceptions {
        /// How many.
        thrown: u64,
        /// How many of them were caught.
        caught: u64,
    },
    /// Calls of the host ended with traps, the last one of this function.
    Traps {
        /// Why the last one did.
        trap: String,
        /// Offset of its operator in the module.
        offset: Option<u32>,
        /// How many there were.
        count: u64,
    },
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Incident {
    /// What an event of a module tells, or one of no module; `None` for what happens to functions.
    pub(crate) fn new((module, names): (&Module, &mut Names<'_>), event: &Event) -> Option<Self> {
        let (mut at, what) = (ms(event.at), What::new(&event.kind)?);
        if let What::Collection { pause_ms, .. } = what {
            at -= pause_ms;
        }
        let func = event.func.filter(|_| event.module == Some(module.id()));
        let name = func.map(|func| names.of(func));
        Some(Self { at_ms: at, thread: event.thread, func, name, what })
    }

    /// Replaces the name of the function by its number.
    pub(crate) fn redact(&mut self) {
        self.name = self.func.map(unnamed);
    }

    /// When it was over.
    pub(crate) fn end_ms(&self) -> f64 {
        match self.what {
            What::Collection { pause_ms, .. } => self.at_ms + pause_ms,
            _ => self.at_ms,
        }
    }

    /// The function's name, safe to print; empty when there is none.
    pub(crate) fn printable_name(&self) -> String {
        self.name.as_deref().map(crate::printable).unwrap_or_default()
    }
}

impl What {
    fn new(kind: &EventKind) -> Option<Self> {
        Some(match *kind {
            EventKind::Collected { kind, pause, heap_bytes } => {
                Self::Collection { of: Cow::Borrowed(kind.name()), pause_ms: ms(pause), heap_bytes }
            }
            EventKind::Thrown { thrown, caught } => Self::Exceptions { thrown, caught },
            EventKind::Trapped { trap, module_offset: offset, count } => {
                Self::Traps { trap: trap.to_string(), offset, count }
            }
            _ => return None,
        })
    }

    /// What happened, in a line.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Collection { of, pause_ms, heap_bytes } => {
                format!("{of} collection: {pause_ms:.2} ms, {heap_bytes} bytes afterwards")
            }
            Self::Exceptions { thrown, caught } => format!("{thrown} thrown, {caught} caught"),
            Self::Traps { trap, count: 1, .. } => format!("trap: {trap}"),
            Self::Traps { trap, count, .. } => format!("{count} traps, the last: {trap}"),
        }
    }
}

/// Incidents as CSV with a head line.
#[must_use]
pub fn csv(incidents: &[Incident]) -> String {
    let head = "at_ms,thread,kind,function,index,pause_ms,heap_bytes,count,caught,trap,offset\r\n";
    let mut out = String::from(head);
    for incident in incidents {
        let Incident { at_ms, thread, func, .. } = incident;
        let name = if func.is_some() { quoted(&incident.printable_name()) } else { String::new() };
        let index = func.map(|func| func.to_string()).unwrap_or_default();
        let (kind, rest) = match &incident.what {
            What::Collection { of, pause_ms, heap_bytes } => {
                (format!("{of} collection"), format!("{pause_ms:.3},{heap_bytes},1,,,"))
            }
            What::Exceptions { thrown, caught } => {
                ("exceptions".to_owned(), format!(",,{thrown},{caught},,"))
            }
            What::Traps { trap, offset, count } => {
                let offset = offset.map(|offset| format!("{offset:#x}")).unwrap_or_default();
                ("traps".to_owned(), format!(",,{count},,{},{offset}", quoted(trap)))
            }
        };
        out.push_str(&format!("{at_ms:.3},{thread},{kind},{name},{index},{rest}\r\n"));
    }
    out
}

/// One of each kind, for tests of what is made of them.
#[cfg(test)]
pub(crate) fn examples() -> Vec<Incident> {
    let of = |at_ms, func: Option<u32>, what| {
        let name = func.map(|_| "a\u{1b}<b>".to_owned());
        Incident { at_ms, thread: 0, func, name, what }
    };
    let collection = What::Collection { of: "major".into(), pause_ms: 2.5, heap_bytes: 4096 };
    let trap = "wasm trap: unreachable".to_owned();
    vec![
        of(2.0, None, collection),
        of(5.0, Some(4), What::Exceptions { thrown: 7, caught: 6 }),
        of(6.0, Some(4), What::Traps { trap, offset: Some(32), count: 1 }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incidents_are_rows() {
        let csv = csv(&examples());
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(
            rows[1..],
            [
                "2.000,0,major collection,,,2.500,4096,1,,,",
                "5.000,0,exceptions,\"a\\u{1b}<b>\",4,,,7,6,,",
                "6.000,0,traps,\"a\\u{1b}<b>\",4,,,1,,\"wasm trap: unreachable\",0x20",
            ]
        );
        let fields = |row: &&str| row.split(',').count();
        assert!(rows.iter().all(|row| fields(row) == fields(&rows[0])), "{csv}");
    }

    #[test]
    fn they_are_stored_with_their_kind() {
        let json = serde_json::to_value(examples()).expect("all keys are strings");
        assert_eq!(json[0]["what"]["kind"], "collection");
        let back: Vec<Incident> = serde_json::from_value(json).expect("it was just written");
        assert_eq!(back, examples());
    }
}
