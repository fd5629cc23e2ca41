//! The answer of a comparison: improved, regressed, equivalent, or that it cannot be told.
//!
//! The rule is measuring's own: a verdict needs the whole interval on one side of the threshold, or
//! wholly within it. "No change" is never said of an interval that reaches over it, and nothing is said
//! of too few pairs or of rows that did not arrive.

use std::fmt;

use super::stats::{ALPHA, Estimate, Spread, TooFewPairs};

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

    /// What an estimate says against a threshold: a relative change, 0.02 for 2 %.
    #[must_use]
    pub fn of(estimate: &Estimate, threshold: f64) -> Self {
        let tau = threshold.ln_1p();
        let (_, lower, upper) = estimate.logs();
        if lower > tau {
            Self::Improved
        } else if upper < -tau {
            Self::Regressed
        } else if lower >= -tau && upper <= tau {
            Self::Equivalent
        } else {
            Self::Inconclusive {
                more_pairs: more_pairs(estimate, tau),
            }
        }
    }
}

/// About how many more pairs would take the interval off the threshold, were the estimate right:
/// its width falls with the root of the pairs. None where the estimate lies too close to say.
fn more_pairs(estimate: &Estimate, tau: f64) -> Option<u32> {
    let (shift, lower, upper) = estimate.logs();
    let half = (upper - lower) / 2.0;
    let room = (shift.abs() - tau).abs();
    let pairs = estimate.pairs() as f64;
    let more = (pairs * (half / room).powi(2) - pairs).ceil().max(1.0);
    (more.is_finite() && more < 1_000.0).then_some(more as u32)
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
            Ok(estimate) => (Some(estimate), Verdict::of(&estimate, threshold)),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    }
}
