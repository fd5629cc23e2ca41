//! The change log: each change a row of its own, in the order in which it was committed.
//!
//! Pure, but for making the table. A row of the log has the columns of the source, and five of
//! ours. What was not sent is never shown as if it were NULL: `_rb_unchanged` names it.

use std::sync::Arc;

use super::route::Route;
use super::statements::literal;
use super::tables::Captured;
use crate::engine::settings;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{Column, Name};
use crate::postgres::lsn::Lsn;
use crate::postgres::pgoutput::{Old, Relation, Tuple, Value};
use crate::postgres::{Session, quote_ident, quote_literal};

/// Our columns: where the transaction committed, the change's number in it, what happened, the
/// columns whose large value did not change and was not sent, and the row as it was where that was
/// sent.
pub(super) const OWN_COLUMNS: [(&str, &str); 5] = [
    ("_rb_lsn", "pg_catalog.pg_lsn NOT NULL"),
    ("_rb_seq", "pg_catalog.int8 NOT NULL"),
    (
        "_rb_op",
        "pg_catalog.text NOT NULL CHECK (_rb_op IN ('I', 'U', 'D', 'T'))",
    ),
    ("_rb_unchanged", "pg_catalog.text[]"),
    ("_rb_old", "pg_catalog.jsonb"),
];

/// A change on its way into the log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    /// A row came.
    Insert(&'a Tuple),
    /// A row changed.
    Update(Option<&'a Old>, &'a Tuple),
    /// A row went.
    Delete(&'a Old),
    /// The table was emptied.
    Truncate,
}

/// The statement that writes a change down.
pub(super) fn row_sql(
    route: &Arc<Route>,
    described: &Relation,
    commit: Lsn,
    number: u64,
    change: Change<'_>,
) -> Result<String> {
    let (letter, tuple, old) = match change {
        Change::Insert(new) => ('I', Some(new), None),
        Change::Update(old, new) => ('U', Some(new), old),
        Change::Delete(old) => ('D', Some(old.tuple()), None),
        Change::Truncate => ('T', None, None),
    };
    let mut names = OWN_COLUMNS.map(|(name, _)| quote_ident(name)).to_vec();
    let (mut values, mut unchanged) = (Vec::new(), Vec::new());
    for (i, column) in route.columns.iter().enumerate() {
        let (Some(column), Some(tuple)) = (column, tuple) else {
            continue;
        };
        let mut value = tuple.get(i).unwrap_or(&Value::Null);
        if let (Value::Unchanged, Some(Old::Row(old))) = (value, old) {
            // the whole row as it was has the value
            value = old.get(i).unwrap_or(value);
        }
        if *value == Value::Unchanged {
            unchanged.push(described.columns[i].name.clone());
            continue;
        }
        names.push(column.name.clone());
        values.push(literal(value)?);
    }
    let unchanged = if unchanged.is_empty() {
        "NULL".to_owned()
    } else {
        let names: Vec<String> = unchanged.iter().map(|name| quote_literal(name)).collect();
        format!("ARRAY[{}]::pg_catalog.text[]", names.join(", "))
    };
    let mut row = vec![
        quote_literal(&commit.to_string()),
        number.to_string(),
        format!("'{letter}'"),
        unchanged,
        old.map_or("NULL".to_owned(), |old| old_json(route, described, old)),
    ];
    row.extend(values);
    Ok(format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
        route.target.sql(),
        names.join(", "),
        row.join(", ")
    ))
}

/// The row as it was, as far as it was sent: texts by column.
fn old_json(route: &Route, described: &Relation, old: &Old) -> String {
    let mut object = serde_json::Map::new();
    for (i, column) in described.columns.iter().enumerate() {
        let known = column.identity || matches!(old, Old::Row(_));
        if !known || route.columns.get(i).is_none_or(Option::is_none) {
            continue;
        }
        match old.tuple().get(i) {
            Some(Value::Text(text)) => object.insert(column.name.clone(), text.clone().into()),
            Some(Value::Null) => object.insert(column.name.clone(), serde_json::Value::Null),
            _ => None,
        };
    }
    quote_literal(&serde_json::Value::Object(object).to_string())
}

/// The table of a change log: every column of the source may be null, and the place of a change in
/// the order of commits is its key.
pub(super) fn create_sql(one: &Captured) -> String {
    let taken = |column: &&Column| {
        let chosen = one.stream.columns.as_ref();
        !column.generated && chosen.is_none_or(|chosen| chosen.contains(&column.name))
    };
    let mut columns: Vec<String> = one
        .relation
        .columns
        .iter()
        .filter(taken)
        .map(|column| {
            let collation = column
                .collation
                .as_ref()
                .map_or(String::new(), |collation| format!(" COLLATE {collation}"));
            format!(
                "{} {}{collation}",
                quote_ident(&column.name),
                column.type_name
            )
        })
        .collect();
    columns.extend(OWN_COLUMNS.map(|(name, definition)| format!("{name} {definition}")));
    format!(
        "CREATE TABLE {} ({}, PRIMARY KEY (_rb_lsn, _rb_seq))",
        one.target.sql(),
        columns.join(", ")
    )
}

/// Refuses a source table whose columns have our names.
pub(super) fn own_names_taken(one: &Captured) -> Option<String> {
    let taken = |(name, _): &(&str, &str)| one.relation.column(name).is_some();
    OWN_COLUMNS.iter().find(|own| taken(own)).map(|(name, _)| {
        format!(
            "{} has a column `{name}`, which the change log needs for itself",
            one.relation.name
        )
    })
}

/// Makes the table of a change log.
pub(super) async fn create(dest: &Session, one: &Captured) -> Result<()> {
    let target: &Name = &one.target;
    let sql = settings::alone(&create_sql(one));
    dest.execute(&sql, &format!("creating change log {target}"))
        .await
        .map_err(|error| match error.kind() {
            Kind::NotFound => {
                error.remedy("create its schema, and the types that it needs, in the destination")
            }
            Kind::Permission => error.remedy("GRANT CREATE on its schema to this role"),
            _ => error,
        })
        .map_err(Error::nothing_committed)
}
