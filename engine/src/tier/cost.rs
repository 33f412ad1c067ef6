//! What it costs to optimise a function, estimated from its size and learnt from what it did cost.

use std::sync::atomic::{AtomicU32, Ordering};

/// Time to optimise an empty function.
const BASE_NS: u64 = 150_000;
/// Time for each byte of the body.
const NS_PER_BYTE: u64 = 1_600;
/// Machine code of the baseline takes about this long for a unit of the counters (a byte of
/// code), in picoseconds.
const PS_PER_UNIT: u64 = 44;
/// The scale that leaves the estimate as it is.
const ONE: u32 = 1024;
/// Limits of the scale: a machine is neither ten times faster nor twenty times slower.
const SCALES: (u64, u64) = (ONE as u64 / 10, ONE as u64 * 20);
/// A measurement counts as one of this many.
const WEIGHT: u64 = 16;

/// Estimates the time that the optimising compiler needs; one factor for all functions follows
/// what is measured.
#[derive(Debug)]
pub(crate) struct CostModel {
    scale: AtomicU32,
}

impl Default for CostModel {
    fn default() -> Self {
        Self { scale: AtomicU32::new(ONE) }
    }
}

impl CostModel {
    /// The current factor.
    pub(crate) fn scale(&self) -> u32 {
        self.scale.load(Ordering::Relaxed)
    }

    /// CPU time to optimise a body of `bytes` bytes fully.
    pub(crate) fn expected_ns(&self, bytes: usize) -> u64 {
        Self::expected_ns_at(self.scale(), bytes)
    }

    /// The same with a given factor.
    pub(crate) fn expected_ns_at(scale: u32, bytes: usize) -> u64 {
        // Done for every function when a module is first instantiated, so without a division.
        let plain = BASE_NS.saturating_add(NS_PER_BYTE.saturating_mul(bytes as u64));
        plain.saturating_mul(u64::from(scale)) / u64::from(ONE)
    }

    /// Takes note of a full compilation.
    pub(crate) fn learn(&self, bytes: usize, ns: u64) {
        let plain = Self::expected_ns_at(ONE, bytes);
        let seen = u128::from(ns) * u128::from(ONE) / u128::from(plain);
        let seen = u64::try_from(seen).unwrap_or(u64::MAX).clamp(SCALES.0, SCALES.1);
        // Two threads that learn at once may lose one of the measurements.
        let old = u64::from(self.scale());
        let new = (old * (WEIGHT - 1) + seen).div_ceil(WEIGHT);
        self.scale.store(u32::try_from(new).unwrap_or(ONE), Ordering::Relaxed);
    }

    /// Time that counted work took.
    pub(crate) fn ns_of_units(units: u64) -> u64 {
        units.saturating_mul(PS_PER_UNIT) / 1000
    }

    /// Units that are counted in some time.
    pub(crate) fn units_of_ns(ns: u64) -> u64 {
        ns.saturating_mul(1000) / PS_PER_UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_follows_measurements_within_limits() {
        let model = CostModel::default();
        let first = model.expected_ns(500);
        for _ in 0..200 {
            model.learn(500, first * 2);
        }
        let learnt = model.expected_ns(500);
        assert!((first * 19 / 10..first * 21 / 10).contains(&learnt), "{first} {learnt}");
        for _ in 0..1000 {
            model.learn(500, u64::MAX);
        }
        assert!(model.expected_ns(500) <= first * 20);
        for _ in 0..1000 {
            model.learn(500, 0);
        }
        assert!(model.expected_ns(500) >= first / 11);
        assert!(model.expected_ns(usize::MAX) > 0);
    }

    #[test]
    fn units_and_time_convert() {
        assert_eq!(CostModel::ns_of_units(CostModel::units_of_ns(7_040_000)), 7_040_000);
        assert!(CostModel::units_of_ns(u64::MAX) > 0);
    }
}
