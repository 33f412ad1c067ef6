//! The engine configurations under which the suites run.

use upshift::{Config, Tier, Zeal};

/// An engine configuration with a name.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Its name, as the file of expected failures uses it.
    pub name: &'static str,
    /// The settings.
    pub config: Config,
}

/// The baseline compiler as users get it.
#[must_use]
pub fn baseline() -> Mode {
    let mut config = Config::new();
    config.tier(Tier::Baseline);
    Mode { name: "baseline", config }
}

/// The baseline compiler with two registers of each class.
#[must_use]
pub fn spill() -> Mode {
    let mut zeal = Zeal::none();
    zeal.spill = true;
    with_zeal("spill", zeal)
}

/// Every poll and stack check takes its slow path.
#[must_use]
pub fn interrupt() -> Mode {
    let mut zeal = Zeal::none();
    zeal.interrupt = true;
    with_zeal("interrupt", zeal)
}

/// All modes.
#[must_use]
pub fn all() -> [Mode; 3] {
    [baseline(), spill(), interrupt()]
}

fn with_zeal(name: &'static str, zeal: Zeal) -> Mode {
    let Mode { mut config, .. } = baseline();
    config.zeal(zeal);
    Mode { name, config }
}
