//! Server processes that work for us: who they are, and making sure that they are gone.
//!
//! A pid alone may be somebody else's by now; with the time its backend started it is not.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session, quote_literal};

/// How long an old backend may take to go away.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take by itself before it is terminated.
const GRACE: Duration = Duration::from_millis(300);

/// One backend, for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its process id.
    pub pid: i32,
    /// When it started, as the server prints it.
    pub started: String,
}

/// Who serves this session.
pub async fn identity(session: &Session) -> Result<Identity> {
    let sql = "SELECT pid, pg_catalog.date_part('epoch', backend_start)::text FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";
    let row = session
        .row(sql, "asking for the backend's identity")
        .await?;
    let text = |i: usize| row.try_get(i).ok().flatten().unwrap_or_default();
    Ok(Identity {
        pid: text(0).parse().unwrap_or_default(),
        started: text(1).to_owned(),
    })
}

/// Which of these backends are still there. Inside a transaction the view would show what it
/// showed first, so the session must be outside of one.
pub async fn alive(session: &Session, identities: &[Identity]) -> Result<Vec<Identity>> {
    if identities.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = identities
        .iter()
        .map(|i| format!("({}, {})", i.pid, quote_literal(&i.started)))
        .collect();
    let sql = format!(
        "SELECT a.pid, pg_catalog.date_part('epoch', a.backend_start)::text \
         FROM pg_catalog.pg_stat_activity a WHERE (a.pid, pg_catalog.date_part('epoch', a.backend_start)::text) IN ({})",
        list.join(", ")
    );
    let rows = session.rows(&sql, "looking for old backends").await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let pid: i32 = row.get("pid")?.parse().ok()?;
            identities
                .iter()
                .find(|identity| identity.pid == pid)
                .cloned()
        })
        .collect())
}

/// Waits until none of these backends is left, terminating them if need be.
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
            for identity in &left {
                let sql = format!("SELECT pg_catalog.pg_terminate_backend({})", identity.pid);
                session.execute(&sql, "terminating an old backend").await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
