//! What a session asks of a server beside the copy: its settings, its counters, who else works there.
//!
//! All of it is reading. A server that does not answer a question (another version, a missing
//! privilege) leaves the answer unknown; it never fails a session.

use std::collections::BTreeMap;

use super::artifact::{ServerActivity, ServerRecord};
use crate::error::Result;
use crate::postgres::{Server, Session};

/// What our own sessions are called; the engine's begin the same way.
pub(super) const APPLICATION: &str = "rb-bench bench";

/// Settings that differ between starts, name places, or hold secrets.
const LEFT_OUT: &str = "'port', 'listen_addresses', 'unix_socket_directories', 'data_directory', \
     'config_file', 'hba_file', 'ident_file', 'external_pid_file', 'cluster_name', \
     'primary_conninfo', 'primary_slot_name', 'archive_command', 'archive_cleanup_command', \
     'restore_command', 'recovery_end_command', 'ssl_passphrase_command', 'application_name', \
     'transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'log_directory', \
     'log_filename', 'stats_temp_directory', 'unix_socket_group', 'bonjour_name', 'event_source'";

/// The server as an artifact describes it.
pub(super) async fn describe(session: &Session, managed: bool) -> Result<ServerRecord> {
    let server: &Server = session.server();
    let version = session
        .row(
            "SELECT current_setting('server_version'), current_setting('server_version_num')",
            "asking for the server's version",
        )
        .await?;
    let settings = session
        .rows(
            &format!(
                "SELECT name, current_setting(name) FROM pg_catalog.pg_settings
                 WHERE source NOT IN ('default', 'override', 'client', 'session') AND name NOT IN ({LEFT_OUT})
                   AND name NOT LIKE 'ssl%' AND name NOT LIKE 'krb%' ORDER BY 1"
            ),
            "reading the server's settings",
        )
        .await?;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Ok(ServerRecord {
        endpoint: (!managed).then(|| server.to_string()),
        version: text(version.get(0)),
        version_num: version.get(1).and_then(|v| v.parse().ok()).unwrap_or(0),
        managed,
        local: server.is_local(),
        settings: settings
            .iter()
            .map(|row| (text(row.get(0)), text(row.get(1))))
            .collect::<BTreeMap<_, _>>(),
    })
}

/// A server's counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    wal: Option<u64>,
    timed: Option<u64>,
    requested: Option<u64>,
    temp: Option<u64>,
}

impl Counters {
    /// Reads them; what the server does not tell stays unknown.
    pub(super) async fn read(session: &Session) -> Self {
        let number = async |sql: &str| {
            let value = session.value(sql, "reading the server's counters").await;
            value.ok().flatten()?.parse::<u64>().ok()
        };
        let wal = number("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8").await;
        // PostgreSQL 17 moved the checkpointer's counters into a view of their own
        let has_checkpointer =
            number("SELECT (to_regclass('pg_catalog.pg_stat_checkpointer') IS NOT NULL)::int")
                .await;
        let (timed, requested) = if has_checkpointer == Some(1) {
            (
                "SELECT num_timed FROM pg_stat_checkpointer",
                "SELECT num_requested FROM pg_stat_checkpointer",
            )
        } else {
            (
                "SELECT checkpoints_timed FROM pg_stat_bgwriter",
                "SELECT checkpoints_req FROM pg_stat_bgwriter",
            )
        };
        Self {
            wal,
            timed: number(timed).await,
            requested: number(requested).await,
            temp: number(
                "SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()",
            )
            .await,
        }
    }

    /// Bytes of log written.
    pub(super) fn wal_bytes(self) -> Option<u64> {
        self.wal
    }

    /// Checkpoints, timed and requested.
    pub(super) fn checkpoints(self) -> Option<u64> {
        Some(self.timed? + self.requested?)
    }

    /// What happened since an earlier reading.
    pub(super) fn since(self, earlier: Self) -> ServerActivity {
        let difference = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        ServerActivity {
            wal_bytes: difference(self.wal, earlier.wal),
            checkpoints_timed: difference(self.timed, earlier.timed),
            checkpoints_requested: difference(self.requested, earlier.requested),
            temp_bytes: difference(self.temp, earlier.temp),
        }
    }
}

/// Who else works on a server at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Company {
    /// Client backends that are active and not ours.
    pub(super) foreign: u32,
    /// Autovacuum workers.
    pub(super) vacuums: u32,
}

impl Company {
    /// Looks who is there; nobody where the server does not tell.
    pub(super) async fn seen(session: &Session) -> Self {
        let sql =
            "SELECT count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'active'
                     AND application_name NOT LIKE 'rb-bench%'),
                   count(*) FILTER (WHERE backend_type = 'autovacuum worker')
                   FROM pg_catalog.pg_stat_activity WHERE pid <> pg_backend_pid()";
        let Ok(row) = session.row(sql, "looking who else is there").await else {
            return Self::default();
        };
        let count = |n: usize| row.get(n).and_then(|v| v.parse().ok()).unwrap_or(0);
        Self {
            foreign: count(0),
            vacuums: count(1),
        }
    }

    /// The larger of two observations.
    pub(super) fn most(self, other: Self) -> Self {
        Self {
            foreign: self.foreign.max(other.foreign),
            vacuums: self.vacuums.max(other.vacuums),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_does_not_tell_stays_unknown() {
        let now = Counters {
            wal: Some(500),
            timed: Some(3),
            ..Counters::default()
        };
        let then = Counters {
            wal: Some(200),
            ..Counters::default()
        };
        let activity = now.since(then);
        assert_eq!(activity.wal_bytes, Some(300));
        assert_eq!(activity.checkpoints_timed, None);
    }
}
