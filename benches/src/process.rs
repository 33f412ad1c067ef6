//! Child processes: their output, their figures, their CPU time.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The clock of `/proc/self/stat` on Linux, in ticks per second.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process printed, and what it took.
pub(crate) struct Output {
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// Its standard error.
    pub(crate) stderr: String,
    /// Its CPU time by [`children_cpu_ms`], in whole ticks.
    pub(crate) cpu_ms: f64,
}

/// Runs a command to its end; a failure carries the last lines that it printed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    output_of(command, Stdio::null())
}

/// [`output`] of a command that reads `stdin`.
pub(crate) fn output_of(command: &mut Command, stdin: Stdio) -> Result<Output> {
    let name = command.get_program().to_owned();
    let before = children_cpu_ms()?;
    let finished = command
        .stdin(stdin)
        .output()
        .with_context(|| format!("cannot start {}", name.display()))?;
    let stderr = String::from_utf8_lossy(&finished.stderr).into_owned();
    if !finished.status.success() {
        bail!("{} {}: {}", name.display(), finished.status, last_lines(&stderr));
    }
    Ok(Output { stdout: finished.stdout, stderr, cpu_ms: children_cpu_ms()? - before })
}

/// What a failed process said last.
pub(crate) fn last_lines(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.trim().lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// The object after `@@` in a driver's output.
pub(crate) fn marked_json(text: &str) -> Result<Value> {
    let line = text.lines().find_map(|line| line.strip_prefix("@@"));
    serde_json::from_str(line.context("the driver printed no figures")?)
        .context("the driver's figures are not JSON")
}

/// CPU milliseconds of all children that have ended so far, whole processes from `exec` to
/// exit. The kernel adds them up in nanoseconds but tells whole ticks: difference many runs.
pub(crate) fn children_cpu_ms() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat").context("no /proc/self/stat")?;
    parse_children_cpu_ms(&text).context("/proc/self/stat looks odd")
}

/// Fields 16 and 17 (`cutime`, `cstime`); the name in field 2 may hold spaces.
fn parse_children_cpu_ms(stat: &str) -> Option<f64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(13);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) * 1e3 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_times_are_fields_16_and_17() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 30 12 20 0 1";
        assert_eq!(parse_children_cpu_ms(stat), Some(420.0));
        assert_eq!(parse_children_cpu_ms("7 (x) S 1"), None);
    }

    #[test]
    fn a_failure_says_what_the_process_said_last() {
        let script = "printf 'one\\ntwo\\nthree\\nfour\\n' >&2; exit 3";
        let error = output(Command::new("sh").args(["-c", script])).err().unwrap().to_string();
        assert!(error.ends_with("two / three / four") && error.contains('3'), "{error}");
    }

    #[test]
    fn figures_are_found_among_other_lines() {
        let figures = marked_json("warning\n@@{\"bench_ms\":1.5}\n").unwrap();
        assert_eq!(figures["bench_ms"], 1.5);
        assert!(marked_json("nothing").is_err());
    }
}
