//! Runs many scripts on several threads and compares the outcome with what is expected.

use crate::expected::Expectations;
use crate::modes::Mode;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use upshift_cli::wast::{Options, Report, run_text};

/// Threads that run scripts.
const THREADS: usize = 2;

/// A script with the name that lists and messages use.
#[derive(Clone, Debug)]
pub struct Script {
    /// Name; its folders choose features.
    pub label: String,
    /// Content.
    pub text: Cow<'static, str>,
}

impl Script {
    /// The script in a file, named by its path below `root`.
    ///
    /// # Panics
    /// When the file cannot be read or does not lie below `root`.
    #[must_use]
    pub fn read(root: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let label = path.strip_prefix(root).expect("below the root");
        Self { label: label.display().to_string(), text: text.into() }
    }
}

/// Runs `scripts` in `mode`, prints one line of figures and panics when the outcome is not as
/// `expectations` say.
///
/// # Panics
/// When a directive fails that is not expected to, or passes although it is, or when the optimizing compiler
/// refuses a function.
pub fn run(name: &str, mode: &Mode, scripts: &[Script], expectations: &Expectations) {
    let run: Vec<&Script> =
        scripts.iter().filter(|script| expectations.not_run(&script.label).is_none()).collect();
    let reports = run_all(mode, &run);
    let mut problems = Vec::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (script, report) in run.iter().zip(&reports) {
        passed += report.passed;
        failed += report.failures.len();
        skipped += report.skips.len();
        problems.extend(expectations.problems(mode.name, &script.label, report));
    }
    println!(
        "{name}, {}: {} scripts ({} not run): {passed} passed, {failed} failed, {skipped} skipped, \
         {} unexpected",
        mode.name,
        run.len(),
        scripts.len() - run.len(),
        problems.len(),
    );
    problems.extend(mode.refusals.check().err());
    assert!(problems.is_empty(), "{name}, {}:\n{}", mode.name, problems.join("\n"));
}

/// The reports of all scripts in their order.
#[must_use]
pub fn run_all(mode: &Mode, scripts: &[&Script]) -> Vec<Report> {
    let options = Options { config: mode.config.clone(), ..Options::default() };
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(vec![Report::default(); scripts.len()]);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((i, script)) = take(&next, scripts) {
                    let report = run_text(Path::new(&script.label), &script.text, &options);
                    reports.lock().expect("run_text does not panic")[i] = report;
                }
            });
        }
    });
    reports.into_inner().expect("run_text does not panic")
}

fn take<'a>(next: &AtomicUsize, scripts: &[&'a Script]) -> Option<(usize, &'a Script)> {
    let i = next.fetch_add(1, Ordering::Relaxed);
    Some((i, *scripts.get(i)?))
}
