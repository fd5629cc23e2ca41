//! The source's end of change data capture: the publication, the slot, and which server it is.
//!
//! The slot is the source's own promise to keep what was not read yet. It is never advanced past
//! what the destination has committed.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::engine::settings::alone;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::Name;
use crate::postgres::lsn::Lsn;
use crate::postgres::{Session, quote_ident, quote_literal};
use crate::units::Hex;

/// The longest name of a slot, bytes (NAMEDATALEN - 1).
const MAX_NAME: usize = 63;
/// How long a slot may be in use by what an earlier run left behind.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a new slot waits for the transactions under way at the source.
const SLOT_PATIENCE: &str = "60s";

/// The name of slot and publication: the pipeline's, as far as a slot can have it, and a digest of
/// the pipeline and both its ends, for slots are known to a whole server.
#[must_use]
pub(super) fn name(pipeline: &str, source: &Place, destination: &Place) -> String {
    let whole = format!("{pipeline}\0{source:?}\0{destination:?}");
    let digest = Hex(&Sha256::digest(whole.as_bytes())[..5]).to_string();
    let readable: String = pipeline
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(MAX_NAME - "rb_bench__".len() - digest.len())
        .collect();
    format!("rb_bench_{readable}_{digest}")
}

/// A database of a server, as nothing but that database says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The server's system identifier, given when it was made.
    pub(super) system: String,
    /// The database.
    pub(super) database: String,
}

impl Place {
    /// Which database this session is in.
    pub(super) async fn of(session: &Session) -> Result<Self> {
        let sql = "SELECT system_identifier, pg_catalog.current_database() FROM pg_catalog.pg_control_system()";
        let row = session
            .row(sql, "asking for the server's system identifier")
            .await?;
        let text = |i: usize| row.get(i).unwrap_or_default().to_owned();
        Ok(Self {
            system: text(0),
            database: text(1),
        })
    }
}

/// Where the source's write-ahead log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    /// The timeline: another one after a promotion or a recovery to an earlier time.
    pub(super) timeline: String,
    /// How far it is safe on disk.
    pub(super) flushed: Lsn,
}

impl Log {
    pub(super) async fn read(source: &Session) -> Result<Self> {
        let sql = "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8), pg_catalog.pg_current_wal_flush_lsn()";
        let row = source
            .row(sql, "asking how far the source's log is")
            .await?;
        Ok(Self {
            timeline: row.get(0).unwrap_or_default().to_owned(),
            flushed: row.get(1).unwrap_or_default().parse()?,
        })
    }
}

/// A slot, as the source describes it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// The process that reads it now.
    pub active_pid: Option<i32>,
    /// `reserved`, `extended`, `unreserved` or `lost`; empty before PostgreSQL 13, which keeps all log.
    pub wal_status: String,
    /// The oldest log that it keeps.
    pub restart_lsn: Option<String>,
    /// How far its reader said it had come.
    pub confirmed_flush_lsn: Option<String>,
    /// Bytes of log that it keeps from being removed.
    pub wal_retained_bytes: Option<u64>,
    /// Bytes of log that are not read yet.
    pub lag_bytes: Option<u64>,
    /// Bytes of log that may still be written before it is in danger; none without a limit.
    pub safe_wal_bytes: Option<i64>,
}

impl Slot {
    /// Looks for a slot of this database.
    pub(super) async fn find(source: &Session, name: &str) -> Result<Option<Self>> {
        let sql = format!(
            "SELECT slot_name, active_pid, restart_lsn, confirmed_flush_lsn, \
               coalesce(pg_catalog.to_jsonb(s) ->> 'wal_status', '') AS wal_status, pg_catalog.to_jsonb(s) ->> 'safe_wal_size' AS safe_wal_size, \
               greatest(0, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)) AS retained, \
               greatest(0, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), confirmed_flush_lsn)) AS lag \
             FROM pg_catalog.pg_replication_slots s WHERE slot_name = {} AND database = pg_catalog.current_database()",
            quote_literal(name)
        );
        let rows = source
            .rows(&sql, &format!("looking for slot {name}"))
            .await?;
        Ok(rows.first().map(|row| {
            let text = |column: &str| row.get(column).map(str::to_owned);
            Self {
                name: name.to_owned(),
                active_pid: row.get("active_pid").and_then(|pid| pid.parse().ok()),
                wal_status: text("wal_status").unwrap_or_default(),
                restart_lsn: text("restart_lsn"),
                confirmed_flush_lsn: text("confirmed_flush_lsn"),
                wal_retained_bytes: row.get("retained").and_then(|bytes| bytes.parse().ok()),
                lag_bytes: row.get("lag").and_then(|bytes| bytes.parse().ok()),
                safe_wal_bytes: row
                    .get("safe_wal_size")
                    .and_then(|bytes| bytes.parse().ok()),
            }
        }))
    }

    /// The slot once nobody reads it; what a killed run had the source do ends within seconds.
    ///
    /// # Errors
    /// `Kind::Lock` where somebody goes on reading it.
    pub(super) async fn find_idle(source: &Session, name: &str) -> Result<Option<Self>> {
        let begun = Instant::now();
        loop {
            match Self::find(source, name).await? {
                Some(Self {
                    active_pid: Some(pid),
                    ..
                }) if begun.elapsed() > PATIENCE => {
                    return Err(Error::new(
                        Kind::Lock,
                        format!("slot {name} is read by another client (pid {pid})"),
                    )
                    .remedy(
                        "wait for it, or end it with pg_terminate_backend: a slot has one reader",
                    ));
                }
                Some(Self {
                    active_pid: Some(_),
                    ..
                }) => tokio::time::sleep(Duration::from_millis(50)).await,
                found => return Ok(found),
            }
        }
    }

    /// How far its reader said it had come.
    pub(super) fn confirmed(&self) -> Result<Lsn> {
        self.confirmed_flush_lsn
            .as_deref()
            .unwrap_or_default()
            .parse()
    }

    /// Refuses a slot whose log the source has removed already.
    pub(super) fn require_alive(&self) -> Result<()> {
        if self.wal_status != "lost" && self.restart_lsn.is_some() {
            return Ok(());
        }
        Err(Error::new(
            Kind::NotFound,
            format!(
                "slot {} is lost: the source has removed log that it needed, so changes are missing",
                self.name
            ),
        )
        .remedy(
            "start over: `rb-bench cdc drop`, `rb-bench cdc setup`, and a run that copies the tables again; a larger \
             max_slot_wal_keep_size and more frequent runs keep it from happening",
        ))
    }
}

/// Makes the slot; where it begins. The server waits for the transactions under way, of any database.
pub(super) async fn create(source: &Session, name: &str) -> Result<Lsn> {
    let sql = format!(
        "SET LOCAL lock_timeout = '{SLOT_PATIENCE}'; \
         SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput')",
        quote_literal(name)
    );
    source
        .value(&alone(&sql), &format!("creating slot {name}"))
        .await
        .map_err(|error| match error.sqlstate() {
            Some("55P03") => error.remedy(
                "a slot begins when the transactions under way at the source have ended; end those that hang \
                 (pg_stat_activity, xact_start), and run it again",
            ),
            _ => error,
        })?
        .unwrap_or_default()
        .parse()
}

/// Drops the slot, if it is there.
pub(super) async fn drop_slot(source: &Session, name: &str) -> Result<bool> {
    if Slot::find_idle(source, name).await?.is_none() {
        return Ok(false);
    }
    let sql = format!(
        "SELECT pg_catalog.pg_drop_replication_slot({})",
        quote_literal(name)
    );
    source
        .execute(&alone(&sql), &format!("dropping slot {name}"))
        .await?;
    Ok(true)
}

/// Tells the source that everything up to here is safe in the destination.
pub(super) async fn advance(source: &Session, name: &str, to: Lsn) -> Result<()> {
    let sql = format!(
        "SELECT pg_catalog.pg_replication_slot_advance({}, {})",
        quote_literal(name),
        quote_literal(&to.to_string())
    );
    source
        .execute(&alone(&sql), &format!("advancing slot {name}"))
        .await
}

/// The tables of a publication; none where there is no such publication.
pub(super) async fn published(source: &Session, publication: &str) -> Result<Option<Vec<Name>>> {
    let sql = format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_publication p \
           LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid \
           LEFT JOIN pg_catalog.pg_class c ON c.oid = r.prrelid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE p.pubname = {} ORDER BY 1, 2",
        quote_literal(publication)
    );
    let rows = source
        .rows(&sql, &format!("looking for publication {publication}"))
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let name = |row: &tokio_postgres::SimpleQueryRow| Some(Name::new(row.get(0)?, row.get(1)?));
    Ok(Some(rows.iter().filter_map(name).collect()))
}

/// Makes the publication of exactly these tables.
pub(super) async fn publish(
    source: &Session,
    version: u32,
    publication: &str,
    tables: &[Name],
) -> Result<()> {
    let tables: Vec<String> = tables.iter().map(Name::sql).collect();
    // before PostgreSQL 13 no partitioned table can be published
    let whole = if version >= 130_000 {
        " WITH (publish_via_partition_root = true)"
    } else {
        ""
    };
    let sql = format!(
        "CREATE PUBLICATION {} FOR TABLE ONLY {}{whole}",
        quote_ident(publication),
        tables.join(", ONLY ")
    );
    source
        .execute(&alone(&sql), &format!("creating publication {publication}"))
        .await
}

/// Drops the publication, if it is there.
///
/// Its tables are locked meanwhile: a statement that writes to one while its publication goes can
/// fail with "cache lookup failed for publication" (tested), and that is the application's.
pub(super) async fn drop_publication(source: &Session, publication: &str) -> Result<bool> {
    let Some(tables) = published(source, publication).await? else {
        return Ok(false);
    };
    let lock = if tables.is_empty() {
        String::new()
    } else {
        let tables: Vec<String> = tables.iter().map(Name::sql).collect();
        format!(
            "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; ",
            tables.join(", ")
        )
    };
    // shorter than deadlock_timeout: we give way, never the application
    let sql = format!(
        "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '300ms'; {lock}SET LOCAL lock_timeout = '10s'; DROP PUBLICATION {}; COMMIT",
        quote_ident(publication)
    );
    let doing = format!("dropping publication {publication}");
    let begun = Instant::now();
    loop {
        let Err(error) = source.execute(&sql, &doing).await else {
            return Ok(true);
        };
        source.execute("ROLLBACK", &doing).await?;
        if error.sqlstate() != Some("55P03") || begun.elapsed() > PATIENCE {
            return Err(match error.sqlstate() {
                Some("55P03") => error.remedy(
                    "a transaction that writes to one of its tables does not end: run again when it has",
                ),
                _ => error,
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_a_name_that_a_server_takes_and_no_two_pipelines_share() {
        let place = |database: &str| Place {
            system: "1".to_owned(),
            database: database.to_owned(),
        };
        let long = "Größe der Bestellungen ".repeat(9);
        let mut names = Vec::new();
        for (pipeline, source, dest) in [
            ("orders", "a", "b"),
            ("Orders", "a", "b"),
            ("or-ders", "a", "b"),
            ("or_ders", "a", "b"),
            ("orders", "c", "b"),
            ("orders", "a", "c"),
            (long.as_str(), "a", "b"),
            ("", "a", "b"),
        ] {
            let name = name(pipeline, &place(source), &place(dest));
            assert!(name.len() <= MAX_NAME, "{name}");
            assert!(
                name.chars()
                    .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_')),
                "{name}"
            );
            assert!(!names.contains(&name), "{name}");
            names.push(name);
        }
    }
}
