//! Profiles that were written before: shown again, or compared with.

use super::Show;
use crate::output::print;
use anyhow::{Context, Result};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use upshift_profiler::{Summary, diff, text};

/// What a profile is read again from.
pub(super) const SUMMARY: &str = "profile.json";
/// Its stacks.
pub(super) const STACKS: &str = "stacks.folded";

/// Options of `upshift profile report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where --out put a profile; its formats must have included `json`.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Compare with the profile in this folder.
    #[arg(long, value_name = "OLD_DIR")]
    diff: Option<PathBuf>,
    #[command(flatten)]
    show: Show,
}

/// Prints the report of a profile that was written before.
pub(super) fn execute(args: &Args) -> Result<i32> {
    let summary = summary(&args.folder)?;
    let options = args.show.options(std::io::stdout().is_terminal());
    let mut report = text::report(&summary, &options);
    if let Some(old) = &args.diff {
        report.push_str(&diff::text(&self::summary(old)?, &summary, &options));
    }
    print(&report).map(|()| 0)
}

/// The sums of the profile in `folder`.
pub(super) fn summary(folder: &Path) -> Result<Summary> {
    let text = read(folder, SUMMARY, "json")?;
    let not_one = || format!("{} is no profile", folder.join(SUMMARY).display());
    Summary::parse(&text).with_context(not_one)
}

/// The folded stacks of the profile in `folder`.
pub(super) fn stacks(folder: &Path) -> Result<String> {
    read(folder, STACKS, "folded")
}

fn read(folder: &Path, name: &str, format: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).with_context(|| {
        format!("failed to read {}, which `--format {format}` writes", path.display())
    })
}
