//! What is measured and on which databases: from what was typed to the library's values.

use crate::bench::guard::GuardMode;
use crate::bench::noise::Floors;
use crate::bench::profile::Profile;
use crate::bench::session::Databases;
use crate::cli::{GuardChoice, SubjectFlags};
use crate::cluster::{self, ClusterOptions};
use crate::config::types::Secret;
use crate::error::{Error, Kind, Result};

/// The profile or document, with the rows that were asked for.
///
/// # Errors
/// `Kind::Usage` for a flag that would be ignored: the user believes it did something.
pub(super) fn profile(flags: &SubjectFlags) -> Result<Profile> {
    let managed = flags.source_url.is_none() && flags.pipeline.is_none();
    let wrong = if flags.rows.is_some() && !managed {
        "--rows needs the managed server: rb-bench does not change how many rows a database of yours has"
    } else if flags.in_place && managed {
        "--in-place needs --source-url and --dest-url, or --pipeline: on the managed server every table is rb-bench's own"
    } else {
        let profile = match &flags.pipeline {
            Some(path) => Profile::of_pipeline(path)?,
            None => Profile::find(flags.profile_name())?,
        };
        return Ok(profile.with_rows(flags.rows));
    };
    Err(Error::new(Kind::Usage, wrong))
}

/// The databases: those whose URLs were given, a document's own, or the managed ones.
pub(super) fn databases(flags: &SubjectFlags, of_document: bool) -> Databases {
    match (&flags.source_url, &flags.dest_url) {
        (Some(source), Some(destination)) => Databases::Given {
            source: Secret::new(source),
            destination: Secret::new(destination),
        },
        _ if of_document => Databases::OfDocument,
        _ => Databases::Managed(cluster_options(flags)),
    }
}

/// Where measured noise is kept.
pub(super) fn floors(flags: &SubjectFlags) -> Result<Floors> {
    Ok(Floors::beside(&cluster::home(&cluster_options(flags))?))
}

/// The same, in a place that is made for it.
pub(super) fn floors_to_fill(flags: &SubjectFlags) -> Result<Floors> {
    Ok(Floors::beside(&cluster::make_home(&cluster_options(
        flags,
    ))?))
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

fn cluster_options(flags: &SubjectFlags) -> ClusterOptions {
    ClusterOptions {
        pg_bin: flags.cluster.pg_bin.clone(),
        cluster_dir: flags.cluster.cluster_dir.clone(),
        ..ClusterOptions::default()
    }
}
