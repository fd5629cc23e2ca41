//! The rules of streams: their names and targets, which none may share, and how each is selected
//! against how its rows are written.

use std::collections::HashMap;

use super::{judge_columns, judge_identifier};
use crate::config::relation::{RelationName, SAME_SCHEMA, is_pattern};
use crate::config::report::Checked;
use crate::config::types::{
    DestinationConnector, Pipeline, SourceConnector, Stream, SyncMode, WriteMode,
};

/// Judges every stream, alone and against the others.
pub(super) fn judge_streams(pipeline: &Pipeline, report: &mut Checked<'_>) {
    let streams = &pipeline.source.streams;
    if streams.is_empty() {
        report.refuse("source.streams", "no streams; accepted: at least one");
    }
    for (n, stream) in streams.iter().enumerate() {
        let path = format!("source.streams.{n}");
        judge_stream(stream, source_schema(pipeline), &path, report);
        judge_modes(stream, pipeline, &path, report);
        if let SourceConnector::Generate(_) = pipeline.source.connector {
            judge_generated_stream(stream, &path, report);
        }
    }
    judge_capturing(pipeline, report);
    refuse_duplicates(pipeline, report);
}

/// Changes of all streams come through one slot, in commit order: all streams or none, into tables.
fn judge_capturing(pipeline: &Pipeline, report: &mut Checked<'_>) {
    let streams = &pipeline.source.streams;
    let captures = |stream: &Stream| stream.sync_mode == SyncMode::Cdc;
    let Some(first) = streams.iter().position(captures) else {
        return;
    };
    let cdc = format!("source.streams.{first}.sync_mode");
    if let Some(n) = streams.iter().position(|stream| !captures(stream)) {
        let sync = format!("source.streams.{n}.sync_mode");
        report.refuse_unless(
            &sync,
            &[&cdc],
            "streams that capture changes beside one that does not; accepted: cdc for all streams or for none",
        );
    }
    if !pipeline.schema_evolution.is_default() {
        report.refuse_unless(
            "schema_evolution",
            &[&cdc],
            "a policy that changes do not follow: what their target cannot hold is refused; accepted with cdc: no such key",
        );
    }
    if pipeline.destination.connector == DestinationConnector::Null {
        report.refuse_unless(
            &cdc,
            &["destination.use"],
            "dest-null keeps nothing that changes could be applied to; accepted: full_refresh",
        );
    }
}

/// The schema of streams that name none.
fn source_schema(pipeline: &Pipeline) -> &str {
    match &pipeline.source.connector {
        SourceConnector::Postgres(endpoint) => &endpoint.schema,
        SourceConnector::Generate(_) => "",
    }
}

/// Whether a stream may stand for several relations.
fn names_several(stream: &Stream, schema: &str) -> bool {
    is_pattern(&stream.name) || is_pattern(stream.schema.as_deref().unwrap_or(schema))
}

fn judge_stream(stream: &Stream, schema: &str, path: &str, report: &mut Checked<'_>) {
    let name = format!("{path}.name");
    if names_several(stream, schema) {
        let target = format!("{path}.target");
        if stream.target.is_some() {
            let shown = report.shown(&name, &stream.name);
            report.refuse_unless(
                &target,
                &[&name, "source.config.schema"],
                format!("a target for a pattern ({shown}), which may name several tables; accepted: a target for one table"),
            );
        }
    }
    if !is_pattern(&stream.name) {
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
        let accepted: Vec<_> = goes_with.iter().map(|mode| mode.name()).collect();
        report.refuse_unless(
            &sync,
            &[WRITE],
            format!(
                "{mode} does not go with write_mode {}; accepted with {mode}: {}",
                written.name(),
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
                    written.name()
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
    let source_schema = source_schema(pipeline);
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
        let Some(target_schema) = target_schema.filter(|_| !names_several(stream, source_schema))
        else {
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
        let schema = name.schema.unwrap_or_else(|| match target_schema {
            SAME_SCHEMA => schema.to_owned(),
            other => other.to_owned(),
        });
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

#[cfg(test)]
mod tests;
