//! The statistics of paired runs: medians, ranges, and the ratio of two arms with its interval.
//!
//! Everything here is a pure function of numbers. A pair's value is `ln(t_before / t_after)`, so that
//! time and throughput always agree and a gain and a loss of the same size weigh the same. The
//! estimate is the Hodges-Lehmann median of the Walsh averages, the interval the exact inversion of
//! the Wilcoxon signed-rank test (Hollander, Wolfe, Chicken: Nonparametric Statistical Methods,
//! 3.2 and 3.3): untied critical values on the sorted Walsh averages, closed, ties and zeroes kept.
//! An [`Estimate`] without enough pairs to carry it cannot be made; what it says is `verdict`'s
//! business.

use serde::{Deserialize, Serialize};

/// Chance of a wrong interval that one look at one metric may take.
pub const ALPHA: f64 = 0.05;

/// Above this many pairs the null distribution is taken as normal: by then both agree to more
/// digits than are printed.
const EXACT_UP_TO: usize = 500;

/// Middle and ends of some measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle value, or the mean of the two middle ones.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of these values; none where there are no values.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: median_of_sorted(&sorted)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        Some(f64::midpoint(
            *sorted.get(middle.checked_sub(1)?)?,
            *sorted.get(middle)?,
        ))
    } else {
        sorted.get(middle).copied()
    }
}

/// Too few pairs for an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFewPairs {
    /// Pairs there are.
    pub pairs: usize,
    /// Pairs there must be.
    pub needed: usize,
}

/// What pairs say about the ratio of two arms: a point and an interval around it, on the log scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    shift: f64,
    lower: f64,
    upper: f64,
    alpha: f64,
    pairs: usize,
}

impl Estimate {
    /// The estimate from `ln(t_before / t_after)` of each pair, with an interval that misses the
    /// truth at most `alpha` of the time.
    pub fn of_pairs(logs: &[f64], alpha: f64) -> Result<Self, TooFewPairs> {
        let needed = pairs_needed(alpha);
        if logs.len() < needed {
            return Err(TooFewPairs {
                pairs: logs.len(),
                needed,
            });
        }
        let walsh = walsh_averages(logs);
        let rank = interval_rank(logs.len(), alpha);
        // `needed` pairs make a rank of at least 1 and a median certain to be there
        let shift = median_of_sorted(&walsh).unwrap_or(0.0);
        Ok(Self {
            shift,
            lower: walsh[rank - 1],
            upper: walsh[walsh.len() - rank],
            alpha,
            pairs: logs.len(),
        })
    }

    /// How much faster the after arm is: 1.2 is 20 % more throughput.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.shift.exp()
    }

    /// The interval of [`Self::ratio`], both ends in it.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        (self.lower.exp(), self.upper.exp())
    }

    /// The estimate on the log scale: point, lower end, upper end.
    pub(super) fn logs(&self) -> (f64, f64, f64) {
        (self.shift, self.lower, self.upper)
    }

    /// How often such intervals hold the truth, at least: 0.95.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        1.0 - self.alpha
    }

    /// Pairs it was made from.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.pairs
    }
}

/// The fewest pairs with 2^(1-n) <= alpha: with fewer, not even the widest interval is sure enough.
#[must_use]
pub fn pairs_needed(alpha: f64) -> usize {
    (1.0 - alpha.log2()).ceil().max(1.0) as usize
}

/// All (a + b) / 2 of values with each other and with themselves, sorted.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, a) in values.iter().enumerate() {
        averages.extend(values[i..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    averages.sort_by(f64::total_cmp);
    averages
}

/// Which Walsh average, counted from 1 at either end, bounds the interval: one more than the
/// largest critical value, 0 where there is none.
fn interval_rank(n: usize, alpha: f64) -> usize {
    if n > EXACT_UP_TO {
        return normal_rank(n, alpha);
    }
    let mut below = 0.0;
    for (value, probability) in signed_rank_distribution(n).into_iter().enumerate() {
        below += probability;
        if below > alpha / 2.0 {
            return value;
        }
    }
    0
}

/// The distribution of the Wilcoxon signed-rank statistic without ties under the null hypothesis:
/// each of the ranks 1..=n is in the sum or not, with even chances.
fn signed_rank_distribution(n: usize) -> Vec<f64> {
    let mut probability = vec![0.0; n * (n + 1) / 2 + 1];
    probability[0] = 1.0;
    let mut reach = 0;
    for rank in 1..=n {
        reach += rank;
        for sum in (0..=reach).rev() {
            let with = if sum >= rank {
                probability[sum - rank]
            } else {
                0.0
            };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    probability
}

/// The rank for many pairs, from the normal approximation with continuity correction. Only the
/// 95 % and 98.3 % quantiles are ever asked for, so the quantile comes from bisection of a plain
/// series instead of a library.
fn normal_rank(n: usize, alpha: f64) -> usize {
    let n = n as f64;
    let mean = n * (n + 1.0) / 4.0;
    let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if upper_tail(middle) > alpha / 2.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    (mean - 0.5 - low * deviation).floor().max(0.0) as usize + 1
}

/// The chance that a standard normal value exceeds `z` >= 0, by its series around 0.
fn upper_tail(z: f64) -> f64 {
    let (mut term, mut sum) = (z, z);
    for k in 1..200 {
        term *= z * z / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 - sum * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn critical_values_are_the_published_ones() {
        // two-sided 5 %: the largest T that is significant (Wilcoxon 1945, and every table since)
        let table = [
            (6, 0),
            (7, 2),
            (8, 3),
            (9, 5),
            (10, 8),
            (11, 10),
            (12, 13),
            (13, 17),
            (14, 21),
            (15, 25),
            (16, 29),
            (17, 34),
            (18, 40),
            (19, 46),
            (20, 52),
            (25, 89),
            (30, 137),
            (40, 264),
            (50, 434),
        ];
        for (n, critical) in table {
            assert_eq!(interval_rank(n, ALPHA), critical + 1, "{n} pairs");
        }
    }

    #[test]
    fn five_pairs_have_no_interval_and_six_have() {
        assert_eq!(pairs_needed(ALPHA), 6);
        assert_eq!(interval_rank(5, ALPHA), 0);
        assert_eq!(
            Estimate::of_pairs(&[0.1; 5], ALPHA),
            Err(TooFewPairs {
                pairs: 5,
                needed: 6
            })
        );
        assert!(Estimate::of_pairs(&[0.1; 6], ALPHA).is_ok());
        assert_eq!(pairs_needed(ALPHA / 3.0), 7);
    }

    #[test]
    fn the_normal_approximation_continues_the_exact_ranks() {
        for n in [100, 300, EXACT_UP_TO] {
            let (exact, normal) = (interval_rank(n, ALPHA), normal_rank(n, ALPHA));
            assert!(
                exact.abs_diff(normal) <= 1 + n / 200,
                "{n}: {exact} {normal}"
            );
        }
        assert!((upper_tail(1.959_964) - 0.025).abs() < 1e-6);
    }

    #[test]
    fn the_distribution_adds_up_to_one() {
        for n in [1, 6, 20, 100] {
            let sum: f64 = signed_rank_distribution(n).iter().sum();
            assert!((sum - 1.0).abs() < 1e-9, "{n}: {sum}");
        }
    }

    #[test]
    fn an_estimate_is_the_one_worked_by_hand() {
        // walsh averages of 1..=6 run from 1 to 6, their median is 3.5
        let logs: Vec<f64> = (1..=6).map(|n| f64::from(n) / 100.0).collect();
        let estimate = Estimate::of_pairs(&logs, ALPHA).unwrap();
        assert!((estimate.ratio() - 0.035f64.exp()).abs() < 1e-12);
        let (low, high) = estimate.interval();
        assert!((low - 0.01f64.exp()).abs() < 1e-12 && (high - 0.06f64.exp()).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_point_lies_in_its_interval(logs in prop::collection::vec(-1.0f64..1.0, 6..30)) {
            let estimate = Estimate::of_pairs(&logs, ALPHA).unwrap();
            let (low, high) = estimate.interval();
            prop_assert!(low <= estimate.ratio() && estimate.ratio() <= high);
        }
    }
}
