//! What is run: a module, its arguments, and what it may see of the machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};

/// One way to run a program, the same for every engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invocation {
    /// The module; absolute where [`Self::directory`] is given.
    pub(crate) module: PathBuf,
    /// The program's arguments.
    pub(crate) args: Vec<String>,
    /// `HOST[::GUEST]`, as all engines take it behind `--dir`.
    pub(crate) dirs: Vec<String>,
    /// Environment variables.
    pub(crate) env: BTreeMap<String, String>,
    /// Where the process runs.
    pub(crate) directory: Option<PathBuf>,
    /// The file that the program reads as standard input.
    pub(crate) input: Option<PathBuf>,
}

impl Invocation {
    /// A program that needs nothing but arguments.
    pub(crate) fn new(module: &Path, args: &[String]) -> Self {
        Self { module: module.to_owned(), args: args.to_vec(), ..Self::default() }
    }

    /// The standard input of a process.
    pub(crate) fn stdin(&self) -> Result<Stdio> {
        let Some(path) = &self.input else { return Ok(Stdio::null()) };
        Ok(File::open(path).with_context(|| path.display().to_string())?.into())
    }
}
