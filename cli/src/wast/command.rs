//! `upshift wast`.

use super::{Options, Report, find_scripts, run_file};
use crate::engine_args::EngineArgs;
use crate::output::print;
use crate::progress::Progress;
use crate::units::parse_duration;
use anyhow::{Context, Result, bail};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Options of `upshift wast`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: EngineArgs,
    /// Interrupt a script after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2m")]
    timeout: Duration,
    /// Run each script in a process of its own, so that a crash does not end the others.
    #[arg(long)]
    isolate: bool,
    /// Print skipped directives and each script's figures.
    #[arg(short, long)]
    verbose: bool,
    /// Scripts, or directories that are searched for .wast files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Numbers of directives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs all scripts; the exit code is 1 when a directive failed.
pub(crate) fn execute(args: &Args) -> Result<i32> {
    let options = Options {
        config: args.engine.base_config(),
        features: args.engine.features.clone().unwrap_or_default(),
        timeout: args.timeout,
    };
    let mut scripts = Vec::new();
    for path in &args.paths {
        let found = find_scripts(path);
        let found = found.with_context(|| format!("failed to read {}", path.display()))?;
        if found.is_empty() {
            bail!("no .wast file in {}", path.display());
        }
        scripts.extend(found);
    }
    let progress = Progress::start("running scripts");
    let mut totals = Totals::default();
    for script in &scripts {
        progress.set_message(|| script.display().to_string());
        let one = if args.isolate {
            run_isolated(args, script)?
        } else {
            run_here(args, script, &options)?
        };
        totals.passed += one.passed;
        totals.failed += one.failed;
        totals.skipped += one.skipped;
    }
    drop(progress);
    print(&format!("{}\n", totals.line()))?;
    Ok(i32::from(totals.failed > 0))
}

impl Totals {
    fn of(report: &Report) -> Self {
        Self { passed: report.passed, failed: report.failures.len(), skipped: report.skips.len() }
    }

    fn line(self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }

    /// Reads what [`Self::line`] wrote.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(", ");
        let mut next = |unit: &str| parts.next()?.strip_suffix(unit)?.trim_end().parse().ok();
        Some(Self { passed: next("passed")?, failed: next("failed")?, skipped: next("skipped")? })
    }
}

fn run_here(args: &Args, script: &Path, options: &Options) -> Result<Totals> {
    let report = run_file(script, options);
    for line in report.failure_lines() {
        print(&format!("{line}\n"))?;
    }
    let totals = Totals::of(&report);
    if args.verbose {
        for line in report.skip_lines() {
            print(&format!("{line}\n"))?;
        }
        print(&format!("{}: {}\n", script.display(), totals.line()))?;
    }
    Ok(totals)
}

/// Runs one script by this program with the same options.
fn run_isolated(args: &Args, script: &Path) -> Result<Totals> {
    let is_path = |arg: &std::ffi::OsString| args.paths.iter().any(|path| path.as_os_str() == arg);
    // The subcommand stays, whatever the paths are called.
    let options = std::env::args_os().skip(1).enumerate();
    let options = options.filter(|(i, arg)| *i == 0 || !(is_path(arg) || arg == "--isolate"));
    let options = options.map(|(_, arg)| arg);
    let output = Command::new(std::env::current_exe()?).args(options).arg(script).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (notes, last) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    if let Some(totals) = Totals::parse(last) {
        if !notes.is_empty() {
            print(&format!("{notes}\n"))?;
        }
        return Ok(totals);
    }
    let end = match output.status.signal() {
        Some(signal) => format!("killed by signal {signal}"),
        None => format!("ended with {}", output.status),
    };
    let messages = String::from_utf8_lossy(&output.stderr);
    print(&format!("{}:0: {end}: {}\n", script.display(), messages.trim()))?;
    Ok(Totals { failed: 1, ..Totals::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_round_trip() {
        let totals = Totals { passed: 12, failed: 0, skipped: 3 };
        assert_eq!(Totals::parse(&totals.line()), Some(totals));
        assert_eq!(Totals::parse("killed"), None);
    }
}
