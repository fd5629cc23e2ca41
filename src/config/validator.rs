//! What a pipeline document means: whether its values are allowed, alone and together.
//!
//! It judges types, never text, and reports through [`Checked`], which knows where each value was
//! written. It must judge all of a document whatever else is wrong with it, and never connects to
//! anything: what depends on a database is judged by the engine.

mod streams;

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::pipeline_shape::Connections;
use super::relation::MAX_IDENTIFIER_BYTES;
use super::report::Checked;
use super::types::{
    DestinationConnector, Endpoint, Generate, PARALLELISM_ACCEPTS, Pipeline, PipelineParallelism,
    Resources, SourceConnector, Stream, SyncMode, Transform, WriteMode,
};
use crate::error::Result;

/// The document format this version reads.
const VERSION: &str = "1.0";
/// Whole-run retries.
pub(super) const MAX_RETRIES: RangeInclusive<u64> = 0..=100;
/// Chunk sizes: one block of a table, to 1 TiB.
pub(super) const CHUNK_BYTES: RangeInclusive<u64> = (8 << 10)..=(1 << 40);
/// Bytes gathered before each send.
pub(super) const BUFFER_BYTES: RangeInclusive<u64> = (4 << 10)..=(16 << 20);
/// Widths of a generated payload.
pub(super) const ROW_BYTES: RangeInclusive<u64> = 1..=(16 << 20);
/// Generated rows a second.
pub(super) const RATES: RangeInclusive<u64> = 1..=1_000_000_000;

/// Judges a pipeline that was built without a document (`rb-bench copy`); `origin` is what its
/// problems are told of.
pub fn validate(pipeline: &Pipeline, origin: &str, connections: Connections) -> Result<()> {
    let mut report = Checked::of_values(&origin.into(), Vec::new());
    judge(pipeline, connections, &mut report);
    report.verdict()
}

/// Judges a pipeline whose shape was checked; `report` knows what of it is only a stand-in.
pub(super) fn judge(pipeline: &Pipeline, connections: Connections, report: &mut Checked<'_>) {
    if pipeline.version != VERSION {
        let shown = report.shown("version", &pipeline.version);
        report.refuse(
            "version",
            format!("unknown version ({shown}); accepted: \"{VERSION}\""),
        );
    }
    judge_name(&pipeline.pipeline, "pipeline", report);
    judge_source(pipeline, connections, report);
    streams::judge_streams(pipeline, report);
    judge_transforms(pipeline, report);
    judge_destination(pipeline, connections, report);
    judge_resources(&pipeline.resources, report);
}

fn judge_source(pipeline: &Pipeline, connections: Connections, report: &mut Checked<'_>) {
    match &pipeline.source.connector {
        SourceConnector::Postgres(endpoint) => {
            judge_endpoint(endpoint, connections, "source", report);
        }
        SourceConnector::Generate(generate) => judge_generate(generate, report),
    }
}

fn judge_generate(generate: &Generate, report: &mut Checked<'_>) {
    let width = u64::from(generate.row_bytes);
    within(width, &ROW_BYTES, "source.config.row_bytes", report);
    if let Some(rate) = generate.rows_per_second {
        within(rate, &RATES, "source.config.rows_per_second", report);
    }
}

/// Refuses a number that is out of its bounds.
fn within(number: u64, bounds: &RangeInclusive<u64>, path: &str, report: &mut Checked<'_>) {
    if bounds.contains(&number) {
        return;
    }
    let shown = report.shown(path, &number.to_string());
    let (least, most) = (bounds.start(), bounds.end());
    report.refuse(
        path,
        format!("out of range ({shown}); accepted: a whole number from {least} to {most}"),
    );
}

fn judge_endpoint(
    endpoint: &Endpoint,
    connections: Connections,
    side: &str,
    report: &mut Checked<'_>,
) {
    let using = format!("{side}.use");
    let key = |name: &str| format!("{side}.config.{name}");
    if let Some(url) = &endpoint.url {
        let path = key("url");
        let url = url.reveal();
        let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let is_settings = !url.contains("://") && url.contains('=');
        if !is_url && !is_settings {
            let shown = report.shown(&path, url);
            report.refuse_unless(
                &path,
                &[&using],
                format!("not a Postgres URL ({shown}); accepted: postgres://user@host:port/database, or settings such as host=db1 dbname=shop"),
            );
        }
    } else if !names_a_server(endpoint) && connections == Connections::Required {
        report.refuse_unless(
            &format!("{side}.config"),
            &[&using],
            "no database to connect to; accepted: url, or host with port, user, database, or service",
        );
    }
    let settings = &endpoint.settings;
    for (name, value) in [
        ("host", &endpoint.host),
        ("user", &endpoint.user),
        ("database", &endpoint.database),
        ("hostaddr", &settings.hostaddr),
        ("service", &settings.service),
        ("sslrootcert", &settings.sslrootcert),
        ("passfile", &settings.passfile),
    ] {
        if value
            .as_deref()
            .is_some_and(|value| value.trim().is_empty())
        {
            report.refuse_unless(
                &key(name),
                &[&using],
                "an empty text; accepted: a text, or no such key",
            );
        }
    }
    if endpoint.port == Some(0) {
        report.refuse(
            &key("port"),
            "out of range (`0`); accepted: a whole number from 1 to 65535",
        );
    }
    judge_identifier(&endpoint.schema, &key("schema"), report);
}

fn names_a_server(endpoint: &Endpoint) -> bool {
    let settings = &endpoint.settings;
    endpoint.host.is_some() || settings.hostaddr.is_some() || settings.service.is_some()
}

fn judge_transforms(pipeline: &Pipeline, report: &mut Checked<'_>) {
    for (n, transform) in pipeline.transforms.iter().enumerate() {
        let Transform::Sql(sql) = transform;
        let path = format!("transforms.{n}.config.query");
        if sql.query.trim().is_empty() {
            report.refuse(&path, "an empty query; accepted: a SELECT over input");
        }
    }
    let streams = &pipeline.source.streams;
    if let Some(n) = (streams
        .iter()
        .position(|stream| stream.sync_mode == SyncMode::Cdc))
    .filter(|_| !pipeline.transforms.is_empty())
    {
        report.refuse_unless(
            "transforms",
            &[&format!("source.streams.{n}.sync_mode")],
            "the changes of a cdc stream do not pass through SQL; accepted with cdc: no transforms",
        );
    }
    let generated = matches!(pipeline.source.connector, SourceConnector::Generate(_));
    if generated && !pipeline.transforms.is_empty() {
        report.refuse_unless(
            "transforms",
            &["source.use"],
            "source-generate has no server to run SQL in; accepted: no transforms, or source-postgres",
        );
    }
}

fn judge_destination(pipeline: &Pipeline, connections: Connections, report: &mut Checked<'_>) {
    const KEY: &str = "destination.primary_key";
    let destination = &pipeline.destination;
    match &destination.connector {
        DestinationConnector::Postgres(postgres) => {
            judge_endpoint(&postgres.endpoint, connections, "destination", report);
        }
        DestinationConnector::Null if destination.write_mode != WriteMode::Append => {
            let mode = destination.write_mode.name();
            report.refuse_unless(
                "destination.write_mode",
                &["destination.use"],
                format!("dest-null keeps no rows to {mode}; accepted: append"),
            );
        }
        DestinationConnector::Null => {}
    }
    judge_columns(&destination.primary_key, KEY, report);
    if destination.write_mode != WriteMode::Upsert {
        return;
    }
    // changes are found by the replica identity, which each table has of its own
    let captures = |stream: &Stream| stream.sync_mode == SyncMode::Cdc;
    if destination.primary_key.is_empty() && !pipeline.source.streams.iter().any(captures) {
        report.refuse_unless(
            KEY,
            &["destination.write_mode"],
            "no key columns; accepted with upsert: a list of at least one column",
        );
    }
}

fn judge_resources(resources: &Resources, report: &mut Checked<'_>) {
    if resources.parallelism == PipelineParallelism::Manual(0) {
        let shown = report.shown("resources.parallelism", "0");
        report.refuse(
            "resources.parallelism",
            format!("a run needs a worker ({shown}); accepted: {PARALLELISM_ACCEPTS}"),
        );
    }
    let retries = u64::from(resources.max_retries);
    within(retries, &MAX_RETRIES, "resources.max_retries", report);
    if let Some(bytes) = resources.chunk_bytes {
        within(bytes, &CHUNK_BYTES, "resources.chunk_bytes", report);
    }
    let buffer = u64::from(resources.buffer_bytes);
    within(buffer, &BUFFER_BYTES, "resources.buffer_bytes", report);
}

fn judge_name(name: &str, path: &str, report: &mut Checked<'_>) {
    if name.trim().is_empty() {
        report.refuse(path, "an empty name; accepted: a name");
    }
}

/// A name that Postgres takes as it is.
fn judge_identifier(name: &str, path: &str, report: &mut Checked<'_>) {
    judge_name(name, path, report);
    if name.len() > MAX_IDENTIFIER_BYTES {
        let shown = report.shown(path, name);
        report.refuse(
            path,
            format!(
                "a name of {} bytes ({shown}); accepted: at most {MAX_IDENTIFIER_BYTES}, Postgres would cut off the rest",
                name.len()
            ),
        );
    }
}

/// Column names: each a name, none twice.
fn judge_columns(columns: &[String], path: &str, report: &mut Checked<'_>) {
    let mut seen = HashSet::new();
    for (n, column) in columns.iter().enumerate() {
        let path = format!("{path}.{n}");
        judge_identifier(column, &path, report);
        if !seen.insert(column) {
            let shown = report.shown(&path, column);
            report.refuse(
                &path,
                format!("the column is listed twice ({shown}); accepted: once"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
