//! What a pipeline document means: whether its values are allowed, alone and together.
//!
//! It judges types, never text, and reports through [`Checked`], which knows where each value was
//! written. It must judge all of a document whatever else is wrong with it, and never connects to
//! anything: what depends on a database is judged by the engine.

use std::collections::{HashMap, HashSet};

use super::not_yet;
use super::pipeline_shape::Connections;
use super::relation::{MAX_IDENTIFIER_BYTES, RelationName, is_pattern};
use super::report::Checked;
use super::types::{
    DestinationConnector, Endpoint, Generate, PARALLELISM_ACCEPTS, Pipeline, PipelineParallelism,
    Resources, SourceConnector, Stream, SyncMode, Transform, WriteMode,
};
use crate::error::Result;

/// The document format this version reads.
const VERSION: &str = "1.0";
/// The most whole-run retries.
const MAX_RETRIES: u32 = 100;
/// Chunk sizes: one block of a table, to 1 TiB.
const CHUNK_BYTES: std::ops::RangeInclusive<u64> = (8 << 10)..=(1 << 40);
/// Bytes gathered before each send.
const BUFFER_BYTES: std::ops::RangeInclusive<u32> = (4 << 10)..=(16 << 20);
/// Widths of a generated payload.
const ROW_BYTES: std::ops::RangeInclusive<u32> = 1..=(16 << 20);

/// Judges a pipeline that was built without a document (`rb-bench copy`); `origin` is what its
/// problems are told of.
pub fn validate(pipeline: &Pipeline, origin: &str, connections: Connections) -> Result<()> {
    let mut report = Checked::of_values(&origin.into(), Vec::new());
    judge(pipeline, connections, &mut report);
    report.verdict()
}

/// Judges a pipeline whose shape was checked; `report` knows what of it is only a placeholder.
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
    judge_streams(pipeline, report);
    judge_transforms(pipeline, report);
    judge_destination(pipeline, connections, report);
    judge_resources(&pipeline.resources, report);
    not_yet::judge(pipeline, report);
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
    within(
        u64::from(generate.row_bytes),
        ROW_BYTES.start(),
        ROW_BYTES.end(),
        "source.config.row_bytes",
        report,
    );
    if let Some(rate) = generate.rows_per_second {
        within(
            rate,
            &1_u32,
            &u32::MAX,
            "source.config.rows_per_second",
            report,
        );
    }
}

/// Refuses a number that is out of its bounds.
fn within(
    number: u64,
    least: &(impl Into<u64> + Copy),
    most: &(impl Into<u64> + Copy),
    path: &str,
    report: &mut Checked<'_>,
) {
    let (least, most): (u64, u64) = ((*least).into(), (*most).into());
    if !(least..=most).contains(&number) {
        let shown = report.shown(path, &number.to_string());
        report.refuse(
            path,
            format!("out of range ({shown}); accepted: a whole number from {least} to {most}"),
        );
    }
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
    } else if endpoint.host.is_none() && connections == Connections::Required {
        report.refuse_unless(
            &format!("{side}.config"),
            &[&using],
            "no database to connect to; accepted: url, or host with port, user, database",
        );
    }
    for (name, value) in [
        ("host", &endpoint.host),
        ("user", &endpoint.user),
        ("database", &endpoint.database),
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

fn judge_streams(pipeline: &Pipeline, report: &mut Checked<'_>) {
    let streams = &pipeline.source.streams;
    if streams.is_empty() {
        report.refuse("source.streams", "no streams; accepted: at least one");
    }
    for (n, stream) in streams.iter().enumerate() {
        let path = format!("source.streams.{n}");
        judge_stream(stream, &path, report);
        judge_modes(stream, pipeline, &path, report);
        if let SourceConnector::Generate(_) = pipeline.source.connector {
            judge_generated_stream(stream, &path, report);
        }
    }
    refuse_duplicates(pipeline, report);
}

fn judge_stream(stream: &Stream, path: &str, report: &mut Checked<'_>) {
    let name = format!("{path}.name");
    if is_pattern(&stream.name) {
        let target = format!("{path}.target");
        if stream.target.is_some() {
            let shown = report.shown(&name, &stream.name);
            report.refuse_unless(
                &target,
                &[&name],
                format!("a target for a pattern ({shown}), which may name several tables; accepted: a target for one table"),
            );
        }
    } else {
        judge_identifier(&stream.name, &name, report);
    }
    if let Some(schema) = &stream.schema {
        judge_identifier(schema, &format!("{path}.schema"), report);
    }
    if let Some(target) = &stream.target {
        let path = format!("{path}.target");
        match RelationName::parse(target) {
            Ok(target) => {
                for part in target.schema.iter().chain([&target.table]) {
                    judge_identifier(part, &path, report);
                }
            }
            Err(message) => report.refuse(&path, message),
        }
    }
    if let Some(columns) = &stream.columns {
        let path = format!("{path}.columns");
        if columns.is_empty() {
            report.refuse(&path, "no columns; accepted: at least one, or no such key");
        }
        judge_columns(columns, &path, report);
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

/// How a stream is selected against how its rows are written.
fn judge_modes(stream: &Stream, pipeline: &Pipeline, path: &str, report: &mut Checked<'_>) {
    const WRITE: &str = "destination.write_mode";
    let sync = format!("{path}.sync_mode");
    let written = pipeline.destination.write_mode;
    let (mode, goes_with): (_, &[WriteMode]) = match stream.sync_mode {
        SyncMode::FullRefresh => (
            "full_refresh",
            &[WriteMode::Append, WriteMode::Upsert, WriteMode::Replace],
        ),
        SyncMode::Incremental => ("incremental", &[WriteMode::Append, WriteMode::Upsert]),
        SyncMode::Cdc => ("cdc", &[WriteMode::Upsert, WriteMode::Append]),
    };
    if !goes_with.contains(&written) {
        let accepted: Vec<_> = goes_with.iter().map(|mode| word(*mode)).collect();
        report.refuse_unless(
            &sync,
            &[WRITE],
            format!(
                "{mode} does not go with write_mode {}; accepted with {mode}: {}",
                word(written),
                accepted.join(", ")
            ),
        );
    }
    let cursor = format!("{path}.cursor_field");
    match (&stream.cursor_field, stream.sync_mode) {
        (Some(field), SyncMode::Incremental) => judge_identifier(field, &cursor, report),
        (None, SyncMode::Incremental) => report.refuse_unless(
            &cursor,
            &[&sync],
            "the key is missing; accepted with incremental: the column whose highest value is remembered",
        ),
        (Some(_), _) => report.refuse_unless(
            &cursor,
            &[&sync],
            format!("a cursor without meaning for {mode}; accepted: with sync_mode incremental"),
        ),
        (None, _) => {}
    }
    let lag = format!("{path}.cursor_lag");
    match &stream.cursor_lag {
        Some(_) if stream.sync_mode != SyncMode::Incremental || written != WriteMode::Upsert => {
            report.refuse_unless(
                &lag,
                &[&sync, WRITE],
                format!(
                    "a cursor lag without meaning for {mode} with {}; accepted: with incremental and upsert, which may read a row twice",
                    word(written)
                ),
            );
        }
        Some(text) if text.trim().is_empty() => {
            report.refuse(
                &lag,
                "an empty text; accepted: an interval such as 10 minutes, or a number",
            );
        }
        _ => {}
    }
}

fn word(mode: WriteMode) -> &'static str {
    match mode {
        WriteMode::Append => "append",
        WriteMode::Replace => "replace",
        WriteMode::Upsert => "upsert",
    }
}

/// Generated rows have no catalog: no patterns, no cursors, two columns.
fn judge_generated_stream(stream: &Stream, path: &str, report: &mut Checked<'_>) {
    const USE: &str = "source.use";
    if is_pattern(&stream.name) {
        let name = format!("{path}.name");
        let shown = report.shown(&name, &stream.name);
        report.refuse_unless(
            &name,
            &[USE],
            format!(
                "a pattern ({shown}), and source-generate has no tables to match; accepted: a name"
            ),
        );
    }
    if stream.sync_mode != SyncMode::FullRefresh {
        let sync = format!("{path}.sync_mode");
        let shown = report.shown(&sync, "");
        report.refuse_unless(
            &sync,
            &[USE],
            format!(
                "source-generate makes the same rows every time ({shown}); accepted: full_refresh"
            ),
        );
    }
    for (n, column) in stream.columns.iter().flatten().enumerate() {
        if !["id", "payload"].contains(&column.as_str()) {
            let path = format!("{path}.columns.{n}");
            let shown = report.shown(&path, column);
            report.refuse_unless(
                &path,
                &[USE],
                format!("source-generate has no such column ({shown}); accepted: id, payload"),
            );
        }
    }
}

/// No stream twice, and no table of the destination for two streams.
fn refuse_duplicates(pipeline: &Pipeline, report: &mut Checked<'_>) {
    let source_schema = match &pipeline.source.connector {
        SourceConnector::Postgres(endpoint) => endpoint.schema.as_str(),
        SourceConnector::Generate(_) => "",
    };
    let target_schema = match &pipeline.destination.connector {
        DestinationConnector::Postgres(destination) => Some(destination.endpoint.schema.as_str()),
        DestinationConnector::Null => None,
    };
    let mut streams = HashMap::new();
    let mut targets = HashMap::new();
    for (n, stream) in pipeline.source.streams.iter().enumerate() {
        let path = format!("source.streams.{n}");
        if !report.is_sound(&format!("{path}.name")) || !report.is_sound(&format!("{path}.schema"))
        {
            continue;
        }
        let schema = stream.schema.as_deref().unwrap_or(source_schema);
        if let Some(first) = streams.insert((schema, stream.name.as_str()), n) {
            let name = format!("{path}.name");
            let shown = report.shown(&name, &stream.name);
            let first = listed(first, report);
            report.refuse(
                &name,
                format!("the stream is listed twice ({shown}), first {first}; accepted: once"),
            );
            continue;
        }
        let Some(target_schema) = target_schema.filter(|_| !is_pattern(&stream.name)) else {
            continue;
        };
        let (path, name) = match &stream.target {
            Some(target) => match RelationName::parse(target) {
                Ok(name) => (format!("{path}.target"), name),
                Err(_) => continue,
            },
            None => (
                format!("{path}.name"),
                RelationName {
                    schema: None,
                    table: stream.name.clone(),
                },
            ),
        };
        let schema = name.schema.unwrap_or_else(|| target_schema.to_owned());
        if let Some(first) = targets.insert((schema, name.table), n) {
            let shown = report.shown(&path, &stream.name);
            let first = listed(first, report);
            report.refuse_unless(
                &path,
                &["destination.use", "destination.config.schema"],
                format!("two streams for one table of the destination ({shown}), the other {first}; accepted: a target of its own for each"),
            );
        }
    }
}

/// Where a stream is listed.
fn listed(n: usize, report: &Checked<'_>) -> String {
    match report.line(&format!("source.streams.{n}")) {
        Some(line) => format!("in line {line}"),
        None => format!("as number {n}"),
    }
}

fn judge_transforms(pipeline: &Pipeline, report: &mut Checked<'_>) {
    for (n, transform) in pipeline.transforms.iter().enumerate() {
        let Transform::Sql(sql) = transform;
        let path = format!("transforms.{n}.config.query");
        if sql.query.trim().is_empty() {
            report.refuse(&path, "an empty query; accepted: a SELECT over input");
        }
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
            let mode = word(destination.write_mode);
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
    if destination.primary_key.is_empty() {
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
    within(
        u64::from(resources.max_retries),
        &0_u32,
        &MAX_RETRIES,
        "resources.max_retries",
        report,
    );
    if let Some(bytes) = resources.chunk_bytes {
        within(
            bytes,
            CHUNK_BYTES.start(),
            CHUNK_BYTES.end(),
            "resources.chunk_bytes",
            report,
        );
    }
    within(
        u64::from(resources.buffer_bytes),
        BUFFER_BYTES.start(),
        BUFFER_BYTES.end(),
        "resources.buffer_bytes",
        report,
    );
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
