//! Writing what `--format` asks for.

use super::format::Format;
use super::stored::{STACKS, SUMMARY};
use super::{Args, Session, folder};
use crate::output::say;
use anyhow::{Context, Error, Result};
use std::io::IsTerminal;
use std::path::Path;
use upshift::Module;
use upshift_profiler::exceptions::Exceptions;
use upshift_profiler::{
    ExactReport, Profile, Summary, TierReport, diff, exact, firefox, flame, incidents, perf_map,
    pprof, table, text, timeline, trace, turns,
};

impl Session<'_> {
    /// Writes what was sampled, or only what the tiers did. What went wrong.
    pub(super) fn write(
        &self,
        profile: &Profile,
        tiers: TierReport,
        module: &Module,
    ) -> Vec<Error> {
        let mut summary = Summary::new(profile, tiers, self.readings.clone());
        summary.collector.clone_from(&self.collector);
        summary.exceptions = Exceptions::new(&self.exceptions, module);
        if let Some(exceptions) = summary.exceptions.as_mut().filter(|_| self.args.redact) {
            exceptions.redact();
        }
        let mut files = Files::new(self.args);
        let short = |terminal| text::screen(&summary, &self.args.show.options(terminal));
        let long = |terminal| {
            let options = self.args.show.options(terminal);
            let mut report = text::report(&summary, &options);
            if let Some(old) = &self.old {
                report.push_str(&diff::text(&old.summary, &summary, &options));
            }
            report
        };
        files.report(long, short);
        if !self.args.has_files() {
            return files.end("profile");
        }
        files.add(Format::Json, SUMMARY, || Ok(summary.json()?.into_bytes()));
        self.tables(&summary, &mut files);
        self.samples(profile, &summary.tiers, &mut files);
        let tiers = &summary.tiers;
        files.add(Format::Chrome, "compile-trace.json", || Ok(trace::chrome(tiers).into_bytes()));
        files.add(Format::Timeline, "timeline.html", || {
            Ok(timeline::html(profile, tiers, self.started_ms).into_bytes())
        });
        let map = format!("perf-{}.map", std::process::id());
        let names = self.args.code_names();
        files.add(Format::Perfmap, &map, || Ok(perf_map::perf_map(module, names).into_bytes()));
        files.end("profile")
    }

    fn tables(&self, summary: &Summary, files: &mut Files<'_>) {
        if !self.wants(Format::Csv) {
            return;
        }
        let incidents = &summary.tiers.incidents;
        let tables = [
            ("functions.csv", summary.sampling.is_some().then(|| table::functions(summary))),
            ("tiers.csv", Some(table::tiers(summary))),
            ("events.csv", (!incidents.is_empty()).then(|| incidents::csv(incidents))),
            ("exceptions.csv", summary.exceptions.as_ref().map(Exceptions::csv)),
            ("turns.csv", (!summary.turns.is_empty()).then(|| turns::csv(&summary.turns))),
        ];
        for (name, table) in tables {
            if let Some(table) = table {
                files.add(Format::Csv, name, || Ok(table.into_bytes()));
            }
        }
    }

    /// Writes the formats that consist of samples.
    fn samples(&self, profile: &Profile, tiers: &TierReport, files: &mut Files<'_>) {
        let program = match self.args.redact {
            true => "module".to_owned(),
            false => self.args.run.module().display().to_string(),
        };
        let lines = self.args.lines;
        let wanted = [Format::Folded, Format::Svg].into_iter().any(|format| self.wants(format));
        let folded = if wanted { flame::folded(profile, lines) } else { String::new() };
        files.add(Format::Folded, STACKS, || Ok(folded.clone().into_bytes()));
        let old = self.old.as_ref().and_then(|old| old.stacks.as_deref());
        if folded.is_empty() {
            if self.wants(Format::Svg) {
                say("there are no samples, so there is no flamegraph.svg\n");
            }
        } else {
            files.add(Format::Svg, "flamegraph.svg", || flame::svg(profile, lines));
            if let Some(old) = old.filter(|old| !old.is_empty()) {
                let picture = || diff::svg(old, &folded);
                files.add(Format::Svg, "flamegraph-diff.svg", picture);
            } else if old.is_some() {
                say("the old profile has no samples, so there is no flamegraph-diff.svg\n");
            }
        }
        files.add(Format::Firefox, "firefox.json", || {
            Ok(firefox::json(profile, tiers, &program, self.started_ms)?.into_bytes())
        });
        files.add(Format::Pprof, "profile.pb.gz", || Ok(pprof::gzip(profile, &program)?));
    }

    /// Writes exact counts. What went wrong.
    pub(super) fn write_exact(&self, module: &Module) -> Vec<Error> {
        let mut counts = match ExactReport::new(module) {
            Ok(counts) => counts,
            Err(error) => return vec![error],
        };
        if self.args.redact {
            counts.redact();
        }
        let (top, wanted) = (self.args.show.top, self.args.show.function.as_deref());
        let mut files = Files::new(self.args);
        let short = |_| exact::functions(&counts, top.min(text::SCREEN_ROWS), wanted);
        files.report(|_| exact::text(&counts, top, wanted), short);
        files.add(Format::Json, "counts.json", || Ok(serde_json::to_vec_pretty(&counts)?));
        files.add(Format::Csv, "counts.csv", || Ok(exact::csv(&counts).into_bytes()));
        files.end("counts")
    }
}

/// Files that are written. One that cannot be keeps no other from being written.
struct Files<'a> {
    args: &'a Args,
    failures: Vec<Error>,
}

impl<'a> Files<'a> {
    fn new(args: &'a Args) -> Self {
        Self { args, failures: Vec::new() }
    }

    /// The report goes to stderr, and to a file when there are others; what fits on a screen goes to
    /// stderr when nobody asked for more. They are made for a terminal or not.
    fn report(&mut self, report: impl Fn(bool) -> String, short: impl FnOnce(bool) -> String) {
        let terminal = std::io::stderr().is_terminal();
        let long = self.args.wants(Format::Text);
        say(&if long { report(terminal) } else { short(terminal) });
        if self.args.has_files() {
            self.add(Format::Text, "report.txt", || Ok(report(false).into_bytes()));
        }
    }

    /// Writes a file when its format is asked for.
    fn add(&mut self, format: Format, name: &str, content: impl FnOnce() -> Result<Vec<u8>>) {
        if !self.args.wants(format) {
            return;
        }
        assert!(folder::is_known(name), "the next run removes what this one writes");
        let path: &Path = &self.args.out.join(name);
        let written = content().and_then(|content| Ok(std::fs::write(path, content)?));
        if written.is_err() {
            // A part of it would pass for all.
            let _ = std::fs::remove_file(path);
        }
        let written = written.with_context(|| format!("failed to write {}", path.display()));
        self.failures.extend(written.err());
    }

    /// Says that they are there; those that are not.
    fn end(self, what: &str) -> Vec<Error> {
        if self.args.has_files() {
            let part = if self.failures.is_empty() { "" } else { ", but not all of it" };
            say(&format!("{what} written to {}{part}\n", self.args.out.display()));
        }
        self.failures
    }
}
