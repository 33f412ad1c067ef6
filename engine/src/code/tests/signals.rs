//! Faults that are not ours reach the handler that was there before. Each case runs in a process
//! of its own: this test's program, started again with the case's name in the environment.

use crate::code::common;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

const CASE: &str = "UPSHIFT_SIGNAL_CASE";

fn run(case: &str) -> ExitStatus {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "code::tests::signals::case", "--nocapture"]);
    command.env(CASE, case).status().unwrap()
}

#[test]
fn previous_handlers_are_chained() {
    assert_eq!(run("simple").code(), Some(41));
    assert_eq!(run("siginfo").code(), Some(42));
    assert_eq!(run("default").signal(), Some(libc::SIGSEGV));
    assert_eq!(run("ignored").code(), Some(43));
    assert_eq!(run("sent-default").signal(), Some(libc::SIGFPE));
}

/// Does nothing unless started by the test above.
#[test]
fn case() {
    let Ok(case) = std::env::var(CASE) else { return };
    crate::vm::signal_case(&case, || common::initialize().unwrap());
}
