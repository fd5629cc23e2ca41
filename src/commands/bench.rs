//! `rb-bench [--profile ...]`: from what was typed to a session, and from its outcome to text.
//!
//! Everything that can be wrong with the flags, the profile or the output directory is found before
//! anything is started.

use std::sync::Arc;

use super::{interrupt, print_line};
use crate::bench::profile::Profile;
use crate::bench::progress::Progress;
use crate::bench::runner::{self, Outcome};
use crate::bench::session::{Databases, Plan};
use crate::bench::store::Output;
use crate::bench::target::Leftovers;
use tokio_util::sync::CancellationToken;

use crate::cli::{self, Arms, BenchArgs, Format};
use crate::cluster::ClusterOptions;
use crate::config::mask_secrets;
use crate::config::types::Secret;
use crate::error::{Error, Kind, Result};
use crate::report::progress::Terminal;
use crate::report::{Paper, summary};

/// Runs the benchmark that was typed.
pub(super) async fn run(args: BenchArgs) -> Result<u8> {
    let plan = plan(&args)?;
    let output = Output::at(&args.out)?;
    let outcome = shown(async |progress, cancel, leftovers| {
        runner::run(&plan, &output, &progress, &cancel, &leftovers).await
    })
    .await?;
    report(args.format, outcome)
}

/// What was typed, understood; nothing is started.
fn plan(args: &BenchArgs) -> Result<Plan> {
    refuse_what_has_no_effect(args)?;
    let profile = match &args.pipeline {
        Some(path) => Profile::of_pipeline(path)?,
        None => Profile::find(&args.profile)?,
    };
    let urls = (args.source_url.as_deref(), args.dest_url.as_deref());
    let databases = databases(urls, args.pipeline.is_some(), &args.cluster);
    Ok(Plan {
        id: format!("{:08x}", rand::random::<u32>()),
        label: args.label.clone(),
        both_arms: args.arms == Arms::Both,
        warmup: args.warmup.unwrap_or(profile.warmup),
        pairs: args.iters.unwrap_or(profile.iters),
        // short enough to be typed again
        seed: args
            .seed
            .unwrap_or_else(|| u64::from(rand::random::<u32>())),
        threshold: args.noise_threshold / 100.0,
        in_place: args.in_place,
        arguments: std::env::args().skip(1).map(|a| mask_secrets(&a)).collect(),
        profile: profile
            .with_rows(args.rows)
            .with_flags(&args.before, &args.after)?,
        databases,
    })
}

/// The databases of a session: those whose URLs were given, a document's own, or the managed ones.
pub(super) fn databases(
    urls: (Option<&str>, Option<&str>),
    of_document: bool,
    cluster: &cli::ClusterOptions,
) -> Databases {
    match urls {
        (Some(source), Some(destination)) => Databases::Given {
            source: Secret::new(source),
            destination: Secret::new(destination),
        },
        _ if of_document => Databases::OfDocument,
        _ => Databases::Managed(ClusterOptions {
            pg_bin: cluster.pg_bin.clone(),
            cluster_dir: cluster.cluster_dir.clone(),
            ..ClusterOptions::default()
        }),
    }
}

/// A flag that would be ignored is wrong use: the user believes it did something.
fn refuse_what_has_no_effect(args: &BenchArgs) -> Result<()> {
    let managed = args.source_url.is_none() && args.pipeline.is_none();
    require_effect(args.rows, args.in_place, managed)?;
    if args.arms == Arms::One && !args.before.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "--before needs both arms: --arms one measures the after arm alone",
        ));
    }
    Ok(())
}

/// The same, of flags that every session has.
pub(super) fn require_effect(rows: Option<u64>, in_place: bool, managed: bool) -> Result<()> {
    let wrong = if rows.is_some() && !managed {
        "--rows needs the managed server: rb-bench does not change how many rows a database of yours has"
    } else if in_place && managed {
        "--in-place needs --source-url and --dest-url, or --pipeline: on the managed server every table is rb-bench's own"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Usage, wrong))
}

/// Runs a session with its progress on stderr, ended in good order by a signal; says what it left
/// behind.
pub(super) async fn shown<T>(
    session: impl AsyncFnOnce(Arc<dyn Progress>, CancellationToken, Leftovers) -> Result<T>,
) -> Result<T> {
    let terminal = Arc::new(Terminal::stderr());
    let leftovers = Leftovers::default();
    let (teller, left) = (Arc::clone(&terminal), leftovers.clone());
    let cancel = interrupt::token_with(
        move |line| teller.line(line),
        move || left_behind(&left, "was left behind; drop it"),
    )?;
    let outcome = session(Arc::clone(&terminal) as _, cancel, leftovers.clone()).await;
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
fn report(format: Format, outcome: Outcome) -> Result<u8> {
    let Outcome {
        artifact,
        path,
        error,
    } = outcome;
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&artifact)
                .map_err(|e| Error::internal(format!("serializing the artifact: {e}")))?;
            print_line(&text)?;
            // the artifact is the one document: the error stands in it, and on stderr
            let Some(error) = error else { return Ok(0) };
            super::print_error(&format!("rb-bench: error: {error}"));
            return Ok(error.exit_code());
        }
        Format::Text if artifact.iterations.is_empty() => {}
        Format::Text => {
            let text = summary::text(&artifact, path.as_deref(), Paper::stdout());
            print_line(text.trim_end())?;
        }
    }
    error.map_or(Ok(0), Err)
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
    fn a_flag_without_effect_is_wrong_use() {
        let urls = ["--source-url", "postgres://a", "--dest-url", "postgres://b"];
        for arguments in [
            [&urls[..], &["--rows", "5"]].concat(),
            vec!["--in-place"],
            vec!["--arms", "one", "--before", "resources.parallelism=2"],
        ] {
            let error = plan_of(&arguments).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{arguments:?}: {error}");
        }
    }
}
