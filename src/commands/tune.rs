//! `rb-bench tune`: from what was typed to a tuning, and from its outcome to text and a document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{bench, print_line, subject};
use crate::bench::guard::GuardMode;
use crate::bench::profile::Profile;
use crate::bench::rules::Rules;
use crate::bench::session::{Databases, Plan};
use crate::bench::store::{self, Output};
use crate::bench::tune::artifact::{TuneArtifact, TuneIteration};
use crate::bench::tune::isolate::{self, IsolatePlan};
use crate::bench::tune::knob::Knob;
use crate::bench::tune::recorder::Outcome;
use crate::bench::tune::tuning::{self, TunePlan};
use crate::cli::{Format, TuneArgs};
use crate::config::{Document, mask_secrets, process_environment, with_value_at};
use crate::error::{Error, Kind, Result};
use crate::report::{Paper, tune};

/// The exit code where the regret exceeds what is allowed.
const REGRESSION: u8 = 3;
/// The least pairs from which an interval can be made.
const LEAST_PAIRS: u32 = 6;
/// The most rounds, pairs or values that the command line takes.
const MOST: u32 = 1_000;

/// Runs the tuning that was typed.
pub(super) async fn run(args: TuneArgs) -> Result<u8> {
    let resumed = args
        .resume
        .as_deref()
        .map(|name| interrupted(name, &args.out))
        .transpose()?;
    if args.isolate {
        return sides(&args).await;
    }
    let plan = match &resumed {
        None => plan(&args)?,
        Some(artifact) => plan_again(&args, artifact)?,
    };
    if args.fail_on_regret.is_some() && plan.session.pairs < LEAST_PAIRS {
        return Err(Error::new(
            Kind::Usage,
            format!("--fail-on-regret needs --pairs {LEAST_PAIRS} or more: fewer have no interval"),
        ));
    }
    // found out now, not after an hour
    if let (Some(file), Some(value)) = (&args.write, plan.values.first()) {
        changed(file, plan.knob, value)?;
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
    checked(TunePlan {
        values: knob.ordered(&values)?,
        session: typed(args)?,
        knob,
        rounds: args.rounds.unwrap_or(3),
    })
}

/// What was typed of what and where.
fn typed(args: &TuneArgs) -> Result<Plan> {
    let profile = subject::profile(&args.subject)?;
    Ok(Plan {
        label: args.label.clone(),
        warmup: args.warmup.unwrap_or(profile.warmup),
        pairs: args.pairs,
        seed: args
            .seed
            .unwrap_or_else(|| u64::from(rand::random::<u32>())),
        rules: Rules::at(args.noise_threshold / 100.0),
        in_place: args.subject.in_place,
        ..session(
            profile,
            subject::databases(&args.subject, args.subject.pipeline.is_some()),
        )
    })
}

/// The whole and each side alone.
async fn sides(args: &TuneArgs) -> Result<u8> {
    let plan = IsolatePlan {
        session: Plan {
            pairs: 0,
            ..typed(args)?
        },
        rounds: args.rounds.unwrap_or(LEAST_PAIRS),
    };
    let output = Output::at(&args.out)?;
    let outcome = bench::shown(async |progress, control, leftovers| {
        isolate::run(&plan, &output, &progress, &control, &leftovers).await
    })
    .await?;
    report(args, None, outcome)
}

/// The plan of a tuning that was interrupted, from its file; passwords are not in there.
fn plan_again(args: &TuneArgs, artifact: &TuneArtifact) -> Result<TunePlan> {
    let (protocol, profile) = (&artifact.protocol, &artifact.profile);
    let of_document = protocol.databases == "of_document";
    if protocol.rounds > MOST || protocol.pairs > MOST || protocol.values.len() > MOST as usize {
        return Err(Error::new(
            Kind::Data,
            "--resume: the file asks for more rounds, pairs or values than a tuning can have",
        ));
    }
    if (protocol.databases == "given") != args.subject.source_url.is_some() {
        let wrong = if args.subject.source_url.is_some() {
            "it was not begun with --source-url and --dest-url"
        } else {
            "it was begun with --source-url and --dest-url, which are not kept; give them again"
        };
        return Err(Error::new(Kind::Usage, format!("--resume: {wrong}")));
    }
    let found = match profile.origin.as_str() {
        "shipped" => Profile::find(&profile.name)?,
        path if of_document => Profile::of_pipeline(Path::new(path))?,
        path => Profile::find(path)?,
    };
    let knob = Knob::find(protocol.knob.as_deref().unwrap_or_default())?;
    let session = Plan {
        label: artifact.label.clone(),
        warmup: protocol.warmup,
        pairs: protocol.pairs,
        seed: protocol.seed,
        rules: Rules::at(protocol.noise_threshold_pct / 100.0),
        in_place: protocol.writes_to == "in_place",
        ..session(
            found.with_rows(profile.rows),
            subject::databases(&args.subject, of_document),
        )
    };
    checked(TunePlan {
        session,
        knob,
        values: protocol.values.clone(),
        rounds: protocol.rounds,
    })
}

/// What every tuning's session has in common.
fn session(profile: Profile, databases: Databases) -> Plan {
    Plan {
        id: format!("{:08x}", rand::random::<u32>()),
        label: None,
        profile: profile.without_arms(),
        databases,
        both_arms: false,
        warmup: 0,
        pairs: 0,
        seed: 0,
        rules: Rules::at(0.0),
        binaries: BTreeMap::new(),
        guard: GuardMode::Off,
        floors: None,
        in_place: false,
        arguments: std::env::args().skip(1).map(|a| mask_secrets(&a)).collect(),
    }
}

/// The plan, its values tried on the document.
fn checked(plan: TunePlan) -> Result<TunePlan> {
    for value in &plan.values {
        plan.pipeline(value)?;
    }
    Ok(plan)
}

/// The tuning to go on with.
fn interrupted(name: &str, directory: &Path) -> Result<TuneArtifact> {
    let path = if name == "latest" {
        store::latest_tuning(directory)?
    } else {
        PathBuf::from(name)
    };
    let artifact = store::load_tuning(&path)?;
    if artifact.protocol.knob.is_none() {
        return Err(Error::new(
            Kind::Unsupported,
            format!("{} holds sides, which are not resumed", path.display()),
        )
        .remedy("measure them again: rb-bench tune --isolate"));
    }
    let delivered = |one: &TuneIteration| one.iteration.verify.is_ok();
    if !artifact.iterations.iter().all(delivered) {
        return Err(Error::new(
            Kind::Verification,
            format!(
                "in {} an iteration did not deliver its rows: what follows it says nothing",
                path.display()
            ),
        )
        .remedy("find out why, and tune anew"));
    }
    if !artifact.partial {
        return Err(Error::new(
            Kind::Incompatible,
            format!(
                "{} ended as planned; there is nothing to go on with",
                path.display()
            ),
        ));
    }
    Ok(artifact)
}

/// The document with the value in it, and nothing else changed.
fn changed(file: &Path, knob: Knob, value: &str) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::file("read", file, e))?;
    let name = file.display().to_string();
    let document = Document::read(&text, &name, &process_environment)?;
    // a profile has its pipeline one level further in
    let inside = if document.at("pipeline.version").is_some() {
        "pipeline."
    } else {
        ""
    };
    with_value_at(&text, &name, &format!("{inside}{}", knob.key()), value)
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
            let text = tune::text(&artifact, path.as_deref(), Paper::stdout());
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
        write(file, knob, &artifact)?;
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

/// Puts the choice into a document, whole or not at all; told on stderr.
fn write(file: &Path, knob: Knob, artifact: &TuneArtifact) -> Result<()> {
    let summary = &artifact.summary;
    let Some(choice) = &summary.choice else {
        return Err(Error::internal("a tuning that ended has no choice"));
    };
    let contradicted = summary
        .confirmation
        .as_ref()
        .filter(|c| c.verdict == "IMPROVED");
    if let Some(confirmation) = contradicted {
        super::print_error(&format!(
            "rb-bench: {} is left as it is: {} was faster than the choice in fresh pairs",
            file.display(),
            confirmation.reference
        ));
        return Ok(());
    }
    let text = changed(file, knob, &choice.setting)?;
    store::replace(file, text.as_bytes())?;
    super::print_error(&format!(
        "rb-bench: wrote {} = {} to {}",
        knob.key(),
        choice.setting,
        file.display()
    ));
    Ok(())
}
