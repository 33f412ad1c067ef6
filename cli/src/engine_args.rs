//! The options that configure an engine, common to several subcommands.

use crate::tier_args::TierArgs;
use crate::units::parse_bytes;
use crate::wast::FeatureList;
use upshift::{CollectorKind, Config, Zeal};

/// Options of every subcommand that executes code.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct EngineArgs {
    #[command(flatten)]
    tiers: TierArgs,
    /// Call small functions in optimized code, too, instead of inlining them.
    #[arg(long)]
    no_inlining: bool,
    /// Have loops compare a word at each turn, for debuggers: otherwise SIGURG and
    /// SIGTRAP interrupt them.
    #[arg(long)]
    no_signal_interruption: bool,
    /// Testing modes, which must not change any result: spill (few registers), interrupt (every
    /// poll takes its slow path), step (loops go step by step, and are interrupted at each
    /// turn), tier (functions change tiers as early as possible), exceptions (calls throw and catch),
    /// inline (as much as possible), quick (the optimizer with the least effort), gc (every allocation collects); `:SEED` at the end has tier draw
    /// the tier of each function, and exceptions the calls that throw.
    #[arg(long, value_name = "LIST", value_parser = parse_zeal)]
    zeal: Vec<Zeal>,
    /// Which collector frees objects: real (generational), or null, which never does.
    #[arg(long, value_name = "NAME", default_value = "real")]
    collector: CollectorName,
    /// The most memory that objects may take: 512MiB, or bytes; 1MiB at least, 2GiB unless given.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    gc_heap_max: Option<u64>,
    /// The most memory for the nursery that new objects are in: 4MiB unless given.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    gc_nursery: Option<u64>,
    /// Proposals to switch on, or off with a leading minus: simd,-threads,all …
    #[arg(long, value_name = "LIST", value_parser = FeatureList::parse, allow_hyphen_values = true)]
    pub(crate) features: Option<FeatureList>,
    /// Make every NaN that an operator produces the canonical one.
    #[arg(long)]
    nan_canonicalize: bool,
    /// Relaxed SIMD operators give the results of the deterministic profile.
    #[arg(long)]
    relaxed_simd_deterministic: bool,
}

/// A value of `--collector`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CollectorName {
    /// Generational.
    #[default]
    Real,
    /// Never frees anything.
    Null,
}

impl From<CollectorName> for CollectorKind {
    fn from(name: CollectorName) -> Self {
        match name {
            CollectorName::Real => Self::Generational,
            CollectorName::Null => Self::Null,
        }
    }
}

impl EngineArgs {
    /// An engine configuration with all the options but `features`.
    pub(crate) fn base_config(&self) -> Config {
        let mut config = Config::new();
        self.tiers.apply(&mut config);
        config.inlining(!self.no_inlining);
        config.signal_interruption(!self.no_signal_interruption);
        config.nan_canonicalization(self.nan_canonicalize);
        config.relaxed_simd_deterministic(self.relaxed_simd_deterministic);
        config.collector(self.collector.into());
        if let Some(bytes) = self.gc_heap_max {
            config.gc_heap_max(bytes);
        }
        if let Some(bytes) = self.gc_nursery {
            config.gc_nursery(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
        if let Some(zeal) = self.zeal.iter().copied().reduce(Zeal::union) {
            config.zeal(zeal);
        }
        config
    }

    /// An engine configuration with all the options.
    pub(crate) fn config(&self) -> Config {
        let mut config = self.base_config();
        if let Some(features) = &self.features {
            features.apply(&mut config);
        }
        config
    }

    /// What says how the tiers are used.
    pub(crate) fn tiers(&self) -> &TierArgs {
        &self.tiers
    }

    /// Options that make the results of operators the same each time, as far as they are not given.
    pub(crate) fn deterministic_options(&self) -> impl Iterator<Item = &'static str> {
        let options = [
            ("--nan-canonicalize", self.nan_canonicalize),
            ("--relaxed-simd-deterministic", self.relaxed_simd_deterministic),
        ];
        options.into_iter().filter(|option| !option.1).map(|option| option.0)
    }
}

/// Parses `spill,interrupt,tier:SEED`.
pub(crate) fn parse_zeal(text: &str) -> Result<Zeal, String> {
    let mut zeal = Zeal::none();
    let names = match text.split_once(':') {
        Some((names, seed)) => {
            let parsed = seed.parse::<u64>().map_err(|_| format!("`{seed}` is not a seed"))?;
            zeal.seed = Some(parsed);
            names
        }
        None => text,
    };
    for name in names.split(',').map(str::trim) {
        zeal.enable(name).map_err(|error| error.to_string())?;
    }
    Ok(zeal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeal_lists() {
        let zeal = parse_zeal("spill,interrupt:7").unwrap();
        assert!(zeal.spill && zeal.interrupt && !zeal.tier);
        assert_eq!(zeal.seed, Some(7));
        assert!(parse_zeal("tier,spill").unwrap().tier);
        assert!(parse_zeal("gc").unwrap().gc);
        assert!(parse_zeal("zest").unwrap_err().contains("unknown"));
        assert!(parse_zeal("spill:x").is_err());
        let both = parse_zeal("spill,gc:3").unwrap().union(parse_zeal("tier").unwrap());
        assert_eq!(both, parse_zeal("tier,spill,gc:3").unwrap());
    }
}
