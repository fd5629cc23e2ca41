//! `rb-bench tune`: from what was typed to a tuning, and from its outcome to text and a document.

use super::{bench, print_line, subject};
use crate::bench::rules::Rules;
use crate::bench::session::{Databases, Plan};
use crate::bench::store::Output;
use crate::bench::tune::isolate::{self, IsolatePlan};
use crate::bench::tune::knob::Knob;
use crate::bench::tune::recorder::Outcome;
use crate::bench::tune::tuning::{self, TunePlan};
use crate::bench::tune::{self, document};
use crate::cli::{Format, TuneArgs};
use crate::error::{Error, Kind, Result};
use crate::report::{self, Paper};

/// The exit code where the regret exceeds what is allowed.
const REGRESSION: u8 = 3;
/// The least pairs from which an interval can be made.
const LEAST_PAIRS: u32 = 6;

/// Runs the tuning that was typed.
pub(super) async fn run(args: TuneArgs) -> Result<u8> {
    let resumed = args
        .resume
        .as_deref()
        .map(|name| tune::plan::interrupted(name, &args.out))
        .transpose()?;
    if args.isolate {
        return sides(&args).await;
    }
    let plan = match &resumed {
        None => plan(&args)?,
        Some(artifact) => tune::plan::again(
            artifact,
            |of_document| databases(&args, of_document),
            subject::typed_arguments(),
        )?,
    };
    if args.fail_on_regret.is_some() && plan.session.pairs < LEAST_PAIRS {
        return Err(Error::new(
            Kind::Usage,
            format!("--fail-on-regret needs --pairs {LEAST_PAIRS} or more: fewer have no interval"),
        ));
    }
    // found out now, not after an hour
    if let (Some(file), Some(value)) = (&args.write, plan.values.first()) {
        document::changed(file, plan.knob, value)?;
    }
    let output = Output::at(&args.out)?;
    let outcome = bench::shown(async |progress, control, leftovers| {
        tuning::run(&plan, resumed, &output, &progress, &control, &leftovers).await
    })
    .await?;
    report(&args, Some(plan.knob), outcome)
}

/// What was typed, understood; nothing is started.
fn plan(args: &TuneArgs) -> Result<TunePlan> {
    let (knob, values) = match &args.knob {
        None => (Knob::Parallelism, args.sweep.clone()),
        Some(text) => {
            let (name, values) = text.split_once('=').ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format!("--knob {text}: no values; accepted: NAME=A,B,..."),
                )
            })?;
            let values = values.split(',').map(str::to_owned).collect();
            (Knob::find(name)?, values)
        }
    };
    tune::plan::checked(TunePlan {
        values: knob.ordered(&values)?,
        session: typed(args)?,
        knob,
        rounds: args.rounds.unwrap_or(tune::plan::ROUNDS),
    })
}

/// What was typed of what and where.
fn typed(args: &TuneArgs) -> Result<Plan> {
    let subject = subject::typed(&args.subject);
    let profile = subject.base()?;
    Ok(Plan {
        label: args.label.clone(),
        warmup: args.warmup.unwrap_or(profile.warmup),
        pairs: args.pairs,
        seed: args
            .seed
            .unwrap_or_else(|| u64::from(rand::random::<u32>())),
        rules: Rules::at(args.noise_threshold / 100.0),
        in_place: subject.in_place,
        ..tune::plan::session(profile, subject.databases(), subject::typed_arguments())
    })
}

/// On which databases a tuning goes on: those that were given, else those of its own document.
fn databases(args: &TuneArgs, of_document: bool) -> Databases {
    match subject::typed(&args.subject).databases() {
        Databases::Managed(_) if of_document => Databases::OfDocument,
        databases => databases,
    }
}

/// The whole and each side alone.
async fn sides(args: &TuneArgs) -> Result<u8> {
    let plan = IsolatePlan {
        session: Plan {
            pairs: 0,
            ..typed(args)?
        },
        rounds: args.rounds.unwrap_or(tune::plan::ISOLATE_ROUNDS),
    };
    let output = Output::at(&args.out)?;
    let outcome = bench::shown(async |progress, control, leftovers| {
        isolate::run(&plan, &output, &progress, &control, &leftovers).await
    })
    .await?;
    report(args, None, outcome)
}

fn report(args: &TuneArgs, knob: Option<Knob>, outcome: Outcome) -> Result<u8> {
    let Outcome {
        artifact,
        path,
        error,
    } = outcome;
    match args.format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&artifact)
                .map_err(|e| Error::internal(format!("serializing the artifact: {e}")))?;
            print_line(&text)?;
        }
        Format::Text if artifact.iterations.is_empty() => {}
        Format::Text => {
            let text = report::tune::text(&artifact, path.as_deref(), Paper::stdout());
            print_line(text.trim_end())?;
        }
    }
    if let Some(error) = error {
        if args.format == Format::Json {
            // the artifact is the one document: the error stands in it, and on stderr
            super::print_error(&format!("rb-bench: error: {error}"));
            return Ok(error.exit_code());
        }
        return Err(error);
    }
    if let (Some(file), Some(knob)) = (&args.write, knob) {
        let written = document::write(file, knob, &artifact)?;
        super::print_error(&format!("rb-bench: {written}"));
    }
    let regret = artifact
        .summary
        .confirmation
        .as_ref()
        .and_then(|c| c.ci_low);
    let exceeded = args
        .fail_on_regret
        .is_some_and(|limit| regret.is_some_and(|low| low * 100.0 > limit));
    Ok(if exceeded { REGRESSION } else { 0 })
}
