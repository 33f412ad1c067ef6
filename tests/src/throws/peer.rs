//! Programs for another engine: `tests/peers/throws.mjs` runs them in a JavaScript engine.
//!
//! A program is a line of JSON: the module in hexadecimal digits, what the model says of each call
//! (`v7`, `eN` for an exception with the number that hosts see, `t` and the message of a trap), and
//! what the host has to know of tags and of the function that it stands in for.

use super::{Outcome, Program, Ty};
use std::fmt::Write as _;
use upshift::Trap;

impl Program {
    /// The line of the program, if another engine can run it: it takes one proposal only, errors of
    /// the host can be caught there, and neither vectors nor references to exceptions get to a host.
    #[must_use]
    pub fn peer_line(&self) -> Option<String> {
        let next = &self.functions[self.next];
        let stays = |ty: &Ty| matches!(ty, Ty::V128 | Ty::Exn);
        let seen = self.tags[0].iter().any(|field| stays(&field.ty));
        let vectors = self.tags.iter().flatten().any(|field| field.ty == Ty::V128);
        let called = next.params.iter().chain(&next.results).any(stays);
        if self.mixed || self.special_host || seen || vectors || called {
            return None;
        }
        let tags: Vec<String> =
            self.tags.iter().map(|tag| names(tag.iter().map(|field| field.ty))).collect();
        let expected: Vec<String> = self.expected.iter().map(outcome).collect();
        let module = self.bytes().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("strings take anything");
            text
        });
        Some(format!(
            r#"{{"alias":{},"cross":{},"called":{},"tags":[{}],"next":{},"expected":[{}],"module":"{module}"}}"#,
            self.alias,
            self.cross,
            self.called,
            tags.join(","),
            names(next.results.iter().copied()),
            expected.join(","),
        ))
    }
}

fn names(types: impl Iterator<Item = Ty>) -> String {
    let names: Vec<String> = types.map(|ty| format!("\"{ty:?}\"")).collect();
    format!("[{}]", names.join(","))
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Value(value) => format!("\"v{value}\""),
        Outcome::Exception(number) => format!("\"e{number}\""),
        Outcome::Trap(Trap::NullReference) => "\"tnull\"".into(),
        Outcome::Trap(trap) => format!("\"t{}\"", trap.message()),
        Outcome::Error | Outcome::Panic => unreachable!("the host is special"),
    }
}
