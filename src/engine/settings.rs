//! What our transactions, and sessions between them, set for themselves on either server.
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
SET LOCAL lock_timeout = '{lock_timeout}';{transaction} SET LOCAL row_security = off;"
    )
}

/// For a session of ours that is not in one long transaction, and may have nothing to do for hours.
pub const BETWEEN_TRANSACTIONS: &str =
    "SET idle_session_timeout = 0; SET statement_timeout = 0; SET lock_timeout = '10s'";

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
