//! `rb-bench tui`: from what was typed to the workbench, and what it leaves in the terminal.

use super::{print_error, print_line, subject};
use crate::cli::{Arms, ColorChoice, SubjectFlags, TuiArgs};
use crate::cluster::ClusterOptions;
use crate::config::types::Secret;
use crate::error::{Error, Kind, Result};
use crate::report::{Paper, summary};
use crate::tui::{self, Closed, Colours, Ending, Environment, Memory, Options, Subject, What};

/// The exit code of an interrupted command: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the workbench.
pub(super) fn run(args: TuiArgs) -> Result<u8> {
    tui::require_terminal(&Environment::of_process())?;
    let memory = Memory::of_user();
    let starts = names_something(&args.subject);
    let colours = match args.color {
        ColorChoice::Auto => Colours::Auto,
        ColorChoice::Always => Colours::Always,
        ColorChoice::Never => Colours::Never,
    };
    let out = args.out.clone();
    let mut subject = chosen(args);
    if !starts && let Some(last) = memory.last() {
        subject.what = What::of_kept(&last);
    }
    if starts {
        // what is wrong with what was typed is told as every command tells it
        subject.plan()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::new(Kind::Io, format!("cannot start a runtime: {e}")))?;
    let options = Options {
        subject,
        starts,
        colours,
        out,
        memory,
    };
    let closed = tui::run(options, runtime.handle())?;
    // a reader of files that is still at it is not waited for
    runtime.shutdown_background();
    close(&closed)
}

/// Whether the user said what to measure: then it is measured at once.
fn names_something(flags: &SubjectFlags) -> bool {
    flags.profile.is_some() || flags.pipeline.is_some() || flags.source_url.is_some()
}

fn close(closed: &Closed) -> Result<u8> {
    for table in &closed.leftovers {
        print_error(&format!("rb-bench: {table} was left behind; drop it"));
    }
    if let (Ending::WithSummary, Some(artifact)) = (closed.ending, &closed.artifact)
        && !artifact.iterations.is_empty()
    {
        let text = summary::text(artifact, closed.path.as_deref(), Paper::stdout());
        print_line(text.trim_end())?;
    }
    match closed.ending {
        Ending::Quit | Ending::WithSummary => Ok(0),
        Ending::Terminated | Ending::AtOnce => Ok(INTERRUPTED),
    }
}

/// What was typed as the workbench's own value.
fn chosen(args: TuiArgs) -> Subject {
    let flags = args.subject;
    let what = match &flags.pipeline {
        Some(path) => What::Pipeline(path.clone()),
        None => What::Profile(flags.profile_name().to_owned()),
    };
    let urls = flags.source_url.as_ref().zip(flags.dest_url.as_ref());
    Subject {
        what,
        urls: urls.map(|(source, dest)| (Secret::new(source), Secret::new(dest))),
        cluster: ClusterOptions {
            pg_bin: flags.cluster.pg_bin,
            cluster_dir: flags.cluster.cluster_dir,
            ..ClusterOptions::default()
        },
        in_place: flags.in_place,
        rows: flags.rows,
        iters: args.iters,
        warmup: args.warmup,
        both_arms: args.arms == Arms::Both,
        before: args.before,
        after: args.after,
        label: args.label,
        seed: args.seed,
        noise_threshold: args.noise_threshold,
        guard: subject::guard(args.guard),
    }
}
