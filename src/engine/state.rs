//! The run ledger that rb-bench keeps in the destination: what became of each run.
//!
//!
//! | state | set by | means |
//! | --- | --- | --- |
//! | building | leader, before hidden tables are made | not committed; tables under `aside` are litter once the run is dead |
//! | committing | leader, before workers commit one by one | partly committed until proven otherwise |
//! | committed | the run's deciding transaction | committed |

use super::cursors::Mark;
use super::result::PipelineResult;
use super::upsert::TEMPORARY;
use crate::config::types::WriteMode;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::Name;
use crate::postgres::{Session, quote_literal};
use crate::units::Hex;

pub use super::schema::{SCHEMA, ensure, version};

/// A run's name: the user's, or one made for it. Letters, digits, `.`, `_`, `-`; at most 100.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// A user's id.
    ///
    /// # Errors
    /// `Kind::Usage` for an id that could not stand in a prepared transaction's name.
    pub fn parse(text: &str) -> Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() || text.len() > 100 || !text.chars().all(fits) {
            return Err(
                Error::new(Kind::Usage, format!("run id `{text}` cannot be used"))
                    .remedy("use 1 to 100 letters, digits, `.`, `_` or `-`"),
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// A new id: the time, and some randomness.
    #[must_use]
    pub fn fresh() -> Self {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        Self(format!("{now}-{:08x}", rand::random::<u32>()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of this run's prepared transaction of a worker. It holds for the whole server, so that the
    /// database's OID is in it: a run's name is its database's own.
    #[must_use]
    pub fn gid(&self, database: &str, worker: u32) -> String {
        format!("{GID_PREFIX}{}:{database}:{worker}", self.0)
    }

    /// The run a prepared transaction belongs to, if it is one of ours.
    #[must_use]
    pub fn of_gid(gid: &str) -> Option<Self> {
        let (rest, worker) = gid.strip_prefix(GID_PREFIX)?.rsplit_once(':')?;
        let (run, database) = rest.rsplit_once(':')?;
        let are_numbers = [database, worker].iter().all(|n| n.parse::<u32>().is_ok());
        Self::parse(run).ok().filter(|_| are_numbers)
    }

    /// The key of the advisory lock that says the run is alive, as SQL.
    #[must_use]
    pub fn lock_key(&self) -> String {
        format!(
            "pg_catalog.hashtextextended({}, 0)",
            quote_literal(&format!("rb_bench run {}", self.0))
        )
    }

    /// The hidden name of this run's n-th new table.
    #[must_use]
    pub fn aside(&self, n: usize) -> Name {
        Name::new(SCHEMA, format!("aside_{}_{n}", self.short()))
    }

    /// What the names of the workers' staging tables begin with: temporary ones, unless their
    /// transactions are going to be prepared.
    #[must_use]
    pub fn staging(&self, prepared: bool) -> Name {
        let schema = if prepared { SCHEMA } else { TEMPORARY };
        Name::new(schema, format!("staging_{}", self.short()))
    }

    /// The id as a part of an identifier.
    fn short(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::digest(self.0.as_bytes());
        Hex(&digest[..6]).to_string()
    }
}

/// What our prepared transactions' names begin with.
pub const GID_PREFIX: &str = "rb_bench:";

/// Where a run stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Hidden tables are being filled.
    Building,
    /// Workers commit one by one.
    Committing,
    /// Done.
    Committed,
}

impl RunState {
    /// The state as the ledger has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Committing => "committing",
            Self::Committed => "committed",
        }
    }
}

/// A worker's transaction as the ledger keeps it (commit form ledger).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LedgerWorker {
    /// `txid_current()`, with its epoch.
    pub xid: String,
    /// Its backend.
    pub pid: i32,
    /// When the transaction began: with the pid it names one transaction.
    pub xact_start: String,
    /// Rows it added to each target.
    pub rows: Vec<(String, u64)>,
}

/// A ledger row.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// The run.
    pub run: RunId,
    /// Its state, as text.
    pub state: String,
    /// The digest of the document it ran.
    pub digest: String,
    /// Whether it upserts, so that its rows can be written again.
    pub upserts: bool,
    /// Its workers (commit form ledger).
    pub workers: Vec<LedgerWorker>,
    /// The marks that come with their rows (commit form ledger).
    pub marks: Vec<Mark>,
    /// Hidden tables, to be dropped when it died.
    pub aside: Vec<Name>,
    /// Its result, once committed.
    pub result: Option<PipelineResult>,
}

/// The SQL that writes a run's row, or moves it to another state.
#[must_use]
pub fn write_run(head: &LedgerHead, state: RunState, details: &Details<'_>) -> String {
    let json = |value: serde_json::Value| quote_literal(&value.to_string());
    let workers = json(serde_json::json!(details.workers));
    let marks = json(serde_json::json!(details.marks));
    let aside: Vec<&str> = details
        .aside
        .iter()
        .map(|name| name.relation.as_str())
        .collect();
    let aside = json(serde_json::json!(aside));
    let result = details
        .result
        .map_or("NULL".to_owned(), |result| json(serde_json::json!(result)));
    let decided = if state == RunState::Committed {
        "pg_catalog.now()"
    } else {
        "NULL"
    };
    format!(
        "INSERT INTO {SCHEMA}.runs (run, pipeline, digest, state, commit_form, write_mode, workers, cursors, aside, result, decided_at) \
         VALUES ({}, {}, {}, '{}', '{}', '{}', {workers}, {marks}, {aside}, {result}, {decided}) \
         ON CONFLICT (run) DO UPDATE SET state = excluded.state, commit_form = excluded.commit_form, \
           workers = excluded.workers, cursors = excluded.cursors, aside = excluded.aside, result = excluded.result, decided_at = excluded.decided_at",
        quote_literal(head.run.as_str()),
        quote_literal(&head.pipeline),
        quote_literal(&head.digest),
        state.name(),
        head.form,
        head.write_mode.name(),
    )
}

/// The parts of a ledger row that stay the same.
#[derive(Debug, Clone)]
pub struct LedgerHead {
    /// The run.
    pub run: RunId,
    /// The pipeline's name.
    pub pipeline: String,
    /// The document's digest.
    pub digest: String,
    /// The commit form.
    pub form: &'static str,
    /// How rows are written.
    pub write_mode: WriteMode,
}

/// The changing parts of a ledger row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Details<'a> {
    /// Transactions of the workers.
    pub workers: &'a [LedgerWorker],
    /// Marks that are committed with the run (commit form ledger).
    pub marks: &'a [Mark],
    /// Hidden tables.
    pub aside: &'a [Name],
    /// The result.
    pub result: Option<&'a PipelineResult>,
}

/// The SQL that forgets a run that did not happen.
#[must_use]
pub fn delete_run(run: &RunId) -> String {
    format!(
        "DELETE FROM {SCHEMA}.runs WHERE run = {}",
        quote_literal(run.as_str())
    )
}

/// The ledger rows that match this condition.
async fn select(session: &Session, condition: &str) -> Result<Vec<LedgerRow>> {
    let doing = "reading the run ledger";
    // as JSON, for a ledger of an older version has fewer columns
    let sql = format!(
        "SELECT run, state, digest, pg_catalog.to_jsonb(r) ->> 'write_mode' AS write_mode, \
           coalesce(pg_catalog.to_jsonb(r) ->> 'cursors', '[]') AS cursors, workers, aside, result \
           FROM {SCHEMA}.runs r WHERE {condition} ORDER BY started_at"
    );
    let rows = session.rows(&sql, doing).await?;
    rows.iter()
        .map(|row| {
            let text = |name: &str| row.try_get(name).ok().flatten().unwrap_or_default();
            let broken = |e: serde_json::Error| {
                Error::new(
                    Kind::Incompatible,
                    format!("run `{}` in rb_bench.runs cannot be read: {e}", text("run")),
                )
            };
            let aside: Vec<String> = serde_json::from_str(text("aside")).map_err(broken)?;
            Ok(LedgerRow {
                run: RunId::parse(text("run"))?,
                state: text("state").to_owned(),
                digest: text("digest").to_owned(),
                upserts: text("write_mode") == WriteMode::Upsert.name(),
                workers: serde_json::from_str(text("workers")).map_err(broken)?,
                marks: serde_json::from_str(text("cursors")).map_err(broken)?,
                aside: aside
                    .into_iter()
                    .map(|name| Name::new(SCHEMA, name))
                    .collect(),
                result: match text("result") {
                    "" => None,
                    json => Some(serde_json::from_str(json).map_err(broken)?),
                },
            })
        })
        .collect()
}

/// A run's row.
pub async fn find(session: &Session, run: &RunId) -> Result<Option<LedgerRow>> {
    Ok(
        select(session, &format!("run = {}", quote_literal(run.as_str())))
            .await?
            .pop(),
    )
}

/// The rows of runs that are not committed.
pub async fn unfinished(session: &Session) -> Result<Vec<LedgerRow>> {
    select(session, "state <> 'committed'").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gid_leads_back_to_its_run() {
        let run = RunId::parse("2026-11.a_b").unwrap();
        assert_eq!(RunId::of_gid(&run.gid("16384", 3)), Some(run));
        for other in [
            "mine:5:1",
            "rb_bench:x",
            "rb_bench:x:1",
            "rb_bench:x:5:y",
            "rb_bench:x:y:1",
            "rb_bench::5:1",
        ] {
            assert_eq!(RunId::of_gid(other), None, "{other}");
        }
    }

    #[test]
    fn run_ids_that_could_not_be_named_in_sql_are_refused() {
        for bad in ["", "a b", "a:b", "a'b", "é", &"x".repeat(101)] {
            assert!(RunId::parse(bad).is_err(), "{bad}");
        }
        assert!(RunId::parse(RunId::fresh().as_str()).is_ok());
    }

    #[test]
    fn hidden_names_fit_an_identifier_and_differ_by_run() {
        let (a, b) = (RunId::parse("a").unwrap(), RunId::parse("b").unwrap());
        assert_ne!(a.aside(0), b.aside(0));
        assert!(a.aside(9999).relation.len() <= 50);
    }
}
