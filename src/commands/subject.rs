//! What is measured and how it is judged: from what was typed to the value that plans are made from.

use super::gates;
use crate::bench::guard::GuardMode;
use crate::bench::noise::Floors;
use crate::bench::subject::{Subject, What};
use crate::cli::{Arms, GuardChoice, MeasuredFlags, SubjectFlags};
use crate::cluster::{self, ClusterOptions};
use crate::config::types::Secret;
use crate::error::{Error, Kind, Result};

/// What is measured and where; how often is the profile's.
pub(super) fn typed(flags: &SubjectFlags) -> Subject {
    let urls = flags.source_url.as_ref().zip(flags.dest_url.as_ref());
    Subject {
        urls: urls.map(|(source, dest)| (Secret::new(source), Secret::new(dest))),
        cluster: ClusterOptions {
            pg_bin: flags.cluster.pg_bin.clone(),
            cluster_dir: flags.cluster.cluster_dir.clone(),
            ..ClusterOptions::default()
        },
        in_place: flags.in_place,
        rows: flags.rows,
        ..Subject::of(match &flags.pipeline {
            Some(path) => What::Pipeline(path.clone()),
            None => What::Profile(flags.profile_name().to_owned()),
        })
    }
}

/// The same with all that a benchmark is told.
///
/// # Errors
/// `Kind::Usage` for an unknown metric, and for a flag that would be ignored: the user believes it did
/// something.
pub(super) fn measured(flags: &MeasuredFlags) -> Result<Subject> {
    let subject = Subject {
        iters: flags.iters,
        warmup: flags.warmup,
        both_arms: flags.arms == Arms::Both,
        before: flags.before.clone(),
        after: flags.after.clone(),
        label: flags.label.clone(),
        seed: flags.seed,
        noise_threshold: flags.noise_threshold,
        until_resolved: flags.until_resolved,
        gates: gates::typed(&flags.gates)?,
        before_bin: flags.before_bin.clone(),
        after_bin: flags.after_bin.clone(),
        guard: guard(flags.guard),
        ..typed(&flags.subject)
    };
    refuse_what_has_no_effect(&subject)?;
    Ok(subject)
}

fn refuse_what_has_no_effect(subject: &Subject) -> Result<()> {
    let wrong = if subject.both_arms {
        return Ok(());
    } else if subject.before_bin.is_some() {
        "--before-bin needs both arms: --arms one measures the after arm alone"
    } else if !subject.before.is_empty() {
        "--before needs both arms: --arms one measures the after arm alone"
    } else if subject.until_resolved || subject.gates.is_any() {
        "a verdict needs both arms: --arms one measures the after arm alone"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Usage, wrong))
}

/// Where measured noise is kept.
pub(super) fn floors(subject: &Subject) -> Result<Floors> {
    Ok(Floors::beside(&cluster::home(&subject.cluster)?))
}

/// The same, in a place that is made for it.
pub(super) fn floors_to_fill(subject: &Subject) -> Result<Floors> {
    Ok(Floors::beside(&cluster::make_home(&subject.cluster)?))
}

/// What is done about a machine that is not quiet.
pub(super) fn guard(choice: GuardChoice) -> GuardMode {
    match choice {
        GuardChoice::Warn => GuardMode::Warn,
        GuardChoice::Wait => GuardMode::Wait,
        GuardChoice::Fail => GuardMode::Fail,
        GuardChoice::Off => GuardMode::Off,
    }
}

/// The arguments that were typed, secrets masked.
pub(super) fn typed_arguments() -> Vec<String> {
    let typed = std::env::args().skip(1);
    typed.map(|a| crate::config::mask_secrets(&a)).collect()
}
