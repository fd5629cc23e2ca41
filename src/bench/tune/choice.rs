//! Which value to use, and what `auto` loses against it.
//!
//! The choice is the first value, in the order they are tried, whose throughput is not worse than the
//! best one's by more than the threshold: more workers must earn their keep. It is a point estimate;
//! whether it holds is asked again with fresh pairs, which [`Regret`] words.

use std::fmt;

use crate::bench::verdict::{Comparison, Verdict};

/// The value to use, by its place among those that were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The first that is good enough.
    pub chosen: usize,
    /// The one of the greatest throughput.
    pub best: usize,
}

impl Choice {
    /// The choice among throughputs in the order of preference; `threshold` is a relative change,
    /// 0.02 for 2 %. None where nothing was measured.
    #[must_use]
    pub fn of(throughputs: &[f64], threshold: f64) -> Option<Self> {
        let best = (0..throughputs.len()).reduce(|best, n| {
            if throughputs[n] > throughputs[best] {
                n
            } else {
                best
            }
        })?;
        let good_enough = throughputs[best] / (1.0 + threshold);
        let chosen = throughputs.iter().position(|x| *x >= good_enough)?;
        Some(Self { chosen, best })
    }
}

/// What the reference (`auto`) loses against the choice: a share of the choice's wall time.
#[derive(Debug, Clone, PartialEq)]
pub struct Regret {
    /// Choice (before) against reference (after).
    pub comparison: Comparison,
}

impl Regret {
    /// The regret with its interval: 0.05 means that the reference takes 5 % longer. None with too few
    /// pairs.
    #[must_use]
    pub fn estimate(&self) -> Option<(f64, f64, f64)> {
        let estimate = self.comparison.estimate.as_ref()?;
        // how much faster the reference is, turned over
        let (low, high) = estimate.interval();
        let regret = |ratio: f64| 1.0 / ratio - 1.0;
        Some((regret(estimate.ratio()), regret(high), regret(low)))
    }

    /// Whether the regret is shown to be above a limit: its whole interval is.
    #[must_use]
    pub fn exceeds(&self, limit: f64) -> bool {
        self.estimate().is_some_and(|(_, low, _)| low > limit)
    }
}

/// `regret 0.8 % (-0.6 .. +2.1), EQUIVALENT to the choice, 10 pairs, threshold 2 %`
impl fmt::Display for Regret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some((regret, low, high)), verdict) = (self.estimate(), self.comparison.verdict)
        else {
            // the comparison's own words: too few pairs, or invalid
            return write!(f, "{}", self.comparison);
        };
        let against = match verdict {
            Verdict::Improved => "over the choice",
            Verdict::Equivalent => "to the choice",
            _ => "against the choice",
        };
        write!(
            f,
            "regret {:.1} % ({:+.1} .. {:+.1}), {} {against}, {}, threshold {:.1} %",
            regret * 100.0,
            low * 100.0,
            high * 100.0,
            verdict.name(),
            self.comparison.size,
            self.comparison.rule.threshold * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bench::metric::Metric;
    use crate::bench::stats::ALPHA;
    use crate::bench::verdict::Rule;

    fn regret(pairs: &[(f64, f64)]) -> Regret {
        let rule = Rule {
            metric: Metric::DurationS,
            threshold: 0.02,
            alpha: ALPHA,
        };
        Regret {
            comparison: Comparison::of_pairs(pairs, rule),
        }
    }

    #[test]
    fn the_first_that_is_good_enough_is_chosen() {
        let choose =
            |throughputs: &[f64]| Choice::of(throughputs, 0.02).map(|c| (c.chosen, c.best));
        assert_eq!(choose(&[50.0, 90.0, 99.0, 100.0, 95.0]), Some((2, 3)));
        assert_eq!(choose(&[100.0, 90.0]), Some((0, 0)));
        assert_eq!(choose(&[97.0, 100.0]), Some((1, 1)));
        assert_eq!(choose(&[98.1, 100.0]), Some((0, 1)));
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn regret_is_what_the_reference_takes_longer() {
        let slower: Vec<(f64, f64)> = (0..10)
            .map(|n| (1.0, 1.07 + f64::from(n) * 0.002))
            .collect();
        insta::assert_snapshot!(regret(&slower), @"regret 7.9 % (+7.4 .. +8.4), REGRESSED against the choice, 10 pairs, threshold 2.0 %");
        assert!(regret(&slower).exceeds(0.05) && !regret(&slower).exceeds(0.08));
        let alike: Vec<(f64, f64)> = (0..10)
            .map(|n| (1.0, 0.995 + f64::from(n) * 0.001))
            .collect();
        insta::assert_snapshot!(regret(&alike), @"regret -0.1 % (-0.3 .. +0.2), EQUIVALENT to the choice, 10 pairs, threshold 2.0 %");
        insta::assert_snapshot!(regret(&alike[..3]), @"INSUFFICIENT DATA (3 pairs; a verdict needs 6)");
        assert!(!regret(&slower[..3]).exceeds(0.05));
    }

    proptest! {
        #[test]
        fn the_choice_is_never_worse_than_the_threshold_allows(
            throughputs in prop::collection::vec(1.0f64..100.0, 1..12), threshold in 0.0f64..0.5,
        ) {
            let choice = Choice::of(&throughputs, threshold).unwrap();
            prop_assert!(choice.chosen <= choice.best);
            let enough = throughputs[choice.best] / (1.0 + threshold);
            prop_assert!(throughputs[choice.chosen] >= enough);
            prop_assert!(throughputs[..choice.chosen].iter().all(|x| *x < enough));
        }
    }
}
