//! What the destination knows of a pipeline's slot: `rb_bench.slots`, `rb_bench.initial_copies`.
//!
//! | what | set by | means |
//! | --- | --- | --- |
//! | a row of `slots` | setup, when publication and slot are there | changes are being kept for this pipeline |
//! | its `applied` | each batch, in the transaction of its changes | everything up to here is in the targets |
//! | a row of `initial_copies` | the initial copy, in the transaction of its rows | the targets hold what this snapshot saw |

use super::slot::Place;
use crate::engine::schema::SCHEMA;
use crate::engine::settings;
use crate::error::{Error, Kind, Result};
use crate::postgres::lsn::Lsn;
use crate::postgres::{Session, quote_literal};

/// A table that changes are taken of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Table {
    /// The source relation, with its schema.
    pub source: String,
    /// The target table, with its schema.
    pub target: String,
}

/// What setup made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The slot and the publication, which share a name.
    pub(super) slot: String,
    /// The database it is of.
    pub(super) source: Place,
    /// The timeline of the source's log.
    pub(super) timeline: String,
    /// `upsert` or `append`.
    pub(super) write_mode: String,
    /// What is published, and where it goes.
    pub(super) tables: Vec<Table>,
    /// Up to where changes are in the targets.
    pub(super) applied: Lsn,
    /// The snapshot of the initial copy, once that is committed.
    pub(super) copied: Option<Copied>,
}

/// What the initial copy saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    /// `txid_current_snapshot()` of the run that copied.
    pub(super) snapshot: String,
    /// A position that every transaction in that snapshot had committed before.
    pub(super) lsn: Lsn,
}

/// What is known of a pipeline.
pub(super) async fn find(session: &Session, pipeline: &str) -> Result<Option<Record>> {
    if crate::engine::schema::version(session)
        .await?
        .is_none_or(|version| version < 2)
    {
        return Ok(None);
    }
    let sql = format!(
        "SELECT s.slot, s.system_identifier, s.database, s.timeline, s.write_mode, s.tables, s.applied, c.snapshot, c.lsn \
         FROM {SCHEMA}.slots s LEFT JOIN {SCHEMA}.initial_copies c ON c.pipeline = s.pipeline WHERE s.pipeline = {}",
        quote_literal(pipeline)
    );
    let rows = session
        .rows(&sql, "reading what is known of the slot")
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let text = |column: &str| row.get(column).unwrap_or_default().to_owned();
    let copied = match (row.get("snapshot"), row.get("lsn")) {
        (Some(snapshot), Some(lsn)) => Some(Copied {
            snapshot: snapshot.to_owned(),
            lsn: lsn.parse()?,
        }),
        _ => None,
    };
    Ok(Some(Record {
        slot: text("slot"),
        source: Place {
            system: text("system_identifier"),
            database: text("database"),
        },
        timeline: text("timeline"),
        write_mode: text("write_mode"),
        tables: serde_json::from_str(&text("tables")).map_err(|e| {
            Error::new(
                Kind::Incompatible,
                format!("the row of pipeline `{pipeline}` in rb_bench.slots cannot be read: {e}"),
            )
        })?,
        applied: text("applied").parse()?,
        copied,
    }))
}

/// Writes down what setup made.
pub(super) async fn write(session: &Session, pipeline: &str, record: &Record) -> Result<()> {
    let sql = format!(
        "INSERT INTO {SCHEMA}.slots (pipeline, slot, system_identifier, database, timeline, write_mode, tables, applied) \
         VALUES ({})",
        [
            pipeline,
            &record.slot,
            &record.source.system,
            &record.source.database,
            &record.timeline,
            &record.write_mode,
            &serde_json::json!(record.tables).to_string(),
            &record.applied.to_string(),
        ]
        .map(quote_literal)
        .join(", ")
    );
    session
        .execute(&settings::alone(&sql), "writing down what was made")
        .await
}

/// Forgets a pipeline; whether there was anything to forget.
pub(super) async fn forget(session: &Session, pipeline: &str) -> Result<bool> {
    if find(session, pipeline).await?.is_none() {
        return Ok(false);
    }
    let pipeline = quote_literal(pipeline);
    let sql = format!(
        "DELETE FROM {SCHEMA}.initial_copies WHERE pipeline = {pipeline}; \
         DELETE FROM {SCHEMA}.slots WHERE pipeline = {pipeline}"
    );
    session
        .execute(&settings::alone(&sql), "forgetting the slot")
        .await?;
    Ok(true)
}

/// The SQL that says the initial copy is in; a second one fails on the key.
pub(super) fn copied_sql(pipeline: &str, copied: &Copied) -> String {
    format!(
        "INSERT INTO {SCHEMA}.initial_copies (pipeline, snapshot, lsn) VALUES ({})",
        [pipeline, &copied.snapshot, &copied.lsn.to_string()]
            .map(quote_literal)
            .join(", ")
    )
}

/// Moves `applied`, in the transaction of the changes.
///
/// # Errors
/// `Kind::Conflict` where it is not where this run left it.
pub(super) async fn move_applied(
    session: &Session,
    pipeline: &str,
    from: Lsn,
    to: Lsn,
) -> Result<()> {
    let sql = format!(
        "UPDATE {SCHEMA}.slots SET applied = {}, changed_at = pg_catalog.now() WHERE pipeline = {} AND applied = {} RETURNING 1",
        quote_literal(&to.to_string()),
        quote_literal(pipeline),
        quote_literal(&from.to_string())
    );
    if session
        .rows(&sql, "writing down how far changes are applied")
        .await?
        .len()
        == 1
    {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        format!("pipeline `{pipeline}` was changed by somebody else while it ran"),
    ))
}

/// The lock of a process that works on a pipeline's slot.
pub(super) const PIPELINE_LOCK: &str = "cdc";
/// The lock of a batch, from its begin to its commit: it outlives a process that is killed.
pub(super) const WRITER_LOCK: &str = "cdc writer of";

/// The SQL that holds a pipeline's lock until the transaction ends.
pub(super) fn hold(what: &str, pipeline: &str) -> String {
    format!(
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({}, 0))",
        quote_literal(&format!("rb_bench {what} {pipeline}"))
    )
}
