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
    /// The pauses of collections of young objects alone.
    pub minor_pauses: PauseStats,
    /// The pauses of collections of all objects.
    pub major_pauses: PauseStats,
    /// Bytes that objects take now, garbage and room for new ones included.
    pub heap_bytes: u64,
    /// The most that was.
    pub heap_peak_bytes: u64,
}

/// Pauses in CPU time: known to an eighth, but for the longest and the sum, which are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PauseStats {
    /// How many there were.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// What one in a hundred exceeds.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// All together.
    pub total: Duration,
    /// How many there were by length: from [`Self::bucket_start`] of the bucket up to that of the next.
    /// Longer ones are in the last.
    pub buckets: [u64; Self::BUCKETS],
}

impl PauseStats {
    /// The number of buckets.
    pub const BUCKETS: usize = 32;

    /// The shortest pause in a bucket: 0 in the first, and 2<sup>`bucket`</sup> nanoseconds in the others,
    /// so that the last begins at 2.1 seconds. Pauses below 8 nanoseconds are in the bucket that begins
    /// there.
    #[must_use]
    pub fn bucket_start(bucket: usize) -> Duration {
        match bucket {
            0 => Duration::ZERO,
            _ => Duration::from_nanos(1 << bucket.min(63)),
        }
    }
}

/// log2 of [`STEPS`].
const STEPS_LOG2: usize = 3;
/// Sub-buckets of each power of two: pauses are known to an eighth.
const STEPS: usize = 1 << STEPS_LOG2;

/// The pauses of a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses {
    minor: Histogram,
    major: Histogram,
    peak_bytes: u64,
}

/// A histogram of pauses, in buckets of an eighth of their size.
#[derive(Clone, Debug, Default)]
struct Histogram {
    count: u64,
    total: Duration,
    max: Duration,
    buckets: Vec<u64>,
}

impl Pauses {
    /// Adds a pause.
    pub(crate) fn add(&mut self, extent: Extent, pause: Duration) {
        match extent {
            Extent::Minor => self.minor.add(pause),
            Extent::Full => self.major.add(pause),
        }
    }

    /// Notes how much is in use.
    pub(crate) fn note_used(&mut self, bytes: u64) {
        self.peak_bytes = self.peak_bytes.max(bytes);
    }

    /// All of it; `used_bytes` is what is in use now.
    pub(crate) fn stats(&self, used_bytes: u64) -> GcStats {
        let both = [&self.minor, &self.major];
        GcStats {
            minor: self.minor.count,
            major: self.major.count,
            pause_p50: quantile(&both, 50),
            pause_p99: quantile(&both, 99),
            pause_max: self.minor.max.max(self.major.max),
            total: self.minor.total + self.major.total,
            minor_pauses: self.minor.stats(),
            major_pauses: self.major.stats(),
            heap_bytes: used_bytes,
            heap_peak_bytes: self.peak_bytes.max(used_bytes),
        }
    }
}

impl Histogram {
    fn add(&mut self, pause: Duration) {
        self.count += 1;
        self.total += pause;
        self.max = self.max.max(pause);
        let bucket = bucket_of(pause);
        // Without memory for its bucket, a pause counts as one of the longest.
        if fallible::grow(&mut self.buckets, bucket + 1, 0).is_ok() {
            self.buckets[bucket] += 1;
        }
    }

    fn stats(&self) -> PauseStats {
        let mut buckets = [0; PauseStats::BUCKETS];
        let last = PauseStats::BUCKETS - 1;
        for (bucket, n) in self.buckets.iter().enumerate() {
            buckets[(bucket / STEPS + STEPS_LOG2).min(last)] += n;
        }
        buckets[last] += self.count - self.buckets.iter().sum::<u64>();
        PauseStats {
            count: self.count,
            p50: quantile(&[self], 50),
            p99: quantile(&[self], 99),
            max: self.max,
            total: self.total,
            buckets,
        }
    }
}

/// The pause that a share of `percent` of all pauses does not exceed.
fn quantile(pauses: &[&Histogram], percent: u64) -> Duration {
    let count: u64 = pauses.iter().map(|pauses| pauses.count).sum();
    let max = pauses.iter().map(|pauses| pauses.max).max().unwrap_or_default();
    let buckets = pauses.iter().map(|pauses| pauses.buckets.len()).max().unwrap_or(0);
    let rank = (count * percent).div_ceil(100);
    let mut seen = 0;
    for bucket in 0..buckets {
        let n = pauses.iter().filter_map(|pauses| pauses.buckets.get(bucket)).sum::<u64>();
        seen += n;
        if seen >= rank && n > 0 {
            return upper_bound(bucket).min(max);
        }
    }
    max
}

/// The bucket of a pause; those below 8 ns are in the first.
fn bucket_of(pause: Duration) -> usize {
    let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX).max(STEPS as u64);
    let exponent = nanos.ilog2() as usize;
    let step = usize::try_from(nanos >> (exponent - STEPS_LOG2)).expect("four bits") - STEPS;
    (exponent - STEPS_LOG2) * STEPS + step
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
    fn minor_and_major_pauses_are_told_apart() {
        let mut pauses = Pauses::default();
        let micros = Duration::from_micros;
        (0..99).for_each(|_| pauses.add(Extent::Minor, micros(100)));
        pauses.add(Extent::Minor, micros(400));
        pauses.add(Extent::Full, Duration::from_secs(50));
        let stats = pauses.stats(0);
        let (minor, major) = (stats.minor_pauses, stats.major_pauses);
        assert_eq!((minor.count, major.count), (100, 1));
        assert!(minor.p99 < micros(120) && minor.max == micros(400), "{minor:?}");
        assert_eq!((major.p50, major.total), (Duration::from_secs(50), Duration::from_secs(50)));
        assert_eq!((stats.pause_max, stats.total), (major.max, minor.total + major.total));
        let found = |stats: &PauseStats| -> Vec<(usize, u64)> {
            let buckets = stats.buckets.iter().copied().enumerate();
            buckets.filter(|&(_, n)| n != 0).collect()
        };
        assert_eq!(found(&minor), [(16, 99), (18, 1)]);
        assert_eq!(found(&major), [(31, 1)]);
        for (bucket, pause) in [(16, micros(100)), (18, micros(400))] {
            assert!(PauseStats::bucket_start(bucket) <= pause);
            assert!(PauseStats::bucket_start(bucket + 1) > pause);
        }
    }

    #[test]
    fn every_duration_has_a_bucket() {
        for pause in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1 << 40)] {
            assert!(upper_bound(bucket_of(pause).min(60 * STEPS)) > Duration::ZERO);
        }
    }
}
