//! Server processes that work for us: which transaction of theirs is ours, and making sure that it
//! is over.
//!
//! A pid alone may be somebody else's by now, and behind a pooler the process itself serves somebody
//! else a moment later. With the time its transaction began it is ours: what counts is that nothing
//! of that transaction can commit any more.

use std::time::{Duration, Instant};

use super::whereabouts::{self, Whereabouts};
use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session, quote_literal};

/// How long an old transaction may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take by itself before its backend is terminated.
const GRACE: Duration = Duration::from_millis(300);
/// When a transaction began, `a` being a row of pg_stat_activity: a whole number, which no setting prints otherwise.
const BEGAN: &str = "(pg_catalog.date_part('epoch', a.xact_start) * 1000000)::bigint::text";

/// One transaction of one backend, for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// When the transaction began, microseconds since 1970.
    pub began: String,
}

/// A session that has arrived: on which server, and who serves it there.
#[derive(Debug)]
pub struct Arrival {
    /// The server.
    pub place: Whereabouts,
    /// The process id.
    pub pid: i32,
    /// When its transaction began; none where the server does not say.
    began: Option<String>,
}

impl Arrival {
    /// Asks a session that is in a transaction.
    pub async fn of(session: &Session) -> Result<Self> {
        let sql = format!(
            "SELECT {}, pg_catalog.pg_backend_pid(), {BEGAN} FROM pg_catalog.pg_control_system() \
               LEFT JOIN pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a ON true",
            whereabouts::COLUMNS
        );
        let row = session
            .row(&sql, "asking which server it is, and who serves us")
            .await?;
        let pid = row.get(3).and_then(|pid| pid.parse().ok());
        Ok(Self {
            place: Whereabouts::of_row(&row),
            pid: pid.ok_or_else(|| Error::internal("a backend without a process id"))?,
            began: row.get(4).map(str::to_owned),
        })
    }

    /// The transaction, as it can be found again.
    ///
    /// # Errors
    /// `Kind::Unsupported` where the server does not say when it began: after a lost connection
    /// nobody could see whether it is over, and its rows could arrive twice.
    pub fn identity(&self, server: &Server) -> Result<Identity> {
        let began = self.began.clone().ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                format!(
                    "{server} does not say when this role's transactions begin (track_activities is off, or the session \
                     took another role): after a lost connection nobody could tell whether they are over"
                ),
            )
            .remedy("set track_activities = on for this database and role, and connect as the role itself, without `role` in its settings")
        })?;
        Ok(Identity {
            pid: self.pid,
            began,
        })
    }
}

/// The process that serves this session.
pub async fn pid(session: &Session) -> Result<Option<i32>> {
    let sql = "SELECT pg_catalog.pg_backend_pid()";
    let pid = session
        .value(sql, "asking for the backend's process id")
        .await?;
    Ok(pid.and_then(|pid| pid.parse().ok()))
}

/// Whether a transaction has committed, by the server's own word; none where it no longer knows.
/// One that is still ending is waited for, 10 s at most.
pub async fn has_committed(session: &Session, xid: &str) -> Result<Option<bool>> {
    let sql = format!(
        "SELECT pg_catalog.txid_status({}::pg_catalog.int8)",
        quote_literal(xid)
    );
    let begun = Instant::now();
    loop {
        let status = session
            .value(&sql, "asking what became of a transaction")
            .await?;
        match status.as_deref() {
            Some("committed") => return Ok(Some(true)),
            Some("aborted") => return Ok(Some(false)),
            Some("in progress") if begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => return Ok(None),
        }
    }
}

/// What is left of some transactions.
struct Left {
    /// Those that are under way.
    alive: Vec<Identity>,
    /// Processes that could be at one of them: what they do is not shown.
    hidden: Vec<i32>,
}

/// The condition that `a`, a row of pg_stat_activity, is one of these.
fn is_one_of(identities: &[Identity]) -> String {
    let list: Vec<String> = identities
        .iter()
        .map(|i| format!("({}, {})", i.pid, quote_literal(&i.began)))
        .collect();
    format!("(a.pid, {BEGAN}) IN ({})", list.join(", "))
}

/// Which of these are still under way. Inside a transaction the view would show what it showed
/// first, so the session must be outside of one.
async fn left(session: &Session, identities: &[Identity]) -> Result<Left> {
    let pids: Vec<String> = identities.iter().map(|i| i.pid.to_string()).collect();
    // what another role's backend does is not shown, nor what one does that is told not to track it
    let sql = format!(
        "SELECT a.pid, {BEGAN} FROM pg_catalog.pg_stat_activity a \
          WHERE {} OR (a.pid IN ({}) AND a.datname = pg_catalog.current_database() \
            AND a.xact_start IS NULL AND coalesce(a.state, 'disabled') = 'disabled')",
        is_one_of(identities),
        pids.join(", ")
    );
    let doing = "looking for old backends";
    let rows = session.in_time(doing, session.rows(&sql, doing)).await?;
    let mut left = Left {
        alive: Vec::new(),
        hidden: Vec::new(),
    };
    for row in &rows {
        let Some(pid) = row.get(0).and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        match row.get(1) {
            Some(began) => left.alive.push(Identity {
                pid,
                began: began.to_owned(),
            }),
            None => left.hidden.push(pid),
        }
    }
    Ok(left)
}

/// Waits until none of these transactions is left, terminating their backends if need be.
///
/// # Errors
/// `Kind::Connection` when one is still there after 10 s: what it did may still commit.
/// `Kind::Permission` when one may be there, and what it does is not shown.
pub async fn await_gone(server: &Server, identities: &[Identity]) -> Result<()> {
    if identities.is_empty() {
        return Ok(());
    }
    let session = server.connect("rb-bench cleanup").await?;
    let begun = Instant::now();
    let mut terminated = false;
    loop {
        let left = left(&session, identities).await?;
        if left.alive.is_empty() && left.hidden.is_empty() {
            session.close().await;
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(still_there(server, &left));
        }
        if begun.elapsed() > GRACE && !terminated && !left.alive.is_empty() {
            terminated = true;
            // looked at and terminated in one statement: a pooler may hand the backend to somebody else
            let sql = format!(
                "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a WHERE {}",
                is_one_of(&left.alive)
            );
            let doing = "terminating an old backend";
            session.in_time(doing, session.execute(&sql, doing)).await?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn still_there(server: &Server, left: &Left) -> Error {
    let list = |pids: &mut dyn Iterator<Item = i32>| {
        let pids: Vec<String> = pids.map(|pid| pid.to_string()).collect();
        pids.join(", ")
    };
    if left.alive.is_empty() {
        return Error::new(
            Kind::Permission,
            format!(
                "whether old backends on {server} (pid {}) are still at work for a run is not shown to this role",
                list(&mut left.hidden.iter().copied())
            ),
        )
        .remedy("run as the role that they belong to with track_activities = on, GRANT pg_read_all_stats to this one, or end them with pg_terminate_backend");
    }
    Error::new(
        Kind::Connection,
        format!(
            "old backends on {server} (pid {}) did not go away within {} s",
            list(&mut left.alive.iter().map(|i| i.pid)),
            PATIENCE.as_secs()
        ),
    )
    .remedy("end them with pg_terminate_backend, then run again")
}
