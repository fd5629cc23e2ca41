//! Write mode replace: a target that is exchanged for a new table with the run's rows.
//!
//! The new table is made beside it in schema `rb_bench`, like the target but empty, with a copy of
//! the catalog's own words for everything the target has. Workers load it; keys are built; then
//! `exchange` puts all of a run's new tables in place at once, in the deciding transaction. What
//! `dependents` finds beside what is known to come along is refused before a row moves.

mod definition;
mod dependents;
mod dress;
mod exchange;

pub use dependents::problems;
pub use exchange::exchange;

use super::drift::Drift;
use super::leader::{Leader, explain_lock};
use super::sequences::{self, Sequence};
use crate::error::{Error, Kind, Result};
use crate::postgres::Session;
use crate::postgres::catalog::{self, Name, Relation};
use definition::Definition;

/// A target with the table that takes its place.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The target.
    pub target: Name,
    /// Its OID.
    oid: u32,
    /// The new table's name until the exchange.
    pub hidden: Name,
    /// How the new table is made.
    definition: Definition,
    /// What the new table has otherwise than the target.
    alter: Option<String>,
    /// The target's sequences that must be moved past what is copied.
    sequences: Vec<Sequence>,
}

/// A target that is going to be replaced.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The target as the new table will be.
    pub planned: &'a Relation,
    /// What is changed for that.
    pub drift: &'a Drift,
    /// The new table's name until the exchange.
    pub hidden: &'a Name,
    /// The columns that are copied.
    pub columns: &'a [String],
}

/// Holds the targets against ALTER, sees that they are as they were planned and that nothing else
/// refers to them, and reads how each is made.
pub async fn read(leader: &Leader, wanted: &[Wanted<'_>]) -> Result<Vec<Replacement>> {
    let session = &leader.decision;
    let oids: Vec<u32> = wanted.iter().map(|one| one.planned.oid).collect();
    for one in wanted {
        hold(session, one.planned, one.drift).await?;
    }
    refuse(&problems(session, &oids).await?)?;
    let hidden: Vec<(u32, &Name)> = wanted
        .iter()
        .map(|one| (one.planned.oid, one.hidden))
        .collect();
    let mut replacements = Vec::with_capacity(wanted.len());
    for one in wanted {
        let Wanted {
            planned,
            hidden: own,
            ..
        } = *one;
        let mut sequences = sequences::sequences(session, &planned.name, one.columns).await?;
        for sequence in &mut sequences {
            // its rows are in the new table
            sequence.table = own.clone();
        }
        replacements.push(Replacement {
            target: planned.name.clone(),
            oid: planned.oid,
            hidden: own.clone(),
            alter: one.drift.alter(own),
            definition: Definition::read(session, planned.oid, own, &hidden).await?,
            sequences,
        });
    }
    Ok(replacements)
}

/// The SQL that makes these new tables, and tries on the empty ones what is to be built once they
/// are full: what cannot be is known before a row moves. Foreign keys are not tried, for that would
/// lock what they refer to.
#[must_use]
pub fn make(replacements: &[Replacement]) -> Vec<String> {
    let all = |part: fn(&Definition) -> &Vec<String>| {
        replacements
            .iter()
            .flat_map(move |one| part(&one.definition).iter().cloned())
    };
    let mut statements: Vec<String> = all(|d| &d.create).collect();
    statements.extend(replacements.iter().filter_map(|one| one.alter.clone()));
    if !replacements.is_empty() {
        statements.push("SAVEPOINT rehearsal".to_owned());
        statements.extend(all(|d| &d.build));
        statements.push("ROLLBACK TO rehearsal".to_owned());
    }
    statements
}

/// Builds the keys of a new table that is loaded, and gives the planner its statistics.
pub async fn build(session: &Session, one: &Replacement) -> Result<()> {
    let doing = format!("building keys of {}", one.target);
    for sql in &one.definition.build {
        session.execute(sql, &doing).await?;
    }
    let analyze = format!("ANALYZE {}", one.hidden.sql());
    session
        .execute(
            &analyze,
            &format!("analysing what goes into {}", one.target),
        )
        .await
}

/// Holds a target until the run ends: readers and writers go on, but nobody alters it, refers to
/// it, or replaces it as well. Sees that it still is what was planned.
async fn hold(session: &Session, planned: &Relation, drift: &Drift) -> Result<()> {
    let target = &planned.name;
    let sql = format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", target.sql());
    session
        .execute(&sql, &format!("locking target {target}"))
        .await
        .map_err(explain_lock)?;
    let now = catalog::relation(session, target).await?;
    let columns = if drift.changes.is_empty() {
        &planned.columns
    } else {
        &drift.was
    };
    let same = now.is_some_and(|now| now.oid == planned.oid && now.columns == *columns);
    if same { Ok(()) } else { Err(changed(target)) }
}

fn changed(target: &Name) -> Error {
    Error::new(
        Kind::Lock,
        format!("{target} was altered while the run was under way"),
    )
    .remedy("run again when nobody changes it; nothing was replaced")
}

/// The error that names everything that keeps targets from being replaced.
fn refuse(problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let list = problems.join("\n  - ");
    Err(Error::new(
        Kind::Incompatible,
        format!("a target cannot be replaced:\n  - {list}"),
    )
    .remedy("see to these, or use another write_mode; nothing was replaced"))
}
