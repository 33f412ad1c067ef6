//! The engine configurations under which the suites run.

use std::sync::{Arc, Mutex, PoisonError};
use upshift::{
    CollectorKind, Config, Event, EventKind, EventObserver, Policy, Tier, TierRejection, Zeal,
};

/// An engine configuration with a name.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Its name, as the file of expected failures uses it.
    pub name: &'static str,
    /// The settings.
    pub config: Config,
    /// What its engines' optimizing compilers refused.
    pub refusals: Arc<Refusals>,
}

/// What optimizing compilers refused, although no limit says so: a mistake of theirs, found by Cranelift's
/// verifier or an assertion. The function only stays in the baseline then, so nothing else would show it.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Vec<String>>);

impl Refusals {
    /// Whether there were none.
    ///
    /// # Errors
    /// What they were.
    pub fn check(&self) -> Result<(), String> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }

    fn note(&self, reason: &TierRejection) {
        if let TierRejection::Failed(text) = reason
            && !["limit", "Limit", "TooLarge", "so many"].iter().any(|word| text.contains(word))
        {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        }
    }
}

impl EventObserver for Refusals {
    fn event(&self, event: &Event) {
        if let EventKind::Rejected { reason } = &event.kind {
            self.note(reason);
        }
    }
}

impl Mode {
    /// A mode in which intermediate code is verified, and refusals are noted.
    fn new(name: &'static str, mut config: Config) -> Self {
        let refusals = Arc::new(Refusals::default());
        config.verify_intermediate_code(true).event_observer(refusals.clone());
        Self { name, config, refusals }
    }
}

/// The baseline compiler as users get it.
#[must_use]
pub fn baseline() -> Mode {
    let mut config = Config::new();
    config.tier(Tier::Baseline);
    Mode::new("baseline", config)
}

/// The baseline compiler with two registers of each class, in front of the optimizer: so with counters.
#[must_use]
pub fn spill() -> Mode {
    let mut zeal = Zeal::none();
    zeal.spill = true;
    with_zeal_of_both("spill", zeal)
}

/// Every poll and stack check takes its slow path, in both tiers.
#[must_use]
pub fn interrupt() -> Mode {
    let mut zeal = Zeal::none();
    zeal.interrupt = true;
    with_zeal_of_both("interrupt", zeal)
}

/// The same with the optimizer alone, whose loops compare a word at each turn.
#[must_use]
pub fn interrupt_optimizer() -> Mode {
    let mut zeal = Zeal::none();
    zeal.interrupt = true;
    with_zeal_of_optimizer("interrupt-optimizer", zeal)
}

/// Optimized code goes step by step, and is interrupted at each loop header. A thousand times slower
/// than the others, so [`all`] does not have it.
#[must_use]
pub fn step() -> Mode {
    let mut zeal = Zeal::none();
    zeal.step = true;
    with_zeal_of_optimizer("step", zeal)
}

/// The optimising compiler only.
#[must_use]
pub fn optimizer() -> Mode {
    let mut config = Config::new();
    config.tier(Tier::Optimizer);
    Mode::new("optimizer", config)
}

/// The same with the least effort.
#[must_use]
pub fn quick() -> Mode {
    let mut zeal = Zeal::none();
    zeal.quick = true;
    with_zeal_of_optimizer("quick", zeal)
}

/// Both compilers, with functions that are optimised in the background after their first call.
#[must_use]
pub fn tiered() -> Mode {
    let mut config = Config::new();
    config.policy(Policy::OptimizeEagerly).verify_intermediate_code(true);
    // As most engines are: nobody hears of events.
    Mode { name: "tiered", config, refusals: Arc::default() }
}

/// Every function, and every loop that turns, goes over to optimised code as early as possible.
#[must_use]
pub fn tier() -> Mode {
    tier_zeal("tier", None)
}

/// The same with the least effort of the optimizer.
#[must_use]
pub fn quick_tier() -> Mode {
    let mut zeal = Zeal::none();
    (zeal.quick, zeal.tier) = (true, true);
    with_zeal_of_both("quick-tier", zeal)
}

/// Functions are optimized at their second call, or after some turns of their loops, with what their
/// baseline code found out until then.
#[must_use]
pub fn deterministic() -> Mode {
    let mut config = Config::new();
    config.deterministic_tiering(2);
    Mode::new("deterministic", config)
}

/// Every function, and every loop that turns, as in [`tier`], with a tier drawn for each function.
#[must_use]
pub fn tier_mixed(seed: u64) -> Mode {
    tier_zeal("tier-mixed", Some(seed))
}

/// Exceptions are thrown and caught before calls, with functions of both tiers; the seed draws which.
#[must_use]
pub fn exceptions(seed: u64) -> Mode {
    let mut zeal = Zeal::none();
    (zeal.tier, zeal.seed, zeal.exceptions) = (true, Some(seed), true);
    with_zeal_of_both("exceptions", zeal)
}

/// The optimising compiler, which inlines as much as it can, and throws and catches before calls.
#[must_use]
pub fn inline() -> Mode {
    let mut zeal = Zeal::none();
    (zeal.inline, zeal.exceptions) = (true, true);
    with_zeal_of_optimizer("inline", zeal)
}

/// The same without exceptions, with loops that are entered by baseline frames and every allocation
/// collecting.
#[must_use]
pub fn inline_tier() -> Mode {
    let mut zeal = Zeal::none();
    (zeal.inline, zeal.tier, zeal.gc) = (true, true, true);
    with_zeal_of_both("inline-tier", zeal)
}

/// The baseline compiler; every allocation collects, and moves all young objects.
#[must_use]
pub fn gc() -> Mode {
    let mut zeal = Zeal::none();
    zeal.gc = true;
    with_zeal("gc", zeal)
}

/// The same with the optimising compiler.
#[must_use]
pub fn gc_optimizer() -> Mode {
    let mut zeal = Zeal::none();
    zeal.gc = true;
    with_zeal_of_optimizer("gc-optimizer", zeal)
}

/// The same with functions of both tiers, and few registers in the baseline.
#[must_use]
pub fn gc_mixed() -> Mode {
    let mut zeal = Zeal::none();
    (zeal.tier, zeal.seed, zeal.gc, zeal.spill) = (true, Some(3), true, true);
    with_zeal_of_both("gc-mixed", zeal)
}

/// Objects are never freed.
#[must_use]
pub fn null_collector() -> Mode {
    let mut config = Config::new();
    config.collector(CollectorKind::Null);
    Mode::new("null-collector", config)
}

/// All modes.
#[must_use]
pub fn all() -> [Mode; 15] {
    [
        baseline(),
        spill(),
        interrupt(),
        optimizer(),
        quick(),
        tiered(),
        deterministic(),
        tier(),
        quick_tier(),
        tier_mixed(1),
        exceptions(2),
        inline(),
        inline_tier(),
        gc_mixed(),
        gc_optimizer(),
    ]
}

fn with_zeal(name: &'static str, zeal: Zeal) -> Mode {
    let mut config = Config::new();
    config.tier(Tier::Baseline);
    config.zeal(zeal);
    Mode::new(name, config)
}

fn with_zeal_of_optimizer(name: &'static str, zeal: Zeal) -> Mode {
    let mut config = Config::new();
    config.tier(Tier::Optimizer);
    config.zeal(zeal);
    Mode::new(name, config)
}

fn tier_zeal(name: &'static str, seed: Option<u64>) -> Mode {
    let mut zeal = Zeal::none();
    (zeal.tier, zeal.seed) = (true, seed);
    with_zeal_of_both(name, zeal)
}

fn with_zeal_of_both(name: &'static str, zeal: Zeal) -> Mode {
    let mut config = Config::new();
    config.zeal(zeal);
    Mode::new(name, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_all_failures_that_are_no_limits() {
        let refusals = Refusals::default();
        let limits = ["its frame needs 9 bytes, more than the limit of 8", "ImplLimitExceeded"];
        for text in limits {
            refusals.note(&TierRejection::Failed(text.into()));
        }
        refusals.note(&TierRejection::Evicted);
        assert_eq!(refusals.check(), Ok(()));
        refusals.note(&TierRejection::Failed("the compiler panicked".into()));
        assert_eq!(refusals.check(), Err("the compiler panicked".into()));
    }
}
