//! `rb-bench [--profile ...]`: from what was typed to a session, and from its outcome to text.
//!
//! Everything that can be wrong with the flags, the profile or the output directory is found before
//! anything is started.

use std::sync::Arc;

use super::{gates, interrupt, print_line, subject};
use crate::bench::control::Control;
use crate::bench::progress::Progress;
use crate::bench::runner::{self, Outcome};
use crate::bench::session::Plan;
use crate::bench::store::Output;
use crate::bench::subject::Gates;
use crate::bench::target::Leftovers;
use crate::cli::{BenchArgs, Format};
use crate::error::{Error, Result};
use crate::report::progress::Terminal;
use crate::report::{Paper, summary};

/// Runs the benchmark that was typed.
pub(super) async fn run(args: BenchArgs) -> Result<u8> {
    let (plan, gates) = plan(&args)?;
    let output = Output::at(&args.measured.out)?;
    let outcome = shown(async |progress, control, leftovers| {
        runner::run(&plan, &output, &progress, &control, &leftovers).await
    })
    .await?;
    report(args.format, &gates, outcome)
}

/// What was typed, understood; nothing is started.
fn plan(args: &BenchArgs) -> Result<(Plan, Gates)> {
    let subject = subject::measured(&args.measured)?;
    let plan = subject.plan(subject::typed_arguments())?;
    Ok((plan, subject.gates))
}

/// Runs a session with its progress on stderr, ended in good order by a signal; says what it left
/// behind.
pub(super) async fn shown<T>(
    session: impl AsyncFnOnce(Arc<dyn Progress>, Control, Leftovers) -> Result<T>,
) -> Result<T> {
    let terminal = Arc::new(Terminal::stderr());
    let leftovers = Leftovers::default();
    let (teller, left) = (Arc::clone(&terminal), leftovers.clone());
    let cancel = interrupt::token_with(
        move |line| teller.line(line),
        move || left_behind(&left, "was left behind; drop it"),
    )?;
    let outcome = session(
        Arc::clone(&terminal) as _,
        Control::new(cancel),
        leftovers.clone(),
    )
    .await;
    terminal.clear();
    for line in left_behind(&leftovers, "could not be dropped; drop it") {
        terminal.line(&line);
    }
    outcome
}

fn left_behind(leftovers: &Leftovers, what: &str) -> Vec<String> {
    let names = leftovers.names();
    names
        .iter()
        .map(|table| format!("{table} {what}"))
        .collect()
}

/// Prints what was measured, also of a session that did not end well.
fn report(format: Format, gates: &Gates, outcome: Outcome) -> Result<u8> {
    let Outcome {
        artifact,
        path,
        error,
    } = outcome;
    let code = gates::exit_code(gates, artifact.summary.verdicts());
    let mut printed = Ok(());
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&artifact)
                .map_err(|e| Error::internal(format!("serializing the artifact: {e}")))?;
            let printed = print_line(&text);
            // the artifact is the one document: the error stands in it, and on stderr
            let Some(error) = error else {
                return printed.map(|()| code);
            };
            super::print_error(&format!("rb-bench: error: {error}"));
            return Ok(error.exit_code());
        }
        Format::Text if artifact.iterations.is_empty() => {}
        Format::Text => {
            let text = summary::text(&artifact, path.as_deref(), Paper::stdout());
            printed = print_line(text.trim_end());
        }
    }
    // why it ended comes before why nobody could be told: a terminal that is gone ends it and takes no text
    error.map_or_else(|| printed.map(|()| code), Err)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::error::Kind;

    fn plan_of(arguments: &[&str]) -> Result<Plan> {
        let cli = Cli::try_parse_from(std::iter::once(&"rb-bench").chain(arguments)).unwrap();
        plan(&cli.bench).map(|(plan, _)| plan)
    }

    #[test]
    fn a_profile_brings_its_own_numbers() {
        let plan = plan_of(&["--profile", "small"]).unwrap();
        assert_eq!((plan.pairs, plan.warmup, plan.both_arms), (3, 1, true));
        let plan = plan_of(&[
            "--iters", "7", "--warmup", "0", "--rows", "9", "--arms", "one",
        ])
        .unwrap();
        assert_eq!((plan.pairs, plan.warmup, plan.both_arms), (7, 0, false));
        assert_eq!(plan.profile.dataset.unwrap().rows(), 9);
    }

    #[test]
    fn a_gate_measures_as_many_pairs_as_a_verdict_needs() {
        let pairs = |arguments: &[&str]| plan_of(arguments).unwrap().pairs;
        assert_eq!(pairs(&["--fail-on-regression"]), 6);
        assert_eq!(pairs(&["--gate", "rss_peak"]), 7);
        assert_eq!(pairs(&["--until-resolved"]), 20);
        assert_eq!(pairs(&["--require-conclusive", "--iters", "9"]), 9);
    }

    #[test]
    fn a_flag_without_effect_is_wrong_use() {
        let urls = ["--source-url", "postgres://a", "--dest-url", "postgres://b"];
        for arguments in [
            [&urls[..], &["--rows", "5"]].concat(),
            vec!["--in-place"],
            vec!["--arms", "one", "--before", "resources.parallelism=2"],
            vec!["--arms", "one", "--fail-on-regression"],
            vec!["--fail-on-regression", "--iters", "5"],
            vec!["--gate", "rss_peak", "--iters", "6"],
            vec!["--gate", "rss"],
        ] {
            let error = plan_of(&arguments).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{arguments:?}: {error}");
        }
    }
}
