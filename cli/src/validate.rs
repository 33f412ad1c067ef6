//! `upshift validate`.

use crate::engine_args::EngineArgs;
use crate::errors;
use crate::output::print;
use crate::progress::Progress;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use upshift::{Engine, Module};

/// Options of `upshift validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: EngineArgs,
    /// Say so when a module is valid, too.
    #[arg(short, long)]
    verbose: bool,
    /// Modules, binary or text.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Validates every file and reports each that is not valid; the exit code is 1 if there was one.
pub(crate) fn execute(args: &Args) -> Result<i32> {
    let engine = Engine::new(&args.engine.config())?;
    let mut exit_code = 0;
    for file in &args.files {
        let progress = Progress::start(format!("validating {}", file.display()));
        let result = validate(&engine, file);
        drop(progress);
        match result {
            Ok(()) if args.verbose => print(&format!("{}: valid\n", file.display()))?,
            Ok(()) => {}
            Err(error) => {
                errors::report(&error);
                exit_code = 1;
            }
        }
    }
    Ok(exit_code)
}

fn validate(engine: &Engine, file: &Path) -> Result<()> {
    let bytes = read_module(file)?;
    Module::validate(engine, &bytes).with_context(|| format!("{} is not valid", file.display()))
}

/// Reads a module and translates it if it is in the text format.
pub(crate) fn read_module(file: &Path) -> Result<Vec<u8>> {
    let bytes =
        std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    if bytes.starts_with(b"\0asm") {
        return Ok(bytes);
    }
    let module = wat::Parser::new().parse_bytes(Some(file), &bytes).map_err(|mut error| {
        error.set_path(file);
        error
    })?;
    Ok(module.into_owned())
}
