//! The statistics of paired runs: medians, ranges, and what pairs say about two arms.
//!
//! Everything here is a pure function of numbers. A pair's value is `ln(t_before / t_after)`, so that
//! time and throughput always agree and a gain and a loss of the same size weigh the same. The
//! estimate is the Hodges-Lehmann median of the Walsh averages, the interval the exact inversion of
//! the Wilcoxon signed-rank test (Hollander, Wolfe, Chicken: Nonparametric Statistical Methods,
//! 3.2 and 3.3): untied critical values on the sorted Walsh averages, closed, ties and zeroes kept.
//! Nothing here may print a verdict that too few pairs cannot carry: an [`Estimate`] without enough
//! of them cannot be made.

use std::fmt;

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

    /// What this says against a threshold: `threshold` is a relative change, 0.02 for 2 %.
    #[must_use]
    pub fn verdict(&self, threshold: f64) -> Verdict {
        let tau = threshold.ln_1p();
        if self.lower > tau {
            Verdict::Improved
        } else if self.upper < -tau {
            Verdict::Regressed
        } else if self.lower >= -tau && self.upper <= tau {
            Verdict::Equivalent
        } else {
            Verdict::Inconclusive {
                more_pairs: self.more_pairs(tau),
            }
        }
    }

    /// About how many more pairs would take the interval off the threshold, were the estimate
    /// right: its width falls with the root of the pairs. None where the estimate lies on it.
    fn more_pairs(&self, tau: f64) -> Option<u32> {
        let half = (self.upper - self.lower) / 2.0;
        let room = (self.shift.abs() - tau).abs();
        let total = (self.pairs as f64) * (half / room).powi(2);
        let more = (total - self.pairs as f64).ceil().max(1.0);
        (more.is_finite() && more < 1_000.0).then_some(more as u32)
    }
}

/// The answer of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The interval lies wholly above the threshold.
    Improved,
    /// The interval lies wholly below it.
    Regressed,
    /// The interval lies wholly within it, on both sides.
    Equivalent,
    /// Neither: the interval reaches over the threshold.
    Inconclusive {
        /// About how many more pairs would tell, where that can be said.
        more_pairs: Option<u32>,
    },
    /// Too few pairs for an interval.
    InsufficientData {
        /// Pairs there are.
        pairs: usize,
        /// Pairs there must be.
        needed: usize,
    },
    /// An iteration did not deliver its rows: its speed says nothing.
    Invalid,
}

impl Verdict {
    /// The verdict as artifacts and summaries name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Improved => "IMPROVED",
            Self::Regressed => "REGRESSED",
            Self::Equivalent => "EQUIVALENT",
            Self::Inconclusive { .. } => "INCONCLUSIVE",
            Self::InsufficientData { .. } => "INSUFFICIENT DATA",
            Self::Invalid => "INVALID",
        }
    }
}

/// Two arms compared: every pair's ratio, and the verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Pairs compared.
    pub pairs: usize,
    /// `t_before / t_after` over the pairs; none where there is no pair.
    pub ratio: Option<Spread>,
    /// Point and interval, where there are enough pairs.
    pub estimate: Option<Estimate>,
    /// The smallest change that counts: 0.02 for 2 %.
    pub threshold: f64,
    /// The answer.
    pub verdict: Verdict,
}

impl Comparison {
    /// Compares pairs of (before, after) seconds against a threshold, 0.02 for 2 %.
    #[must_use]
    pub fn of_pairs(seconds: &[(f64, f64)], threshold: f64) -> Self {
        let ratios: Vec<f64> = seconds.iter().map(|(b, a)| b / a).collect();
        let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
        let (estimate, verdict) = match Estimate::of_pairs(&logs, ALPHA) {
            Ok(estimate) => (Some(estimate), estimate.verdict(threshold)),
            Err(TooFewPairs { pairs, needed }) => {
                (None, Verdict::InsufficientData { pairs, needed })
            }
        };
        Self {
            pairs: seconds.len(),
            ratio: Spread::of(&ratios),
            estimate,
            threshold,
            verdict,
        }
    }

    /// The same, of a session in which an iteration was invalid.
    #[must_use]
    pub fn invalidated(self) -> Self {
        Self {
            estimate: None,
            verdict: Verdict::Invalid,
            ..self
        }
    }
}

/// The verdict as one line: what, how much, how sure.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::InsufficientData { pairs, needed } => {
                return write!(
                    f,
                    "INSUFFICIENT DATA ({}; a verdict needs {needed})",
                    counted(pairs, "pair")
                );
            }
            Verdict::Invalid => {
                return f.write_str(
                    "INVALID  rows did not arrive as they left; the speed says nothing",
                );
            }
            _ => {}
        }
        f.write_str(self.verdict.name())?;
        if let Some(estimate) = &self.estimate {
            let (low, high) = estimate.interval();
            write!(
                f,
                "  throughput {} % ({:.0} % CI {} .. {}), {}, threshold {} %",
                signed_percent(estimate.ratio()),
                estimate.confidence() * 100.0,
                signed_percent(low),
                signed_percent(high),
                counted(self.pairs, "pair"),
                trimmed(self.threshold * 100.0),
            )?;
        }
        if let Verdict::Inconclusive { more_pairs } = self.verdict {
            match more_pairs {
                Some(more) => write!(
                    f,
                    "; about {} would tell",
                    counted(more as usize, "more pair")
                )?,
                None => f.write_str(
                    "; the difference is too close to the threshold to be told apart from it",
                )?,
            }
        }
        Ok(())
    }
}

/// A ratio as a signed change in percent, one digit: 1.183 is `+18.3`.
#[must_use]
pub fn signed_percent(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    // what rounds to zero has no sign
    if percent.abs() < 0.05 {
        return "0.0".into();
    }
    format!("{percent:+.1}")
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
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

    #[test]
    fn verdicts_follow_the_interval_and_the_threshold() {
        let steady = |ratio: f64| Comparison::of_pairs(&[(ratio, 1.0); 8], 0.02).verdict;
        assert_eq!(steady(1.5), Verdict::Improved);
        assert_eq!(steady(0.7), Verdict::Regressed);
        assert_eq!(steady(1.0), Verdict::Equivalent);
        assert_eq!(steady(1.019), Verdict::Equivalent);
        assert_eq!(steady(1.021), Verdict::Improved);
        // as much slower as 1.019 is faster
        assert_eq!(steady(1.0 / 1.019), Verdict::Equivalent);
        let wide: Vec<(f64, f64)> = (0..8).map(|n| (0.9 + f64::from(n) * 0.04, 1.0)).collect();
        let comparison = Comparison::of_pairs(&wide, 0.02);
        assert!(matches!(comparison.verdict, Verdict::Inconclusive { .. }));
    }

    #[test]
    fn zeroes_and_ties_are_kept() {
        let comparison = Comparison::of_pairs(&[(1.0, 1.0); 6], 0.0);
        assert_eq!(comparison.verdict, Verdict::Equivalent);
        assert_eq!(comparison.estimate.unwrap().pairs(), 6);
    }

    #[test]
    fn lines_say_what_was_found_and_how_sure() {
        let line = |seconds: &[(f64, f64)]| Comparison::of_pairs(seconds, 0.021).to_string();
        insta::assert_snapshot!(line(&[(1.0, 0.8); 3]), @"INSUFFICIENT DATA (3 pairs; a verdict needs 6)");
        insta::assert_snapshot!(line(&[(1.0, 0.8); 1]), @"INSUFFICIENT DATA (1 pair; a verdict needs 6)");
        let faster: Vec<(f64, f64)> = (0..10)
            .map(|n| (1.14 + f64::from(n) * 0.008, 1.0))
            .collect();
        insta::assert_snapshot!(line(&faster), @"IMPROVED  throughput +17.6 % (95 % CI +15.6 .. +19.6), 10 pairs, threshold 2.1 %");
        let wide: Vec<(f64, f64)> = (0..8).map(|n| (0.9 + f64::from(n) * 0.04, 1.0)).collect();
        insta::assert_snapshot!(line(&wide), @"INCONCLUSIVE  throughput +3.7 % (95 % CI -6.0 .. +13.9), 8 pairs, threshold 2.1 %; about 309 more pairs would tell");
        insta::assert_snapshot!(
            Comparison::of_pairs(&faster, 0.02).invalidated(),
            @"INVALID  rows did not arrive as they left; the speed says nothing"
        );
    }

    proptest! {
        #[test]
        fn exchanging_the_arms_mirrors_everything(
            seconds in prop::collection::vec((0.1f64..10.0, 0.1f64..10.0), 6..25),
        ) {
            let there = Comparison::of_pairs(&seconds, 0.02);
            let swapped: Vec<(f64, f64)> = seconds.iter().map(|(b, a)| (*a, *b)).collect();
            let back = Comparison::of_pairs(&swapped, 0.02);
            let (there_e, back_e) = (there.estimate.unwrap(), back.estimate.unwrap());
            prop_assert!((there_e.ratio() * back_e.ratio() - 1.0).abs() < 1e-9);
            prop_assert!((there_e.interval().0 * back_e.interval().1 - 1.0).abs() < 1e-9);
            let mirrored = match there.verdict {
                Verdict::Improved => "REGRESSED",
                Verdict::Regressed => "IMPROVED",
                other => other.name(),
            };
            prop_assert_eq!(back.verdict.name(), mirrored);
        }

        #[test]
        fn the_point_lies_in_its_interval(logs in prop::collection::vec(-1.0f64..1.0, 6..30)) {
            let estimate = Estimate::of_pairs(&logs, ALPHA).unwrap();
            let (low, high) = estimate.interval();
            prop_assert!(low <= estimate.ratio() && estimate.ratio() <= high);
        }
    }
}
