//! Writing what `--format` asks for.

use super::Session;
use super::format::Format;
use super::stored::{STACKS, SUMMARY};
use crate::output::say;
use anyhow::{Context, Result};
use rustix::fs::Access;
use std::io::IsTerminal;
use std::path::Path;
use upshift::Module;
use upshift_profiler::exceptions::Exceptions;
use upshift_profiler::{
    ExactReport, Profile, Summary, TierReport, diff, exact, firefox, flame, incidents, pprof,
    table, text, timeline, trace, turns,
};

impl Session<'_> {
    /// Writes what was sampled, or only what the tiers did.
    pub(super) fn write(
        &self,
        profile: &Profile,
        tiers: TierReport,
        module: &Module,
    ) -> Result<()> {
        let mut summary = Summary::new(profile, tiers, self.readings.clone());
        summary.collector.clone_from(&self.collector);
        summary.exceptions = Exceptions::new(&self.exceptions, module);
        if let Some(exceptions) = summary.exceptions.as_mut().filter(|_| self.args.redact) {
            exceptions.redact();
        }
        let short = |terminal| text::screen(&summary, &self.args.show.options(terminal));
        let long = |terminal| {
            let options = self.args.show.options(terminal);
            let mut report = text::report(&summary, &options);
            if let Some(old) = &self.old {
                report.push_str(&diff::text(&old.summary, &summary, &options));
            }
            report
        };
        self.report(long, short)?;
        if self.only_text() {
            return Ok(());
        }
        self.file(Format::Json, SUMMARY, || Ok(summary.json()?.into_bytes()))?;
        let functions = summary.sampling.is_some().then(|| table::functions(&summary));
        self.file_or_none(Format::Csv, "functions.csv", functions.map(String::into_bytes))?;
        self.file(Format::Csv, "tiers.csv", || Ok(table::tiers(&summary).into_bytes()))?;
        let incidents = &summary.tiers.incidents;
        let incidents = (!incidents.is_empty()).then(|| incidents::csv(incidents));
        self.file_or_none(Format::Csv, "events.csv", incidents.map(String::into_bytes))?;
        let exceptions = summary.exceptions.as_ref().map(Exceptions::csv);
        self.file_or_none(Format::Csv, "exceptions.csv", exceptions.map(String::into_bytes))?;
        let turns = (!summary.turns.is_empty()).then(|| turns::csv(&summary.turns));
        self.file_or_none(Format::Csv, "turns.csv", turns.map(String::into_bytes))?;
        self.samples(profile, &summary.tiers)?;
        let tiers = &summary.tiers;
        self.file(Format::Chrome, "compile-trace.json", || Ok(trace::chrome(tiers).into_bytes()))?;
        self.file(Format::Timeline, "timeline.html", || {
            Ok(timeline::html(profile, tiers, self.started_ms).into_bytes())
        })?;
        let (map, names) = (format!("perf-{}.map", std::process::id()), self.args.code_names());
        self.file(Format::Perfmap, &map, || Ok(names.perf_map(module).into_bytes()))?;
        self.written("profile");
        Ok(())
    }

    /// Writes the formats that consist of samples.
    fn samples(&self, profile: &Profile, tiers: &TierReport) -> Result<()> {
        let program = match self.args.redact {
            true => "module".to_owned(),
            false => self.args.run.module().display().to_string(),
        };
        let lines = self.args.lines;
        let folded = flame::folded(profile, lines);
        self.file(Format::Folded, STACKS, || Ok(folded.clone().into_bytes()))?;
        let picture = (self.wants(Format::Svg) && !profile.samples.is_empty())
            .then(|| flame::svg(profile, lines))
            .transpose()?;
        self.file_or_none(Format::Svg, "flamegraph.svg", picture)?;
        let old = self.old.as_ref().and_then(|old| old.stacks.as_deref()).unwrap_or_default();
        let picture = (!old.is_empty() && !folded.is_empty()).then(|| diff::svg(old, &folded));
        self.file_or_none(Format::Svg, "flamegraph-diff.svg", picture.transpose()?)?;
        self.file(Format::Firefox, "firefox.json", || {
            Ok(firefox::json(profile, tiers, &program, self.started_ms)?.into_bytes())
        })?;
        self.file(Format::Pprof, "profile.pb.gz", || Ok(pprof::gzip(profile, &program)?))
    }

    /// Writes exact counts.
    pub(super) fn write_exact(&self, module: &Module) -> Result<()> {
        let mut counts = ExactReport::new(module)?;
        if self.args.redact {
            counts.redact();
        }
        let (top, wanted) = (self.args.show.top, self.args.show.function.as_deref());
        let short = |_| exact::functions(&counts, top.min(text::SCREEN_ROWS), wanted);
        self.report(|_| exact::text(&counts, top, wanted), short)?;
        if self.only_text() {
            return Ok(());
        }
        self.file(Format::Json, "counts.json", || Ok(serde_json::to_vec_pretty(&counts)?))?;
        self.file(Format::Csv, "counts.csv", || Ok(exact::csv(&counts).into_bytes()))?;
        self.written("counts");
        Ok(())
    }

    /// The report goes to stderr, and to a file when there are others; what fits on a screen goes to
    /// stderr when nobody asked for more. They are made for a terminal or not.
    fn report(
        &self,
        report: impl Fn(bool) -> String,
        short: impl FnOnce(bool) -> String,
    ) -> Result<()> {
        let terminal = std::io::stderr().is_terminal();
        say(&if self.wants(Format::Text) { report(terminal) } else { short(terminal) });
        if self.only_text() {
            return Ok(());
        }
        self.file(Format::Text, "report.txt", || Ok(report(false).into_bytes()))
    }

    /// Makes the folder that files go to, so that one that cannot be written to is told of before the program
    /// runs.
    pub(super) fn prepare_folder(&self) -> Result<()> {
        if self.only_text() {
            return Ok(());
        }
        let folder = &self.args.out;
        let prepared = std::fs::create_dir_all(folder)
            .and_then(|()| Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?));
        prepared.with_context(|| format!("failed to write to {}", folder.display()))
    }

    fn only_text(&self) -> bool {
        self.args.format == [Format::Text]
    }

    fn written(&self, what: &str) {
        say(&format!("{what} written to {}\n", self.args.out.display()));
    }

    /// Writes a file that not every run has. Without it, what an earlier run left there goes.
    fn file_or_none(&self, format: Format, name: &str, content: Option<Vec<u8>>) -> Result<()> {
        match content {
            Some(content) => self.file(format, name, || Ok(content)),
            None if self.wants(format) => {
                // There mostly is nothing to remove.
                let _ = std::fs::remove_file(self.args.out.join(name));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn file(
        &self,
        format: Format,
        name: &str,
        content: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<()> {
        if !self.wants(format) {
            return Ok(());
        }
        let path: &Path = &self.args.out.join(name);
        let written = content().and_then(|content| Ok(std::fs::write(path, content)?));
        if written.is_err() {
            // A part of it would pass for all.
            let _ = std::fs::remove_file(path);
        }
        written.with_context(|| format!("failed to write {}", path.display()))
    }
}
