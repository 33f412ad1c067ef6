//! `upshift profile`: runs a program and says where its time went, in which tier.

mod format;

use crate::output::say;
use crate::run::{self, Observer};
use crate::wasi_setup::Host;
use anyhow::{Context, Result};
use format::{Format, Mode};
use std::path::{Path, PathBuf};
use std::time::Instant;
use upshift::{ActivationProbe, Config, Engine, Module, Store};
use upshift_profiler::text::Options;
use upshift_profiler::{
    Counters, ExactReport, Profile, Reading, Recording, Sampler, TierReport, exact, firefox, flame,
    perf_map, sampler, table, text, timeline, trace,
};

/// Options of `upshift profile`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where files go that --format asks for.
    #[arg(long, value_name = "DIR", default_value = "upshift-profile")]
    out: PathBuf,
    /// What to write: the report goes to stderr, everything else to files.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "text")]
    format: Vec<Format>,
    /// What to look at.
    #[arg(long, value_name = "MODE", default_value = "sample")]
    mode: Mode,
    /// Samples per second.
    #[arg(long, value_name = "HZ", default_value_t = sampler::DEFAULT_RATE,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(sampler::MAX_RATE)))]
    rate: u32,
    /// Functions that the report shows.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Only functions whose name contains this.
    #[arg(long, value_name = "TEXT")]
    function: Option<String>,
    #[command(flatten)]
    run: run::Args,
}

/// Runs the program and reports; its exit code is that of `upshift run`.
pub(crate) fn execute(args: &Args) -> Result<i32> {
    args.mode.check(&args.format)?;
    let mut session = Session {
        args,
        made: Instant::now(),
        started_ms: 0.0,
        sampler: None,
        counters: Counters::default(),
        recording: Recording::default(),
        readings: Vec::new(),
    };
    run::execute_observed(&args.run, &mut session)
}

struct Session<'a> {
    args: &'a Args,
    /// When the engine was made.
    made: Instant,
    /// When sampling began, since then.
    started_ms: f64,
    sampler: Option<Sampler>,
    counters: Counters,
    recording: Recording,
    readings: Vec<Reading>,
}

impl Observer for Session<'_> {
    fn configure(&mut self, config: &mut Config) {
        config.tier_events(true);
        config.exact_counts(self.args.mode == Mode::Exact);
        self.made = Instant::now();
    }

    fn begin(&mut self, store: &Store<Host>) -> Result<()> {
        self.started_ms = self.made.elapsed().as_secs_f64() * 1e3;
        self.counters = Counters::start();
        if self.args.mode == Mode::Sample {
            self.sampler = Some(Sampler::start(self.args.rate, ActivationProbe::new(store))?);
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some(sampler) = self.sampler.take() {
            self.recording = sampler.stop();
        }
        self.readings = self.counters.read();
    }

    fn finish(&mut self, engine: &Engine, module: &Module) -> Result<()> {
        if self.args.mode == Mode::Exact {
            return self.write_exact(module);
        }
        let profile = Profile::new(&self.recording, module);
        let lost = engine.lost_tier_events();
        let tiers = TierReport::new(module, &engine.tier_events(), lost);
        self.write(&profile, &tiers, module)
    }
}

impl Session<'_> {
    fn wants(&self, format: Format) -> bool {
        self.args.mode.writes(format, &self.args.format)
    }

    fn write(&self, profile: &Profile, tiers: &TierReport, module: &Module) -> Result<()> {
        let options = Options { top: self.args.top, function: self.args.function.clone() };
        let report = text::report(profile, tiers, &self.readings, &options);
        if self.wants(Format::Text) {
            say(&report);
        }
        if self.args.format == [Format::Text] {
            return Ok(());
        }
        let program = self.args.run.module().display().to_string();
        let json = || table::json(profile, tiers, &self.readings);
        self.file(Format::Text, "report.txt", || Ok(report.clone().into_bytes()))?;
        self.file(Format::Json, "profile.json", || Ok(json()?.into_bytes()))?;
        self.file(Format::Csv, "functions.csv", || Ok(table::csv(profile).into_bytes()))?;
        self.file(Format::Folded, "stacks.folded", || Ok(flame::folded(profile).into_bytes()))?;
        if !profile.samples.is_empty() {
            self.file(Format::Svg, "flamegraph.svg", || flame::svg(profile))?;
        }
        self.file(Format::Firefox, "firefox.json", || {
            Ok(firefox::json(profile, &program)?.into_bytes())
        })?;
        self.file(Format::Chrome, "compile-trace.json", || Ok(trace::chrome(tiers).into_bytes()))?;
        self.file(Format::Timeline, "timeline.html", || {
            Ok(timeline::html(profile, tiers, self.started_ms).into_bytes())
        })?;
        let map = format!("perf-{}.map", std::process::id());
        self.file(Format::Perfmap, &map, || Ok(perf_map::perf_map(module).into_bytes()))?;
        say(&format!("profile written to {}\n", self.args.out.display()));
        Ok(())
    }

    fn write_exact(&self, module: &Module) -> Result<()> {
        let counts = ExactReport::new(module)?;
        let report = exact::text(module, &counts, self.args.top, self.args.function.as_deref());
        if self.wants(Format::Text) {
            say(&report);
        }
        if self.args.format == [Format::Text] {
            return Ok(());
        }
        self.file(Format::Text, "report.txt", || Ok(report.clone().into_bytes()))?;
        self.file(Format::Json, "counts.json", || Ok(serde_json::to_vec_pretty(&counts)?))?;
        self.file(Format::Csv, "counts.csv", || Ok(exact::csv(&counts).into_bytes()))?;
        say(&format!("counts written to {}\n", self.args.out.display()));
        Ok(())
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
        let written = || -> Result<()> {
            std::fs::create_dir_all(&self.args.out)?;
            std::fs::write(path, content()?)?;
            Ok(())
        };
        written().with_context(|| format!("failed to write {}", path.display()))
    }
}
