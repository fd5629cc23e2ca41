//! The high-water marks of incremental streams: table `rb_bench.cursors` of the destination.
//!
//! A mark is committed with the rows that it stands for, or not at all. Whoever reads it holds the
//! pipeline's lock until it commits the next one: two runs that read one mark would both copy what
//! lies above it.

use super::leader::Leader;
use super::schema::{self, SCHEMA};
use super::settings::{self, LOCK_TIMEOUT};
use super::state::RunId;
use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session, quote_literal};

/// How far a stream of a pipeline has been copied into a target.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The pipeline.
    pub pipeline: String,
    /// The source relation, with its schema.
    pub stream: String,
    /// The target, with its schema.
    pub target: String,
    /// The cursor field.
    pub field: String,
    /// The field's type, with its collation where it has one: what the order depends on.
    pub r#type: String,
    /// The highest value that was copied, as the type prints it.
    pub value: String,
}

/// The key of an advisory lock, as SQL.
fn lock_key(what: &str, pipeline: &str) -> String {
    format!(
        "pg_catalog.hashtextextended({}, 0)",
        quote_literal(&format!("rb_bench {what} {pipeline}"))
    )
}

/// Takes the pipeline for this run, until its deciding transaction ends.
///
/// # Errors
/// `Kind::Lock` where another run of the pipeline is under way.
pub async fn claim(leader: &Leader, pipeline: &str) -> Result<()> {
    let under_way = |error: Error| {
        error.remedy("wait for it: two runs that begin at one mark would copy the same rows twice")
    };
    lock(&leader.decision, pipeline).await.map_err(under_way)?;
    // the only worker of a run that died may still be at its COMMIT, which brings a mark
    let wait = settings::alone(&hold_as_writer(pipeline));
    let doing = format!("waiting for the last run of pipeline `{pipeline}` to end");
    let outcome = leader.control.execute(&wait, &doing).await;
    outcome.map_err(under_way)
}

/// Locks the pipeline until the session's transaction ends.
async fn lock(session: &Session, pipeline: &str) -> Result<()> {
    // a moment, for the backend of a process that has just ended may be there a little longer
    let sql = format!(
        "SET LOCAL lock_timeout = '2s'; SELECT pg_catalog.pg_advisory_xact_lock({}); SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'",
        lock_key("pipeline", pipeline)
    );
    let outcome = session.execute(&sql, "claiming the pipeline").await;
    outcome.map_err(|error| match error.sqlstate() {
        Some("55P03") => Error::new(
            Kind::Lock,
            format!("a run of pipeline `{pipeline}` is under way in another process"),
        ),
        _ => error,
    })
}

/// What a worker that commits a mark by itself does first: the next run waits for it.
#[must_use]
pub fn hold_as_writer(pipeline: &str) -> String {
    format!(
        "SELECT pg_catalog.pg_advisory_xact_lock({})",
        lock_key("writer of", pipeline)
    )
}

/// Sees that no run of the pipeline is left whose fate may still move a mark: somebody else may be
/// settling it at this moment.
pub async fn require_settled(session: &Session, pipeline: &str) -> Result<()> {
    if schema::version(session).await?.is_none() {
        return Ok(());
    }
    let sql = format!(
        "SELECT run FROM {SCHEMA}.runs WHERE state = 'committing' AND pipeline = {}",
        quote_literal(pipeline)
    );
    let rows = session.rows(&sql, "looking for unsettled runs").await?;
    match rows.first().and_then(|row| row.get(0)) {
        None => Ok(()),
        Some(run) => Err(Error::new(
            Kind::Lock,
            format!("run `{run}` of pipeline `{pipeline}` is being committed or settled by another process"),
        )
        .remedy("run again when that is done; `rb-bench runs` lists it")),
    }
}

/// The marks of a pipeline; of all pipelines where none is named.
pub async fn find(session: &Session, pipeline: Option<&str>) -> Result<Vec<Mark>> {
    // the first version had none
    if schema::version(session)
        .await?
        .is_none_or(|version| version < 2)
    {
        return Ok(Vec::new());
    }
    let condition = pipeline.map_or_else(String::new, |pipeline| {
        format!(" WHERE pipeline = {}", quote_literal(pipeline))
    });
    let sql = format!(
        "SELECT pipeline, stream, target, field, type, value FROM {SCHEMA}.cursors{condition} ORDER BY pipeline, stream, target"
    );
    let rows = session.rows(&sql, "reading the marks").await?;
    Ok(rows
        .iter()
        .map(|row| {
            let text = |name: &str| row.get(name).unwrap_or_default().to_owned();
            Mark {
                pipeline: text("pipeline"),
                stream: text("stream"),
                target: text("target"),
                field: text("field"),
                r#type: text("type"),
                value: text("value"),
            }
        })
        .collect())
}

/// The SQL that moves a mark.
#[must_use]
pub fn write(mark: &Mark, run: &RunId) -> String {
    let values = [
        &mark.pipeline,
        &mark.stream,
        &mark.target,
        &mark.field,
        &mark.r#type,
        &mark.value,
    ];
    let values: Vec<String> = values.iter().map(|value| quote_literal(value)).collect();
    format!(
        "INSERT INTO {SCHEMA}.cursors (pipeline, stream, target, field, type, value, run) VALUES ({}, {}) \
         ON CONFLICT (pipeline, stream, target) DO UPDATE SET field = excluded.field, type = excluded.type, \
           value = excluded.value, run = excluded.run, moved_at = pg_catalog.now()",
        values.join(", "),
        quote_literal(run.as_str())
    )
}

/// Every mark that a database keeps, for `rb-bench marks`.
pub async fn list(server: &Server) -> Result<Vec<Mark>> {
    let session = server.connect("rb-bench marks").await?;
    let marks = find(&session, None).await?;
    session.close().await;
    Ok(marks)
}

/// Deletes the marks of a pipeline, or of one of its streams: the next run copies from the
/// beginning. Returns how many.
///
/// # Errors
/// `Kind::Lock` where a run of the pipeline is under way, `Kind::NotFound` where there is no mark.
pub async fn reset(server: &Server, pipeline: &str, stream: Option<&str>) -> Result<u64> {
    let session = server.connect("rb-bench marks").await?;
    let missing = |what: String| {
        Error::new(Kind::NotFound, format!("{server} keeps no mark of {what}"))
            .remedy("`rb-bench marks` lists those it keeps")
    };
    let what = stream.map_or_else(
        || format!("pipeline `{pipeline}`"),
        |stream| format!("stream `{stream}` of pipeline `{pipeline}`"),
    );
    if find(&session, Some(pipeline)).await?.is_empty() {
        return Err(missing(what));
    }
    session.execute("BEGIN", "resetting marks").await?;
    lock(&session, pipeline).await?;
    let stream = stream.map_or_else(String::new, |stream| {
        format!(" AND stream = {}", quote_literal(stream))
    });
    let sql = format!(
        "DELETE FROM {SCHEMA}.cursors WHERE pipeline = {}{stream}",
        quote_literal(pipeline)
    );
    let count = session.affected(&sql, "resetting marks").await?;
    session.execute("COMMIT", "resetting marks").await?;
    session.close().await;
    if count == 0 {
        Err(missing(what))
    } else {
        Ok(count)
    }
}
