//! The leader's two sessions on the destination.
//!
//! `decision` is one transaction from beginning to end: it holds an advisory lock that says the
//! run is alive, holds the targets so that no ALTER changes them, and its COMMIT is the decision
//! of the commit forms that need one. `control` does what must commit on its own: hidden tables,
//! ledger rows, prepared transactions, looking after the workers.

use std::collections::BTreeMap;

use super::state::{self, LedgerRow, RunId};
use super::upsert::Upsert;
use super::whereabouts::{self, Whereabouts};
use super::{OLDEST_VERSION, backend, schema, settings};
use crate::config::types::PostgresDestination;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, Name};
use crate::postgres::session::Canceller;
use crate::postgres::{Server, Session, quote_literal};

/// The leader's end of a run at the destination.
pub struct Leader {
    /// The server.
    pub server: Server,
    /// Its version number.
    pub version: u32,
    /// Which server it is.
    pub place: Whereabouts,
    /// Commits on its own.
    pub control: Session,
    /// One transaction, until the end.
    pub decision: Session,
    /// The backend of that transaction.
    pub decision_backend: backend::Identity,
}

/// Two workers in each other's way, or an ALTER in everybody's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocked {
    /// The backend that waits.
    pub waiting: i32,
    /// The backend it waits for.
    pub holder: i32,
    /// Whether that is one of ours; else it is a stranger who waits for us.
    pub sibling: bool,
    /// What the stranger runs.
    pub query: String,
}

impl Leader {
    /// Connects, and begins the decision transaction.
    pub async fn connect(server: &Server) -> Result<Self> {
        let (control, decision) = tokio::try_join!(
            server.connect("rb-bench control"),
            server.connect("rb-bench leader")
        )?;
        let version = catalog::version(&control).await?;
        if version < OLDEST_VERSION {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{server} is PostgreSQL {}; this version of rb-bench writes to 12 or newer",
                    version / 10_000
                ),
            ));
        }
        control
            .execute(settings::MAY_IDLE, "setting time-outs")
            .await?;
        let begin = format!(
            "{}; SET LOCAL lock_timeout = '{}'; SET LOCAL search_path = ''",
            settings::begin_destination(version, true),
            settings::LOCK_TIMEOUT
        );
        decision
            .begin(&begin, "beginning the leader's transaction")
            .await?;
        let arrival = backend::Arrival::of(&decision).await?;
        let decision_backend = arrival.identity(server)?;
        let place = arrival.place;
        whereabouts::require_same(server, &place, &control).await?;
        Ok(Self {
            server: server.clone(),
            version,
            place,
            control,
            decision,
            decision_backend,
        })
    }

    /// Takes the lock that says this run is alive.
    ///
    /// # Errors
    /// `Kind::Lock` when another process runs it.
    pub async fn claim(&self, run: &RunId) -> Result<()> {
        let sql = format!(
            "SELECT pg_catalog.pg_try_advisory_xact_lock({})",
            run.lock_key()
        );
        if self
            .decision
            .value(&sql, "claiming the run")
            .await?
            .as_deref()
            == Some("t")
        {
            return Ok(());
        }
        Err(Error::new(
            Kind::Lock,
            format!("run `{}` is under way in another process", run.as_str()),
        )
        .remedy("wait for it, or use another --run-id"))
    }

    /// The ledger's row of this run, where there is a ledger.
    pub async fn ledger_row(&self, run: &RunId) -> Result<Option<LedgerRow>> {
        if state::version(&self.control).await?.is_none() {
            return Ok(None);
        }
        state::find(&self.control, run).await
    }

    /// Sees that the server has what the workers are to set for how it stores, before anything is made.
    pub async fn try_storing(&self, destination: &PostgresDestination) -> Result<()> {
        let settings = settings::storing(destination);
        if settings.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SAVEPOINT rb_storing; {}; ROLLBACK TO rb_storing; RELEASE rb_storing",
            settings.join("; ")
        );
        let doing = "trying how the destination is to store";
        let outcome = self.decision.execute(&sql, doing).await;
        outcome.map_err(|error| match error.sqlstate() {
            // a setting that it does not know, a value that it does not
            Some("42704" | "22023") => error.remedy(
                "toast_compression needs PostgreSQL 14 or newer, and lz4 a server that was built with it; leave it out",
            ),
            _ => error,
        })
    }

    /// Holds an existing target against ALTER, and sees that this role may write to it.
    pub async fn hold(&self, target: &Name, upsert: Option<&Upsert>) -> Result<()> {
        // planning an INSERT takes its lock and checks its privilege, and fires no trigger
        let insert = upsert.map_or_else(
            || format!("INSERT INTO {} DEFAULT VALUES", target.sql()),
            Upsert::probe,
        );
        let sql = format!("EXPLAIN {insert}");
        let outcome = self
            .decision
            .rows(&sql, &format!("locking target {target}"))
            .await;
        outcome.map(|_| ()).map_err(|error| match error.sqlstate() {
            Some("42501") if upsert.is_some() => {
                error.remedy("GRANT SELECT, INSERT, UPDATE on it to this role")
            }
            Some("42501") => error.remedy("GRANT INSERT on it to this role"),
            _ => explain_lock(error),
        })
    }

    /// Makes hidden tables by these statements, and the ledger row that says whose they are.
    pub async fn make_aside(&self, run: &RunId, statements: Vec<String>, row: &str) -> Result<()> {
        let begin = format!("BEGIN; {}", settings::alone("SET LOCAL search_path = ''"));
        let mut sql = vec![begin, row.to_owned()];
        sql.extend(statements);
        sql.push("COMMIT".to_owned());
        let outcome = self
            .control
            .execute(
                &sql.join("; "),
                &format!("making the tables of run `{}`", run.as_str()),
            )
            .await;
        if outcome.is_err() && !self.control.is_closed() {
            self.control.execute("ROLLBACK", "rolling back").await?;
        }
        outcome.map_err(schema::explain_closed)
    }

    /// Which workers wait for each other, or for a stranger who waits for us.
    pub async fn blocked(
        &self,
        backends: &BTreeMap<u32, backend::Identity>,
    ) -> Result<Vec<Blocked>> {
        if backends.is_empty() {
            return Ok(Vec::new());
        }
        let workers: Vec<String> = backends
            .values()
            .map(|identity| identity.pid.to_string())
            .collect();
        let workers = workers.join(", ");
        let leader = self.decision_backend.pid;
        // extending a file is a lock too, and siblings pass it on within microseconds
        let sql = format!(
            "SELECT w.pid, b.holder, b.holder IN ({workers}) AS sibling, \
                pg_catalog.pg_blocking_pids(b.holder) && ARRAY[{leader}, {workers}]::int4[] AS waits_for_us, \
                coalesce((SELECT query FROM pg_catalog.pg_stat_activity WHERE pid = b.holder), '') AS query \
             FROM pg_catalog.pg_stat_activity w, LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) b(holder) \
             WHERE w.pid IN ({workers}) AND w.wait_event_type = 'Lock' AND w.wait_event <> 'extend'"
        );
        // while the workers hold a pooler's connections, this one may get none
        let doing = "looking for blocked workers";
        let asking = self.control.rows(&sql, doing);
        let rows = self.control.in_time(doing, asking).await?;
        let mut blocked: Vec<Blocked> = rows
            .iter()
            .filter_map(|row| {
                let sibling = row.get("sibling") == Some("t");
                (sibling || row.get("waits_for_us") == Some("t")).then(|| Blocked {
                    waiting: row
                        .get("pid")
                        .and_then(|pid| pid.parse().ok())
                        .unwrap_or_default(),
                    holder: row
                        .get("holder")
                        .and_then(|pid| pid.parse().ok())
                        .unwrap_or_default(),
                    sibling,
                    query: row.get("query").unwrap_or_default().to_owned(),
                })
            })
            .collect();
        blocked.sort();
        Ok(blocked)
    }

    /// A worker that waits for one of these prepared transactions: its backend, and which it is.
    pub async fn behind_prepared(
        &self,
        backends: &BTreeMap<u32, backend::Identity>,
        gids: impl Iterator<Item = &String>,
    ) -> Result<Option<(i32, String)>> {
        let pids: Vec<String> = backends.values().map(|b| b.pid.to_string()).collect();
        let gids: Vec<String> = gids.map(|gid| quote_literal(gid)).collect();
        let sql = format!(
            "SELECT l.pid, p.gid FROM pg_catalog.pg_locks l \
               JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = l.transactionid \
              WHERE NOT l.granted AND l.pid IN ({}) AND p.gid IN ({})",
            pids.join(", "),
            gids.join(", ")
        );
        let rows = self
            .control
            .rows(&sql, "looking for blocked workers")
            .await?;
        Ok(rows
            .first()
            .and_then(|row| Some((row.get(0)?.parse().ok()?, row.get(1)?.to_owned()))))
    }

    /// Has the server's WAL writer write out what was logged so far, in one go and in the
    /// background. Left to itself it comes by every 200 ms: by then the buffers are full, and the
    /// workers write them out page by page, each waiting for the other.
    ///
    /// Any asynchronous commit wakes it, also that of a transaction that has done nothing but take
    /// an id; nobody sees that one, a logical subscriber included. Source: PostgreSQL manual,
    /// "Asynchronous Commit" and "WAL Configuration".
    pub async fn wake_wal_writer(&self) -> Result<()> {
        let (sql, doing) = ("SELECT pg_catalog.txid_current()", "waking the WAL writer");
        let asking = self.control.execute(sql, doing);
        self.control.in_time(doing, asking).await
    }

    /// Cancels what a backend is doing.
    pub async fn cancel_backend(&self, pid: i32) -> Result<()> {
        let sql = format!("SELECT pg_catalog.pg_cancel_backend({pid})");
        self.control
            .execute(&sql, "cancelling a blocked worker")
            .await
    }

    /// Cancels what the leader's sessions are doing.
    #[must_use]
    pub fn cancellers(&self) -> [Canceller; 2] {
        [self.control.canceller(), self.decision.canceller()]
    }

    /// Ends the decision transaction without a decision, and closes both sessions.
    pub async fn leave(self) {
        tokio::join!(self.control.close(), self.decision.close());
    }
}

/// Says what to do about a target that could not be locked.
pub fn explain_lock(error: Error) -> Error {
    match error.sqlstate() {
        Some("55P03") => error.remedy(
            "somebody holds this table (an ALTER, a TRUNCATE, a LOCK); run again when that is done",
        ),
        _ => error,
    }
}
