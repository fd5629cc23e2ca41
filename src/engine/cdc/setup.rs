//! `cdc setup`: publication, slot, and the row that says so; all that speaks against it first.
//!
//! The publication comes before the slot: what a slot began to keep before its publication existed
//! could never be decoded. Making a slot waits for the transactions under way, so that every
//! transaction it keeps has begun with the publication in place.

use super::ends::Ends;
use super::log;
use super::route::{Making, generated};
use super::slot::{self, Slot};
use super::state::{self, Record, Table};
use super::tables::{self, Captured};
use crate::config::types::{Pipeline, WriteMode};
use crate::engine::{schema, settings};
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, RelationKind};
use crate::postgres::lsn::Lsn;
use crate::postgres::{pgoutput, quote_literal, replica_identity};

/// What setup made, or found made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SetUp {
    /// The slot and the publication, which share a name.
    pub slot: String,
    /// What is published, and where it goes.
    pub tables: Vec<Table>,
    /// Where the slot begins.
    pub begins_at: String,
    /// False where all of it was there already.
    pub made: bool,
}

/// Makes publication and slot for a pipeline, or finds them made; the pipeline is claimed.
///
/// # Errors
/// Everything that speaks against it, at once, before anything is made.
pub(super) async fn set_up(ends: &Ends, pipeline: &Pipeline) -> Result<SetUp> {
    let captured = ends.captured(pipeline).await?;
    if let Some(record) = state::find(&ends.dest, &pipeline.pipeline).await? {
        require_same(&record, ends, pipeline, &captured).await?;
        return Ok(SetUp {
            slot: record.slot,
            tables: record.tables,
            begins_at: record.applied.to_string(),
            made: false,
        });
    }
    let name = ends.slot_name(pipeline);
    let mut problems = server_problems(ends, &name).await?;
    for one in &captured {
        problems.extend(table_problems(ends, pipeline, one).await?);
    }
    if !problems.is_empty() {
        return Err(Error::new(
            Kind::Incompatible,
            format!(
                "changes of these tables cannot be captured:\n  - {}",
                problems.join("\n  - ")
            ),
        )
        .remedy("correct this, then run `rb-bench cdc setup` again; nothing was made"));
    }
    schema::ensure(&ends.dest).await?;
    // without a row of state, nobody has read what an interrupted setup may have left
    slot::drop_slot(&ends.source, &name).await?;
    slot::drop_publication(&ends.source, &name).await?;
    let names: Vec<_> = captured
        .iter()
        .map(|one| one.relation.name.clone())
        .collect();
    slot::publish(&ends.source, ends.source_version, &name, &names).await?;
    let begins_at = match slot::create(&ends.source, &name).await {
        Ok(begins_at) => begins_at,
        Err(error) => {
            // a publication without a slot does nothing, but it is not what was asked for
            slot::drop_publication(&ends.source, &name).await?;
            return Err(error);
        }
    };
    let record = Record {
        slot: name,
        source: ends.source_place.clone(),
        timeline: slot::Log::read(&ends.source).await?.timeline,
        write_mode: mode_word(pipeline).to_owned(),
        tables: tables::listed(&captured),
        applied: begins_at,
        copied: None,
    };
    state::write(&ends.dest, &pipeline.pipeline, &record).await?;
    Ok(SetUp {
        slot: record.slot,
        tables: record.tables,
        begins_at: begins_at.to_string(),
        made: true,
    })
}

/// `append` or `upsert`, as the state has it.
pub(super) fn mode_word(pipeline: &Pipeline) -> &'static str {
    match pipeline.destination.write_mode {
        WriteMode::Append => "append",
        _ => "upsert",
    }
}

/// Refuses to go on where slot, source, publication or document are not what they were.
pub(super) async fn require_same(
    record: &Record,
    ends: &Ends,
    pipeline: &Pipeline,
    captured: &[Captured],
) -> Result<(Slot, Lsn)> {
    const ANEW: &str = "start over: `rb-bench cdc drop`, `rb-bench cdc setup`, and a run that copies the tables again";
    let other = |text: String| Error::new(Kind::Conflict, text).remedy(ANEW);
    let name = &record.slot;
    if record.source != ends.source_place {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "pipeline `{}` was set up for another source (database {} of the server with system identifier {}, \
                 and this is {} of {})",
                pipeline.pipeline,
                record.source.database,
                record.source.system,
                ends.source_place.database,
                ends.source_place.system
            ),
        )
        .remedy(format!("give this document a pipeline name of its own, or {ANEW}")));
    }
    let log = slot::Log::read(&ends.source).await?;
    if log.timeline != record.timeline {
        return Err(other(format!(
            "the source is on timeline {} and was on {} when slot {name} was made: a standby was promoted or a backup \
             restored, and what happened in between cannot be known",
            log.timeline, record.timeline
        )));
    }
    if log.flushed < record.applied {
        return Err(other(format!(
            "the source's log ends at {}, and the destination has changes up to {}: the source was set back",
            log.flushed, record.applied
        )));
    }
    let slot = Slot::find_idle(&ends.source, name).await?.ok_or_else(|| {
        other(format!(
            "slot {name} is gone from the source, and the destination expects it: changes since {} are lost",
            record.applied
        ))
    })?;
    slot.require_alive()?;
    let confirmed = slot.confirmed()?;
    if confirmed > record.applied {
        return Err(other(format!(
            "slot {name} was read up to {confirmed}, and the destination has changes up to {}: somebody else read it, or \
             the destination was set back; what is between them is lost",
            record.applied
        )));
    }
    let published = slot::published(&ends.source, name)
        .await?
        .ok_or_else(|| other(format!("publication {name} is gone from the source")))?;
    let listed = tables::listed(captured);
    let mut names: Vec<String> = published.iter().map(ToString::to_string).collect();
    names.sort();
    if listed != record.tables || !names.iter().eq(listed.iter().map(|table| &table.source)) {
        return Err(other(format!(
            "the document's tables are not those that pipeline `{}` was set up for: they are ({}), the publication has \
             ({}), and setup wrote down ({})",
            pipeline.pipeline,
            shown(&listed),
            names.join(", "),
            shown(&record.tables)
        )));
    }
    if record.write_mode != mode_word(pipeline) {
        return Err(other(format!(
            "pipeline `{}` was set up with write_mode {}, and the document has {}",
            pipeline.pipeline,
            record.write_mode,
            mode_word(pipeline)
        )));
    }
    Ok((slot, log.flushed))
}

fn shown(tables: &[Table]) -> String {
    let shown: Vec<String> = tables
        .iter()
        .map(|table| format!("{} -> {}", table.source, table.target))
        .collect();
    shown.join(", ")
}

/// What of the source's server, and of this role there, speaks against it.
async fn server_problems(ends: &Ends, name: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT pg_catalog.current_setting('wal_level') AS wal_level, \
           pg_catalog.quote_ident(r.rolname) AS rolname, r.rolsuper OR r.rolreplication AS may_replicate, \
           pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_publish, \
           pg_catalog.quote_ident(pg_catalog.current_database()) AS database, \
           pg_catalog.current_setting('max_replication_slots')::int4 AS most_slots, \
           (SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE slot_name <> {}) AS slots \
         FROM pg_catalog.pg_roles r WHERE r.rolname = current_user",
        quote_literal(name)
    );
    let row = ends
        .source
        .row(&sql, "asking whether the source can keep changes")
        .await?;
    let text = |column: &str| row.get(column).unwrap_or_default();
    let mut problems = Vec::new();
    if text("wal_level") != "logical" {
        problems.push(format!(
            "wal_level is {}: ALTER SYSTEM SET wal_level = logical, then restart the source",
            text("wal_level")
        ));
    }
    if text("may_replicate") != "t" {
        problems.push(format!(
            "role {0} may not make slots: ALTER ROLE {0} REPLICATION",
            text("rolname")
        ));
    }
    if text("may_publish") != "t" {
        problems.push(format!(
            "role {0} may not make publications: GRANT CREATE ON DATABASE {1} TO {0}",
            text("rolname"),
            text("database")
        ));
    }
    let number = |column: &str| text(column).parse::<i64>().unwrap_or(0);
    if number("slots") >= number("most_slots") {
        problems.push(format!(
            "all {} replication slots of the source are taken: drop one that nobody reads, or raise max_replication_slots",
            number("most_slots")
        ));
    }
    Ok(problems)
}

/// What of a table, and of its target, speaks against it.
async fn table_problems(ends: &Ends, pipeline: &Pipeline, one: &Captured) -> Result<Vec<String>> {
    let relation = &one.relation;
    let name = &relation.name;
    match relation.kind {
        RelationKind::Partitioned if ends.source_version < 130_000 => {
            return Ok(vec![format!(
                "{name} is partitioned, and PostgreSQL {} publishes partitions only one by one: name those",
                ends.source_version / 10_000
            )]);
        }
        RelationKind::Table | RelationKind::Partitioned => {}
        other => {
            return Ok(vec![format!(
                "{name} is a {}, which has no changes of its own: leave it out",
                other.noun()
            )]);
        }
    }
    let mut problems = Vec::new();
    if relation.has_children {
        problems.push(format!(
            "{name} has tables that inherit from it, whose changes come under their own names: name those one by one"
        ));
    }
    let chosen = |column: &String| {
        let columns = one.stream.columns.as_ref();
        columns.is_none_or(|columns| columns.contains(column))
    };
    let identity = identity(ends, relation.oid, &name.sql()).await?;
    problems.extend(
        identity
            .problems
            .iter()
            .map(|problem| format!("{name} {problem}")),
    );
    let append = pipeline.destination.write_mode == WriteMode::Append;
    if append {
        problems.extend(log::own_names_taken(one));
    }
    let begin = settings::begin_destination(ends.dest_version, true);
    ends.dest.execute(&begin, "reading the target").await?;
    let target = catalog::relation(&ends.dest, &one.target).await;
    ends.dest.execute("ROLLBACK", "reading the target").await?;
    let Some(target) = target? else {
        let partial = one.stream.columns.is_some();
        let columns = relation.columns.iter();
        let lost = columns.filter(|column| {
            column.generated && chosen(&column.name) && (partial || !column.default_is_portable)
        });
        if !append {
            problems.extend(lost.map(|column| generated(name, &column.name)));
        }
        return Ok(problems);
    };
    if !matches!(target.kind, RelationKind::Table | RelationKind::Partitioned) {
        problems.push(format!("{} is a {}", target.name, target.kind.noun()));
        return Ok(problems);
    }
    if !identity.problems.is_empty() {
        return Ok(problems);
    }
    let described = pgoutput::Relation {
        id: relation.oid,
        name: name.clone(),
        columns: relation
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| pgoutput::Column {
                name: column.name.clone(),
                identity: identity.full || relation.identity.contains(&column.name),
                type_oid: column.type_oid,
                type_modifier: column.type_modifier,
            })
            .collect(),
        full_identity: identity.full,
    };
    let making = Making {
        stream: &one.stream,
        described: &described,
        source: relation,
        target: &target,
        primary_key: &pipeline.destination.primary_key,
    };
    let route = if append {
        making.logged()
    } else {
        making.applied()
    };
    problems.extend(route.err().unwrap_or_default());
    Ok(problems)
}

/// What finds a changed row of a table.
struct Identity {
    full: bool,
    problems: Vec<String>,
}

/// Reads a table's replica identity, and those of its partitions, where its changes happen.
async fn identity(ends: &Ends, oid: u32, table: &str) -> Result<Identity> {
    let sql = format!(
        "SELECT t.relid = {oid} AS itself, n.nspname, c.relname, c.relkind, c.relreplident, c.relpersistence, \
           pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned, pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable, \
           {} IS NULL AS nothing \
         FROM (SELECT relid::oid AS relid FROM pg_catalog.pg_partition_tree({oid}) UNION SELECT {oid}::oid) t \
           JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         ORDER BY 1 DESC, 2, 3",
        replica_identity::COLUMNS
    );
    let rows = ends
        .source
        .rows(&sql, &format!("reading the replica identity of {table}"))
        .await?;
    let mut identity = Identity {
        full: false,
        problems: Vec::new(),
    };
    let mut own = String::new();
    for row in &rows {
        let text = |column: &str| row.get(column).unwrap_or_default();
        let part = catalog::Name::new(text("nspname"), text("relname"));
        let itself = text("itself") == "t";
        let of = if itself {
            String::new()
        } else {
            format!("has the partition {part}, which ")
        };
        if itself {
            text("relreplident").clone_into(&mut own);
            identity.full = own == "f";
            if text("owned") != "t" {
                identity
                    .problems
                    .push("does not belong to this role, which publishing it takes: ALTER TABLE ... OWNER TO, or GRANT its owner".to_owned());
            }
            if text("readable") != "t" {
                identity.problems.push(format!(
                    "cannot be read: GRANT SELECT ON {table} to this role"
                ));
            }
        }
        if text("relkind") == "f" || text("relpersistence") != "p" {
            identity.problems.push(format!(
                "{of}is {}, whose changes are not in the log: leave it out",
                if text("relkind") == "f" {
                    "a foreign table"
                } else {
                    "an unlogged or temporary table"
                }
            ));
        } else if text("relreplident") != own {
            identity.problems.push(format!(
                "{of}has another replica identity than the whole: ALTER TABLE {} REPLICA IDENTITY as for the whole",
                part.sql()
            ));
        } else if text("relreplident") != "f" && text("nothing") == "t" {
            identity.problems.push(format!(
                "{of}has no replica identity: give it a primary key, or ALTER TABLE {0} REPLICA IDENTITY USING INDEX \
                 <a unique index of columns that are NOT NULL>, or ALTER TABLE {0} REPLICA IDENTITY FULL",
                part.sql()
            ));
        } else if own == "i" && rows.len() > 1 && itself {
            identity.problems.push(format!(
                "is partitioned and has a replica identity by index: ALTER TABLE {table}, and its partitions, REPLICA \
                 IDENTITY DEFAULT or FULL"
            ));
        }
    }
    Ok(identity)
}
