//! What verdicts do to the exit code, of a benchmark and of a comparison alike.

use crate::bench::artifact::ComparisonRecord;
use crate::bench::subject::Gates;
use crate::cli::GateFlags;
use crate::error::Result;

/// Rows did not arrive as they left, whatever was asked for.
const INVALID: u8 = 1;
/// A gated metric got worse, with `--fail-on-regression`.
const REGRESSION: u8 = 3;
/// A gated metric has no clear verdict, with `--require-conclusive`.
const INCONCLUSIVE: u8 = 4;

/// The gates that were asked for.
///
/// # Errors
/// `Kind::Usage` for an unknown metric.
pub(super) fn typed(flags: &GateFlags) -> Result<Gates> {
    Ok(Gates {
        fail_on_regression: flags.fail_on_regression,
        require_conclusive: flags.require_conclusive,
        metrics: flags
            .metrics
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_>>()?,
    })
}

/// The exit code of a command that ended well with these verdicts; a regression outweighs a verdict
/// that is not clear.
pub(super) fn exit_code<'a>(
    gates: &Gates,
    verdicts: impl Iterator<Item = &'a ComparisonRecord>,
) -> u8 {
    let mut code = 0;
    for comparison in verdicts {
        match comparison.verdict.as_str() {
            "INVALID" => return INVALID,
            "REGRESSED" if gates.fail_on_regression => return REGRESSION,
            "INCONCLUSIVE" | "INSUFFICIENT DATA" if gates.require_conclusive => code = INCONCLUSIVE,
            _ => {}
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::bench::metric::Metric;
    use crate::bench::rules::Rules;
    use crate::bench::verdict::Comparison;
    use crate::cli::Cli;

    fn record(ratio: f64, pairs: usize) -> ComparisonRecord {
        let rule = Rules::at(0.02).rule(Metric::DurationS);
        (&Comparison::of_pairs(&vec![(ratio, 1.0); pairs], rule)).into()
    }

    #[test]
    fn verdicts_decide_the_exit_code_where_they_are_asked_to() {
        let (slower, same, few) = (record(0.5, 6), record(1.0, 6), record(1.0, 5));
        let code = |fail_on_regression, require_conclusive, verdicts: &[&ComparisonRecord]| {
            let gates = Gates {
                fail_on_regression,
                require_conclusive,
                metrics: Vec::new(),
            };
            exit_code(&gates, verdicts.iter().copied())
        };
        assert_eq!(code(false, false, &[&slower, &few]), 0);
        assert_eq!(code(true, false, &[&same, &slower]), 3);
        assert_eq!(code(true, false, &[&same, &few]), 0);
        assert_eq!(code(false, true, &[&few, &slower]), 4);
        assert_eq!(code(true, true, &[&few, &slower]), 3);
        assert_eq!(code(true, true, &[&same]), 0);
        let rule = Rules::at(0.02).rule(Metric::DurationS);
        let invalid = Comparison::of_pairs(&[(1.0, 1.0); 6], rule).invalidated();
        assert_eq!(code(false, false, &[&(&invalid).into()]), 1);
    }

    #[test]
    fn help_names_every_metric_that_can_be_gated() {
        let command = Cli::command();
        let gate = command.get_arguments().find(|a| a.get_id() == "metrics");
        let help = gate.and_then(|a| a.get_help()).unwrap().to_string();
        for metric in &Metric::ALL[1..] {
            assert!(help.contains(metric.name()), "{metric} is not in: {help}");
        }
    }
}
