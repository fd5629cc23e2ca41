//! Schema `rb_bench` in the destination: made on first need, brought from version to version.
//!
//! Each version is a list of statements on top of the one before, and all that are missing run in
//! one transaction: whoever looks finds a whole version. A run never drops the schema. What stands
//! in it is the business of others (`state`, `cursors`, `cdc::state`).

use crate::error::{Error, Kind, Result};
use crate::postgres::Session;

/// The schema of everything that is ours.
pub const SCHEMA: &str = "rb_bench";

/// Makes the schema itself, which somebody may have done for a role that must not.
const MAKE: [&str; 2] = [
    "CREATE SCHEMA rb_bench",
    "COMMENT ON SCHEMA rb_bench IS 'state of rb-bench: run ledger and cursors'",
];

/// What each version adds, the first from an empty schema. A released version never changes: what
/// is new makes another.
const VERSIONS: [&[&str]; 2] = [
    &[
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

/// What a role needs that is to make it.
const TO_MAKE: &str = "rb-bench keeps its run ledger and marks there, and makes new and replaced tables there: GRANT CREATE ON \
     DATABASE to this role, or have a superuser CREATE SCHEMA rb_bench AUTHORIZATION this role; an older schema \
     is brought up to date by the role that owns its tables. A full_refresh append or upsert with \
     resources.parallelism: 1 and without --run-id needs no schema";

/// What a role needs that is to make tables in it.
const TO_MAKE_TABLES: &str = "rb-bench makes tables there until they are in place: GRANT CREATE ON SCHEMA rb_bench to this role";

/// Whether this role may.
const MAY_CREATE: &str = "SELECT pg_catalog.has_schema_privilege('rb_bench', 'CREATE')";

/// What a role finds of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There is none.
    Missing,
    /// It is there, and nothing of ours is in it yet.
    Empty,
    /// It is there, and this role may not look into it.
    Closed,
    /// It has this version.
    Version(usize),
}

/// Makes the schema, or brings an older one up to date; refuses one of a newer rb-bench.
///
/// `session` is outside of a transaction.
///
/// # Errors
/// `Kind::Permission` where this role may not, with what to grant.
pub async fn ensure(session: &Session) -> Result<()> {
    match standing(session).await? {
        Standing::Version(VERSION) => return Ok(()),
        Standing::Closed => return Err(closed()),
        Standing::Missing | Standing::Empty | Standing::Version(_) => {}
    }
    let doing = "preparing schema rb_bench in the destination";
    let outcome = migrate(session, doing).await;
    if outcome.is_err() && !session.is_closed() {
        session.execute("ROLLBACK", doing).await?;
    }
    outcome.map_err(|error| match error.kind() {
        Kind::Permission => error.remedy(TO_MAKE),
        _ => error,
    })
}

/// Sees whether [`ensure`] would be refused, or after it the making of `tables` in the schema, from the
/// catalogs alone: nothing is made.
///
/// # Errors
/// As those of `ensure`.
pub async fn foresee(session: &Session, tables: bool) -> Result<()> {
    let standing = standing(session).await?;
    let may = match standing {
        Standing::Version(VERSION) if !tables => return Ok(()),
        Standing::Version(VERSION) | Standing::Empty => MAY_CREATE,
        Standing::Closed => return Err(closed()),
        // its tables are altered, which is their owner's
        Standing::Version(_) => {
            "SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class \
              WHERE oid = 'rb_bench.runs'::pg_catalog.regclass"
        }
        Standing::Missing => {
            "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"
        }
    };
    let doing = "asking whether schema rb_bench may be made in the destination";
    if session.value(may, doing).await?.as_deref() == Some("t") {
        return Ok(());
    }
    let what = "this role may not make schema rb_bench, or tables in it, in the destination";
    let remedy = match standing {
        Standing::Version(VERSION) => TO_MAKE_TABLES,
        _ => TO_MAKE,
    };
    Err(Error::new(Kind::Permission, what).remedy(remedy))
}

fn closed() -> Error {
    let what = "schema rb_bench in the destination belongs to another role";
    Error::new(Kind::Permission, what).remedy(
        "GRANT USAGE ON SCHEMA rb_bench, and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rb_bench, to \
         this role; for new and replaced tables CREATE ON SCHEMA rb_bench too",
    )
}

/// Says what to grant where a table could not be made in the schema.
#[must_use]
pub fn explain_closed(error: Error) -> Error {
    let said = error.server().map(|report| report.message.as_str());
    if error.kind() == Kind::Permission && said.is_some_and(|said| said.contains(SCHEMA)) {
        error.remedy(TO_MAKE_TABLES)
    } else {
        error
    }
}

async fn migrate(session: &Session, doing: &str) -> Result<()> {
    // one at a time: CREATE ... IF NOT EXISTS alone can still collide
    let begin = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s'; \
                 SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('rb_bench state', 0))";
    session.execute(begin, doing).await?;
    // somebody else may have done it meanwhile
    let (make, there) = match standing(session).await? {
        Standing::Missing => (&MAKE[..], 0),
        Standing::Empty | Standing::Closed => (&[][..], 0),
        Standing::Version(version) => (&[][..], version),
    };
    let missing = [make, &VERSIONS[there..].concat()].concat().join("; ");
    let done = format!(
        "{missing}; DELETE FROM {SCHEMA}.version; INSERT INTO {SCHEMA}.version VALUES ({VERSION}); COMMIT"
    );
    session.execute(&done, doing).await
}

/// The schema's version; none where there is no schema, or this role may not look into it.
///
/// # Errors
/// `Kind::Unsupported` for one of a newer rb-bench.
pub async fn version(session: &Session) -> Result<Option<usize>> {
    Ok(match standing(session).await? {
        Standing::Version(version) => Some(version),
        Standing::Missing | Standing::Empty | Standing::Closed => None,
    })
}

async fn standing(session: &Session) -> Result<Standing> {
    let doing = "looking for schema rb_bench";
    // a look that never fails: it may be inside of a transaction
    let there = format!(
        "SELECT c.oid IS NOT NULL AS made, \
           pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS open \
          FROM pg_catalog.pg_namespace n \
          LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'version' WHERE n.nspname = '{SCHEMA}'"
    );
    let rows = session.rows(&there, doing).await?;
    let Some(row) = rows.first() else {
        return Ok(Standing::Missing);
    };
    match (row.get("made"), row.get("open")) {
        (Some("t"), Some("t")) => {}
        (Some("t"), _) => return Ok(Standing::Closed),
        _ => return Ok(Standing::Empty),
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
        Some(version) => Ok(Standing::Version(version)),
        None => Ok(Standing::Empty),
    }
}
