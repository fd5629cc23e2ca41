//! The destination's side of the plan: what is there, what is missing, what would go wrong.
//!
//! Everything here only reads. It runs before a row moves, and refuses what cannot fit.

use std::collections::{BTreeMap, BTreeSet};

use super::blueprint::Blueprint;
use super::drift::{self, Drift};
use super::eligibility::Reference;
use super::fit::{self, Fit};
use super::increment::Increment;
use super::leader::explain_lock;
use super::plan::{CopyFormat, Origin};
use super::snapshot::{Found, Snapshot};
use super::transformed::Transformed;
use super::upsert::{self, Upsert};
use super::{replace, user_types};
use crate::config::relation::{RelationName, SAME_SCHEMA, is_pattern};
use crate::config::types::{Pipeline, PostgresDestination, Stream, WriteMode};
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, Column, Leaf, Name, Relation, RelationKind};
use crate::postgres::{Session, listing, quote_ident, quote_literal};

/// What a stream's target is.
#[derive(Debug, Clone)]
pub enum Target {
    /// A table that is there.
    Existing(Box<Relation>),
    /// A table that is there and gives way to a new one (write mode replace).
    Replaced(Box<Relation>),
    /// A table to be made.
    Missing(Box<Blueprint>),
    /// Nothing: dest-null.
    Nowhere,
}

impl Target {
    /// The table that is there, whatever becomes of it.
    #[must_use]
    pub fn table(&self) -> Option<&Relation> {
        match self {
            Self::Existing(relation) | Self::Replaced(relation) => Some(relation),
            Self::Missing(_) | Self::Nowhere => None,
        }
    }
}

/// A stream as found in the source, matched with its target.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The document's entry.
    pub stream: Stream,
    /// Where its rows come from.
    pub origin: Origin,
    /// The source relation's name.
    pub source: Name,
    /// The target's name; none for dest-null.
    pub target_name: Option<Name>,
    /// The target.
    pub target: Target,
    /// The columns, and how they travel.
    pub fit: Fit,
    /// What is changed in the target for that.
    pub drift: Drift,
    /// The rows that are read of it, where they are an increment.
    pub increment: Option<Increment>,
    /// How its rows are upserted, where they meet rows that are there.
    pub upsert: Option<Upsert>,
    /// What transforms do to the relation, where there are any.
    pub transformed: Option<Transformed>,
}

impl Matched {
    /// The statement that alters the target for this run; none where it stays as it is.
    #[must_use]
    pub fn alters(&self) -> Option<String> {
        self.drift.alter(self.target_name.as_ref()?)
    }
}

/// The streams of a generating source, as relations that look as what it makes.
#[must_use]
pub fn generated_streams(pipeline: &Pipeline) -> Vec<Found> {
    let column = |name: &str, type_name: &str, type_oid| Column {
        not_null: true,
        ..Column::plain(name, type_name, type_oid)
    };
    let streams = pipeline.source.streams.iter();
    streams
        .map(|stream| Found {
            stream: stream.clone(),
            relation: Relation {
                oid: 0,
                name: Name::new(
                    stream.schema.as_deref().unwrap_or("generated"),
                    &stream.name,
                ),
                kind: RelationKind::Other,
                has_children: false,
                // OIDs of the built-in types: pg_type.dat
                columns: vec![column("id", "bigint", 20), column("payload", "text", 25)],
                leaves: Vec::<Leaf>::new(),
                keys: Vec::new(),
                identity: Vec::new(),
            },
            transformed: None,
        })
        .collect()
}

/// Matches streams with columns only, for a destination that keeps nothing.
pub fn match_nowhere(found: &[Found]) -> Result<Vec<Matched>> {
    found
        .iter()
        .map(|found| {
            let fit = fit::own_columns(&found.relation, found.chosen())
                .map_err(|problems| does_not_fit(&problems))?;
            Ok(matched(found, None, Target::Nowhere, fit))
        })
        .collect()
}

fn matched(found: &Found, target_name: Option<Name>, target: Target, fit: Fit) -> Matched {
    let generated = found.relation.kind == RelationKind::Other;
    Matched {
        stream: found.stream.clone(),
        origin: if generated {
            Origin::Generated
        } else {
            Origin::Relation(Box::new(found.relation.clone()))
        },
        source: found.relation.name.clone(),
        target_name,
        target,
        fit,
        drift: Drift::default(),
        increment: None,
        upsert: None,
        transformed: found.transformed.clone(),
    }
}

/// Matches streams with their targets. All problems of all streams are reported at once.
///
/// `session` is in a transaction with an empty `search_path`; `snapshot` is where the makings of
/// missing tables are read; `key` decides what an upsert updates, where it is one.
pub async fn match_targets(
    session: &Session,
    snapshot: Option<&Snapshot>,
    found: &[Found],
    pipeline: &Pipeline,
    destination: &PostgresDestination,
    key: impl Fn(&Found) -> Option<Vec<String>>,
) -> Result<Vec<Matched>> {
    let in_place = |table: Relation| match pipeline.destination.write_mode {
        WriteMode::Replace => Target::Replaced(Box::new(table)),
        WriteMode::Append | WriteMode::Upsert => Target::Existing(Box::new(table)),
    };
    let (mut all, mut problems) = (Vec::with_capacity(found.len()), Vec::new());
    for found in found {
        let name = target_name(found, destination)?;
        let chosen = found.chosen();
        let source = &found.relation;
        let outcome = match catalog::relation(session, &name)
            .await
            .map_err(explain_lock)?
        {
            Some(target) => match target.kind {
                RelationKind::Table | RelationKind::Partitioned => {
                    let policies = pipeline.schema_evolution;
                    let primary = session
                        .rows(&drift::primary_key_sql(&name), "reading a primary key")
                        .await?;
                    let primary: Vec<String> = primary
                        .iter()
                        .filter_map(|row| row.get(0).map(str::to_owned))
                        .collect();
                    let is_table =
                        matches!(source.kind, RelationKind::Table | RelationKind::Partitioned);
                    let knows_nulls = is_table && found.transformed.is_none();
                    drift::evolve(policies, source, knows_nulls, chosen, target, &primary)
                        .map(|(target, fit, drift)| (in_place(target), fit, drift))
                }
                other => Err(vec![format!(
                    "{name} is a {}, which cannot be appended to",
                    other.noun()
                )]),
            },
            None => match fit::own_columns(source, chosen) {
                Ok(fit) => missing_target(session, snapshot, found, &fit, &name)
                    .await?
                    .map(|target| (target, fit, Drift::default())),
                Err(problems) => Err(problems),
            },
        };
        let outcome = match (outcome, snapshot) {
            (Ok((target, fit, drift)), Some(snapshot)) if source.kind != RelationKind::Other => {
                let same_type = |name: &&String| {
                    target.table().is_none_or(|target| {
                        source.column(name).map(|c| &c.base_type)
                            == target.column(name).map(|c| &c.base_type)
                    })
                };
                let columns: Vec<String> = source
                    .columns
                    .iter()
                    .filter(|column| column.generated || fit.columns.contains(&column.name))
                    .map(|column| &column.name)
                    .filter(same_type)
                    .cloned()
                    .collect();
                let found =
                    user_types::problems(snapshot.reader(), session, source, &columns).await?;
                if found.is_empty() {
                    Ok((target, fit, drift))
                } else {
                    Err(found)
                }
            }
            (outcome, _) => outcome,
        };
        let outcome = outcome.and_then(|(mut target, fit, drift)| {
            let upsert = match key(found) {
                Some(key) => upsert::plan(source, &fit, &mut target, &key)?,
                None => None,
            };
            Ok((target, fit, drift, upsert))
        });
        match outcome {
            Ok((target, fit, drift, upsert)) => all.push(Matched {
                drift,
                upsert,
                ..matched(found, Some(name), target, fit)
            }),
            Err(more) => problems.extend(more),
        }
    }
    for (i, one) in all.iter().enumerate() {
        if all[..i]
            .iter()
            .any(|other| other.target_name == one.target_name)
            && let Some(name) = &one.target_name
        {
            problems.push(format!(
                "two streams go into {name}; give one of them another `target`"
            ));
        }
    }
    problems.extend(seen_twice(session, &all).await?);
    let replaced: Vec<u32> = all
        .iter()
        .filter(|one| matches!(one.target, Target::Replaced(_)))
        .filter_map(|one| one.target.table().map(|table| table.oid))
        .collect();
    problems.extend(replace::problems(session, &replaced).await?);
    if problems.is_empty() {
        name_anew(session, &mut all).await?;
        Ok(all)
    } else {
        Err(does_not_fit(&problems))
    }
}

fn does_not_fit(problems: &[String]) -> Error {
    let list = problems.join("\n  - ");
    Error::new(
        Kind::Incompatible,
        format!("the source does not fit the destination:\n  - {list}"),
    )
    .remedy("correct the tables or the document; nothing was copied")
}

pub(super) fn target_name(found: &Found, destination: &PostgresDestination) -> Result<Name> {
    let source = &found.relation.name;
    let schema = match destination.endpoint.schema.as_str() {
        SAME_SCHEMA => source.schema.as_str(),
        schema => schema,
    };
    let Some(target) = &found.stream.target else {
        return Ok(Name::new(schema, &source.relation));
    };
    // a judged document has no other
    if is_pattern(&found.stream.name) {
        let name = &found.stream.name;
        return Err(Error::internal(format!("pattern `{name}` has one target")));
    }
    let target = RelationName::parse(target)
        .map_err(|why| Error::internal(format!("target `{target}`: {why}")))?;
    Ok(Name::new(
        target.schema.as_deref().unwrap_or(schema),
        target.table,
    ))
}

/// A table to be made, unless its schema or a type it needs is not there.
async fn missing_target(
    session: &Session,
    snapshot: Option<&Snapshot>,
    found: &Found,
    fit: &Fit,
    name: &Name,
) -> Result<std::result::Result<Target, Vec<String>>> {
    let mut problems = Vec::new();
    let schema = format!(
        "SELECT pg_catalog.has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace WHERE nspname = {}",
        quote_literal(&name.schema)
    );
    match session.rows(&schema, "looking for the target's schema").await?.first().and_then(|row| row.get(0)) {
        Some("t") => {}
        Some(_) => problems.push(format!(
            "{name} does not exist, and this role may not create it: GRANT CREATE ON SCHEMA {} to it",
            quote_ident(&name.schema)
        )),
        None => problems.push(format!(
            "schema {} does not exist in the destination: CREATE SCHEMA {}",
            name.schema,
            quote_ident(&name.schema)
        )),
    }
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let blueprint = match snapshot {
        Some(snapshot) if found.relation.kind != RelationKind::Other => {
            let kept = found.transformed.as_ref().map(|t| t.kept.as_slice());
            Blueprint::read(snapshot.reader(), &found.relation, fit, kept, name.clone()).await?
        }
        _ => Blueprint::generated(name.clone(), &fit.columns),
    };
    Ok(Ok(Target::Missing(Box::new(blueprint))))
}

/// The names of relations in a schema.
async fn relations_in(session: &Session, schema: &str) -> Result<BTreeSet<String>> {
    let sql = format!(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {}",
        quote_literal(schema)
    );
    let rows = session
        .rows(&sql, "looking for names that are taken")
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.get(0).map(str::to_owned))
        .collect())
}

/// Gives the keys and sequences of new tables names that are free in their schemas.
async fn name_anew(session: &Session, matched: &mut [Matched]) -> Result<()> {
    let targets: Vec<Name> = matched
        .iter()
        .filter_map(|one| one.target_name.clone())
        .collect();
    let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in matched {
        let Target::Missing(blueprint) = &mut one.target else {
            continue;
        };
        let schema = blueprint.target.schema.clone();
        if !taken.contains_key(&schema) {
            let mut names = relations_in(session, &schema).await?;
            let ours = targets.iter().filter(|name| name.schema == schema);
            names.extend(ours.map(|name| name.relation.clone()));
            taken.insert(schema.clone(), names);
        }
        if let Some(taken) = taken.get_mut(&schema) {
            blueprint.avoid_names(taken);
        }
    }
    Ok(())
}

/// Targets that inherit from other targets of the run: their rows would be in those twice.
async fn seen_twice(session: &Session, matched: &[Matched]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for one in matched {
        let Some(target) = one.target.table() else {
            continue;
        };
        let heirs = listing::heirs(session, std::slice::from_ref(&target.name)).await?;
        for other in matched {
            if let Some(name) = other
                .target_name
                .as_ref()
                .filter(|name| heirs.contains(name))
            {
                problems.push(format!(
                    "{name} is a part of {}: what both streams copy would be there twice; leave one of them out",
                    target.name
                ));
            }
        }
    }
    Ok(problems)
}

/// Foreign keys among the existing targets of a run, a table's own included.
pub async fn references(session: &Session, matched: &[Matched]) -> Result<Vec<Reference>> {
    let oids: Vec<(usize, u32)> = matched
        .iter()
        .enumerate()
        .filter_map(|(i, one)| match &one.target {
            Target::Existing(relation) => Some((i, relation.oid)),
            _ => None,
        })
        .collect();
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = oids.iter().map(|(_, oid)| oid.to_string()).collect();
    let list = list.join(", ");
    let sql = format!(
        "SELECT conname, conrelid, confrelid, condeferrable FROM pg_catalog.pg_constraint \
         WHERE contype = 'f' AND conrelid IN ({list}) AND confrelid IN ({list}) ORDER BY conname"
    );
    let rows = session
        .rows(&sql, "looking for foreign keys between the targets")
        .await?;
    let stream_of = |row: &tokio_postgres::SimpleQueryRow, column: &str| {
        let oid: u32 = row.get(column)?.parse().ok()?;
        oids.iter().find(|(_, o)| *o == oid).map(|(i, _)| *i)
    };
    Ok(rows
        .iter()
        .filter_map(|row| {
            Some(Reference {
                from: stream_of(row, "conrelid")?,
                to: stream_of(row, "confrelid")?,
                constraint: row.get("conname")?.to_owned(),
                deferrable: row.get("condeferrable") == Some("t"),
            })
        })
        .collect())
}

/// What the destination server still has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Connections for this role to this database.
    pub connections: i64,
    /// Prepared transactions.
    pub prepared: i64,
}

/// Counts what a server has left for us.
pub async fn room(session: &Session) -> Result<Room> {
    let sql = "SELECT least( \
          pg_catalog.current_setting('max_connections')::int8 \
            - (CASE WHEN r.rolsuper THEN 0 ELSE pg_catalog.current_setting('superuser_reserved_connections')::int8 + coalesce(pg_catalog.current_setting('reserved_connections', true)::int8, 0) END) \
            - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'), \
          CASE WHEN r.rolconnlimit < 0 OR r.rolsuper THEN 1000000 ELSE r.rolconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = r.rolname) END, \
          CASE WHEN d.datconnlimit < 0 OR r.rolsuper THEN 1000000 ELSE d.datconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = d.datname) END) AS connections, \
        pg_catalog.current_setting('max_prepared_transactions')::int8 - (SELECT count(*) FROM pg_catalog.pg_prepared_xacts) AS prepared \
        FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()";
    let row = session
        .row(sql, "counting what the server has left")
        .await?;
    let number = |name: &str| {
        row.get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    };
    Ok(Room {
        connections: number("connections"),
        prepared: number("prepared"),
    })
}

/// Refuses a run that needs more connections than the server has left.
pub fn check_room(room: Room, workers: u32, which: &str) -> Result<()> {
    if room.connections >= i64::from(workers) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Connection,
        format!(
            "{workers} workers need as many connections, and the {which} has {} left for this role",
            room.connections
        ),
    )
    .remedy("lower resources.parallelism, or raise max_connections there"))
}

/// Why a stream's format is text, for the notes.
#[must_use]
pub fn text_note(one: &Matched) -> Option<String> {
    (one.fit.format == CopyFormat::Text).then(|| {
        format!(
            "{} travels as text: {}",
            one.source,
            one.fit.why_text.as_deref().unwrap_or_default()
        )
    })
}
