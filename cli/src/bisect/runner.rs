//! Runs of the program in processes of their own, and what they are compared by.

use crate::digest::Digest;
use crate::run;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What a run did.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Whether the program ran, to whatever end.
    pub(super) ran: bool,
    /// The exit code; none when a signal ended the process.
    pub(super) code: Option<i32>,
    /// What was said to stderr.
    pub(super) messages: String,
    /// What runs are compared by.
    aspects: Vec<(String, Vec<u8>)>,
}

impl Outcome {
    /// What users of a program see.
    pub(super) const VISIBLE: [&str; 3] = [EXIT, OUTPUT, END];

    fn of(output: Output, digest: Option<Digest>) -> Self {
        let mut aspects = vec![
            (EXIT.to_owned(), output.status.to_string().into_bytes()),
            (OUTPUT.to_owned(), output.stdout),
        ];
        let ran = digest.is_some();
        if let Some(digest) = digest {
            aspects.push((END.to_owned(), digest.end.into_bytes()));
            let state = digest.state.into_iter();
            aspects.extend(state.map(|(what, value)| (what, value.into_bytes())));
        }
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { ran, code: output.status.code(), messages, aspects }
    }

    /// An outcome with these aspects.
    #[cfg(test)]
    pub(super) fn of_aspects(aspects: &[(&str, &str)]) -> Self {
        let owned = |&(what, value): &(&str, &str)| (what.to_owned(), value.as_bytes().to_vec());
        let aspects = aspects.iter().map(owned).collect();
        Self { ran: true, code: Some(0), messages: String::new(), aspects }
    }

    /// For people.
    pub(super) fn summary(&self) -> String {
        let text = |what| String::from_utf8_lossy(self.aspect(what).unwrap_or_default());
        let (bytes, state) =
            (self.aspect(OUTPUT).map_or(0, <[u8]>::len), self.aspects.len().saturating_sub(3));
        let (status, end) = (text(EXIT), text(END));
        format!("{status}, {end}, {bytes} bytes of output, {state} memories and globals")
    }

    /// The first aspect, of those that are not ignored, in which another run differs.
    pub(super) fn difference(&self, other: &Self, ignored: &BTreeSet<String>) -> Option<String> {
        let both = self.aspects.iter().chain(&other.aspects).map(|aspect| &aspect.0);
        let mut compared = both.filter(|what| !ignored.contains(*what));
        compared.find(|what| self.aspect(what) != other.aspect(what)).cloned()
    }

    fn aspect(&self, what: &str) -> Option<&[u8]> {
        let found = self.aspects.iter().find(|aspect| aspect.0 == what);
        found.map(|aspect| &*aspect.1)
    }
}

const EXIT: &str = "the exit status";
const OUTPUT: &str = "the output";
const END: &str = "the end";

/// Runs the program.
pub(super) struct Runner {
    executable: PathBuf,
    /// Options of each run.
    options: Vec<OsString>,
    /// The module and the program's arguments.
    command: Vec<OsString>,
    digest: PathBuf,
}

impl Runner {
    /// A runner that passes on what this process was given.
    pub(super) fn new(args: &run::Args) -> Result<Self> {
        // Behind the program's name and the subcommand; the program and its arguments are last.
        let mut options: Vec<OsString> = std::env::args_os().skip(2).collect();
        options.truncate(options.len().saturating_sub(args.command().len()));
        options.pop_if(|last| last == "--");
        // Differences that the specification allows are none.
        options.extend(args.engine().deterministic_options().map(OsString::from));
        Ok(Self {
            executable: std::env::current_exe()?,
            options,
            command: args.command().to_vec(),
            digest: own_directory()?.join("digest"),
        })
    }

    /// Runs it with more options, and optimizes what `only` lists.
    pub(super) fn run(&self, options: &[&str], only: Option<&str>) -> Result<Outcome> {
        std::fs::remove_file(&self.digest).ok();
        let mut command = Command::new(&self.executable);
        command.arg("run").args(&self.options).args(options);
        command.arg("--digest").arg(&self.digest);
        command.args(only.map(|only| format!("--tier-only={only}")));
        let output = command.arg("--").args(&self.command).stdin(Stdio::null()).output();
        let output = output.context("failed to start the program")?;
        Ok(Outcome::of(output, Digest::read(&self.digest)))
    }
}

/// A new directory that nobody else may write to.
fn own_directory() -> Result<PathBuf> {
    for attempt in 0.. {
        let name = format!("upshift-bisect-{}-{attempt}", std::process::id());
        let path = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < 1000 => {}
            Err(error) => {
                return Err(error).with_context(|| format!("failed to make {}", path.display()));
            }
        }
    }
    unreachable!("the last attempt returns")
}

impl Drop for Runner {
    fn drop(&mut self) {
        std::fs::remove_file(&self.digest).ok();
        self.digest.parent().map(std::fs::remove_dir);
    }
}
