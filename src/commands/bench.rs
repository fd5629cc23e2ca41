//! `rb-bench [--profile ...]`: from what was typed to a session, and from its outcome to text.
//!
//! Everything that can be wrong with the flags, the profile or the output directory is found before
//! anything is started.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{gates, interrupt, print_line, subject};
use crate::bench::binary::Binary;
use crate::bench::control::Control;
use crate::bench::order::Arm;
use crate::bench::profile::Profile;
use crate::bench::progress::Progress;
use crate::bench::rules::Rules;
use crate::bench::runner::{self, Outcome};
use crate::bench::session::Plan;
use crate::bench::store::Output;
use crate::bench::target::Leftovers;
use crate::cli::{Arms, BenchArgs, Format, GateFlags};
use crate::config::mask_secrets;
use crate::error::{Error, Kind, Result};
use crate::report::progress::Terminal;
use crate::report::{Paper, summary};

/// Runs the benchmark that was typed.
pub(super) async fn run(args: BenchArgs) -> Result<u8> {
    let plan = plan(&args)?;
    let output = Output::at(&args.out)?;
    let outcome = shown(async |progress, control, leftovers| {
        runner::run(&plan, &output, &progress, &control, &leftovers).await
    })
    .await?;
    report(&args, outcome)
}

/// What was typed, understood; nothing is started.
fn plan(args: &BenchArgs) -> Result<Plan> {
    refuse_what_has_no_effect(args)?;
    let profile = subject::profile(&args.subject)?;
    let databases = subject::databases(&args.subject, args.subject.pipeline.is_some());
    let mut rules =
        Rules::at(args.noise_threshold / 100.0).with_gates(&gates::metrics(&args.gates)?);
    if args.until_resolved {
        rules = rules.until_resolved();
    }
    Ok(Plan {
        id: format!("{:08x}", rand::random::<u32>()),
        label: args.label.clone(),
        both_arms: args.arms == Arms::Both,
        warmup: args.warmup.unwrap_or(profile.warmup),
        pairs: pairs(args, &profile, &rules)?,
        // short enough to be typed again
        seed: args
            .seed
            .unwrap_or_else(|| u64::from(rand::random::<u32>())),
        rules,
        binaries: binaries(args)?,
        guard: subject::guard(args.guard),
        floors: Some(subject::floors(&args.subject)?),
        in_place: args.subject.in_place,
        arguments: std::env::args().skip(1).map(|a| mask_secrets(&a)).collect(),
        profile: arms(args, profile)?,
        databases,
    })
}

/// The profile with the settings of its arms. Where programs are compared, what differs is the program:
/// the before arm has the after arm's settings, and its own flags on top.
fn arms(args: &BenchArgs, profile: Profile) -> Result<Profile> {
    if args.before_bin.is_none() && args.after_bin.is_none() {
        return profile.with_flags(&args.before, &args.after);
    }
    let equal = profile.with_flags(&[], &args.after)?.with_equal_arms();
    equal.with_flags(&args.before, &[])
}

/// The programs that run the arms, where one is another: then both are run as programs, for what a
/// program takes to start would be one arm's alone.
fn binaries(args: &BenchArgs) -> Result<BTreeMap<Arm, Binary>> {
    let mut binaries = BTreeMap::new();
    if args.before_bin.is_none() && args.after_bin.is_none() {
        return Ok(binaries);
    }
    let arms = [
        (Arm::Before, &args.before_bin),
        (Arm::After, &args.after_bin),
    ];
    for (arm, path) in arms {
        if arm == Arm::Before && args.arms == Arms::One {
            continue;
        }
        let binary = match path {
            Some(path) => Binary::find(path)?,
            None => Binary::own()?,
        };
        binaries.insert(arm, binary);
    }
    Ok(binaries)
}

/// How many pairs: those that were asked for; without a word, what the profile says, and at least
/// what a gate needs to be able to fail.
fn pairs(args: &BenchArgs, profile: &Profile, rules: &Rules) -> Result<u32> {
    let needed = rules.pairs_needed();
    let gated = has_gate(&args.gates);
    match (args.iters, rules.looks().last()) {
        (None, Some(last)) => Ok(*last),
        (None, None) if gated => Ok(profile.iters.max(needed)),
        (Some(pairs), _) if gated && pairs < needed => Err(Error::new(
            Kind::Usage,
            format!("{pairs} pairs carry no verdict, so that a gate could never tell anything"),
        )
        .remedy(format!(
            "measure at least --iters {needed}, or leave it out"
        ))),
        (pairs, _) => Ok(pairs.unwrap_or(profile.iters)),
    }
}

fn has_gate(flags: &GateFlags) -> bool {
    flags.fail_on_regression || flags.require_conclusive || !flags.metrics.is_empty()
}

/// A flag that would be ignored is wrong use: the user believes it did something.
fn refuse_what_has_no_effect(args: &BenchArgs) -> Result<()> {
    let wrong = if args.arms == Arms::Both {
        return Ok(());
    } else if args.before_bin.is_some() {
        "--before-bin needs both arms: --arms one measures the after arm alone"
    } else if !args.before.is_empty() {
        "--before needs both arms: --arms one measures the after arm alone"
    } else if args.until_resolved || has_gate(&args.gates) {
        "a verdict needs both arms: --arms one measures the after arm alone"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Usage, wrong))
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
fn report(args: &BenchArgs, outcome: Outcome) -> Result<u8> {
    let Outcome {
        artifact,
        path,
        error,
    } = outcome;
    let code = gates::exit_code(&args.gates, artifact.summary.verdicts());
    match args.format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&artifact)
                .map_err(|e| Error::internal(format!("serializing the artifact: {e}")))?;
            print_line(&text)?;
            // the artifact is the one document: the error stands in it, and on stderr
            let Some(error) = error else { return Ok(code) };
            super::print_error(&format!("rb-bench: error: {error}"));
            return Ok(error.exit_code());
        }
        Format::Text if artifact.iterations.is_empty() => {}
        Format::Text => {
            let text = summary::text(&artifact, path.as_deref(), Paper::stdout());
            print_line(text.trim_end())?;
        }
    }
    error.map_or(Ok(code), Err)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn plan_of(arguments: &[&str]) -> Result<Plan> {
        let cli = Cli::try_parse_from(std::iter::once(&"rb-bench").chain(arguments)).unwrap();
        plan(&cli.bench)
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
