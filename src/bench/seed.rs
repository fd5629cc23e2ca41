//! Making a dataset's rows in the managed source database, once per digest.
//!
//! Each digest has a schema of its own (`d_<digest>`), so that several row counts of a table live side
//! by side; of the same tables the three used last are kept, for disks end. A dataset counts as seeded by
//! its line in `rb_bench_data.datasets`, which is written after everything else: what an interrupted
//! seeding left is dropped by the next one. The source's sums are kept there too, so that they are
//! computed once. Nothing here ever runs on a user's database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio_util::sync::CancellationToken;

use super::dataset::{Dataset, DatasetDigest, TableDefinition};
use super::progress::Progress;
use super::server::APPLICATION;
use crate::engine::{KnownSums, Sums};
use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session, quote_ident, quote_literal};

/// Datasets of the same tables that are kept, the one in use included.
const KEPT_OF_A_TABLE: u32 = 3;
/// Pieces that rows are made in, for each connection: small enough to show progress, large enough
/// not to cost anything.
const PIECES: u64 = 16;
/// Where rb-bench writes down what is seeded.
const LEDGER: &str = "rb_bench_data";

/// A dataset that is there, whole.
#[derive(Debug, Clone)]
pub struct Seeded {
    /// Its digest.
    pub digest: DatasetDigest,
    /// The schema that holds its tables.
    pub schema: String,
    /// Whether its rows were made just now.
    pub fresh: bool,
}

/// Makes sure that the dataset's rows are there; makes them on this many connections where they are
/// not.
///
/// # Errors
/// Whatever the server reports, `Kind::Interrupted` when cancelled; nothing half-made ever counts.
pub async fn ensure(
    server: &Server,
    dataset: &Dataset,
    connections: u32,
    progress: &Arc<dyn Progress>,
    cancel: &CancellationToken,
) -> Result<Seeded> {
    let session = server.connect(APPLICATION).await?;
    session
        .execute(&ledger(), "preparing the list of datasets")
        .await?;
    let digest = dataset.digest();
    let seeded = Seeded {
        schema: dataset.schema(),
        fresh: !is_there(&session, dataset, &digest).await?,
        digest,
    };
    if seeded.fresh {
        let doing = format!("seeding {}", dataset.name());
        forget_oldest(&session, dataset, &seeded).await?;
        let made = make(
            server,
            &session,
            dataset,
            &seeded,
            connections,
            progress,
            cancel,
        );
        made.await.map_err(|error| error.context(doing))?;
    }
    session.close().await;
    Ok(seeded)
}

fn ledger() -> String {
    format!(
        "SET client_min_messages = warning;
         CREATE SCHEMA IF NOT EXISTS {LEDGER};
         CREATE TABLE IF NOT EXISTS {LEDGER}.datasets (
           digest text PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL, rows bigint NOT NULL,
           seeded_at timestamptz NOT NULL DEFAULT now(), used_at timestamptz NOT NULL DEFAULT now());
         CREATE TABLE IF NOT EXISTS {LEDGER}.sums (
           digest text REFERENCES {LEDGER}.datasets ON DELETE CASCADE, query text, stream text,
           rows bigint NOT NULL, sum0 text NOT NULL, sum1 text NOT NULL, PRIMARY KEY (digest, query, stream))"
    )
}

/// A table as SQL.
fn relation(schema: &str, table: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(table))
}

async fn is_there(session: &Session, dataset: &Dataset, digest: &DatasetDigest) -> Result<bool> {
    let there: Vec<String> = dataset
        .tables
        .iter()
        .map(|table| {
            let relation = relation(&dataset.schema(), &table.table);
            format!("AND to_regclass({}) IS NOT NULL", quote_literal(&relation))
        })
        .collect();
    let sql = format!(
        "UPDATE {LEDGER}.datasets SET used_at = now() WHERE digest = {} {} RETURNING 1",
        quote_literal(digest.as_str()),
        there.join(" "),
    );
    let rows = session.rows(&sql, "looking for the dataset").await?;
    Ok(!rows.is_empty())
}

/// Drops what an interrupted seeding left of this dataset, and the datasets of its table that were
/// not used for longest, to make room for one more.
async fn forget_oldest(session: &Session, dataset: &Dataset, seeded: &Seeded) -> Result<()> {
    let doing = "dropping datasets that are no longer needed";
    let oldest = session
        .rows(
            &format!(
                "SELECT digest, schema_name FROM {LEDGER}.datasets WHERE table_name = {}
                 ORDER BY used_at DESC OFFSET {}",
                quote_literal(&dataset.name()),
                KEPT_OF_A_TABLE - 1
            ),
            doing,
        )
        .await?;
    let mut gone: Vec<(String, String)> = oldest
        .iter()
        .filter_map(|row| Some((row.get(0)?.to_owned(), row.get(1)?.to_owned())))
        .collect();
    gone.push((seeded.digest.as_str().to_owned(), seeded.schema.clone()));
    for (digest, schema) in gone {
        // the line first: a schema without a line is only garbage, a line without one would be a lie
        let sql = format!(
            "DELETE FROM {LEDGER}.datasets WHERE digest = {}; DROP SCHEMA IF EXISTS {} CASCADE",
            quote_literal(&digest),
            quote_ident(&schema)
        );
        session.execute(&sql, doing).await?;
    }
    Ok(())
}

async fn make(
    server: &Server,
    session: &Session,
    dataset: &Dataset,
    seeded: &Seeded,
    connections: u32,
    progress: &Arc<dyn Progress>,
    cancel: &CancellationToken,
) -> Result<()> {
    let schema = &seeded.schema;
    let workshop = format!("{schema}_setup");
    let place = format!(
        "DROP SCHEMA IF EXISTS {workshop} CASCADE; CREATE SCHEMA {workshop}; CREATE SCHEMA {schema}",
        workshop = quote_ident(&workshop),
        schema = quote_ident(schema)
    );
    session.execute(&place, "making its schemas").await?;
    prepare(session, &workshop).await?;
    for sql in &dataset.setup {
        interruptible(session, sql, "running its setup", cancel).await?;
    }
    for table in &dataset.tables {
        let create = table.create_table(schema, &table.table);
        session.execute(&create, "making its tables").await?;
    }
    let made = insert_all(
        server,
        dataset,
        schema,
        &workshop,
        connections,
        progress,
        cancel,
    )
    .await;
    made?;
    for table in &dataset.tables {
        let count = format!("SELECT count(*) FROM {}", relation(schema, &table.table));
        let count = session.value(&count, "counting its rows").await?;
        if count.as_deref() != Some(table.rows.to_string().as_str()) {
            return Err(Error::internal(format!(
                "{} rows were to be made in {}, {} are there",
                table.rows,
                table.table,
                count.unwrap_or_default()
            )));
        }
    }
    let drop = format!("DROP SCHEMA {} CASCADE", quote_ident(&workshop));
    session.execute(&drop, "dropping its helpers").await?;
    // vacuum leaves no hint bits for the first copy to write, and no autovacuum to come later
    for table in &dataset.tables {
        let vacuum = format!("VACUUM (ANALYZE) {}", relation(schema, &table.table));
        interruptible(session, &vacuum, "analyzing", cancel).await?;
    }
    let line = format!(
        "INSERT INTO {LEDGER}.datasets (digest, schema_name, table_name, rows) VALUES ({}, {}, {}, {})",
        quote_literal(seeded.digest.as_str()),
        quote_literal(schema),
        quote_literal(&dataset.name()),
        dataset.rows()
    );
    session
        .execute("SET synchronous_commit = on", "noting it")
        .await?;
    session.execute(&line, "noting it").await?;
    session.execute("CHECKPOINT", "writing it to disk").await
}

/// Settings that make expressions mean the same everywhere, and seeding quick.
async fn prepare(session: &Session, workshop: &str) -> Result<()> {
    let settings = format!(
        "SET search_path = {}, pg_catalog; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';
         SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET lc_monetary = 'C'; SET bytea_output = 'hex';
         SET synchronous_commit = off; SET max_parallel_workers_per_gather = 0; SET jit = off",
        quote_ident(workshop)
    );
    session.execute(&settings, "setting up a session").await
}

async fn insert_all(
    server: &Server,
    dataset: &Dataset,
    schema: &str,
    workshop: &str,
    connections: u32,
    progress: &Arc<dyn Progress>,
    cancel: &CancellationToken,
) -> Result<()> {
    let rows = dataset.rows();
    let pieces = pieces_of(dataset, u64::from(connections) * PIECES);
    let workers = u64::from(connections).min(pieces.len() as u64);
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    // an error of one stops the others
    let stop = cancel.child_token();
    progress.seeded(0, rows);
    let worker = async || -> Result<()> {
        let session = server.connect(APPLICATION).await?;
        prepare(&session, workshop).await?;
        while let Some((table, first, last)) = pieces.get(next.fetch_add(1, Relaxed) as usize) {
            let sql = table.insert_rows(schema, *first, *last);
            interruptible(&session, &sql, "making rows", &stop).await?;
            let made = last - first + 1;
            progress.seeded(done.fetch_add(made, Relaxed) + made, rows);
        }
        session.close().await;
        Ok(())
    };
    let stopping = async || {
        let outcome = worker().await;
        if outcome.is_err() {
            stop.cancel();
        }
        outcome
    };
    let outcomes = futures_util::future::join_all((0..workers).map(|_| stopping())).await;
    // the one that was not merely stopped by another's
    let mut errors: Vec<Error> = outcomes.into_iter().filter_map(Result::err).collect();
    errors.sort_by_key(|error| error.kind() == Kind::Interrupted);
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// All rows of all tables in about `count` pieces, those of a table by its share of the rows.
fn pieces_of(dataset: &Dataset, count: u64) -> Vec<(&TableDefinition, u64, u64)> {
    let whole = u128::from(dataset.rows()).max(1);
    dataset
        .tables
        .iter()
        .flat_map(|table| {
            let share = u128::from(count) * u128::from(table.rows) / whole;
            pieces(table.rows, share as u64)
                .into_iter()
                .map(move |(first, last)| (table, first, last))
        })
        .collect()
}

/// The rows `1..=rows` in at most `count` pieces of the same size, give or take one.
fn pieces(rows: u64, count: u64) -> Vec<(u64, u64)> {
    let count = count.clamp(1, rows.max(1));
    let end = |piece: u64| (u128::from(rows) * u128::from(piece) / u128::from(count)) as u64;
    (0..count)
        .map(|piece| (end(piece) + 1, end(piece + 1)))
        .collect()
}

/// Runs SQL that may take long; when cancelled, it is cancelled at the server too.
pub(super) async fn interruptible(
    session: &Session,
    sql: &str,
    doing: &str,
    cancel: &CancellationToken,
) -> Result<()> {
    let running = session.execute(sql, doing);
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => outcome,
        () = cancel.cancelled() => {
            session.canceller().cancel().await;
            Err(Error::new(Kind::Interrupted, format!("{doing}: interrupted")))
        }
    }
}

/// The source's sums that are known of a dataset as this query reads it.
pub async fn known_sums(
    session: &Session,
    digest: &DatasetDigest,
    query: &str,
) -> Result<KnownSums> {
    let sql = format!(
        "SELECT stream, rows, sum0, sum1 FROM {LEDGER}.sums WHERE digest = {} AND query = {}",
        quote_literal(digest.as_str()),
        quote_literal(query)
    );
    let rows = session.rows(&sql, "reading the source's sums").await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let sums = Sums {
                rows: row.get(1)?.parse().ok()?,
                sum0: row.get(2)?.to_owned(),
                sum1: row.get(3)?.to_owned(),
            };
            Some((row.get(0)?.to_owned(), sums))
        })
        .collect())
}

/// Keeps the source's sums of a dataset as this query reads it.
pub async fn remember_sums(
    session: &Session,
    digest: &DatasetDigest,
    query: &str,
    sums: &KnownSums,
) -> Result<()> {
    for (stream, sums) in sums {
        let sql = format!(
            "INSERT INTO {LEDGER}.sums VALUES ({}, {}, {}, {}, {}, {}) ON CONFLICT DO NOTHING",
            quote_literal(digest.as_str()),
            quote_literal(query),
            quote_literal(stream),
            sums.rows,
            quote_literal(&sums.sum0),
            quote_literal(&sums.sum1)
        );
        session.execute(&sql, "keeping the source's sums").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_every_row_once(rows in 0u64..5_000, count in 0u64..200) {
            let mut next = 1;
            for (first, last) in pieces(rows, count) {
                prop_assert_eq!(first, next);
                next = last + 1;
            }
            prop_assert_eq!(next, rows + 1);
        }
    }
}
