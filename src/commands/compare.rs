//! `rb-bench compare BEFORE [AFTER]`: two saved arms side by side.

use std::collections::BTreeSet;

use super::{gates, print_line};
use crate::bench::archive;
use crate::bench::artifact::ComparisonRecord;
use crate::bench::compared::{self, Compared, Side};
use crate::bench::conditions::Condition;
use crate::bench::order::Arm;
use crate::cli::{CompareArgs, CompareFormat, ComparedArm};
use crate::error::{Error, Kind, Result};
use crate::report::{Paper, compared as report, html};

/// The two may not be compared.
const NOT_COMPARABLE: u8 = 5;

/// Compares what was named.
pub(super) fn run(args: &CompareArgs) -> Result<u8> {
    let allowed: BTreeSet<Condition> = args
        .allow
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_>>()?;
    let gated = gates::typed(&args.gates)?;
    let (before, _) = archive::named(&args.before, &args.out)?;
    let compared = match &args.after {
        None => {
            let typed = args.noise_threshold.map(|percent| percent / 100.0);
            let rules = compared::rules_of(&before, typed)?.with_gates(&gated.metrics);
            Compared::within(&before, &rules)?
        }
        Some(after) => {
            let (after, _) = archive::named(after, &args.out)?;
            let arm = match args.arm {
                ComparedArm::Before => Arm::Before,
                ComparedArm::After => Arm::After,
            };
            let side = |session| Side { session, arm };
            let rules = compared::rules_between([&before, &after], args.noise_threshold)
                .with_gates(&gated.metrics);
            Compared::between(side(&before), side(&after), &rules, &allowed)?
        }
    };
    print(args, &compared)?;
    if !compared.is_comparable() {
        return Ok(NOT_COMPARABLE);
    }
    let few = |record: &ComparisonRecord| record.verdict == "INSUFFICIENT DATA";
    if args.gates.fail_on_regression && compared.verdicts.iter().all(few) {
        return Err(Error::new(
            Kind::Usage,
            "--fail-on-regression cannot fail here: there are too few iterations for a verdict",
        )
        .remedy("measure more (--iters), or leave it out"));
    }
    Ok(gates::exit_code(&gated, compared.verdicts.iter()))
}

fn print(args: &CompareArgs, compared: &Compared) -> Result<()> {
    let mut text = match args.format {
        CompareFormat::Json => serde_json::to_string_pretty(compared)
            .map_err(|e| Error::internal(format!("serializing a comparison: {e}")))?,
        CompareFormat::Text => report::text(compared, Paper::stdout()),
        CompareFormat::Markdown => report::markdown(compared),
        CompareFormat::Csv => report::csv(compared)?,
        CompareFormat::Html => {
            let title = format!("{}: before and after", compared.after.profile);
            html::page(&title, &[html::comparison(compared)])
        }
    };
    if args.explain {
        let words = report::explain(compared);
        match args.format {
            CompareFormat::Text | CompareFormat::Markdown => {
                text = format!("{}\n\n{words}", text.trim_end());
            }
            // the document stays one
            CompareFormat::Json | CompareFormat::Csv | CompareFormat::Html => {
                super::print_error(&words);
            }
        }
    }
    print_line(text.trim_end())
}
