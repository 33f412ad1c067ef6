//! When a function is worth optimising: every threshold of the tiering, in one table.

use super::cost::CostModel;
use std::fmt;
use std::str::FromStr;
use upshift_abi::hotness::ENTRY_MODULUS;

/// What tiering aims at. A value of [`Config::policy`](crate::Config::policy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Reach fast code soon: low thresholds, a quick compilation first and a thorough one behind
    /// it. For processes with cores to spare.
    Latency,
    /// Optimise a function when it has run about twice as long as that takes.
    #[default]
    Balanced,
    /// Optimise what has proven that it pays, thoroughly. For machines whose cores are all busy.
    Throughput,
    /// Never optimise.
    BaselineOnly,
    /// Ask for optimised code of each function at its first call.
    OptimizeEagerly,
}

impl Policy {
    /// All policies by the names that [`Policy::from_str`] knows.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("latency", Self::Latency),
        ("balanced", Self::Balanced),
        ("throughput", Self::Throughput),
        ("baseline-only", Self::BaselineOnly),
        ("optimize-eagerly", Self::OptimizeEagerly),
    ];

    /// The numbers of the policy, [`None`] when it never optimises.
    pub(crate) fn thresholds(self) -> Option<Thresholds> {
        // `start`: percent of the expected time to optimise a function that it must have run in
        //   the baseline before it is asked for. Whoever buys when the rent has come to the price
        //   pays no more than twice the best possible, whatever comes; the rent is what baseline
        //   code takes longer, a third to half of its time. Below it pays when another core is
        //   idle; above it when that core has other work.
        // `full`: percent of the expected time of a full compilation from which on the time that
        //   the function ran promises that a full compilation pays. Below, a quick one is made.
        // `upgrade`: whether a full compilation is queued behind a quick one, with least priority.
        let (start, full, upgrade) = match self {
            Self::Latency => (25, 50, true),
            Self::Balanced => (200, 30, true),
            Self::Throughput => (300, 0, false),
            Self::OptimizeEagerly => (0, 0, false),
            Self::BaselineOnly => return None,
        };
        Some(Thresholds { start_percent: start, full_percent: full, upgrade })
    }
}

impl FromStr for Policy {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, policy)| *policy).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join(", ");
            anyhow::anyhow!("unknown policy `{text}`; known are: {names}")
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(_, policy)| policy == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// The numbers of a [`Policy`]; see its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thresholds {
    pub(crate) start_percent: u32,
    pub(crate) full_percent: u32,
    pub(crate) upgrade: bool,
}

/// Least start value: functions that are called a few times only are never worth a request, however
/// small they are.
const MIN_START_UNITS: u64 = 320_000;
/// Largest start value, about a tenth of a second: counters have no more bits. An enormous function
/// runs for so long several times.
pub(crate) const MAX_START_UNITS: u64 = 2_147_480_000;
/// Units between two looks at a loop that waits for optimised code, a bit above a millisecond:
/// rare enough that the slow path (one or two microseconds) does not show, often enough that the
/// code is used soon after it is there.
pub(crate) const POLL_UNITS: i32 = 32_000_000;
/// Units between two looks at a loop that has optimised code, some fifty microseconds: a function
/// that comes back to it in the baseline is one that is called again, and shall neither wait long
/// before it goes over nor before its own code is asked for.
pub(crate) const RETURN_UNITS: i32 = 1 << 20;
/// While a loop's code is being made each look doubles the time to the next, this often.
pub(crate) const MAX_POLL_SHIFT: u8 = 5;
/// How often the counter fires at each loop header that charges it, to find out which loops around
/// an inner one turn in a short time, and to wait for the header of a loop that has optimised code.
pub(crate) const PROBE_FIRES: u32 = 48;
/// A function that was entered at most so often (modulo [`ENTRY_MODULUS`]) while it ran as long as
/// its start value says, and is in a loop now, most likely stays there: the loop's body comes before
/// the function's code.
pub(crate) const FEW_ENTRIES: u64 = 2;
/// OSR bodies of one function: a function whose frames come back to the baseline more often than
/// that has other troubles. Test modes have no such limit.
pub(crate) const MAX_OSR_BODIES: usize = 8;
/// A new estimate of the costs may raise the bar of a function by this factor before the function
/// has to run on; a smaller change is not worth another look.
const RAISED_PERCENT: u64 = 130;

/// How start values are made. Fixed for a module, as [`Thresholds`] and the estimates of the cost
/// when it was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartRule {
    /// Nothing is ever asked for.
    Never,
    /// By [`Thresholds::start_percent`] and the cost that was estimated with this scale.
    Cost { percent: u32, scale: u32 },
}

impl StartRule {
    /// The start value of a function with a body of `bytes` bytes.
    pub(crate) fn units(self, bytes: usize) -> i32 {
        match self {
            Self::Never => i32::MAX,
            Self::Cost { percent, scale } => start_value(needed_units(percent, scale, bytes)),
        }
    }

    /// How much more a function has to run after it ran `counted` units, by what is known of
    /// costs now; [`None`] when it is worth the request.
    pub(crate) fn missing(self, model: &CostModel, bytes: usize, counted: u64) -> Option<i32> {
        let Self::Cost { percent, .. } = self else { return None };
        let needed = needed_units(percent, model.scale(), bytes);
        let raised = needed / RAISED_PERCENT * 100 > counted;
        raised.then(|| start_value(needed - counted))
    }
}

/// What a function has to run before it is asked for.
fn needed_units(percent: u32, scale: u32, bytes: usize) -> u64 {
    if percent == 0 {
        return 0;
    }
    let ns = CostModel::expected_ns_at(scale, bytes).saturating_mul(u64::from(percent)) / 100;
    CostModel::units_of_ns(ns).max(MIN_START_UNITS)
}

/// What a counter starts from that fires after so many units. It is a multiple of [`ENTRY_MODULUS`],
/// so that what was counted since tells the entries.
fn start_value(units: u64) -> i32 {
    let value = i32::try_from(units.min(MAX_START_UNITS)).expect("it has so many bits");
    value - value % ENTRY_MODULUS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(policy: Policy, bytes: usize) -> i32 {
        let percent = policy.thresholds().unwrap().start_percent;
        StartRule::Cost { percent, scale: CostModel::default().scale() }.units(bytes)
    }

    #[test]
    fn names_round_trip() {
        for (name, policy) in Policy::NAMES {
            assert_eq!(name.parse::<Policy>().unwrap(), policy);
            assert_eq!(policy.to_string(), name);
        }
        assert!("fast".parse::<Policy>().unwrap_err().to_string().contains("balanced"));
    }

    #[test]
    fn start_values_grow_with_the_body_and_the_caution() {
        for bytes in [10, 1000, 10_000] {
            let of = |policy| start(policy, bytes);
            assert_eq!(of(Policy::OptimizeEagerly), 0);
            assert!(of(Policy::Latency) < of(Policy::Balanced));
            assert!(of(Policy::Balanced) < of(Policy::Throughput));
        }
        assert!(start(Policy::Balanced, 100) < start(Policy::Balanced, 1000));
        let huge = start(Policy::Throughput, usize::MAX);
        assert_eq!(u64::try_from(huge).unwrap(), MAX_START_UNITS);
        assert!(Policy::BaselineOnly.thresholds().is_none());
        assert_eq!(StartRule::Never.units(10), i32::MAX);
    }

    #[test]
    fn dearer_compilations_raise_the_bar() {
        let model = CostModel::default();
        let rule = StartRule::Cost { percent: 100, scale: model.scale() };
        let start = u64::try_from(rule.units(1000)).unwrap();
        assert_eq!(rule.missing(&model, 1000, start), None);
        for _ in 0..100 {
            model.learn(1000, model.expected_ns(1000) * 3);
        }
        assert!(rule.missing(&model, 1000, start).unwrap() > 0);
        assert_eq!(rule.missing(&model, 1000, start * 1000), None);
        assert_eq!(StartRule::Never.missing(&model, 1000, 0), None);
        // What does not fit into a counter.
        let start = rule.units(1 << 20);
        let counted = u64::try_from(start).unwrap();
        assert_eq!(counted, MAX_START_UNITS);
        assert_eq!(rule.missing(&model, 1 << 20, counted), Some(start));
        assert_eq!(rule.missing(&model, 1 << 20, counted * 1000), None);
    }
}
