//! What collections cost.

use super::Extent;
use crate::fallible;
use std::time::Duration;

/// What the collections of a store did and took so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcStats {
    /// Collections of young objects alone.
    pub minor: u64,
    /// Collections of all objects.
    pub major: u64,
    /// The median pause.
    pub pause_p50: Duration,
    /// The pause that one in a hundred exceeds.
    pub pause_p99: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// All pauses together.
    pub total: Duration,
    /// Bytes that objects take now, garbage and room for new ones included.
    pub heap_bytes: u64,
    /// The most that was.
    pub heap_peak_bytes: u64,
}

/// Sub-buckets of each power of two: pauses are known to an eighth.
const STEPS: usize = 8;

/// A histogram of pauses, in buckets of an eighth of their size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses {
    minor: u64,
    major: u64,
    total: Duration,
    max: Duration,
    buckets: Vec<u64>,
    peak_bytes: u64,
}

impl Pauses {
    /// Adds a pause.
    pub(crate) fn add(&mut self, extent: Extent, pause: Duration) {
        match extent {
            Extent::Minor => self.minor += 1,
            Extent::Full => self.major += 1,
        }
        self.total += pause;
        self.max = self.max.max(pause);
        let bucket = bucket_of(pause);
        // Without memory for its bucket, a pause counts as one of the longest.
        if fallible::grow(&mut self.buckets, bucket + 1, 0).is_ok() {
            self.buckets[bucket] += 1;
        }
    }

    /// Notes how much is in use.
    pub(crate) fn note_used(&mut self, bytes: u64) {
        self.peak_bytes = self.peak_bytes.max(bytes);
    }

    /// The pause that a share of `percent` of all does not exceed.
    fn quantile(&self, percent: u64) -> Duration {
        let count = self.minor + self.major;
        let rank = (count * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank && *n > 0 {
                return upper_bound(bucket).min(self.max);
            }
        }
        self.max
    }

    /// All of it; `used_bytes` is what is in use now.
    pub(crate) fn stats(&self, used_bytes: u64) -> GcStats {
        GcStats {
            minor: self.minor,
            major: self.major,
            pause_p50: self.quantile(50),
            pause_p99: self.quantile(99),
            pause_max: self.max,
            total: self.total,
            heap_bytes: used_bytes,
            heap_peak_bytes: self.peak_bytes.max(used_bytes),
        }
    }
}

fn bucket_of(pause: Duration) -> usize {
    let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX).max(STEPS as u64);
    let exponent = nanos.ilog2() as usize;
    let step = usize::try_from(nanos >> (exponent - 3)).expect("four bits") - STEPS;
    (exponent - 3) * STEPS + step
}

fn upper_bound(bucket: usize) -> Duration {
    let (exponent, step) = (bucket / STEPS, bucket % STEPS);
    Duration::from_nanos(((STEPS + step + 1) as u64) << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_known_to_an_eighth() {
        let mut pauses = Pauses::default();
        for micros in 1..=100 {
            pauses.add(Extent::Minor, Duration::from_micros(micros));
        }
        let stats = pauses.stats(0);
        let near = |found: Duration, micros: u64| {
            let expected = Duration::from_micros(micros);
            found >= expected && found <= expected * 9 / 8
        };
        assert!(near(stats.pause_p50, 50), "{:?}", stats.pause_p50);
        assert!(near(stats.pause_p99, 99), "{:?}", stats.pause_p99);
        assert_eq!((stats.pause_max, stats.minor), (Duration::from_micros(100), 100));
    }

    #[test]
    fn every_duration_has_a_bucket() {
        for pause in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1 << 40)] {
            assert!(upper_bound(bucket_of(pause).min(60 * STEPS)) > Duration::ZERO);
        }
    }
}
