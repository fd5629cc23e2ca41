//! What our transactions set for themselves on either server.
//!
//! Always for one transaction: behind a pooler the next one is on another connection, and this one
//! serves somebody else.
//!
//! Time-outs, so that a long copy does not die of a default; everything that text output depends
//! on, alike on both sides; `row_security = off`, so that a policy is an error and never a filter.

use crate::config::types::PostgresDestination;

/// Settings that text format, and names in catalogs, depend on. Source: PostgreSQL manual, "Client Connection Defaults".
const PINNED: &str = "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; \
SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 3; SET LOCAL lc_monetary = 'C'; \
SET LOCAL bytea_output = 'hex'; SET LOCAL xmloption = content; SET LOCAL array_nulls = on; \
SET LOCAL quote_all_identifiers = off;";

/// Our own time-outs: statements and transactions may be long, locks may not.
fn timeouts(server_version: u32, lock_timeout: &str) -> String {
    let transaction = if server_version >= 170_000 {
        " SET LOCAL transaction_timeout = 0;"
    } else {
        ""
    };
    format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
SET LOCAL lock_timeout = '{lock_timeout}';{transaction} SET LOCAL row_security = off;{}",
        notice_loss(server_version)
    )
}

/// Has a server that is busy, or waits for a lock, notice that its client is gone: what a killed
/// rb-bench was doing does not go on for long. A server that cannot look does without.
fn notice_loss(server_version: u32) -> &'static str {
    // PostgreSQL manual, "client_connection_check_interval": Linux first, then the BSDs and macOS
    match server_version {
        ..140_000 => "",
        140_000..160_000 => {
            " SELECT CASE WHEN pg_catalog.version() ~ 'linux' \
THEN pg_catalog.set_config('client_connection_check_interval', '2s', true) END;"
        }
        160_000.. => {
            " SELECT CASE WHEN pg_catalog.version() ~ 'linux|darwin|bsd' \
THEN pg_catalog.set_config('client_connection_check_interval', '2s', true) END;"
        }
    }
}

/// Statements that commit by themselves, as one message: our time-outs hold for them alone, and an
/// error undoes all of them. Source: PostgreSQL manual, "Multiple Statements in a Simple Query".
#[must_use]
pub fn alone(statements: &str) -> String {
    format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {statements}"
    )
}

/// Lets a session of ours have nothing to do for hours, where the server would end it. Who sets
/// this time-out has no pooler in between, which would lose its connections by it; so it may be set
/// for a session.
pub const MAY_IDLE: &str = "SELECT pg_catalog.set_config('idle_session_timeout', '0', false) \
WHERE pg_catalog.current_setting('idle_session_timeout', true) <> '0'";

/// How long our sessions wait for a lock on a relation before they name who holds it.
pub const LOCK_TIMEOUT: &str = "10s";

/// Makes names be read and printed qualified, or goes back to the role's own `search_path`.
#[must_use]
pub fn search_path(qualified: bool) -> &'static str {
    if qualified {
        "SET LOCAL search_path = ''"
    } else {
        "SET LOCAL search_path TO DEFAULT"
    }
}

/// Begins a transaction that reads the source at a snapshot. The role's own `search_path` stays,
/// for functions of views may need it, unless `qualified` asks for names to be printed qualified.
#[must_use]
pub fn begin_source(server_version: u32, snapshot: Option<&str>, qualified: bool) -> String {
    let path = if qualified {
        " SET LOCAL search_path = ''"
    } else {
        ""
    };
    let snapshot = snapshot
        .map(|id| {
            format!(
                " SET TRANSACTION SNAPSHOT {};",
                crate::postgres::quote_literal(id)
            )
        })
        .unwrap_or_default();
    format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;{snapshot} {} {PINNED}{path}",
        timeouts(server_version, LOCK_TIMEOUT)
    )
}

/// Begins a transaction that holds locks on the source.
#[must_use]
pub fn begin_lock(server_version: u32) -> String {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; {}",
        timeouts(server_version, LOCK_TIMEOUT)
    )
}

/// What a worker's transaction sets beside, where the document asks for it: how its rows are stored, and what
/// its COMMIT waits for.
#[must_use]
pub fn storing(destination: &PostgresDestination) -> Vec<String> {
    let compression = destination.toast_compression.setting();
    let commit = destination.synchronous_commit.setting();
    let set =
        |name, value: Option<&str>| value.map(|value| format!("SET LOCAL {name} = '{value}'"));
    set("default_toast_compression", compression)
        .into_iter()
        .chain(set("synchronous_commit", commit))
        .collect()
}

/// Begins a transaction that writes to the destination. The role's own `search_path` stays, for
/// triggers and constraints of the target may need it, unless `qualified` asks for names to be
/// read and printed qualified, as text format does.
#[must_use]
pub fn begin_destination(server_version: u32, qualified: bool) -> String {
    let path = if qualified {
        " SET LOCAL search_path = '';"
    } else {
        ""
    };
    // waiting for another client's row counts as a lock too, and may take as long as it takes
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {} {PINNED}{path}",
        timeouts(server_version, "0")
    )
}
