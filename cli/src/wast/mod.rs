//! Runs WebAssembly test scripts, the format of the official test suite.
//!
//! [`run_text`] and [`run_file`] run one script and report each directive that failed or was
//! skipped; neither a panic nor an endless loop in one script keeps others from running. Modules
//! can import `spectest`, see the module of that name.

pub(crate) mod command;
mod features;
mod runner;
mod spectest;
mod threads;
mod values;

pub use features::FeatureList;

use runner::Runner;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use upshift::{Config, Engine};
use wast::parser::{self, ParseBuffer};

/// How scripts are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Settings of the engine, before features are switched.
    pub config: Config,
    /// Features to switch after those that the script's path asks for.
    pub features: FeatureList,
    /// Time after which a script is interrupted.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::new(),
            features: FeatureList::default(),
            timeout: Duration::from_secs(120),
        }
    }
}

/// What became of one script.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The script.
    pub path: PathBuf,
    /// Number of directives that did what they should.
    pub passed: usize,
    /// Directives that did not, in the order in which they ran.
    pub failures: Vec<Note>,
    /// Directives that were not tried, with the reason.
    pub skips: Vec<Note>,
}

/// A remark on a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Line of the directive, from 1; 0 for a remark on the whole script.
    pub line: usize,
    /// What happened.
    pub message: String,
}

impl Report {
    /// The failures as `file:line: message`.
    pub fn failure_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.failures.iter().map(|note| self.line_of(note))
    }

    /// The skipped directives as `file:line: skipped: message`.
    pub fn skip_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.skips
            .iter()
            .map(|note| format!("{}:{}: skipped: {}", self.path.display(), note.line, note.message))
    }

    fn line_of(&self, note: &Note) -> String {
        // One line each, so that scripts can count them.
        let message = note.message.replace('\n', " ");
        format!("{}:{}: {message}", self.path.display(), note.line)
    }

    fn failed(path: &Path, message: String) -> Self {
        let failures = vec![Note { line: 0, message }];
        Self { path: path.to_owned(), failures, ..Self::default() }
    }
}

/// Runs the script in a file.
#[must_use]
pub fn run_file(path: &Path, options: &Options) -> Report {
    match std::fs::read_to_string(path) {
        Ok(text) => run_text(path, &text, options),
        Err(error) => Report::failed(path, format!("failed to read: {error}")),
    }
}

/// Runs a script that is in memory; `path` names it and chooses features.
#[must_use]
pub fn run_text(path: &Path, text: &str, options: &Options) -> Report {
    // Whatever a panic leaves half done belongs to this script alone and is dropped with it.
    catch_unwind(AssertUnwindSafe(|| run_unprotected(path, text, options))).unwrap_or_else(
        |panic| Report::failed(path, format!("panicked: {}", payload_text(&*panic))),
    )
}

fn run_unprotected(path: &Path, text: &str, options: &Options) -> Report {
    let mut config = options.config.clone();
    FeatureList::of_path(path).apply(&mut config);
    options.features.apply(&mut config);
    let engine = match Engine::new(&config) {
        Ok(engine) => engine,
        Err(error) => return Report::failed(path, format!("{error:#}")),
    };
    let mut lexer = wast::lexer::Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let parsed = ParseBuffer::new_with_lexer(lexer)
        .and_then(|buffer| run_directives(path, text, &engine, &buffer, options));
    match parsed {
        Ok(report) => report,
        Err(error) => {
            let line = error.span().linecol_in(text).0 + 1;
            let message = format!("cannot be parsed: {}", error.message());
            let failures = vec![Note { line, message }];
            Report { path: path.to_owned(), failures, ..Report::default() }
        }
    }
}

fn run_directives(
    path: &Path,
    text: &str,
    engine: &Engine,
    buffer: &ParseBuffer<'_>,
    options: &Options,
) -> Result<Report, wast::Error> {
    let script = parser::parse::<wast::Wast<'_>>(buffer)?;
    let watchdog = threads::Watchdog::start(options.timeout);
    let outcome = std::thread::scope(|scope| {
        let mut runner = Runner::new(engine, text, scope, &watchdog);
        runner.run(script.directives);
        runner.finish()
    });
    Ok(Report {
        path: path.to_owned(),
        passed: outcome.passed,
        failures: outcome.failures,
        skips: outcome.skips,
    })
}

/// The message of a panic.
fn payload_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "without a message".to_owned())
}

/// All scripts at or below `path`, sorted.
///
/// # Errors
/// When a directory cannot be read.
pub fn find_scripts(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    std::fs::metadata(path)?;
    let mut found = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if path.extension().is_some_and(|extension| extension == "wast") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
