//! `upshift profile`: runs a program and says where its time went, in which tier.

mod files;
mod folder;
mod format;
mod stored;

use crate::errors::UsageError;
use crate::progress::Progress;
use crate::run::{self, Observer};
use crate::stop::Stop;
use crate::tier_log::Events;
use crate::wasi_setup::Host;
use anyhow::{Error, Result};
use format::{Format, Mode};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use upshift::{CodeObserver, Config, ExceptionStats, Module, Store};
use upshift_profiler::code_names::CodeNames;
use upshift_profiler::jitdump::JitDump;
use upshift_profiler::perf_map::TierNames;
use upshift_profiler::profiler::Attached;
use upshift_profiler::sampler::Source;
use upshift_profiler::summary::Collector;
use upshift_profiler::text::Options;
use upshift_profiler::{Counters, Profile, Profiler, Reading, Summary, TierReport, sampler};

/// Where files go unless asked otherwise.
const OUT: &str = "upshift-profile";
/// Rows of a table unless asked otherwise.
const TOP: usize = 20;

/// Options of `upshift run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Profile the program: short for `upshift profile --format FORMATS`, `text` when nothing is said.
    #[arg(long, value_name = "FORMATS", value_delimiter = ',', num_args = 0..=1,
        require_equals = true, default_missing_value = "text")]
    profile: Vec<Format>,
    #[command(flatten)]
    run: run::Args,
}

/// Runs the program, under the profiler when that was asked for.
pub(crate) fn run(args: RunArgs) -> Result<i32> {
    if args.profile.is_empty() {
        return run::execute(&args.run);
    }
    execute(&Args {
        command: None,
        out: PathBuf::from(OUT),
        format: args.profile,
        mode: Mode::Sample,
        rate: None,
        source: None,
        diff: None,
        with_compilers: false,
        turns: false,
        lines: false,
        redact: false,
        samply: false,
        show: Show { top: TOP, function: None },
        run: args.run,
    })
}

/// Options of `upshift profile`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where files go that --format asks for.
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
    /// What to write: the report goes to stderr, everything else to files.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "text")]
    format: Vec<Format>,
    /// What to look at.
    #[arg(long, value_name = "MODE", default_value = "sample")]
    mode: Mode,
    /// Samples per second [default: 997].
    #[arg(long, value_name = "HZ",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(sampler::MAX_RATE)))]
    rate: Option<u32>,
    /// What interrupts the program: cycles where the machine counts them, the kernel's task clock
    /// where that is permitted, else a timer [default: auto].
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// Compare with the profile in this folder: a table in the report, and flamegraph-diff.svg when
    /// `svg` is asked for.
    #[arg(long, value_name = "OLD_DIR")]
    diff: Option<PathBuf>,
    /// Sample the threads that optimize, too.
    #[arg(long)]
    with_compilers: bool,
    /// Count calls and turns of loops, to measure what a turn takes in each tier and what optimizing
    /// saved. An instruction at each, so short loops are slower.
    #[arg(long)]
    turns: bool,
    /// Give frames of folded stacks and flamegraphs their line of source.
    #[arg(long, conflicts_with = "redact")]
    lines: bool,
    /// Show the module's functions by their numbers, without names and lines of source.
    #[arg(long)]
    redact: bool,
    /// Name code in `perfmap` and `jitdump` so that samply gives each tier its colour: baseline as
    /// `JS:NAME-INDEX-liftoff`, the optimizer's as `JS:NAME-INDEX-turbofan`.
    #[arg(long)]
    samply: bool,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    run: run::Args,
}

impl Args {
    /// What code is called in files for `perf`.
    fn code_names(&self) -> CodeNames {
        let tiers = if self.samply { TierNames::Samply } else { TierNames::Own };
        CodeNames { tiers, redacted: self.redact }
    }

    /// Whether `format` is written.
    fn wants(&self, format: Format) -> bool {
        self.mode.writes(format, &self.format)
    }

    /// Whether any file is.
    fn has_files(&self) -> bool {
        self.format != [Format::Text]
    }

    /// Refuses formats and options that the mode does not have.
    fn check(&self) -> Result<(), UsageError> {
        self.mode.check(&self.format)?;
        let of_samples = [
            ("--rate", self.rate.is_some()),
            ("--source", self.source.is_some()),
            ("--diff", self.diff.is_some()),
            ("--with-compilers", self.with_compilers),
            ("--turns", self.turns),
            ("--lines", self.lines),
        ];
        let given = of_samples.iter().find(|option| option.1 && self.mode != Mode::Sample);
        given.map_or(Ok(()), |(option, _)| {
            let problem = format!("{option} concerns samples, which only --mode sample takes");
            Err(UsageError(problem))
        })
    }
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the report of a profile that was written before.
    Report(stored::Args),
}

/// A value of `--source`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SourceName {
    /// The best one that is permitted.
    Auto,
    /// Cycles of the processor, by perf_event.
    Cycles,
    /// The kernel's task clock, by perf_event.
    Perf,
    /// A timer and its signals.
    Timer,
}

impl From<SourceName> for Source {
    fn from(name: SourceName) -> Self {
        match name {
            SourceName::Auto => Self::Auto,
            SourceName::Cycles => Self::Cycles,
            SourceName::Perf => Self::Perf,
            SourceName::Timer => Self::Timer,
        }
    }
}

/// What reports show.
#[derive(Debug, clap::Args)]
struct Show {
    /// Functions that the report shows.
    #[arg(long, value_name = "N", default_value_t = TOP)]
    top: usize,
    /// Only functions whose name contains this.
    #[arg(long, value_name = "TEXT")]
    function: Option<String>,
}

impl Show {
    /// Options of a report that goes to a file, or to a terminal.
    fn options(&self, terminal: bool) -> Options {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Options { top: self.top, function: self.function.clone(), colour }
    }
}

/// Runs the program and reports; its exit code is that of `upshift run`.
pub(crate) fn execute(args: &Args) -> Result<i32> {
    if let Some(Command::Report(args)) = &args.command {
        return stored::execute(args);
    }
    args.check()?;
    let source = args.source.unwrap_or(SourceName::Auto);
    let rate = args.rate.unwrap_or(sampler::DEFAULT_RATE);
    let mut session = Session {
        args,
        old: args.diff.as_deref().map(|folder| Old::read(folder, args)).transpose()?,
        stop: Stop::default(),
        engine_made: Duration::ZERO,
        started_ms: 0.0,
        profiler: Profiler::with(source.into(), rate),
        sampled: None,
        jitdump: None,
        counters: None,
        readings: Vec::new(),
        collector: None,
        exceptions: ExceptionStats::default(),
    };
    if session.wants(Format::Jitdump) {
        folder::prepare(&args.out)?;
        session.jitdump = Some(Arc::new(JitDump::create(&args.out, args.code_names())?));
    }
    let result = run::execute_observed(&args.run, &mut session);
    session.stop.exit_code(result)
}

/// An old profile to compare with.
struct Old {
    summary: Summary,
    /// When a picture is asked for.
    stacks: Option<String>,
}

impl Old {
    fn read(folder: &Path, args: &Args) -> Result<Self> {
        let stacks = args.wants(Format::Svg).then(|| stored::stacks(folder)).transpose()?;
        Ok(Self { summary: stored::summary(folder)?, stacks })
    }
}

struct Session<'a> {
    args: &'a Args,
    old: Option<Old>,
    stop: Stop,
    /// When the engine was made, on the monotonic clock.
    engine_made: Duration,
    /// When sampling began, since then; the program, when there are no samples.
    started_ms: f64,
    profiler: Profiler,
    sampled: Option<Attached>,
    jitdump: Option<Arc<JitDump>>,
    /// From when the program begins.
    counters: Option<Counters>,
    readings: Vec<Reading>,
    collector: Option<Collector>,
    exceptions: ExceptionStats,
}

impl Observer for Session<'_> {
    fn configure(&mut self, config: &mut Config) {
        config.profiling(true).operator_offsets(self.args.mode == Mode::Sample);
        config.exact_counts(self.args.mode == Mode::Exact).turn_counts(self.args.turns);
        if self.args.with_compilers && self.args.mode == Mode::Sample {
            config.event_observer(self.profiler.of_compilers());
        }
        if let Some(jitdump) = &self.jitdump {
            config.code_observer(Arc::clone(jitdump) as Arc<dyn CodeObserver>);
        }
    }

    fn begin(&mut self, store: &Store<Host>) -> Result<()> {
        if self.args.has_files() {
            folder::prepare(&self.args.out)?;
            folder::clear(&self.args.out)?;
        }
        self.stop.watch(store.interrupt_handle())?;
        let now = store.engine().event_clock();
        self.engine_made = sampler::monotonic().saturating_sub(now);
        self.started_ms = milliseconds(now);
        let counters = Counters::start();
        if self.args.mode == Mode::Sample {
            self.sampled = Some(self.profiler.attach(store)?);
        }
        self.counters = Some(counters);
        Ok(())
    }

    fn of_threads(&self) -> Option<Profiler> {
        (self.args.mode == Mode::Sample).then(|| self.profiler.clone())
    }

    fn end(&mut self, store: &Store<Host>) {
        self.stop.program_ended();
        self.sampled = None;
        self.readings = self.counters.as_mut().map(Counters::read).unwrap_or_default();
        let stats = store.gc_stats();
        let objects = stats.heap_peak_bytes > 0 || stats.minor + stats.major > 0;
        self.collector = objects.then(|| stats.into());
        self.exceptions = store.exception_stats();
    }

    fn finish(&mut self, events: &Events, module: &Module) -> Vec<Error> {
        let dumped = self.jitdump.as_ref().map_or(Ok(()), |jitdump| jitdump.finish());
        let mut failures = match self.args.mode {
            // There is nothing to tell of a program that did not begin.
            _ if self.counters.is_none() => Vec::new(),
            Mode::Exact => self.write_exact(module),
            Mode::Sample | Mode::Tiers => self.write_profile(events, module),
        };
        failures.extend(dumped.err());
        failures
    }
}

impl Session<'_> {
    fn wants(&self, format: Format) -> bool {
        self.args.wants(format)
    }

    fn write_profile(&mut self, events: &Events, module: &Module) -> Vec<Error> {
        let progress = Progress::start("looking up what was sampled");
        let mut profile = Profile::new(&self.profiler.snapshot(), module);
        if profile.source.is_some() {
            self.started_ms = milliseconds(profile.started.saturating_sub(self.engine_made));
        }
        let mut tiers = TierReport::new(module, &events.events, events.lost);
        if self.args.redact {
            profile.redact();
            tiers.redact();
        }
        drop(progress);
        self.write(&profile, tiers, module)
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
