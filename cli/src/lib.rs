//! The command line of Upshift, and the runner of WebAssembly's test scripts.
//!
//! Each subcommand is a module with an `Args` struct (clap derives its help from the comments) and
//! an `execute` function. [`wast`] is public: the test suites of the workspace drive it too.

#![forbid(unsafe_code)]

mod bisect;
mod compile;
mod digest;
pub mod disasm;
mod dump;
mod engine_args;
mod errors;
mod explore;
mod inspect;
mod instantiate;
mod invoke;
mod output;
mod profile;
mod progress;
mod run;
mod stats;
mod stop;
mod tier_args;
mod tier_log;
mod units;
mod validate;
mod wasi_setup;
pub mod wast;

use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;

/// Upshift runs WebAssembly programs. `upshift FILE` is short for `upshift run FILE`.
#[derive(Debug, Parser)]
#[command(name = "upshift", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a WASI program, or call a function of a module.
    Run(profile::RunArgs),
    /// Run a program and report where its time went, in which tier.
    Profile(profile::Args),
    /// Show a function's operators, intermediate code and machine code with what was sampled where.
    Explore(explore::Args),
    /// Find the function of a program, or the loop, that does something else once it is optimized.
    Bisect(bisect::Args),
    /// Validate a module and compile all its functions, to measure or to look at the code.
    Compile(compile::Args),
    /// Measure how long it takes to make, call and drop an instance.
    Instantiate(instantiate::Args),
    /// Run WebAssembly test scripts (.wast).
    Wast(wast::command::Args),
    /// Check that modules are valid.
    Validate(validate::Args),
    /// Show imports, exports, features, sizes and the largest functions of a module.
    Inspect(inspect::Args),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line `args`, the program's name first, and returns the exit code.
///
/// Everything there is to say goes to the standard streams: results to stdout, errors and progress
/// to stderr.
#[must_use]
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> i32 {
    let cli = match Cli::try_parse_from(with_default_command(args.into_iter().collect())) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with code 0, mistakes to stderr with code 2.
            // A closed stream leaves nothing to report to.
            error.print().ok();
            return error.exit_code();
        }
    };
    let result = match cli.command {
        Command::Run(args) => profile::run(args),
        Command::Profile(args) => profile::execute(&args),
        Command::Explore(args) => explore::execute(args),
        Command::Bisect(args) => bisect::execute(&args),
        Command::Compile(args) => compile::execute(&args).map(|()| 0),
        Command::Instantiate(args) => instantiate::execute(&args).map(|()| 0),
        Command::Wast(args) => wast::command::execute(&args),
        Command::Validate(args) => validate::execute(&args),
        Command::Inspect(args) => inspect::execute(&args).map(|()| 0),
        Command::Completions { shell } => output::print(&completions(shell)).map(|()| 0),
    };
    result.unwrap_or_else(|error| errors::report(&error))
}

/// `upshift FILE …` means `upshift run FILE …`: inserts the subcommand when the first argument
/// names none.
fn with_default_command(mut args: Vec<OsString>) -> Vec<OsString> {
    const GENERAL: [&str; 5] = ["help", "-h", "--help", "-V", "--version"];
    let Some(first) = args.get(1) else { return args };
    let known = first.to_str().is_some_and(|first| {
        GENERAL.contains(&first) || Cli::command().find_subcommand(first).is_some()
    });
    if !known {
        args.insert(1, "run".into());
    }
    args
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "upshift", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(args: &[&str]) -> Vec<String> {
        let args = std::iter::once("upshift").chain(args.iter().copied()).map(OsString::from);
        with_default_command(args.collect())
            .into_iter()
            .skip(1)
            .map(|arg| arg.into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_file_alone_is_run() {
        assert_eq!(defaulted(&["a.wasm", "run"]), ["run", "a.wasm", "run"]);
        assert_eq!(defaulted(&["--dir", ".", "a.wasm"]), ["run", "--dir", ".", "a.wasm"]);
        assert_eq!(defaulted(&["wast", "x"]), ["wast", "x"]);
        assert_eq!(defaulted(&["--version"]), ["--version"]);
        assert!(defaulted(&[]).is_empty());
    }
}
