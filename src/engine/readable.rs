//! Which columns of the source this role may not read: found before anything is made for them.
//!
//! SELECT may be granted by the column. The relation is held by then, which any one column is enough
//! for; the first chunk of it would be refused with no more than the relation's name.

use std::collections::BTreeMap;

use super::targets::Matched;
use crate::config::types::Stream;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::Name;
use crate::postgres::{Session, quote_literal};

/// What is read of a relation: these columns, or all where none are named.
type Reads<'a> = (&'a Name, Option<Vec<&'a str>>);

/// A column that may not be read, with what the GRANT says of it.
struct Closed {
    column: String,
    /// The column as SQL.
    sql: String,
    /// Its relation as SQL.
    relation: String,
    /// This role as SQL.
    role: String,
}

/// Sees that this role may read what a run copies, and the cursors it goes by. Of a stream with
/// transforms only the cursor is looked at here, for [`require_input`] has seen to the rest.
///
/// # Errors
/// `Kind::Permission` with every column of every stream that is closed to it.
pub async fn require(session: &Session, matched: &[Matched]) -> Result<()> {
    let reads = matched.iter().map(|one| {
        let copied = one.fit.columns.iter().filter(|_| one.transformed.is_none());
        let cursor = one.stream.cursor_field.iter();
        let columns = copied.chain(cursor).map(String::as_str).collect();
        (&one.source, Some(columns))
    });
    refuse(session, &reads.collect::<Vec<_>>()).await
}

/// Sees that this role may read what the first of a stream's transforms is given.
///
/// # Errors
/// `Kind::Permission` with every column that is closed to it.
pub async fn require_input(session: &Session, name: &Name, stream: &Stream) -> Result<()> {
    let chosen = stream.columns.as_ref();
    let columns = chosen.map(|columns| columns.iter().map(String::as_str).collect());
    refuse(session, &[(name, columns)]).await
}

async fn refuse(session: &Session, reads: &[Reads<'_>]) -> Result<()> {
    let names: Vec<String> = reads
        .iter()
        .map(|(name, _)| format!("{}::pg_catalog.regclass", quote_literal(&name.sql())))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT n.nspname, c.relname, a.attname, pg_catalog.quote_ident(a.attname),
                pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(current_user)
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid IN ({}) AND a.attnum > 0 AND NOT a.attisdropped
           AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
         ORDER BY n.nspname, c.relname, a.attnum",
        names.join(", ")
    );
    let doing = "asking which columns this role may read";
    let mut closed: BTreeMap<Name, Vec<Closed>> = BTreeMap::new();
    for row in session.rows(&sql, doing).await? {
        let text = |i: usize| row.get(i).unwrap_or_default().to_owned();
        let (name, column) = (Name::new(text(0), text(1)), text(2));
        let read = reads.iter().any(|(relation, columns)| {
            **relation == name
                && columns
                    .as_ref()
                    .is_none_or(|columns| columns.contains(&column.as_str()))
        });
        if read {
            closed.entry(name).or_default().push(Closed {
                column,
                sql: text(3),
                relation: text(4),
                role: text(5),
            });
        }
    }
    if closed.is_empty() {
        Ok(())
    } else {
        Err(refusal(&closed))
    }
}

fn refusal(closed: &BTreeMap<Name, Vec<Closed>>) -> Error {
    let list = |columns: &[Closed], what: fn(&Closed) -> String| {
        let columns: Vec<String> = columns.iter().map(what).collect();
        columns.join(", ")
    };
    let (mut said, mut grants) = (Vec::new(), Vec::new());
    for (name, columns) in closed {
        let noun = if columns.len() == 1 {
            "column"
        } else {
            "columns"
        };
        let names = list(columns, |one| format!("`{}`", one.column));
        said.push(format!("{noun} {names} of {name}"));
        let names = list(columns, |one| one.sql.clone());
        grants.extend(columns.first().map(|Closed { relation, role, .. }| {
            format!("GRANT SELECT ({names}) ON {relation} TO {role}")
        }));
    }
    Error::new(
        Kind::Permission,
        format!("this role may not read {}", said.join("; ")),
    )
    .remedy(format!(
        "{}; or leave out what is not needed: `columns` of a stream names those that are read",
        grants.join("; ")
    ))
}
