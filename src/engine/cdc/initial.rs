//! The initial copy: an ordinary run whose snapshot is written down with its rows.

use super::ends::Ends;
use super::log;
use super::state::{self, Copied};
use super::tables::Captured;
use crate::config::types::{Pipeline, WriteMode};
use crate::engine::{PlanSummary, StreamPlan};
use crate::error::{Error, Kind, Result};
use crate::parallelism;
use crate::postgres::{Session, catalog};

/// The SQL that commits with the rows of an initial copy: what its snapshot saw. `reader` is in
/// the transaction of that snapshot.
pub(in crate::engine) async fn committed_along(
    reader: &Session,
    pipeline: &Pipeline,
) -> Result<String> {
    // the position is read after the snapshot was taken: all that it saw had committed before
    let sql = "SELECT pg_catalog.txid_current_snapshot(), pg_catalog.pg_current_wal_insert_lsn()";
    let row = reader.row(sql, "writing down the snapshot").await?;
    let snapshot = row
        .get(0)
        .ok_or_else(|| Error::internal("txid_current_snapshot gave nothing"))?;
    let copied = Copied {
        snapshot: snapshot.to_owned(),
        lsn: row.get(1).unwrap_or_default().parse()?,
    };
    Ok(state::copied_sql(&pipeline.pipeline, &copied))
}

/// Refuses to copy into rows that are there where no key tells them from the copied ones.
pub(super) async fn require_room(
    ends: &Ends,
    pipeline: &Pipeline,
    captured: &[Captured],
) -> Result<()> {
    for one in captured {
        let keyless =
            pipeline.destination.primary_key.is_empty() && one.relation.identity.is_empty();
        if !keyless || catalog::relation(&ends.dest, &one.target).await?.is_none() {
            continue;
        }
        let sql = format!("SELECT EXISTS (SELECT FROM {})", one.target.sql());
        let doing = format!("looking into {}", one.target);
        if ends.dest.value(&sql, &doing).await?.as_deref() == Some("t") {
            return Err(Error::new(
                Kind::Incompatible,
                format!(
                    "{} has rows, and the whole row is the replica identity of {}: no key tells them from the copied ones",
                    one.target, one.relation.name
                ),
            )
            .remedy("empty it, or name a key of both in `primary_key`"));
        }
    }
    Ok(())
}

/// What a run would do that only reads changes; none where it would copy first.
pub(in crate::engine) async fn plan(
    pipeline: &Pipeline,
    available_cores: u32,
) -> Result<Option<PlanSummary>> {
    let ends = Ends::connect(pipeline).await?;
    let append = pipeline.destination.write_mode == WriteMode::Append;
    let planned = async {
        let record = state::find(&ends.dest, &pipeline.pipeline).await?;
        let copied = record
            .as_ref()
            .is_some_and(|record| record.copied.is_some());
        if !append && !copied {
            return Ok(None);
        }
        let mut streams = Vec::new();
        for one in ends.captured(pipeline).await? {
            let target = catalog::relation(&ends.dest, &one.target).await?;
            streams.push(StreamPlan {
                stream: one.relation.name.to_string(),
                target: one.target.to_string(),
                workers: 1,
                why_one_worker: Some("changes are applied in commit order".to_owned()),
                format: "text".to_owned(),
                why_text: Some("changes come as text".to_owned()),
                chunks: 0,
                bytes: 0,
                alters: Vec::new(),
                creates: match target {
                    None if append => vec![log::create_sql(&one)],
                    _ => Vec::new(),
                },
            });
        }
        let mut notes = Vec::new();
        if record.is_none() {
            notes.push("no changes are kept yet: run `rb-bench cdc setup` first".to_owned());
        }
        Ok(Some(PlanSummary {
            streams,
            workers: 1,
            commit: "single_writer".to_owned(),
            commit_reason: "each batch of changes with its position".to_owned(),
            parallelism_reason: parallelism::resolve_pipeline(pipeline, available_cores).reason(),
            notes,
        }))
    }
    .await;
    ends.close().await;
    planned
}
