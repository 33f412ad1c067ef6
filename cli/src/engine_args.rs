//! The options that configure an engine, common to several subcommands.

use crate::wast::FeatureList;
use anyhow::{Result, bail};
use upshift::{Config, Tier, Zeal};

/// Options of every subcommand that executes code.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct EngineArgs {
    /// Compiler to use: auto and baseline compile each function at its first call.
    #[arg(long, value_name = "TIER", default_value = "auto")]
    tier: TierName,
    /// Testing modes, which must not change any result: spill (few registers), interrupt (every
    /// poll takes its slow path); `:SEED` at the end seeds them.
    #[arg(long, value_name = "LIST", value_parser = parse_zeal)]
    zeal: Option<Zeal>,
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

impl TierName {
    /// The engine's name of the tier, or an error when this build does not have it.
    pub(crate) fn tier(self) -> Result<Tier> {
        match self {
            Self::Auto => Ok(Tier::Auto),
            Self::Baseline => Ok(Tier::Baseline),
            Self::Optimizer => {
                bail!("this build has no optimizing tier yet: use --tier auto or --tier baseline")
            }
        }
    }
}

impl EngineArgs {
    /// An engine configuration with all the options but `features`.
    pub(crate) fn base_config(&self) -> Result<Config> {
        let mut config = Config::new();
        config.tier(self.tier.tier()?);
        config.nan_canonicalization(self.nan_canonicalize);
        config.relaxed_simd_deterministic(self.relaxed_simd_deterministic);
        if let Some(zeal) = self.zeal {
            config.zeal(zeal);
        }
        Ok(config)
    }

    /// An engine configuration with all the options.
    pub(crate) fn config(&self) -> Result<Config> {
        let mut config = self.base_config()?;
        if let Some(features) = &self.features {
            features.apply(&mut config);
        }
        Ok(config)
    }
}

/// Parses `spill,interrupt:SEED`.
pub(crate) fn parse_zeal(text: &str) -> Result<Zeal, String> {
    let names = match text.split_once(':') {
        Some((names, seed)) => {
            // The modes there are draw no random numbers, so the seed is only checked.
            seed.parse::<u64>().map_err(|_| format!("`{seed}` is not a seed"))?;
            names
        }
        None => text,
    };
    let mut zeal = Zeal::none();
    for name in names.split(',').map(str::trim) {
        match name {
            "spill" => zeal.spill = true,
            "interrupt" => zeal.interrupt = true,
            "tier" | "gc" => return Err(format!("the zeal mode `{name}` does not exist yet")),
            _ => return Err(format!("unknown zeal mode `{name}`; known are spill, interrupt")),
        }
    }
    Ok(zeal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeal_lists() {
        let zeal = parse_zeal("spill,interrupt:7").unwrap();
        assert!(zeal.spill && zeal.interrupt);
        assert!(parse_zeal("gc").unwrap_err().contains("does not exist yet"));
        assert!(parse_zeal("tier,spill").is_err());
        assert!(parse_zeal("zest").unwrap_err().contains("unknown"));
        assert!(parse_zeal("spill:x").is_err());
    }
}
