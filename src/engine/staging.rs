//! A worker that upserts: its rows are copied into a staging table of its own, and merged into the
//! target once all are in.
//!
//! The table is made and dropped in the worker's transaction, so that nothing is left of it however
//! that ends. It is a temporary one, unless the transaction is going to be prepared: a transaction
//! that touched a temporary table cannot be.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Sums;
use super::hand::Hand;
use super::plan::StreamSpec;
use super::schema;
use super::upsert::Upsert;
use super::verify;
use super::worker::WriteTo;
use crate::error::{Error, Kind, Result};
use crate::postgres::Session;
use crate::postgres::catalog::Name;

/// What to do about several rows of the input with one key.
const DUPLICATE_REMEDY: &str = "an upsert cannot tell which of them is right: name in primary_key what is unique in the source";

/// A stream as one worker loads it.
pub(super) struct OwnStream {
    pub(super) spec: StreamSpec,
    /// Where it is in the order in which the worker came to its streams, and the rows it staged.
    staged: Option<(usize, u64)>,
}

impl Hand {
    /// The run's streams, those that are upserted with a staging table of this worker's as the
    /// table to load.
    pub(super) fn own_streams(&self) -> Vec<OwnStream> {
        let own = |(n, stream): (usize, &StreamSpec)| {
            let mut spec = stream.clone();
            if let (Some(_), WriteTo::Postgres { staging, .. }) = (&spec.upsert, &self.shared.to) {
                let name = format!("{}_{n}_{}", staging.relation, self.number);
                spec.load_into = Some(Name::new(&staging.schema, name));
            }
            OwnStream { spec, staged: None }
        };
        self.shared
            .plan
            .streams
            .iter()
            .enumerate()
            .map(own)
            .collect()
    }
}

impl OwnStream {
    /// Makes the staging table when the worker comes to the stream for the first time.
    pub(super) async fn stage(&mut self, session: Option<&Session>, place: usize) -> Result<()> {
        if let (Some(upsert), Some(session), None) = (&self.spec.upsert, session, self.staged) {
            let sql = upsert.create(self.spec.loads_into()?);
            let made = session.execute(&sql, "making a staging table").await;
            made.map_err(schema::explain_closed)?;
            self.staged = Some((place, 0));
        }
        Ok(())
    }

    /// Counts rows that were copied into the staging table.
    pub(super) fn add(&mut self, rows: u64) {
        if let Some((_, sum)) = &mut self.staged {
            *sum += rows;
        }
    }
}

/// Merges all that was staged, in the order in which the worker came to it: parents first. The
/// sums of what arrived, by stream, where the run is going to be verified.
pub(super) async fn merge_all(
    hand: &mut Hand,
    session: Option<&Session>,
    streams: &[OwnStream],
) -> Result<Vec<(usize, Sums)>> {
    let mut sums = Vec::new();
    let Some(session) = session else {
        return Ok(sums);
    };
    let mut staged: Vec<(usize, usize, u64)> = streams
        .iter()
        .enumerate()
        .filter_map(|(n, stream)| stream.staged.map(|(place, rows)| (place, n, rows)))
        .collect();
    staged.sort_unstable();
    for (_, n, rows) in staged {
        let spec = &streams[n].spec;
        let (Some(upsert), since) = (&spec.upsert, Instant::now()) else {
            continue;
        };
        let merged = merge(session, upsert, spec.loads_into()?, rows).await;
        let merged = merged.map_err(|e| e.context(format!("upserting {}", spec.source)))?;
        sums.extend(merged.map(|sums| (n, sums)));
        let took = since.elapsed();
        hand.measured.dest_active += took;
        let shard = hand
            .shared
            .telemetry
            .shard(&spec.source.to_string(), hand.number);
        shard
            .dest_wait_ns
            .fetch_add(took.as_nanos() as u64, Relaxed);
    }
    Ok(sums)
}

/// Merges one staging table of so many rows into its target, and drops it.
async fn merge(
    session: &Session,
    upsert: &Upsert,
    staging: &Name,
    rows: u64,
) -> Result<Option<Sums>> {
    if !upsert.key_is_sure {
        let duplicate = session
            .rows(
                &upsert.find_duplicate(staging),
                "looking for duplicate keys",
            )
            .await?;
        if let Some(key) = duplicate.first().and_then(|row| row.get(0)) {
            let what = format!("several rows of the input have the key {key}");
            return Err(Error::new(Kind::Data, what).remedy(DUPLICATE_REMEDY));
        }
    }
    let tag = session
        .affected(&upsert.merge(staging), "merging rows")
        .await
        .map_err(|error| match error.sqlstate() {
            // keys that differ in the source and are one to the target's index
            Some("21000") => error.with_kind(Kind::Data).remedy(DUPLICATE_REMEDY),
            _ => error,
        })?;
    let merged = if upsert.counts_every_row() {
        tag
    } else {
        let sql = format!("SELECT count(*) FROM {}", upsert.arrived(staging));
        let count = session.value(&sql, "counting merged rows").await?;
        count.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    if merged != rows {
        return Err(Error::new(
            Kind::Verification,
            format!("{rows} rows were staged, and {merged} came into the target"),
        )
        .remedy("a trigger of the target that drops rows does this; if there is none, report it. Nothing was committed"));
    }
    let sums = verify::merged_sums(session, upsert, staging).await?;
    let drop = format!("DROP TABLE {}", staging.sql());
    session.execute(&drop, "dropping a staging table").await?;
    Ok(sums)
}
