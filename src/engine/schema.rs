//! Schema `rb_bench` in the destination: made on first need, brought from version to version.
//!
//! Each version is a list of statements on top of the one before, and all that are missing run in
//! one transaction: whoever looks finds a whole version. A run never drops the schema. What stands
//! in it is the business of others (`state`, `cursors`, `cdc::state`).

use crate::error::{Error, Kind, Result};
use crate::postgres::Session;

/// The schema of everything that is ours.
pub const SCHEMA: &str = "rb_bench";

/// What each version adds, the first from nothing. A released version never changes: what is new
/// makes another.
const VERSIONS: [&[&str]; 2] = [
    &[
        "CREATE SCHEMA IF NOT EXISTS rb_bench",
        "COMMENT ON SCHEMA rb_bench IS 'state of rb-bench: run ledger and cursors'",
        "CREATE TABLE IF NOT EXISTS rb_bench.version (version integer NOT NULL)",
        "CREATE TABLE IF NOT EXISTS rb_bench.runs (run text PRIMARY KEY, pipeline text NOT NULL, digest text NOT NULL, \
           state text NOT NULL CHECK (state IN ('building', 'committing', 'committed')), commit_form text NOT NULL, \
           workers jsonb NOT NULL DEFAULT '[]', aside jsonb NOT NULL DEFAULT '[]', result jsonb, \
           started_at timestamptz NOT NULL DEFAULT now(), decided_at timestamptz)",
    ],
    &[
        // what a mixed run needs to be settled: how it wrote, and the marks that commit with it
        "ALTER TABLE rb_bench.runs ADD COLUMN write_mode text NOT NULL DEFAULT 'append', \
           ADD COLUMN cursors jsonb NOT NULL DEFAULT '[]'",
        "CREATE TABLE rb_bench.cursors (pipeline text NOT NULL, stream text NOT NULL, target text NOT NULL, \
           field text NOT NULL, type text NOT NULL, value text NOT NULL, run text NOT NULL, \
           moved_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (pipeline, stream, target))",
        "CREATE TABLE rb_bench.slots (pipeline text PRIMARY KEY, slot text NOT NULL, system_identifier text NOT NULL, \
           database text NOT NULL, timeline text NOT NULL, write_mode text NOT NULL, tables jsonb NOT NULL, \
           applied pg_lsn NOT NULL, changed_at timestamptz NOT NULL DEFAULT now())",
        "CREATE TABLE rb_bench.initial_copies (pipeline text PRIMARY KEY, snapshot text NOT NULL, lsn pg_lsn NOT NULL, \
           copied_at timestamptz NOT NULL DEFAULT now())",
    ],
];

/// The version that this rb-bench writes.
const VERSION: usize = VERSIONS.len();

/// Makes the schema, or brings an older one up to date; refuses one of a newer rb-bench.
///
/// `session` is outside of a transaction.
pub async fn ensure(session: &Session) -> Result<()> {
    if version(session).await? == Some(VERSION) {
        return Ok(());
    }
    let doing = "preparing schema rb_bench in the destination";
    let outcome = migrate(session, doing).await;
    if outcome.is_err() && !session.is_closed() {
        session.execute("ROLLBACK", doing).await?;
    }
    outcome.map_err(|error| match error.kind() {
        Kind::Permission => error.remedy(
            "rb-bench keeps its run ledger there: GRANT CREATE ON DATABASE to this role, or have a superuser create \
             the schema and make this role its owner; an older schema is brought up to date by the role that owns \
             its tables. An append by one worker without --run-id needs no schema",
        ),
        _ => error,
    })
}

async fn migrate(session: &Session, doing: &str) -> Result<()> {
    // one at a time: CREATE ... IF NOT EXISTS alone can still collide
    let begin = "BEGIN; SET LOCAL lock_timeout = '10s'; \
                 SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('rb_bench state', 0))";
    session.execute(begin, doing).await?;
    // somebody else may have done it meanwhile
    let there = version(session).await?.unwrap_or(0);
    let missing = VERSIONS[there..].concat().join("; ");
    let done = format!(
        "{missing}; DELETE FROM {SCHEMA}.version; INSERT INTO {SCHEMA}.version VALUES ({VERSION}); COMMIT"
    );
    session.execute(&done, doing).await
}

/// The schema's version; none where there is no schema.
///
/// # Errors
/// `Kind::Unsupported` for one of a newer rb-bench.
pub async fn version(session: &Session) -> Result<Option<usize>> {
    let doing = "looking for schema rb_bench";
    // a look that never fails: it may be inside of a transaction
    let there = format!(
        "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
          WHERE n.nspname = '{SCHEMA}' AND c.relname = 'version' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
    );
    if session.value(&there, doing).await?.as_deref() != Some("1") {
        return Ok(None);
    }
    let text = session
        .value(&format!("SELECT version FROM {SCHEMA}.version"), doing)
        .await?;
    match text.and_then(|text| text.parse().ok()) {
        Some(version) if version > VERSION => Err(Error::new(
            Kind::Unsupported,
            format!("schema rb_bench in the destination has version {version}; this rb-bench knows {VERSION}"),
        )
        .remedy("use the rb-bench that wrote it, or a newer one")),
        version => Ok(version),
    }
}
