//! The tables that a benchmark writes to, and how they are emptied before each iteration.
//!
//! The rule this file keeps: **no table that holds rows rb-bench did not write is ever emptied or
//! dropped.** On the managed server the tables are rb-bench's own. On a user's database they are copies
//! (`rb_bench_<id>_<table>`), made here and dropped here, or, with `--in-place`, the named tables: those
//! must be empty at the start, and they are emptied again only while they hold exactly what was seen in
//! them right after a run of ours: as many rows, of the same transactions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::dataset::{Dataset, TableDefinition};
use super::in_place::{Contents, contents, empty_if_ours, in_place};
use super::profile::TargetState;
use crate::config::relation::RelationName;
use crate::config::types::{DestinationConnector, Pipeline, Stream};
use crate::error::{Error, Kind, Result};
use crate::postgres::{Session, quote_ident, quote_literal};

/// The most bytes of an identifier.
const MAX_NAME: usize = crate::config::relation::MAX_IDENTIFIER_BYTES;

/// Where a session writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritesTo {
    /// Tables on the managed server.
    Managed,
    /// Copies beside the named tables.
    Copies,
    /// The named tables themselves.
    InPlace,
    /// `dest-null`: nowhere.
    Nowhere,
}

impl WritesTo {
    /// The choice as artifacts name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::Copies => "copies",
            Self::InPlace => "in_place",
            Self::Nowhere => "nowhere",
        }
    }
}

/// Tables that rb-bench made on a user's database and has not dropped yet. Shared with whoever
/// handles signals, so that a user who leaves in a hurry is told their names.
#[derive(Debug, Clone, Default)]
pub struct Leftovers(Arc<Mutex<BTreeSet<String>>>);

impl Leftovers {
    /// The tables that are still there, as SQL names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.locked().iter().cloned().collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A table that one stream is written to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) schema: String,
    pub(super) table: String,
    /// There, empty, before the clock starts; else the engine makes it.
    pub(super) existing: bool,
    /// What the last run left in it (in place only).
    pub(super) ours: Option<Contents>,
}

impl Target {
    /// The name as SQL.
    pub(super) fn sql(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.table))
    }
}

/// All targets of a session, in the order of the pipeline's streams.
#[derive(Debug)]
pub struct Targets {
    writes_to: WritesTo,
    tables: Vec<Target>,
    leftovers: Leftovers,
    /// What a reader should know about them.
    pub notes: Vec<String>,
}

/// What the targets are made from.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The session's id.
    pub id: &'a str,
    /// The pipeline, its streams' names exact.
    pub pipeline: &'a Pipeline,
    /// How the profile's rows are made, where it has any.
    pub dataset: Option<&'a Dataset>,
    /// The target before the clock starts.
    pub state: TargetState,
}

impl Targets {
    /// No targets yet.
    #[must_use]
    pub fn new(writes_to: WritesTo, leftovers: &Leftovers) -> Self {
        Self {
            writes_to,
            tables: Vec::new(),
            leftovers: leftovers.clone(),
            notes: Vec::new(),
        }
    }

    /// Makes the targets ready for the first reset. What it has made when it fails is known to
    /// [`Self::clean_up`].
    ///
    /// # Errors
    /// `Kind::Incompatible` where `--in-place` finds rows, `Kind::NotFound` where it finds no table;
    /// whatever the server reports.
    pub async fn prepare(&mut self, session: &Session, wanted: &Wanted<'_>) -> Result<()> {
        session
            .execute("SET client_min_messages = warning", "setting up a session")
            .await?;
        for stream in &wanted.pipeline.source.streams {
            let named = named_target(wanted.pipeline, stream)?;
            let definition = wanted.dataset.and_then(|d| d.table(&stream.name));
            match self.writes_to {
                WritesTo::Managed => {
                    let target = managed(session, wanted, named, definition).await?;
                    self.tables.push(target);
                }
                WritesTo::Copies => self.copy(session, wanted, &named, definition).await?,
                WritesTo::InPlace => {
                    let target = in_place(session, wanted, named).await?;
                    self.tables.push(target);
                }
                WritesTo::Nowhere => {}
            }
        }
        Ok(())
    }

    /// Lets a pipeline write to these targets.
    pub fn apply(&self, pipeline: &mut Pipeline) {
        for (stream, target) in pipeline.source.streams.iter_mut().zip(&self.tables) {
            let name = RelationName {
                schema: Some(target.schema.clone()),
                table: target.table.clone(),
            };
            stream.target = Some(name.to_text());
        }
    }

    /// What is done before each iteration, for the artifact.
    #[must_use]
    pub fn resets(&self) -> Vec<String> {
        let verb = |target: &Target| {
            if target.existing {
                "TRUNCATE"
            } else {
                "DROP TABLE IF EXISTS"
            }
        };
        self.tables
            .iter()
            .map(|target| format!("{} {}", verb(target), target.sql()))
            .collect()
    }

    /// Empties (or drops) every target, as it must be before the clock starts.
    ///
    /// # Errors
    /// `Kind::Incompatible` where somebody else has written into a table that is used in place.
    pub async fn reset(&mut self, session: &Session) -> Result<()> {
        for target in &mut self.tables {
            let sql = target.sql();
            let doing = format!("emptying {sql}");
            if self.writes_to == WritesTo::InPlace {
                empty_if_ours(session, target, &doing).await?;
            } else if target.existing {
                session.execute(&format!("TRUNCATE {sql}"), &doing).await?;
            } else {
                session
                    .execute(&format!("DROP TABLE IF EXISTS {sql}"), &doing)
                    .await?;
            }
        }
        Ok(())
    }

    /// Remembers what a run has just left in tables that are used in place. They were empty before
    /// it; so if they now hold as many rows as it wrote, the rows are ours. If not, somebody else
    /// writes there too, and nothing is remembered: the tables will not be emptied again.
    pub async fn remember(&mut self, session: &Session, rows_written: u64) -> Result<()> {
        if self.writes_to != WritesTo::InPlace {
            return Ok(());
        }
        let mut found = Vec::with_capacity(self.tables.len());
        for target in &self.tables {
            found.push(contents(session, &target.sql()).await?);
        }
        let rows: u64 = found
            .iter()
            .filter_map(|c| c.rows.parse::<u64>().ok())
            .sum();
        if rows == rows_written {
            for (target, contents) in self.tables.iter_mut().zip(found) {
                target.ours = Some(contents);
            }
        }
        Ok(())
    }

    /// Rows in all targets, by the server's own count.
    pub async fn rows(&self, session: &Session) -> Result<u64> {
        let mut rows = 0;
        for target in &self.tables {
            let count = format!("SELECT count(*) FROM {}", target.sql());
            let counted = session.value(&count, "counting what arrived").await?;
            rows += counted.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(rows)
    }

    /// Leaves the databases as they were found: copies and managed tables dropped, tables that were
    /// used in place empty again. What could not be done is in the answer.
    pub async fn clean_up(&mut self, session: &Session) -> Vec<String> {
        let mut failures = Vec::new();
        for target in &mut self.tables {
            let sql = target.sql();
            let outcome = if self.writes_to == WritesTo::InPlace {
                empty_if_ours(session, target, &format!("emptying {sql}")).await
            } else {
                let drop = format!("DROP TABLE IF EXISTS {sql}");
                session.execute(&drop, &format!("dropping {sql}")).await
            };
            match outcome {
                Ok(()) => {
                    self.leftovers.locked().remove(&sql);
                }
                Err(error) => failures.push(error.to_string()),
            }
        }
        failures
    }

    /// A copy of a named table, empty and with everything but its foreign keys and triggers.
    async fn copy(
        &mut self,
        session: &Session,
        wanted: &Wanted<'_>,
        named: &RelationName,
        definition: Option<&TableDefinition>,
    ) -> Result<()> {
        let schema = named.schema.clone().unwrap_or_default();
        let mut target = Target {
            table: copy_name(wanted.id, self.tables.len(), &named.table),
            existing: wanted.state == TargetState::Existing,
            schema,
            ours: None,
        };
        let sql = target.sql();
        if relation_kind(session, &target.schema, &target.table)
            .await?
            .is_some()
        {
            return Err(
                Error::new(Kind::Incompatible, format!("{sql} is there already"))
                    .remedy("run the benchmark again: each session has an id of its own"),
            );
        }
        let original = format!(
            "{}.{}",
            quote_ident(&target.schema),
            quote_ident(&named.table)
        );
        let kind = relation_kind(session, &target.schema, &named.table).await?;
        let create = match (kind.as_deref(), definition) {
            _ if !target.existing => None,
            (Some(kind @ ("r" | "p")), _) => {
                if kind == "p" {
                    self.notes.push(format!(
                        "{original} is partitioned; its copy {sql} is one ordinary table"
                    ));
                }
                Some(format!(
                    "CREATE TABLE {sql} (LIKE {original} INCLUDING ALL)"
                ))
            }
            (Some(_), _) => {
                return Err(Error::new(
                    Kind::Incompatible,
                    format!("{original} is not a table, so no copy of it can be written to"),
                ));
            }
            (None, Some(definition)) => {
                Some(definition.create_table(&target.schema, &target.table))
            }
            (None, None) => {
                self.notes.push(format!(
                    "{original} does not exist; each iteration makes {sql} from the source's definition, keys included"
                ));
                target.existing = false;
                None
            }
        };
        // written down before it is made: whatever happens next, it will be dropped
        self.leftovers.locked().insert(sql.clone());
        self.tables.push(target.clone());
        if let Some(create) = create {
            let doing = format!("making {sql}");
            session.execute(&create, &doing).await?;
            leave_sequences_alone(session, &target, &doing).await?;
        }
        Ok(())
    }
}

/// `rb_bench_<id>_<table>`, cut to what Postgres keeps; the stream's number keeps two that are cut
/// alike apart.
fn copy_name(id: &str, n: usize, table: &str) -> String {
    let whole = format!("rb_bench_{id}_{table}");
    if whole.len() <= MAX_NAME {
        return whole;
    }
    let tail = format!("_{n}");
    let mut cut = MAX_NAME - tail.len();
    while !whole.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{tail}", &whole[..cut])
}

/// The table that a stream is written to by its document, schema included.
fn named_target(pipeline: &Pipeline, stream: &Stream) -> Result<RelationName> {
    let text = stream.target.as_deref();
    let mut name = match text {
        // a judged document has no other
        Some(text) => RelationName::parse(text)
            .map_err(|why| Error::internal(format!("target `{text}`: {why}")))?,
        None => RelationName {
            schema: None,
            table: stream.name.clone(),
        },
    };
    if name.schema.is_none()
        && let DestinationConnector::Postgres(postgres) = &pipeline.destination.connector
    {
        name.schema = Some(postgres.endpoint.schema.clone());
    }
    Ok(name)
}

/// `pg_class.relkind` of a relation; none where it does not exist.
pub(super) async fn relation_kind(
    session: &Session,
    schema: &str,
    table: &str,
) -> Result<Option<String>> {
    let sql = format!(
        "SELECT c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = {} AND c.relname = {}",
        quote_literal(schema),
        quote_literal(table)
    );
    let rows = session.rows(&sql, "looking for the target").await?;
    Ok(rows.first().and_then(|row| row.get(0)).map(str::to_owned))
}

async fn managed(
    session: &Session,
    wanted: &Wanted<'_>,
    named: RelationName,
    definition: Option<&TableDefinition>,
) -> Result<Target> {
    let definition = definition.ok_or_else(|| {
        Error::internal("the managed server was asked for a table that is not in the dataset")
    })?;
    let target = Target {
        schema: named.schema.unwrap_or_else(|| "public".into()),
        table: named.table,
        existing: wanted.state == TargetState::Existing,
        ours: None,
    };
    let schema = format!(
        "CREATE SCHEMA IF NOT EXISTS {}",
        quote_ident(&target.schema)
    );
    session
        .execute(&schema, "making the target's schema")
        .await?;
    let doing = format!("making {}", target.sql());
    // left by a session that was killed, or made from another version of the profile
    let drop = format!("DROP TABLE IF EXISTS {}", target.sql());
    session.execute(&drop, &doing).await?;
    if target.existing {
        let create = definition.create_table(&target.schema, &target.table);
        session.execute(&create, &doing).await?;
    }
    Ok(target)
}

/// A default that draws from a sequence of the original is taken off the copy: the sequence must not
/// move, and every value is given anyway.
async fn leave_sequences_alone(session: &Session, target: &Target, doing: &str) -> Result<()> {
    let query = format!(
        "SELECT DISTINCT a.attname FROM pg_catalog.pg_attrdef d
         JOIN pg_catalog.pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
           AND p.refclassid = 'pg_class'::regclass
         JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
         WHERE d.adrelid = {}::regclass",
        quote_literal(&target.sql())
    );
    for row in session.rows(&query, doing).await? {
        let alter = format!(
            "ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT",
            target.sql(),
            quote_ident(row.get(0).unwrap_or_default())
        );
        session.execute(&alter, doing).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_named_after_session_and_table() {
        assert_eq!(
            copy_name("0f3a9c21", 0, "orders"),
            "rb_bench_0f3a9c21_orders"
        );
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_stays_apart() {
        let table = "ä".repeat(30);
        let (a, b) = (
            copy_name("0f3a9c21", 0, &table),
            copy_name("0f3a9c21", 1, &table),
        );
        assert!(
            a.len() <= MAX_NAME && b.len() <= MAX_NAME && a != b,
            "{a} {b}"
        );
    }
}
