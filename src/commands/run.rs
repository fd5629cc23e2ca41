//! `rb-bench run` and `rb-bench copy`: one run of the engine on the user's own databases.
//!
//! Standard output ends with the result line `@@BENCH_JSON@@{...}`; progress is on stderr.

use std::sync::Arc;

use super::interrupt;
use crate::cli::{CopyArgs, Format, RunArgs, RunFlags};
use crate::config::pipeline_shape::Connections;
use crate::config::relation::{RelationName, SAME_SCHEMA};
use crate::config::types::{
    Destination, DestinationConnector, Endpoint, Pipeline, PostgresDestination, Secret, Source,
    SourceConnector, Stream,
};
use crate::config::{parser, validator};
use crate::engine::{self, FinishedRun, KnownSums, RunOptions, RunRequest, StreamVerification};
use crate::error::{Error, Kind, Result};
use crate::parallelism;
use crate::report::{self, progress_run::RunProgress};
use crate::telemetry::counters::Telemetry;

/// `rb-bench run PIPELINE.yaml`
pub(super) async fn run(args: RunArgs) -> Result<u8> {
    let pipeline = parser::load_pipeline(&args.document)?;
    execute(pipeline, &args.options).await
}

/// `rb-bench copy SRC_URL DST_URL --table PATTERN...`
pub(super) async fn copy(args: CopyArgs) -> Result<u8> {
    let options = args.options.clone();
    let pipeline = pipeline_of(args)?;
    validator::validate(&pipeline, "the command line", Connections::Required)
        .map_err(|e| e.with_kind(Kind::Usage))?;
    execute(pipeline, &options).await
}

/// The document that a `copy` command amounts to.
fn pipeline_of(args: CopyArgs) -> Result<Pipeline> {
    let endpoint = |url: String, schema: String| Endpoint {
        url: Some(Secret::new(url)),
        schema,
        ..Endpoint::default()
    };
    let streams: Vec<Stream> = args
        .tables
        .iter()
        .map(|pattern| stream_of(pattern))
        .collect::<Result<_>>()?;
    let destination = PostgresDestination {
        endpoint: endpoint(
            args.dest_url,
            args.target_schema.unwrap_or_else(|| SAME_SCHEMA.to_owned()),
        ),
        ..PostgresDestination::default()
    };
    Ok(Pipeline {
        version: "1.0".to_owned(),
        pipeline: "copy".to_owned(),
        source: Source {
            connector: SourceConnector::Postgres(endpoint(args.source_url, "public".to_owned())),
            streams,
            exclude: args.exclude,
        },
        transforms: Vec::new(),
        destination: Destination {
            connector: DestinationConnector::Postgres(destination),
            write_mode: crate::config::types::WriteMode::default(),
            primary_key: Vec::new(),
            commit: crate::config::types::CommitChoice::default(),
        },
        schema_evolution: crate::config::evolution::SchemaEvolution::default(),
        resources: crate::config::types::Resources {
            parallelism: args.parallelism,
            ..Default::default()
        },
    })
}

/// `table` or `schema.table`, each with `*` and `?`.
fn stream_of(pattern: &str) -> Result<Stream> {
    let name = RelationName::parse(pattern)
        .map_err(|why| Error::new(Kind::Usage, format!("--table `{pattern}`: {why}")))?;
    Ok(Stream {
        name: name.table,
        schema: name.schema,
        ..Stream::default()
    })
}

async fn execute(pipeline: Pipeline, flags: &RunFlags) -> Result<u8> {
    if flags.verify && (flags.limit.is_some() || flags.dry_run) {
        let other = if flags.dry_run {
            "--dry-run"
        } else {
            "--limit"
        };
        return Err(Error::new(
            Kind::Usage,
            format!("--verify compares whole tables and cannot go with {other}"),
        ));
    }
    let telemetry = Telemetry::new();
    let request = RunRequest {
        pipeline: Arc::new(pipeline),
        available_cores: parallelism::available_cores(),
        options: RunOptions {
            run_id: flags.run_id.clone(),
            snapshot: flags.snapshot.clone(),
            limit: flags.limit,
            dry_run: flags.dry_run,
            verify: flags.verify,
        },
        telemetry: Arc::clone(&telemetry),
        cancel: interrupt::token()?,
    };
    let progress = RunProgress::show(&telemetry);
    let finished = engine::run(request).await?;
    let verified = if flags.verify && !finished.replayed {
        telemetry.enter(crate::telemetry::counters::Phase::Verifying);
        Some(finished.verify(&KnownSums::new()).await?)
    } else {
        None
    };
    drop(progress);
    print(&finished, verified.as_deref(), flags)?;
    let outcome = verified.as_deref().map_or(Ok(()), engine::require_match);
    finished.close().await;
    outcome.map(|()| 0)
}

fn print(
    finished: &FinishedRun,
    verified: Option<&[StreamVerification]>,
    flags: &RunFlags,
) -> Result<()> {
    match flags.format {
        Format::Json => {
            super::print_line(&report::run::json(finished, verified, flags.dry_run).to_string())
        }
        Format::Text => {
            super::print_line(report::run::text(finished, verified, flags.dry_run).trim_end())?;
            super::print_line(&finished.result.to_line())
        }
    }
}
