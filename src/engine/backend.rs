//! Server processes that work for us: which transaction of theirs is ours, and making sure that it
//! is over.
//!
//! A pid alone may be somebody else's by now, and behind a pooler the process itself serves somebody
//! else a moment later. With the time its transaction began it is ours: what counts is that nothing
//! of that transaction can commit any more.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session, quote_literal};

/// How long an old transaction may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take by itself before its backend is terminated.
const GRACE: Duration = Duration::from_millis(300);

/// One transaction of one backend, for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// When the transaction began, in seconds since 1970 as the server prints them.
    pub began: String,
}

/// Who serves this session, in the transaction that it is in.
pub async fn identity(session: &Session) -> Result<Identity> {
    let sql = "SELECT pid, pg_catalog.date_part('epoch', xact_start)::text FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";
    let row = session
        .row(sql, "asking for the backend's identity")
        .await?;
    let text = |i: usize| row.try_get(i).ok().flatten().unwrap_or_default();
    Ok(Identity {
        pid: text(0).parse().unwrap_or_default(),
        began: text(1).to_owned(),
    })
}

/// The condition that `a`, a row of pg_stat_activity, is one of these.
fn is_one_of(identities: &[Identity]) -> String {
    let list: Vec<String> = identities
        .iter()
        .map(|i| format!("({}, {})", i.pid, quote_literal(&i.began)))
        .collect();
    format!(
        "(a.pid, pg_catalog.date_part('epoch', a.xact_start)::text) IN ({})",
        list.join(", ")
    )
}

/// Which of these are still under way. Inside a transaction the view would show what it showed
/// first, so the session must be outside of one.
pub async fn alive(session: &Session, identities: &[Identity]) -> Result<Vec<Identity>> {
    if identities.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE {}",
        is_one_of(identities)
    );
    let rows = session.rows(&sql, "looking for old backends").await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let pid: i32 = row.get(0)?.parse().ok()?;
            identities
                .iter()
                .find(|identity| identity.pid == pid)
                .cloned()
        })
        .collect())
}

/// Waits until none of these transactions is left, terminating their backends if need be.
///
/// # Errors
/// `Kind::Connection` when one is still there after 10 s: what it did may still commit.
pub async fn await_gone(server: &Server, identities: &[Identity]) -> Result<()> {
    if identities.is_empty() {
        return Ok(());
    }
    let session = server.connect("rb-bench cleanup").await?;
    let begun = Instant::now();
    let mut terminated = false;
    loop {
        let left = alive(&session, identities).await?;
        if left.is_empty() {
            session.close().await;
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            let pids: Vec<String> = left.iter().map(|i| i.pid.to_string()).collect();
            return Err(Error::new(
                Kind::Connection,
                format!(
                    "old backends on {server} (pid {}) did not go away within {} s",
                    pids.join(", "),
                    PATIENCE.as_secs()
                ),
            )
            .remedy("end them with pg_terminate_backend, then run again"));
        }
        if begun.elapsed() > GRACE && !terminated {
            terminated = true;
            // looked at and terminated in one statement: a pooler may hand the backend to somebody else
            let sql = format!(
                "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a WHERE {}",
                is_one_of(&left)
            );
            session.execute(&sql, "terminating an old backend").await?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
