//! The answer of a comparison: improved, regressed, equivalent, or that it cannot be told.
//!
//! The rule is measuring's own: a verdict needs the whole interval on one side of the threshold, or
//! wholly within it. "No change" is never said of an interval that reaches over it, and nothing is said
//! of too few pairs or of rows that did not arrive.

use std::fmt;

use super::metric::Metric;
use super::stats::{Estimate, Size, Spread, TooFew};

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
        /// About how many more pairs, or iterations of each arm, would tell; none where that cannot
        /// be said.
        more: Option<u32>,
    },
    /// Too few data for an interval.
    InsufficientData(TooFew),
    /// The arms were not measured under the same conditions.
    NotComparable,
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
            Self::InsufficientData(_) => "INSUFFICIENT DATA",
            Self::NotComparable => "NOT COMPARABLE",
            Self::Invalid => "INVALID",
        }
    }

    /// Whether more of the same would not change what it says: the interval is on one side of the
    /// threshold, or within it.
    #[must_use]
    pub fn is_resolved(self) -> bool {
        matches!(self, Self::Improved | Self::Regressed | Self::Equivalent)
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
                more: more(estimate, tau),
            }
        }
    }
}

/// About how many more pairs (or iterations of each arm) would take the interval off the threshold,
/// were the estimate right: its width falls with the root of their number. None where the estimate
/// lies too close to say.
fn more(estimate: &Estimate, tau: f64) -> Option<u32> {
    let (shift, lower, upper) = estimate.logs();
    let half = (upper - lower) / 2.0;
    let room = (shift.abs() - tau).abs();
    let there = estimate.size().least() as f64;
    let more = (there * (half / room).powi(2) - there).ceil().max(1.0);
    (more.is_finite() && more < 1_000.0).then_some(more as u32)
}

/// What a comparison is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// What is compared.
    pub metric: Metric,
    /// The smallest change that counts: 0.02 for 2 %.
    pub threshold: f64,
    /// The chance of a wrong interval that this one comparison may take.
    pub alpha: f64,
}

/// Two arms compared in one metric, and the verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was compared.
    pub size: Size,
    /// before / after over the pairs; none where there is no pair.
    pub ratio: Option<Spread>,
    /// Point and interval, where there are enough data.
    pub estimate: Option<Estimate>,
    /// What it was held against.
    pub rule: Rule,
    /// The answer.
    pub verdict: Verdict,
}

impl Comparison {
    /// Compares pairs of (before, after), both above zero.
    #[must_use]
    pub fn of_pairs(pairs: &[(f64, f64)], rule: Rule) -> Self {
        let ratios: Vec<f64> = pairs.iter().map(|(b, a)| b / a).collect();
        let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
        Self {
            ratio: Spread::of(&ratios),
            ..Self::judged(
                Size::Pairs(pairs.len()),
                Estimate::of_pairs(&logs, rule.alpha),
                rule,
            )
        }
    }

    /// Compares two arms that were not measured in pairs, all values above zero: drift between them
    /// is not controlled, and whoever prints this says so.
    #[must_use]
    pub fn of_samples(before: &[f64], after: &[f64], rule: Rule) -> Self {
        let logs = |values: &[f64]| values.iter().map(|v| v.ln()).collect::<Vec<f64>>();
        let size = Size::Samples {
            before: before.len(),
            after: after.len(),
        };
        Self::judged(
            size,
            Estimate::of_samples(&logs(before), &logs(after), rule.alpha),
            rule,
        )
    }

    fn judged(size: Size, estimate: Result<Estimate, TooFew>, rule: Rule) -> Self {
        Self {
            size,
            ratio: None,
            verdict: match &estimate {
                Ok(estimate) => Verdict::of(estimate, rule.threshold),
                Err(too_few) => Verdict::InsufficientData(*too_few),
            },
            estimate: estimate.ok(),
            rule,
        }
    }

    /// The same, of a session in which an iteration was invalid.
    #[must_use]
    pub fn invalidated(self) -> Self {
        self.without_estimate(Verdict::Invalid)
    }

    /// The same, of a session that is not looked at before it has so many pairs.
    pub(super) fn before_first_look(self, pairs: usize) -> Self {
        let too_few = TooFew {
            there: self.size,
            needed: Size::Pairs(pairs),
        };
        self.without_estimate(Verdict::InsufficientData(too_few))
    }

    /// The same, of arms that were not measured under the same conditions.
    #[must_use]
    pub fn not_comparable(self) -> Self {
        self.without_estimate(Verdict::NotComparable)
    }

    fn without_estimate(self, verdict: Verdict) -> Self {
        Self {
            estimate: None,
            verdict,
            ..self
        }
    }

    /// The estimate and its interval as a change of what people name: of throughput, which grows
    /// where wall time falls, and of every other metric itself.
    fn change(&self, estimate: &Estimate) -> String {
        let (low, high) = estimate.interval();
        let (noun, point, low, high) = match self.rule.metric {
            Metric::DurationS => ("throughput", estimate.ratio(), low, high),
            other => (other.name(), 1.0 / estimate.ratio(), 1.0 / high, 1.0 / low),
        };
        format!(
            "{noun} {} % ({} % CI {} .. {})",
            signed_percent(point),
            trimmed(estimate.confidence() * 100.0),
            signed_percent(low),
            signed_percent(high),
        )
    }
}

/// The verdict as one line: what, how much, how sure.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::InsufficientData(TooFew { there, needed }) => {
                let least = match needed {
                    Size::Pairs(pairs) => pairs.to_string(),
                    Size::Samples { before, after } => format!("{before} + {after}"),
                };
                let of = match self.rule.metric {
                    Metric::DurationS => String::new(),
                    other => format!("  {other}"),
                };
                return write!(
                    f,
                    "INSUFFICIENT DATA{of} ({there}; a verdict needs {least})"
                );
            }
            Verdict::NotComparable => {
                return f.write_str("NOT COMPARABLE  the conditions were not the same");
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
            write!(
                f,
                "  {}, {}, threshold {} %",
                self.change(estimate),
                self.size,
                trimmed(self.rule.threshold * 100.0),
            )?;
        }
        if let Verdict::Inconclusive { more } = self.verdict {
            match (more, self.size) {
                (Some(1), Size::Pairs(_)) => f.write_str("; about 1 more pair would tell")?,
                (Some(more), Size::Pairs(_)) => write!(f, "; about {more} more pairs would tell")?,
                (Some(more), Size::Samples { .. }) => {
                    write!(f, "; about {more} more of each would tell")?;
                }
                (None, _) => f.write_str(
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stats::ALPHA;
    use super::*;

    fn rule(threshold: f64) -> Rule {
        Rule {
            metric: Metric::DurationS,
            threshold,
            alpha: ALPHA,
        }
    }

    #[test]
    fn verdicts_follow_the_interval_and_the_threshold() {
        let steady = |ratio: f64| Comparison::of_pairs(&[(ratio, 1.0); 8], rule(0.02)).verdict;
        assert_eq!(steady(1.5), Verdict::Improved);
        assert_eq!(steady(0.7), Verdict::Regressed);
        assert_eq!(steady(1.0), Verdict::Equivalent);
        assert_eq!(steady(1.019), Verdict::Equivalent);
        assert_eq!(steady(1.021), Verdict::Improved);
        // as much slower as 1.019 is faster
        assert_eq!(steady(1.0 / 1.019), Verdict::Equivalent);
        let wide: Vec<(f64, f64)> = (0..8).map(|n| (0.9 + f64::from(n) * 0.04, 1.0)).collect();
        let comparison = Comparison::of_pairs(&wide, rule(0.02));
        assert!(matches!(comparison.verdict, Verdict::Inconclusive { .. }));
    }

    #[test]
    fn zeroes_and_ties_are_kept() {
        let comparison = Comparison::of_pairs(&[(1.0, 1.0); 6], rule(0.0));
        assert_eq!(comparison.verdict, Verdict::Equivalent);
        assert_eq!(comparison.size, Size::Pairs(6));
    }

    #[test]
    fn lines_say_what_was_found_and_how_sure() {
        let line = |seconds: &[(f64, f64)]| Comparison::of_pairs(seconds, rule(0.021)).to_string();
        insta::assert_snapshot!(line(&[(1.0, 0.8); 3]), @"INSUFFICIENT DATA (3 pairs; a verdict needs 6)");
        insta::assert_snapshot!(line(&[(1.0, 0.8); 1]), @"INSUFFICIENT DATA (1 pair; a verdict needs 6)");
        let faster: Vec<(f64, f64)> = (0..10)
            .map(|n| (1.14 + f64::from(n) * 0.008, 1.0))
            .collect();
        insta::assert_snapshot!(line(&faster), @"IMPROVED  throughput +17.6 % (95 % CI +15.6 .. +19.6), 10 pairs, threshold 2.1 %");
        let wide: Vec<(f64, f64)> = (0..8).map(|n| (0.9 + f64::from(n) * 0.04, 1.0)).collect();
        insta::assert_snapshot!(line(&wide), @"INCONCLUSIVE  throughput +3.7 % (95 % CI -6.0 .. +13.9), 8 pairs, threshold 2.1 %; about 309 more pairs would tell");
        insta::assert_snapshot!(
            Comparison::of_pairs(&faster, rule(0.02)).invalidated(),
            @"INVALID  rows did not arrive as they left; the speed says nothing"
        );
    }

    #[test]
    fn arms_that_were_not_paired_are_judged_with_the_same_words() {
        let line = |before: &[f64], after: &[f64]| {
            Comparison::of_samples(before, after, rule(0.02)).to_string()
        };
        insta::assert_snapshot!(line(&[1.0; 3], &[1.0; 3]), @"INSUFFICIENT DATA (3 + 3 iterations; a verdict needs 4 + 4)");
        insta::assert_snapshot!(line(&[1.19, 1.2, 1.21, 1.22], &[1.0, 1.01, 1.02, 0.99]), @"IMPROVED  throughput +19.9 % (95 % CI +16.7 .. +23.2), 4 + 4 iterations, threshold 2 %");
        insta::assert_snapshot!(line(&[0.98, 1.0, 1.01, 1.08], &[1.0, 1.01, 1.02, 0.99]), @"INCONCLUSIVE  throughput 0.0 % (95 % CI -3.9 .. +9.1), 4 + 4 iterations, threshold 2 %; about 38 more of each would tell");
        insta::assert_snapshot!(
            Comparison::of_samples(&[1.0; 4], &[1.0; 4], rule(0.02)).not_comparable(),
            @"NOT COMPARABLE  the conditions were not the same"
        );
    }

    #[test]
    fn a_metric_beside_wall_time_is_told_as_its_own_change() {
        let rule = Rule {
            metric: Metric::CpuDestinationS,
            threshold: 0.02,
            alpha: ALPHA / 3.0,
        };
        let less: Vec<(f64, f64)> = (0..8).map(|n| (1.2 + f64::from(n) * 0.01, 1.0)).collect();
        insta::assert_snapshot!(Comparison::of_pairs(&less, rule), @"IMPROVED  cpu_destination_s -19.0 % (98.3 % CI -20.9 .. -17.0), 8 pairs, threshold 2 %");
        insta::assert_snapshot!(Comparison::of_pairs(&less[..5], rule), @"INSUFFICIENT DATA  cpu_destination_s (5 pairs; a verdict needs 7)");
    }

    proptest! {
        #[test]
        fn exchanging_the_arms_mirrors_everything(
            seconds in prop::collection::vec((0.1f64..10.0, 0.1f64..10.0), 6..25),
        ) {
            let there = Comparison::of_pairs(&seconds, rule(0.02));
            let swapped: Vec<(f64, f64)> = seconds.iter().map(|(b, a)| (*a, *b)).collect();
            let back = Comparison::of_pairs(&swapped, rule(0.02));
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
