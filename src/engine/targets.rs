//! The destination's side of the plan: what is there, what is missing, what would go wrong.
//!
//! Everything here only reads. It runs before a row moves, and refuses what cannot fit.

use super::blueprint::Blueprint;
use super::fit::{self, Fit};
use super::leader::explain_lock;
use super::plan::{CopyFormat, Origin, Reference};
use super::snapshot::{Found, Snapshot};
use crate::config::relation::{RelationName, SAME_SCHEMA, is_pattern};
use crate::config::types::{Pipeline, PostgresDestination, Stream};
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, Column, Leaf, Name, Relation, RelationKind};
use crate::postgres::{Session, quote_ident, quote_literal};

/// What a stream's target is.
#[derive(Debug, Clone)]
pub enum Target {
    /// A table that is there.
    Existing(Box<Relation>),
    /// A table to be made.
    Missing(Box<Blueprint>),
    /// Nothing: dest-null.
    Nowhere,
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
}

/// The streams of a generating source, as relations that look as what it makes.
#[must_use]
pub fn generated_streams(pipeline: &Pipeline) -> Vec<Found> {
    let column = |name: &str, type_name: &str, type_oid| Column {
        name: name.into(),
        type_name: type_name.into(),
        base_type: type_name.into(),
        type_oid,
        type_body: String::new(),
        type_kind: 'b',
        type_modifier: -1,
        binary_io: true,
        not_null: true,
        generated: false,
        identity: None,
        default: None,
        default_is_portable: true,
        serial: false,
        collation: None,
        effective_collation: String::new(),
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
            },
        })
        .collect()
}

/// Matches streams with columns only, for a destination that keeps nothing.
pub fn match_nowhere(found: &[Found]) -> Result<Vec<Matched>> {
    found
        .iter()
        .map(|found| {
            let fit = fit::own_columns(&found.relation, found.stream.columns.as_deref())
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
    }
}

/// Matches streams with their targets. All problems of all streams are reported at once.
///
/// `session` is in a transaction with an empty `search_path`; `snapshot` is where the makings of
/// missing tables are read.
pub async fn match_targets(
    session: &Session,
    snapshot: Option<&Snapshot>,
    found: &[Found],
    destination: &PostgresDestination,
) -> Result<Vec<Matched>> {
    let (mut all, mut problems) = (Vec::with_capacity(found.len()), Vec::new());
    for found in found {
        let name = target_name(found, destination)?;
        let chosen = found.stream.columns.as_deref();
        let source = &found.relation;
        let outcome = match catalog::relation(session, &name)
            .await
            .map_err(explain_lock)?
        {
            Some(target) => match target.kind {
                RelationKind::Table | RelationKind::Partitioned => {
                    fit::fit(source, chosen, &target)
                        .map(|fit| (Target::Existing(Box::new(target)), fit))
                }
                other => Err(vec![format!(
                    "{name} is a {}, which cannot be appended to",
                    other.noun()
                )]),
            },
            None => match fit::own_columns(source, chosen) {
                Ok(fit) => missing_target(session, snapshot, source, &fit, &name)
                    .await?
                    .map(|target| (target, fit)),
                Err(problems) => Err(problems),
            },
        };
        match outcome {
            Ok((target, fit)) => all.push(matched(found, Some(name), target, fit)),
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
    if problems.is_empty() {
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

fn target_name(found: &Found, destination: &PostgresDestination) -> Result<Name> {
    let source = &found.relation.name;
    let schema = match destination.endpoint.schema.as_str() {
        SAME_SCHEMA => source.schema.as_str(),
        schema => schema,
    };
    let Some(target) = &found.stream.target else {
        return Ok(Name::new(schema, &source.relation));
    };
    if is_pattern(&found.stream.name) {
        return Err(Error::new(
            Kind::Config,
            format!(
                "stream `{}` is a pattern and cannot have one `target`",
                found.stream.name
            ),
        )
        .remedy("name the tables one by one, or leave `target` out"));
    }
    let target = RelationName::parse(target)
        .map_err(|why| Error::new(Kind::Config, format!("target `{target}`: {why}")))?;
    Ok(Name::new(
        target.schema.as_deref().unwrap_or(schema),
        target.table,
    ))
}

/// A table to be made, unless its schema or a type it needs is not there.
async fn missing_target(
    session: &Session,
    snapshot: Option<&Snapshot>,
    source: &Relation,
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
    for column in source
        .columns
        .iter()
        .filter(|column| fit.columns.contains(&column.name))
    {
        if column.type_oid < catalog::FIRST_NORMAL_OID {
            continue;
        }
        let sql = format!(
            "SELECT pg_catalog.to_regtype({})",
            quote_literal(&column.base_type)
        );
        if session
            .value(&sql, "looking for a column's type")
            .await?
            .is_none()
        {
            problems.push(missing_type(column, name));
        }
    }
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let mut blueprint = match snapshot {
        Some(snapshot) if source.kind != RelationKind::Other => {
            Blueprint::read(snapshot.reader(), source, fit, name.clone()).await?
        }
        _ => Blueprint::generated(name.clone()),
    };
    let taken = taken(session, &name.schema, &blueprint.names_taken()).await?;
    blueprint.rename_keys(&taken);
    Ok(Ok(Target::Missing(Box::new(blueprint))))
}

fn missing_type(column: &Column, target: &Name) -> String {
    let what = match column.type_kind {
        'e' => format!(
            ": CREATE TYPE {} AS ENUM ({})",
            column.base_type, column.type_body
        ),
        'c' => format!(
            ": CREATE TYPE {} AS ({})",
            column.base_type, column.type_body
        ),
        'd' => format!(
            ": CREATE DOMAIN {} AS {}",
            column.base_type, column.type_body
        ),
        _ => ", create it there first".to_owned(),
    };
    format!(
        "type {} of column `{}`, for {target}, does not exist in the destination{what}",
        column.base_type, column.name
    )
}

async fn taken(session: &Session, schema: &str, names: &[String]) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    let sql = format!(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname IN ({})",
        quote_literal(schema),
        list.join(", ")
    );
    let rows = session
        .rows(&sql, "looking for names that are taken")
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.get(0).map(str::to_owned))
        .collect())
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

/// A sequence that an existing target's column draws from, to be moved past what is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The table whose column it is; the hidden one while a table is built aside.
    pub table: Name,
    /// The column.
    pub column: String,
    /// Its name, as SQL.
    name: String,
    /// Whether it counts down.
    descending: bool,
}

impl Sequence {
    /// The value furthest along among the rows that this session's transaction can see.
    pub async fn extreme(&self, session: &Session) -> Result<Option<String>> {
        let which = if self.descending { "min" } else { "max" };
        let sql = format!(
            "SELECT pg_catalog.{which}({}) FROM {}",
            quote_ident(&self.column),
            self.table.sql()
        );
        session
            .value(&sql, "reading how far a sequence must be")
            .await
    }

    /// Moves the sequence to `value`, unless it is past it or cannot be there.
    pub async fn advance(&self, session: &Session, value: &str) -> Result<()> {
        let further = if self.descending { "<" } else { ">" };
        let sequence = quote_literal(&self.name);
        let sql = format!(
            "SELECT pg_catalog.setval({sequence}::pg_catalog.regclass, {value}) \
               FROM {} now, pg_catalog.pg_sequence s \
              WHERE s.seqrelid = {sequence}::pg_catalog.regclass AND {value} BETWEEN s.seqmin AND s.seqmax \
                AND ({value} {further} now.last_value OR ({value} = now.last_value AND NOT now.is_called))",
            self.name
        );
        session
            .rows(&sql, &format!("moving sequence {}", self.name))
            .await?;
        Ok(())
    }
}

/// The sequences that columns of a table draw from.
pub async fn sequences(
    session: &Session,
    table: &Name,
    columns: &[String],
) -> Result<Vec<Sequence>> {
    let doing = format!("looking for the sequences of {table}");
    let list: Vec<String> = columns.iter().map(|column| quote_literal(column)).collect();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT a.attname, pg_catalog.quote_ident(sn.nspname) || '.' || pg_catalog.quote_ident(s.relname) AS seq, q.seqincrement < 0 AS descending, \
           pg_catalog.has_sequence_privilege(s.oid, 'UPDATE') AS allowed \
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname IN ({}) \
           JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid \
             AND d.refobjsubid = a.attnum AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i') \
           JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
           JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace \
           JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid \
          WHERE n.nspname = {} AND c.relname = {}",
        list.join(", "),
        quote_literal(&table.schema),
        quote_literal(&table.relation)
    );
    let rows = session.rows(&sql, &doing).await?;
    rows.iter()
        .map(|row| {
            let text = |name: &str| row.get(name).unwrap_or_default().to_owned();
            let sequence = text("seq");
            if text("allowed") != "t" {
                return Err(Error::new(
                    Kind::Permission,
                    format!("sequence {sequence} of {table} must be moved past the copied values, and this role may not"),
                )
                .remedy(format!("GRANT UPDATE ON SEQUENCE {sequence} to this role")));
            }
            Ok(Sequence {
                table: table.clone(),
                column: text("attname"),
                name: sequence,
                descending: text("descending") == "t",
            })
        })
        .collect()
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
            - (CASE WHEN r.rolsuper THEN 0 ELSE pg_catalog.current_setting('superuser_reserved_connections')::int8 END) \
            - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'), \
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
