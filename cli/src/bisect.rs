//! `upshift bisect`: which function does something else once it is optimized.
//!
//! The program runs again and again in processes of its own, with fewer and fewer of its functions
//! optimized, and is compared with a run in the baseline only.

use crate::inspect;
use crate::output::{print, say};
use crate::validate::read_module;
use crate::wasi_setup::WasiArgs;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Options of `upshift bisect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    wasi: WasiArgs,
    /// Call this export instead of `_start`; the arguments are its parameters.
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Let each run trap after this time: 500ms, 2s, 1m.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// The most stack that the program may use.
    #[arg(long, value_name = "SIZE")]
    max_stack: Option<String>,
    /// The module, binary or text, followed by the program's arguments. Its input is empty.
    #[arg(
        value_name = "FILE [ARGS]...",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

/// What a run is compared by.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: ExitStatus,
    stdout: Vec<u8>,
}

/// A way to optimize every function.
struct Way {
    options: &'static [&'static str],
    meaning: &'static str,
}

const REFERENCE: &[&str] = &["--tier", "baseline"];
const WAYS: [Way; 2] = [
    Way { options: &["--tier", "optimizer"], meaning: "when it is optimized from the start" },
    Way {
        options: &["--tier", "auto", "--zeal", "tier"],
        meaning: "only when it changes tiers while the program runs, perhaps inside a loop",
    },
];

/// Looks for the function; the exit code is 1 when there is one.
pub(crate) fn execute(args: &Args) -> Result<i32> {
    let file = Path::new(&args.command[0]);
    let bytes = read_module(file)?;
    let functions =
        inspect::functions(&bytes).with_context(|| format!("`{}` is malformed", file.display()))?;
    let runner = Runner { args, executable: std::env::current_exe()? };
    let reference = runner.run(REFERENCE, None)?;
    let (status, bytes) = (reference.status, reference.stdout.len());
    say(&format!("baseline: {status}, {bytes} bytes of output\n"));
    if runner.run(REFERENCE, None)? != reference {
        bail!("the program does not do the same twice in the baseline");
    }
    for way in &WAYS {
        let mut differs = |set: &[Range<u32>]| {
            let only = list(set);
            let differs = runner.run(way.options, Some(&only))? != reference;
            let (options, verdict) = (way.options.join(" "), verdict(differs));
            say(&format!("{options} --tier-only {only}: {verdict}\n"));
            Ok(differs)
        };
        let all = functions.imported..functions.imported + functions.defined;
        if all.is_empty() || !differs(std::slice::from_ref(&all))? {
            continue;
        }
        let found = culprits(all, &[], &mut differs)?;
        if found.len() > 1 {
            print(&format!("{} functions together differ:\n", found.len()))?;
        }
        for index in found {
            let name = functions.names.get(&index).map(|name| format!(" ({name})"));
            let (name, meaning) = (name.unwrap_or_default(), way.meaning);
            print(&format!("function {index}{name} differs {meaning}\n"))?;
        }
        return Ok(1);
    }
    print("nothing differs\n")?;
    Ok(0)
}

/// Runs the program in processes of its own.
struct Runner<'a> {
    args: &'a Args,
    executable: PathBuf,
}

impl Runner<'_> {
    fn run(&self, options: &[&str], only: Option<&str>) -> Result<Outcome> {
        let mut command = Command::new(&self.executable);
        command.arg("run").args(options);
        // Differences that the specification allows are none.
        command.args(["--nan-canonicalize", "--relaxed-simd-deterministic"]);
        command.args(only.map(|only| format!("--tier-only={only}")));
        command.args(self.args.wasi.options());
        command.args(self.args.invoke.iter().map(|name| format!("--invoke={name}")));
        command.args(self.args.max_stack.iter().map(|size| format!("--max-stack={size}")));
        command.args(self.args.timeout.iter().map(|time| format!("--timeout={time}")));
        let output = command.args(&self.args.command).stdin(Stdio::null()).output();
        let output = output.context("failed to start the program")?;
        Ok(Outcome { status: output.status, stdout: output.stdout })
    }
}

/// The fewest functions of `candidates` that make a difference together with those of `context`,
/// given that all of them do: one nearly always, more where no half does it alone.
fn culprits(
    candidates: Range<u32>,
    context: &[Range<u32>],
    differs: &mut impl FnMut(&[Range<u32>]) -> Result<bool>,
) -> Result<Vec<u32>> {
    if candidates.len() <= 1 {
        return Ok(candidates.collect());
    }
    let middle = candidates.start + (candidates.end - candidates.start) / 2;
    let halves = [candidates.start..middle, middle..candidates.end];
    for half in &halves {
        if differs(&[context, std::slice::from_ref(half)].concat())? {
            return culprits(half.clone(), context, differs);
        }
    }
    let [first, second] = halves;
    let with_second = [context, std::slice::from_ref(&second)].concat();
    let mut found = culprits(first, &with_second, differs)?;
    let singles = found.iter().map(|&index| index..index + 1);
    let with_found: Vec<Range<u32>> = context.iter().cloned().chain(singles).collect();
    found.extend(culprits(second, &with_found, differs)?);
    Ok(found)
}

/// Ranges as `--tier-only` takes them.
fn list(set: &[Range<u32>]) -> String {
    let text = |range: &Range<u32>| match range.len() {
        1 => range.start.to_string(),
        _ => format!("{}-{}", range.start, range.end.saturating_sub(1)),
    };
    set.iter().map(text).collect::<Vec<_>>().join(",")
}

fn verdict(differs: bool) -> &'static str {
    if differs { "differs" } else { "the same" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for `wrong`, where a run differs when all of them are optimized.
    fn find(wrong: &[u32], all: Range<u32>) -> (Vec<u32>, usize) {
        let mut runs = 0;
        let mut differs = |set: &[Range<u32>]| {
            runs += 1;
            Ok(wrong.iter().all(|index| set.iter().any(|range| range.contains(index))))
        };
        let found = culprits(all, &[], &mut differs).unwrap();
        (found, runs)
    }

    #[test]
    fn one_function_is_found_by_halving() {
        for wrong in 3..1000 {
            let (found, runs) = find(&[wrong], 3..1000);
            assert_eq!(found, [wrong]);
            assert!(runs <= 20, "{runs} runs for {wrong}");
        }
        assert_eq!(find(&[7], 7..8), (vec![7], 0));
    }

    #[test]
    fn functions_that_differ_only_together_are_all_found() {
        assert_eq!(find(&[4, 5], 3..20).0, [4, 5]);
        assert_eq!(find(&[3, 11, 19], 3..20).0, [3, 11, 19]);
    }

    #[test]
    fn a_failing_run_ends_the_search() {
        assert!(culprits(0..9, &[], &mut |_| bail!("failed")).is_err());
    }

    #[test]
    fn sets_are_lists_for_tier_only() {
        let set = [3..4, 6..9];
        assert_eq!(list(&set), "3,6-8");
        assert!(list(&set).parse::<upshift::FunctionSet>().is_ok());
    }
}
