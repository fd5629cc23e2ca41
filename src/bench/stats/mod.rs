//! The statistics of runs: medians, ranges, and the ratio of two arms with its interval.
//!
//! Everything here is a pure function of numbers, and works on logarithms, so that time and
//! throughput always agree and a gain and a loss of the same size weigh the same. Two arms of one
//! session come in pairs (`signed_rank`), two saved sessions do not (`rank_sum`); both give
//! one kind of [`Estimate`], and one without enough data to carry it cannot be made. What an estimate
//! says is `verdict`'s business.

mod rank_sum;
#[cfg(test)]
mod reference;
mod signed_rank;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};

/// Chance of a wrong interval that one look at one metric may take.
pub const ALPHA: f64 = 0.05;

/// Middle and ends of some measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// How much was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Pairs, one iteration of either arm in each.
    Pairs(usize),
    /// Iterations of two arms that were not measured in pairs.
    Samples {
        /// Of the before arm.
        before: usize,
        /// Of the after arm.
        after: usize,
    },
}

impl Size {
    /// Pairs; iterations of the smaller arm where there are none.
    #[must_use]
    pub fn least(self) -> usize {
        match self {
            Self::Pairs(pairs) => pairs,
            Self::Samples { before, after } => before.min(after),
        }
    }
}

/// `10 pairs`, `8 + 10 iterations`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pairs(1) => f.write_str("1 pair"),
            Self::Pairs(pairs) => write!(f, "{pairs} pairs"),
            Self::Samples { before, after } => write!(f, "{before} + {after} iterations"),
        }
    }
}

/// Too few data for an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// What there is.
    pub there: Size,
    /// What there must be, at least.
    pub needed: Size,
}

/// What measurements say about the ratio of two arms: a point and an interval around it, on the
/// log scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    shift: f64,
    lower: f64,
    upper: f64,
    alpha: f64,
    size: Size,
}

impl Estimate {
    /// The estimate from `ln(before / after)` of each pair, with an interval that misses the truth at
    /// most `alpha` of the time: the Hodges-Lehmann median of the Walsh averages, and the exact
    /// inversion of the Wilcoxon signed-rank test (Hollander, Wolfe, Chicken: Nonparametric
    /// Statistical Methods, 3.2 and 3.3). The interval is closed, ties and zeroes are kept.
    pub fn of_pairs(logs: &[f64], alpha: f64) -> Result<Self, TooFew> {
        Self::of_pairs_at(logs, alpha, 0)
    }

    /// The same, its interval `narrowed` by so many ranks at either end: wrong on purpose, by which
    /// the selftest is shown able to fail.
    pub(super) fn of_pairs_at(logs: &[f64], alpha: f64, narrowed: usize) -> Result<Self, TooFew> {
        let size = Size::Pairs(logs.len());
        let needed = Size::Pairs(pairs_needed(alpha));
        if logs.len() < needed.least() {
            return Err(TooFew {
                there: size,
                needed,
            });
        }
        let rank = signed_rank::interval_rank(logs.len(), alpha) + narrowed;
        Self::at_rank(&signed_rank::walsh_averages(logs), rank, alpha, size).ok_or(TooFew {
            there: size,
            needed,
        })
    }

    /// The estimate from logarithms of two arms that were not measured in pairs: the Hodges-Lehmann
    /// shift, the median of all differences before - after, and the exact inversion of the
    /// Mann-Whitney test (the same, 4.2 and 4.3). The interval is closed, ties are kept.
    pub fn of_samples(before: &[f64], after: &[f64], alpha: f64) -> Result<Self, TooFew> {
        let size = Size::Samples {
            before: before.len(),
            after: after.len(),
        };
        let rank = rank_sum::interval_rank(before.len(), after.len(), alpha);
        let differences = rank_sum::differences(before, after);
        Self::at_rank(&differences, rank, alpha, size).ok_or_else(|| {
            let each = rank_sum::samples_needed(alpha);
            TooFew {
                there: size,
                needed: Size::Samples {
                    before: each,
                    after: each,
                },
            }
        })
    }

    /// The median of sorted values, and the interval from the `rank`-th of them, counted from 1, at
    /// either end; none for rank 0, where not even the widest interval is sure enough.
    fn at_rank(sorted: &[f64], rank: usize, alpha: f64, size: Size) -> Option<Self> {
        Some(Self {
            shift: median_of_sorted(sorted)?,
            lower: *sorted.get(rank.checked_sub(1)?)?,
            upper: *sorted.get(sorted.len().checked_sub(rank)?)?,
            alpha,
            size,
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

    /// What it was made from.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }
}

/// The fewest pairs with 2^(1-n) <= alpha: with fewer, not even the widest interval is sure enough.
#[must_use]
pub fn pairs_needed(alpha: f64) -> usize {
    (1.0 - alpha.log2()).ceil().max(1.0) as usize
}

/// One more than the largest critical value of a statistic that is nearly normal, with continuity
/// correction; 0 where there is none.
fn normal_rank(mean: f64, deviation: f64, alpha: f64) -> usize {
    let quantile = Normal::standard().inverse_cdf(1.0 - alpha / 2.0);
    (mean + 0.5 - quantile * deviation).floor().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_pairs_have_no_interval_and_six_have() {
        assert_eq!(pairs_needed(ALPHA), 6);
        assert_eq!(
            Estimate::of_pairs(&[0.1; 5], ALPHA),
            Err(TooFew {
                there: Size::Pairs(5),
                needed: Size::Pairs(6)
            })
        );
        assert!(Estimate::of_pairs(&[0.1; 6], ALPHA).is_ok());
        assert_eq!(pairs_needed(ALPHA / 3.0), 7);
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

    #[test]
    fn samples_that_are_too_few_say_how_many_are_needed() {
        let size = |before, after| Size::Samples { before, after };
        let refused = Estimate::of_samples(&[0.1; 3], &[0.2; 3], ALPHA).unwrap_err();
        assert_eq!((refused.there, refused.needed), (size(3, 3), size(4, 4)));
        assert!(Estimate::of_samples(&[], &[0.1; 9], ALPHA).is_err());
        let estimate = Estimate::of_samples(&[0.1; 3], &[0.2; 5], ALPHA).unwrap();
        assert_eq!(estimate.size().to_string(), "3 + 5 iterations");
    }

    proptest! {
        #[test]
        fn the_point_lies_in_its_interval(logs in prop::collection::vec(-1.0f64..1.0, 6..30)) {
            let estimate = Estimate::of_pairs(&logs, ALPHA).unwrap();
            let (low, high) = estimate.interval();
            prop_assert!(low <= estimate.ratio() && estimate.ratio() <= high);
        }

        #[test]
        fn a_shift_of_all_samples_shifts_the_estimate(
            before in prop::collection::vec(-1.0f64..1.0, 4..20),
            after in prop::collection::vec(-1.0f64..1.0, 4..20),
            by in -2.0f64..2.0,
        ) {
            let here = Estimate::of_samples(&before, &after, ALPHA).unwrap();
            let moved: Vec<f64> = before.iter().map(|x| x + by).collect();
            let there = Estimate::of_samples(&moved, &after, ALPHA).unwrap();
            let ((a, b, c), (x, y, z)) = (here.logs(), there.logs());
            prop_assert!((a + by - x).abs() < 1e-9 && (b + by - y).abs() < 1e-9 && (c + by - z).abs() < 1e-9);
            prop_assert!(b <= a && a <= c);
        }
    }
}
