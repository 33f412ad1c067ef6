//! Errors as the user sees them, and exit codes.
//!
//! Exit codes are those that `wasmtime run` gives: the program's own code when it exits through
//! WASI, 134 (what a shell shows for SIGABRT) when it traps, 2 for mistakes on the command line, 1
//! for everything else.

use crate::output::say;
use upshift::{Error, Trap};
use upshift_wasi::I32Exit;

/// Exit code of a program that trapped: 128 + SIGABRT.
const EXIT_CODE_TRAP: i32 = 134;
/// Exit code of every other failure.
const EXIT_CODE_FAILURE: i32 = 1;
/// Exit code of options that do not go together, as of those that the parser refuses.
const EXIT_CODE_USAGE: i32 = 2;

/// Options that do not go together.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Prints `error` with its causes to stderr and returns the exit code that belongs to it.
///
/// A program that ended through `proc_exit` is no error: nothing is printed.
pub(crate) fn report(error: &Error) -> i32 {
    if let Some(exit) = error.chain().find_map(|cause| cause.downcast_ref::<I32Exit>()) {
        return exit.0;
    }
    say(&format!("Error: {}\n", describe(error)));
    if error.is::<UsageError>() {
        return EXIT_CODE_USAGE;
    }
    if error.chain().any(|cause| cause.is::<Trap>()) || error.downcast_ref::<Trap>().is_some() {
        EXIT_CODE_TRAP
    } else {
        EXIT_CODE_FAILURE
    }
}

/// The error and its causes, one per line; several lines of one cause stay together.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if causes.is_empty() {
        return text;
    }
    text.push_str("\n\nCaused by:");
    for (i, cause) in causes.iter().enumerate() {
        let number = if causes.len() > 1 { format!("{i}: ") } else { String::new() };
        let indent = " ".repeat(4 + number.len());
        let cause = cause.trim_end().replace('\n', &format!("\n{indent}"));
        text.push_str(&format!("\n    {number}{cause}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn causes_are_listed() {
        let error = anyhow!("second\nline").context("first");
        assert_eq!(describe(&error), "first\n\nCaused by:\n    second\n    line");
        let error = anyhow!("c").context("b").context("a");
        assert_eq!(describe(&error), "a\n\nCaused by:\n    0: b\n    1: c");
    }

    #[test]
    fn exit_codes() {
        assert_eq!(report(&anyhow!("no such file")), 1);
        assert_eq!(report(&Error::from(Trap::Unreachable).context("failed to run")), 134);
        assert_eq!(report(&UsageError("do not go together".to_owned()).into()), 2);
        assert_eq!(report(&Error::from(I32Exit(7)).context("failed to run")), 7);
    }
}
