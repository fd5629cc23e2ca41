//! Sessions begun from the workbench: benchmarks, tunings, sides, calibrations, in the way the headless
//! commands begin them.
//!
//! Each saves its artifact where the command would. Nothing here draws.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::message::{Ended, Start};
use crate::bench::control::Control;
use crate::bench::guard::GuardMode;
use crate::bench::noise::Floors;
use crate::bench::progress::Progress;
use crate::bench::rules::Rules;
use crate::bench::runner;
use crate::bench::session::{Databases, Plan};
use crate::bench::store::Output;
use crate::bench::subject::{Gates, NOISE_THRESHOLD, Subject};
use crate::bench::target::Leftovers;
use crate::bench::tune::artifact::TuneArtifact;
use crate::bench::tune::isolate::{self, IsolatePlan};
use crate::bench::tune::knob::Knob;
use crate::bench::tune::plan;
use crate::bench::tune::recorder::Outcome;
use crate::bench::tune::tuning::{self, TunePlan};
use crate::cluster;
use crate::error::{Error, Result};

/// Where artifacts are kept where nothing else is asked for.
pub const OUT: &str = "bench-results";

/// What every session is given.
pub(super) struct Context {
    /// Who is told what happens.
    pub(super) progress: Arc<dyn Progress>,
    /// How it is stopped.
    pub(super) control: Control,
    /// What it would leave behind.
    pub(super) leftovers: Leftovers,
    /// Directory of the artifacts.
    pub(super) out: PathBuf,
}

/// Runs a session to its end.
pub(super) async fn run(start: Start, context: &Context) -> Ended {
    let outcome = match start {
        Start::Benchmark(subject) => benchmark(&subject, context).await,
        Start::Tuning(subject) => match tune_plan(&subject) {
            Ok(plan) => tune(&plan, None, context).await,
            Err(error) => Err(error),
        },
        Start::Resumed { subject, tuning } => resume(&subject, &tuning, context).await,
        Start::Sides(subject) => isolate(&subject, context).await,
        Start::Calibration(subject) => calibrate(&subject, context).await,
    };
    outcome.unwrap_or_else(|error| Ended {
        error: Some(error),
        ..Ended::default()
    })
}

async fn benchmark(subject: &Subject, context: &Context) -> Result<Ended> {
    let mut arguments = subject.arguments();
    // so that what repeats it keeps its artifact beside this one
    if context.out != Path::new(OUT) {
        arguments.extend(["--out".to_owned(), context.out.display().to_string()]);
    }
    let plan = subject.plan(arguments)?;
    let outcome = measure(&plan, &Output::at(&context.out)?, context).await?;
    Ok(Ended {
        artifact: Some(outcome.artifact),
        path: outcome.path,
        error: outcome.error,
        ..Ended::default()
    })
}

/// Measures the noise of what is chosen, and keeps it as its floor.
async fn calibrate(subject: &Subject, context: &Context) -> Result<Ended> {
    let plan = subject.calibration(calibration_arguments(subject))?;
    let floors = Floors::beside(&cluster::make_home(&subject.cluster)?);
    let outcome = measure(&plan, &Output::at(floors.directory())?, context).await?;
    if let Some(error) = outcome.error {
        // half a calibration is none
        if let Some(path) = &outcome.path {
            std::fs::remove_file(path).map_err(|e| Error::file("delete", path, e))?;
        }
        return Err(error);
    }
    let kept = floors.keep(&outcome.artifact)?;
    Ok(Ended {
        path: Some(kept.path.clone()),
        calibration: Some(Box::new(kept)),
        ..Ended::default()
    })
}

async fn measure(
    plan: &Plan,
    output: &Output,
    context: &Context,
) -> Result<crate::bench::runner::Outcome> {
    runner::run(
        plan,
        output,
        &context.progress,
        &context.control,
        &context.leftovers,
    )
    .await
}

/// Tunes, or goes on with what was tuned.
async fn tune(plan: &TunePlan, begun: Option<TuneArtifact>, context: &Context) -> Result<Ended> {
    let outcome = tuning::run(
        plan,
        begun,
        &Output::at(&context.out)?,
        &context.progress,
        &context.control,
        &context.leftovers,
    )
    .await?;
    Ok(ended(outcome))
}

/// Goes on with an interrupted tuning: a file, or `latest`.
async fn resume(subject: &Subject, word: &str, context: &Context) -> Result<Ended> {
    let artifact = plan::interrupted(word, &context.out)?;
    let was_given = artifact.protocol.databases == "given";
    let databases = |of_document: bool| match &subject.urls {
        Some((source, destination)) if was_given => Databases::Given {
            source: source.clone(),
            destination: destination.clone(),
        },
        _ if of_document => Databases::OfDocument,
        _ => Databases::Managed(subject.cluster.clone()),
    };
    let arguments = ["tune", "--resume", word].map(str::to_owned).to_vec();
    let plan = plan::again(&artifact, databases, arguments)?;
    tune(&plan, Some(artifact), context).await
}

/// Sets the whole beside the source alone and the destination alone.
async fn isolate(subject: &Subject, context: &Context) -> Result<Ended> {
    let plan = IsolatePlan {
        session: Plan {
            pairs: 0,
            ..session(subject, &["--isolate"])?
        },
        rounds: plan::ISOLATE_ROUNDS,
    };
    let outcome = isolate::run(
        &plan,
        &Output::at(&context.out)?,
        &context.progress,
        &context.control,
        &context.leftovers,
    )
    .await?;
    Ok(ended(outcome))
}

fn ended(outcome: Outcome) -> Ended {
    Ended {
        tuning: (!outcome.artifact.iterations.is_empty()).then(|| Arc::new(outcome.artifact)),
        path: outcome.path,
        error: outcome.error,
        ..Ended::default()
    }
}

/// The plan of `rb-bench tune` for what is chosen.
fn tune_plan(subject: &Subject) -> Result<TunePlan> {
    let knob = Knob::Parallelism;
    plan::checked(TunePlan {
        values: knob.ordered(&plan::SWEEP.map(str::to_owned))?,
        session: session(subject, &[])?,
        knob,
        rounds: plan::ROUNDS,
    })
}

/// The session of a tuning. Arms play no part in it; pairs confirm the choice.
fn session(subject: &Subject, flags: &[&str]) -> Result<Plan> {
    let profile = subject.base()?;
    Ok(Plan {
        label: subject.label.clone(),
        warmup: subject.warmup.unwrap_or(profile.warmup),
        pairs: subject.iters.unwrap_or(plan::PAIRS).max(1),
        seed: subject.seed_or_random(),
        rules: Rules::at(subject.noise_threshold / 100.0),
        in_place: subject.in_place,
        ..plan::session(profile, subject.databases(), arguments(subject, flags))
    })
}

/// The arguments of `rb-bench tune` that does the same.
fn arguments(subject: &Subject, flags: &[&str]) -> Vec<String> {
    let mut arguments = vec!["tune".to_owned()];
    arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
    arguments.extend(bare(subject).arguments());
    if let Some(pairs) = subject.iters.filter(|_| flags.is_empty()) {
        arguments.extend(["--pairs".to_owned(), pairs.to_string()]);
    }
    arguments
}

/// The subject without what only a benchmark has.
fn bare(subject: &Subject) -> Subject {
    Subject {
        before: Vec::new(),
        after: Vec::new(),
        both_arms: true,
        iters: None,
        until_resolved: false,
        gates: Gates::default(),
        before_bin: None,
        after_bin: None,
        guard: GuardMode::Warn,
        ..subject.clone()
    }
}

/// The arguments of `rb-bench calibrate` that does the same.
fn calibration_arguments(subject: &Subject) -> Vec<String> {
    let typed = Subject {
        after: subject.after.clone(),
        label: None,
        noise_threshold: NOISE_THRESHOLD,
        guard: subject.guard,
        ..bare(subject)
    };
    let mut arguments = vec!["calibrate".to_owned()];
    arguments.extend(typed.arguments());
    let pairs = subject.calibration_pairs();
    arguments.extend(["--iters".to_owned(), pairs.to_string()]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuning_is_the_one_that_the_command_would_run() {
        let mut subject = Subject::of_profile("small");
        let plan = tune_plan(&subject).unwrap();
        assert_eq!((plan.rounds, plan.session.pairs), (3, 10));
        assert_eq!(plan.values.len(), 8);
        assert_eq!(plan.session.arguments.join(" "), "tune --profile small");
        subject.rows = Some(500);
        subject.iters = Some(6);
        subject.after = vec!["resources.parallelism=1".into()];
        subject.guard = GuardMode::Fail;
        let plan = tune_plan(&subject).unwrap();
        assert_eq!(plan.session.pairs, 6);
        assert!(!plan.session.both_arms);
        assert_eq!(
            plan.session.arguments.join(" "),
            "tune --profile small --rows 500 --pairs 6"
        );
        assert_eq!(
            session(&subject, &["--isolate"])
                .unwrap()
                .arguments
                .join(" "),
            "tune --isolate --profile small --rows 500"
        );
    }

    #[test]
    fn a_calibration_has_equal_arms_and_enough_pairs() {
        let mut subject = Subject::of_profile("small");
        subject.iters = Some(2);
        let plan = subject
            .calibration(calibration_arguments(&subject))
            .unwrap();
        assert_eq!(plan.pairs, 6);
        let arm = |arm| plan.profile.settings(arm).clone();
        assert_eq!(
            format!("{:?}", arm(crate::bench::order::Arm::Before)),
            format!("{:?}", arm(crate::bench::order::Arm::After))
        );
        assert_eq!(
            plan.arguments.join(" "),
            "calibrate --profile small --iters 6"
        );
    }

    #[test]
    fn a_calibration_of_changed_settings_is_repeated_with_them() {
        let subject = Subject {
            before: vec!["resources.parallelism=8".into()],
            after: vec!["resources.parallelism=1".into()],
            both_arms: false,
            label: Some("mine".into()),
            seed: Some(7),
            guard: GuardMode::Off,
            ..Subject::of_profile("small")
        };
        let plan = subject
            .calibration(calibration_arguments(&subject))
            .unwrap();
        assert_eq!(plan.seed, 7);
        assert_eq!(
            plan.arguments.join(" "),
            "calibrate --profile small --seed 7 --guard off --after resources.parallelism=1 --iters 20"
        );
    }
}
