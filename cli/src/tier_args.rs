//! The options that say which compiler makes whose code, and when.

use crate::output::say;
use crate::tier_log::{Events, TierLog};
use crate::units::parse_bytes;
use anyhow::Result;
use clap::value_parser;
use std::path::PathBuf;
use upshift::{Config, FunctionSet, Module, Policy, Tier};

/// See the module head.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TierArgs {
    /// Compilers to use; auto, unless given, starts in the baseline and optimizes what is hot.
    #[arg(long, value_name = "TIER")]
    tier: Option<TierName>,
    /// What --tier auto aims at: latency, balanced, throughput, baseline-only, optimize-eagerly.
    #[arg(long, value_name = "POLICY", default_value_t, value_parser = str::parse::<Policy>)]
    policy: Policy,
    /// Optimize a function when it is entered for the Nth time, before it goes on, instead of in the
    /// background: the same at each run. Turns of loops count, too.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    tier_at: Option<u32>,
    /// Threads that optimize in the background under --tier auto; one less than CPUs unless given,
    /// and four for each CPU at most.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    compile_threads: Option<u32>,
    /// Percent of their time that these threads may use: 100 unless given.
    #[arg(long, value_name = "PERCENT", value_parser = value_parser!(u32).range(1..=100))]
    compile_cpu_share: Option<u32>,
    /// Functions and loops that may wait for these threads: 4096 unless given.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    compile_queue: Option<u32>,
    /// The most optimized code that is made under --tier auto: 512MiB unless given.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    max_optimized_code: Option<u64>,
    /// Optimize these functions only, by index or name, or at these loops only: 3,10-12,main,7@0x1f3.
    #[arg(long, value_name = "LIST", value_parser = str::parse::<FunctionSet>, allow_hyphen_values = true)]
    tier_only: Option<FunctionSet>,
    /// Write what happens to functions in the tiers as lines of JSON to this file, stderr unless
    /// given, when the program ends.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    tier_log: Option<PathBuf>,
    /// Leave hotness counters out of baseline code; then nothing is optimized in the background.
    #[arg(long)]
    no_counters: bool,
}

/// A value of `--tier`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TierName {
    /// What starts fastest and runs best: the engine decides per function.
    #[default]
    Auto,
    /// The single-pass compiler only.
    Baseline,
    /// The optimizing compiler only.
    Optimizer,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Auto => Self::Auto,
            TierName::Baseline => Self::Baseline,
            TierName::Optimizer => Self::Optimizer,
        }
    }
}

impl TierArgs {
    /// Adds the options to an engine configuration.
    pub(crate) fn apply(&self, config: &mut Config) {
        config.tier(self.tier.unwrap_or_default().into()).policy(self.policy);
        config.tier_only(self.tier_only.clone());
        config.profiling(self.tier_log.is_some());
        config.hotness_counters(!self.no_counters);
        config.optimize_threads(self.compile_threads.map_or(0, |threads| threads as usize));
        if let Some(entries) = self.tier_at {
            config.deterministic_tiering(entries);
        }
        if let Some(percent) = self.compile_cpu_share {
            config.optimize_cpu_share(percent);
        }
        if let Some(requests) = self.compile_queue {
            config.optimize_queue(requests as usize);
        }
        if let Some(bytes) = self.max_optimized_code {
            config.max_optimized_code(bytes);
        }
    }

    /// Says what of --tier-only is no function of the module.
    pub(crate) fn warn_of_unmatched(&self, module: &Module) {
        let unmatched = self.tier_only.iter().flat_map(|set| set.unmatched(module));
        for part in unmatched {
            let what = "no function of the module that has a body, or no loop of it";
            say(&format!("warning: `{part}` in --tier-only is {what}\n"));
        }
    }

    /// Whether --tier-log is given.
    pub(crate) fn has_log(&self) -> bool {
        self.tier_log.is_some()
    }

    /// Writes the log of --tier-log, if it is asked for.
    pub(crate) fn write_log(&self, events: &Events, module: &Module) -> Result<()> {
        match &self.tier_log {
            Some(path) => TierLog { events, module }.write(path),
            None => Ok(()),
        }
    }

    /// An option that is given although it is `upshift bisect` that chooses tiers.
    pub(crate) fn choice(&self) -> Option<&'static str> {
        let options = [
            ("--tier", self.tier.is_some()),
            ("--tier-at", self.tier_at.is_some()),
            ("--tier-only", self.tier_only.is_some()),
            ("--tier-log", self.tier_log.is_some()),
            ("--no-counters", self.no_counters),
        ];
        options.into_iter().find(|option| option.1).map(|option| option.0)
    }
}
