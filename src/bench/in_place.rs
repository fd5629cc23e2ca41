//! Tables of the user's that a benchmark writes to by `--in-place`.
//!
//! They must be empty at the start, and are emptied again only while they hold exactly what was seen
//! in them right after a run of ours: as many rows, of the same transactions. Looking and emptying
//! happen under one lock. A table that holds anything else is left alone, whoever asks.

use super::profile::TargetState;
use super::target::{Target, Wanted, relation_kind};
use crate::config::relation::RelationName;
use crate::error::{Error, Kind, Result};
use crate::postgres::{Session, quote_literal};

/// What a table held right after a run of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) rows: String,
    transactions: String,
}

pub(super) async fn in_place(
    session: &Session,
    wanted: &Wanted<'_>,
    named: RelationName,
) -> Result<Target> {
    let target = Target {
        schema: named.schema.unwrap_or_default(),
        table: named.table,
        existing: true,
        ours: None,
    };
    let sql = target.sql();
    let kind = relation_kind(session, &target.schema, &target.table).await?;
    match (kind.as_deref(), wanted.state) {
        (None, TargetState::Missing) => Ok(Target {
            existing: false,
            ..target
        }),
        (None, TargetState::Existing) => Err(Error::new(
            Kind::NotFound,
            format!("{sql} does not exist in {}", session.server()),
        )
        .remedy("create it, or leave --in-place out: a copy is then made and dropped")),
        (Some(_), TargetState::Missing) => Err(Error::new(
            Kind::Incompatible,
            format!("{sql} is there, and this profile measures into a missing table"),
        )
        .remedy("leave --in-place out: each iteration then makes a table of its own beside it")),
        (Some("r" | "p"), TargetState::Existing) => {
            refuse_references(session, &target).await?;
            if holds_rows(session, &sql).await? {
                return Err(holds_others(&sql));
            }
            Ok(target)
        }
        (Some(_), TargetState::Existing) => Err(Error::new(
            Kind::Incompatible,
            format!("{sql} is not a table"),
        )),
    }
}

fn holds_others(sql: &str) -> Error {
    Error::new(
        Kind::Incompatible,
        format!("{sql} holds rows that rb-bench did not write; --in-place needs it empty"),
    )
    .remedy("empty it yourself, or leave --in-place out: a copy is then made and dropped")
}

async fn holds_rows(session: &Session, sql: &str) -> Result<bool> {
    let query = format!("SELECT EXISTS (SELECT FROM {sql})::int");
    let answer = session
        .value(&query, &format!("looking into {sql}"))
        .await?;
    Ok(answer.as_deref() != Some("0"))
}

/// TRUNCATE cannot empty a table that foreign keys point to: better said before the first run.
async fn refuse_references(session: &Session, target: &Target) -> Result<()> {
    let query = format!(
        "SELECT conname, conrelid::regclass FROM pg_catalog.pg_constraint
         WHERE contype = 'f' AND confrelid = {}::regclass AND conrelid <> confrelid LIMIT 1",
        quote_literal(&target.sql())
    );
    let rows = session.rows(&query, "looking for foreign keys").await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Incompatible,
        format!(
            "the foreign key {} of {} points to {}, which therefore cannot be emptied between iterations",
            row.get(0).unwrap_or_default(),
            row.get(1).unwrap_or_default(),
            target.sql()
        ),
    )
    .remedy("leave --in-place out: a copy without foreign keys is then made and dropped"))
}

pub(super) async fn contents(session: &Session, sql: &str) -> Result<Contents> {
    let query = format!(
        "SELECT count(*), coalesce(array_agg(DISTINCT xmin::text ORDER BY xmin::text)::text, '{{}}') FROM {sql}"
    );
    let row = session.row(&query, &format!("looking into {sql}")).await?;
    Ok(Contents {
        rows: row.get(0).unwrap_or_default().to_owned(),
        transactions: row.get(1).unwrap_or_default().to_owned(),
    })
}

/// Empties a user's table if it is empty anyway or holds exactly what our last run left,
/// looking and emptying under one lock.
pub(super) async fn empty_if_ours(
    session: &Session,
    target: &mut Target,
    doing: &str,
) -> Result<()> {
    let sql = target.sql();
    if relation_kind(session, &target.schema, &target.table)
        .await?
        .is_none()
    {
        return if target.existing {
            Err(Error::new(Kind::NotFound, format!("{sql} is gone")))
        } else {
            Ok(())
        };
    }
    let lock =
        format!("BEGIN; SET LOCAL lock_timeout = '10s'; LOCK TABLE {sql} IN ACCESS EXCLUSIVE MODE");
    let emptied = async {
        session.execute(&lock, doing).await?;
        if target.existing && !holds_rows(session, &sql).await? {
            return session.execute("COMMIT", doing).await;
        }
        let now = contents(session, &sql).await?;
        if target.ours.as_ref() != Some(&now) {
            return Err(holds_others(&sql));
        }
        let verb = if target.existing {
            "TRUNCATE"
        } else {
            "DROP TABLE"
        };
        session
            .execute(&format!("{verb} {sql}; COMMIT"), doing)
            .await
    };
    let outcome = emptied.await;
    if outcome.is_err() {
        session.execute("ROLLBACK", doing).await?;
    } else {
        target.ours = None;
    }
    outcome
}
