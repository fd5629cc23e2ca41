//! What a server does for the run while it runs, by its own views: whom its backends wait for, how far
//! their COPY is, how much log is written.
//!
//! Asked only where somebody looks, and never waited for. Where a role may not see it the answer is that,
//! once; nothing here may fail an iteration.

use crate::postgres::Session;
use crate::postgres::catalog;
use crate::telemetry::counters::{Side, Telemetry};

/// The first server that shows how far a COPY is.
const SHOWS_COPY: u32 = 140_000;

/// One backend that works for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendWork {
    /// Which side it is on.
    pub side: Side,
    /// The worker it works for.
    pub worker: u32,
    /// What it waits for, as the server names it (`IO:DataFileRead`); none while it computes.
    pub waits_for: Option<String>,
    /// Rows of its COPY under way.
    pub rows: Option<u64>,
    /// Bytes of its COPY under way.
    pub bytes: Option<u64>,
}

/// What one server does for the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerWork {
    /// Its backends; none where the role may not see what they do.
    pub backends: Option<Vec<BackendWork>>,
    /// Whether this is the destination's server: only its log is the run's.
    pub is_destination: bool,
    /// Bytes of log written since the server was made.
    pub wal_bytes: Option<u64>,
    /// Checkpoints since its counters were reset, timed and requested.
    pub checkpoints: Option<u64>,
}

impl ServerWork {
    /// Asks a server.
    pub(super) async fn seen(session: &Session, telemetry: &Telemetry) -> Self {
        let backends = telemetry.backends();
        let mine: Vec<String> = backends
            .iter()
            .filter(|backend| backend.final_cpu_secs.is_none())
            .map(|backend| backend.pid.to_string())
            .collect();
        let version = catalog::version(session).await.unwrap_or_default();
        let (columns, progress) = if version >= SHOWS_COPY {
            (
                "p.tuples_processed, p.bytes_processed",
                "LEFT JOIN pg_catalog.pg_stat_progress_copy p USING (pid)",
            )
        } else {
            ("NULL, NULL", "")
        };
        let sql = format!(
            "SELECT a.application_name, a.state, a.wait_event_type || ':' || a.wait_event, {columns}
             FROM pg_catalog.pg_stat_activity a {progress}
             WHERE a.pid = ANY ('{{{}}}'::int[]) AND a.application_name ~ '^rb-bench (read|write) '",
            mine.join(",")
        );
        let rows = session.rows(&sql, "asking what backends wait for").await;
        let mut work = Self::default();
        let mut hidden = false;
        let mut seen = Vec::new();
        for row in rows.iter().flatten() {
            let Some((side, worker)) = row.get(0).and_then(worker_of) else {
                continue;
            };
            // a backend of another role shows its name and nothing else
            hidden |= row.get(1).is_none();
            let number = |n: usize| row.get(n).and_then(|v| v.parse().ok());
            work.is_destination |= side == Side::Destination;
            seen.push(BackendWork {
                side,
                worker,
                waits_for: row.get(2).map(str::to_owned),
                rows: number(3),
                bytes: number(4),
            });
        }
        work.backends = (rows.is_ok() && !hidden).then_some(seen);
        if work.is_destination {
            let counters = super::server::Counters::read(session).await;
            work.wal_bytes = counters.wal_bytes();
            work.checkpoints = counters.checkpoints();
        }
        work
    }
}

/// Side and worker, from the name that a session of the engine gives itself.
fn worker_of(name: &str) -> Option<(Side, u32)> {
    let (side, worker) = match name.strip_prefix("rb-bench read ") {
        Some(worker) => (Side::Source, worker),
        None => (Side::Destination, name.strip_prefix("rb-bench write ")?),
    };
    Some((side, worker.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_the_engine_names_its_worker() {
        assert_eq!(worker_of("rb-bench read 3"), Some((Side::Source, 3)));
        assert_eq!(worker_of("rb-bench write 0"), Some((Side::Destination, 0)));
        assert_eq!(worker_of("rb-bench bench"), None);
    }
}
