//! Medians, their 95 % intervals, and geometric means.
//!
//! The interval of a median is the pair of order statistics that encloses it with at least
//! 95 % probability whatever the distribution: of 7 samples the smallest and the largest
//! (98.4 %), of 12 the third and the tenth (96.1 %). Fewer than 6 samples have none; then it
//! is their range.

use std::fmt;

/// A median and the interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// The median of the samples.
    pub(crate) median: f64,
    /// The lower end of the interval.
    pub(crate) low: f64,
    /// The upper end of the interval.
    pub(crate) high: f64,
}

impl Estimate {
    /// Of at least one sample; `None` without.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let middle = count.checked_sub(1)? / 2;
        let median = f64::midpoint(sorted[middle], sorted[count / 2]);
        let outside = outside(count);
        Some(Self { median, low: sorted[outside], high: sorted[count - 1 - outside] })
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} [{:.2}, {:.2}]", self.median, self.low, self.high)
    }
}

/// How many samples on either side the interval leaves out: the largest k for which k or
/// fewer of `count` fair coins fall on one side with at most 2.5 % probability.
fn outside(count: usize) -> usize {
    let mut probability = 0.5_f64.powf(count as f64);
    let mut tail = probability;
    let mut left_out = 0;
    for k in 1..count / 2 {
        probability *= (count - k + 1) as f64 / k as f64;
        tail += probability;
        if tail > 0.025 {
            break;
        }
        left_out = k;
    }
    left_out
}

/// Zero for an empty list.
pub(crate) fn geometric_mean(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut count = 0.0;
    let mut sum = 0.0;
    for number in numbers {
        count += 1.0;
        sum += number.ln();
    }
    if count == 0.0 { 0.0 } else { (sum / count).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_samples_span_their_whole_range() {
        let estimate = Estimate::of(&[3.0, 1.0, 2.0, 5.0, 4.0, 7.0, 6.0]).unwrap();
        assert_eq!(estimate, Estimate { median: 4.0, low: 1.0, high: 7.0 });
    }

    #[test]
    fn twelve_samples_leave_two_out_on_either_side() {
        let samples: Vec<f64> = (1..=12).map(f64::from).collect();
        let estimate = Estimate::of(&samples).unwrap();
        assert_eq!(estimate, Estimate { median: 6.5, low: 3.0, high: 10.0 });
    }

    #[test]
    fn a_few_samples_still_have_a_median() {
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of(&[2.0, 4.0]).unwrap().median, 3.0);
    }

    #[test]
    fn the_geometric_mean_balances_ratios() {
        assert!((geometric_mean([0.5, 2.0]) - 1.0).abs() < 1e-12);
    }
}
