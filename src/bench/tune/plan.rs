//! Plans of tunings: a fresh one, and the one that an interrupted tuning's file asks for.
//!
//! Whoever starts a tuning, a command line or the workbench, starts it from here. Nothing is started
//! in this file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::artifact::{TuneArtifact, TuneIteration};
use super::knob::Knob;
use super::tuning::TunePlan;
use crate::bench::guard::GuardMode;
use crate::bench::profile::Profile;
use crate::bench::rules::Rules;
use crate::bench::session::{Databases, Plan};
use crate::bench::store;
use crate::error::{Error, Kind, Result};

/// The values of parallelism that are tried where nothing else is asked for.
pub const SWEEP: [&str; 8] = ["1", "2", "3", "4", "6", "8", "12", "16"];
/// Iterations of each value, likewise.
pub const ROUNDS: u32 = 3;
/// Pairs that confirm the choice, likewise.
pub const PAIRS: u32 = 10;
/// Rounds of the whole and each side alone, likewise: the least that can carry a verdict.
pub const ISOLATE_ROUNDS: u32 = 6;
/// The most rounds, pairs or values that a tuning can have.
const MOST: u32 = 1_000;

/// What every tuning's session has in common: no arms, nothing measured yet.
#[must_use]
pub fn session(profile: Profile, databases: Databases, arguments: Vec<String>) -> Plan {
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
        arguments,
    }
}

/// The plan, its values tried on the document.
///
/// # Errors
/// What the document says against a value.
pub fn checked(plan: TunePlan) -> Result<TunePlan> {
    for value in &plan.values {
        plan.pipeline(value)?;
    }
    Ok(plan)
}

/// The tuning to go on with: a file, or `latest` in a directory.
///
/// # Errors
/// What keeps it from being gone on with, in words: it ended as planned, holds sides, or lost rows.
pub fn interrupted(name: &str, directory: &Path) -> Result<TuneArtifact> {
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

/// The plan of a tuning that was interrupted, from its file. Passwords are not in there: `databases` says
/// which they are, and is told whether they are the document's own.
///
/// # Errors
/// `Kind::Usage` where the URLs do not fit how it was begun, `Kind::Data` for a plan that no tuning has,
/// and what is wrong with its profile.
pub fn again(
    artifact: &TuneArtifact,
    databases: impl FnOnce(bool) -> Databases,
    arguments: Vec<String>,
) -> Result<TunePlan> {
    let (protocol, profile) = (&artifact.protocol, &artifact.profile);
    let of_document = protocol.databases == "of_document";
    if protocol.rounds > MOST || protocol.pairs > MOST || protocol.values.len() > MOST as usize {
        return Err(Error::new(
            Kind::Data,
            "--resume: the file asks for more rounds, pairs or values than a tuning can have",
        ));
    }
    let databases = databases(of_document);
    let given = matches!(databases, Databases::Given { .. });
    if (protocol.databases == "given") != given {
        let wrong = if given {
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
        ..session(found.with_rows(profile.rows), databases, arguments)
    };
    checked(TunePlan {
        session,
        knob,
        values: protocol.values.clone(),
        rounds: protocol.rounds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;
    use crate::bench::store::Output;

    fn refused(change: impl Fn(&mut TuneArtifact)) -> String {
        let place = tempfile::tempdir().unwrap();
        let mut tuning = examples::tuning(&[("1", 1, &[3.0]), ("2", 2, &[1.7])]);
        tuning.partial = true;
        change(&mut tuning);
        let path = Output::at(place.path()).unwrap().save(&tuning).unwrap();
        let name = path.display().to_string();
        let found = interrupted(&name, place.path())
            .and_then(|tuning| again(&tuning, |_| Databases::OfDocument, Vec::new()).map(|_| ()));
        found.unwrap_err().to_string().replace(&name, "FILE")
    }

    #[test]
    fn what_cannot_be_gone_on_with_is_told() {
        assert_eq!(
            refused(|tuning| tuning.protocol.knob = None),
            "FILE holds sides, which are not resumed\n  what to do: measure them again: rb-bench tune --isolate"
        );
        assert_eq!(
            refused(|tuning| tuning.iterations[0].iteration.verify.row_count_ok = Some(false)),
            "in FILE an iteration did not deliver its rows: what follows it says nothing\n  what to do: find out why, and \
             tune anew"
        );
        assert_eq!(
            refused(|tuning| tuning.protocol.rounds = MOST + 1),
            "--resume: the file asks for more rounds, pairs or values than a tuning can have"
        );
    }

    #[test]
    fn a_directory_without_a_tuning_says_so() {
        let place = tempfile::tempdir().unwrap();
        let error = interrupted("latest", place.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "no tuning is kept in {}\n  what to do: begin one with rb-bench tune, or name the file or --out DIR",
                place.path().display()
            )
        );
    }
}
