//! Changes as SQL: neighbours of one kind on one table become one statement, and none ever passes
//! another that it could depend on.
//!
//! Pure. Values travel as literals cast to their column's type, so that many statements fit one
//! round trip.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::route::Route;
use crate::error::{Error, Result};
use crate::postgres::pgoutput::{Old, Tuple, Value};
use crate::postgres::quote_literal;

/// Rows that one statement takes at most.
const MOST_ROWS: usize = 1000;
/// Bytes of SQL after which a statement is ended.
const STATEMENT_BYTES: usize = 128 << 10;

/// A statement, and how many rows it must find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sql: String,
    /// The rows it is to change, and whose they are, where it could miss some.
    pub(super) expected: Option<(String, u64)>,
}

/// Statements in the order of their changes.
#[derive(Debug, Default)]
pub(super) struct Statements {
    done: Vec<Statement>,
    bytes: usize,
    run: Option<Run>,
}

/// What the rows of one statement have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Insert,
    /// The columns that get a value.
    Update(Vec<usize>),
    Delete,
}

/// Neighbours that become one statement.
#[derive(Debug)]
struct Run {
    route: Arc<Route>,
    shape: Shape,
    rows: Vec<String>,
    bytes: usize,
    keys: HashSet<Vec<String>>,
}

impl Statements {
    /// A row came. Where its key is there already, the row there becomes this one.
    pub(super) fn insert(&mut self, route: &Arc<Route>, new: &Tuple) -> Result<()> {
        let values = places(route)
            .map(|i| literal(value(new, i)?))
            .collect::<Result<Vec<_>>>()?;
        let key = match &route.key {
            Some(key) => Some(key_of(key, new)?),
            None => None,
        };
        self.add(route, Shape::Insert, values.join(", "), key);
        Ok(())
    }

    /// A row changed.
    pub(super) fn update(
        &mut self,
        route: &Arc<Route>,
        old: Option<&Old>,
        new: &Tuple,
    ) -> Result<()> {
        let Some(key) = &route.key else {
            return self.update_by_row(route, old, new);
        };
        let before = key_of(key, old.map_or(new, Old::tuple))?;
        let is_sent = |i: &usize| new.get(*i).is_some_and(|value| *value != Value::Unchanged);
        let rekeyed = key
            .iter()
            .zip(&before)
            .any(|(i, before)| matches!(new.get(*i), Some(Value::Text(text)) if text != before));
        let set: Vec<usize> = places(route)
            .filter(is_sent)
            .filter(|i| rekeyed || !key.contains(i))
            .collect();
        let mut values = Vec::new();
        for i in &set {
            values.push(cast(route, *i, value(new, *i)?)?);
        }
        for (i, text) in key.iter().zip(&before) {
            values.push(cast(route, *i, &Value::Text(text.clone()))?);
        }
        if rekeyed {
            // the next may want the key that this one frees, or find the row under its new one
            self.end_run();
        }
        self.add(route, Shape::Update(set), values.join(", "), Some(before));
        if rekeyed {
            self.end_run();
        }
        Ok(())
    }

    /// A row went.
    pub(super) fn delete(&mut self, route: &Arc<Route>, old: &Old) -> Result<()> {
        let Some(key) = &route.key else {
            let sql = format!(
                "DELETE FROM {} AS t WHERE {}",
                route.target.sql(),
                row_like(route, Some(old))?
            );
            self.push_one(route, sql);
            return Ok(());
        };
        let before = key_of(key, old.tuple())?;
        let values = key
            .iter()
            .zip(&before)
            .map(|(i, text)| cast(route, *i, &Value::Text(text.clone())))
            .collect::<Result<Vec<_>>>()?;
        self.add(route, Shape::Delete, values.join(", "), Some(before));
        Ok(())
    }

    /// Any other statement, after all that came before it.
    pub(super) fn push(&mut self, sql: String) {
        self.end_run();
        self.finish(Statement {
            sql,
            expected: None,
        });
    }

    /// Bytes of SQL that are waiting.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.run.as_ref().map_or(0, |run| run.bytes)
    }

    /// All that is waiting.
    pub(super) fn take(&mut self) -> Vec<Statement> {
        self.end_run();
        self.bytes = 0;
        std::mem::take(&mut self.done)
    }

    fn finish(&mut self, statement: Statement) {
        self.bytes += statement.sql.len();
        self.done.push(statement);
    }

    fn push_one(&mut self, route: &Route, sql: String) {
        self.end_run();
        self.finish(Statement {
            sql,
            expected: Some((route.target.to_string(), 1)),
        });
    }

    fn add(&mut self, route: &Arc<Route>, shape: Shape, row: String, key: Option<Vec<String>>) {
        let joins = self.run.as_ref().is_some_and(|run| {
            Arc::ptr_eq(&run.route, route)
                && run.shape == shape
                && run.rows.len() < MOST_ROWS
                && run.bytes < STATEMENT_BYTES
                && key.as_ref().is_none_or(|key| !run.keys.contains(key))
        });
        if !joins {
            self.end_run();
        }
        let run = self.run.get_or_insert_with(|| Run {
            route: Arc::clone(route),
            shape,
            rows: Vec::new(),
            bytes: 0,
            keys: HashSet::new(),
        });
        run.bytes += row.len();
        run.rows.push(row);
        run.keys.extend(key);
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            let statement = run.statement();
            self.finish(statement);
        }
    }

    fn update_by_row(&mut self, route: &Arc<Route>, old: Option<&Old>, new: &Tuple) -> Result<()> {
        let mut set = Vec::new();
        for i in places(route) {
            if value(new, i)? != &Value::Unchanged {
                set.push(format!(
                    "{} = {}",
                    column(route, i)?.name,
                    cast(route, i, value(new, i)?)?
                ));
            }
        }
        if set.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "UPDATE {} AS t SET {} WHERE {}",
            route.target.sql(),
            set.join(", "),
            row_like(route, old)?
        );
        self.push_one(route, sql);
        Ok(())
    }
}

impl Run {
    fn statement(self) -> Statement {
        let Self {
            route, shape, rows, ..
        } = self;
        let target = route.target.sql();
        let count = rows.len() as u64;
        let name = |i: &usize| {
            let column = route.columns.get(*i).and_then(Option::as_ref);
            column.map_or("", |column| column.name.as_str())
        };
        let key = route.key.as_deref().unwrap_or_default();
        let found = |keys_from: usize| {
            let pairs = key.iter().zip(keys_from..);
            let pairs: Vec<String> = pairs
                .map(|(i, n)| format!("t.{} = v.c{n}", name(i)))
                .collect();
            pairs.join(" AND ")
        };
        let values = |columns: usize| {
            let names: Vec<String> = (0..columns).map(|n| format!("c{n}")).collect();
            format!(
                "(VALUES ({})) AS v({})",
                rows.join("), ("),
                names.join(", ")
            )
        };
        let sql = match &shape {
            Shape::Insert => insert_sql(&route, &rows),
            Shape::Delete => format!(
                "DELETE FROM {target} AS t USING {} WHERE {}",
                values(key.len()),
                found(0)
            ),
            // only its key was sent, and it is what it was: the row must be there all the same
            Shape::Update(set) if set.is_empty() => format!(
                "SELECT FROM {target} AS t, {} WHERE {}",
                values(key.len()),
                found(0)
            ),
            Shape::Update(set) => {
                let assignments: Vec<String> = set
                    .iter()
                    .enumerate()
                    .map(|(n, i)| format!("{} = v.c{n}", name(i)))
                    .collect();
                format!(
                    "UPDATE {target} AS t SET {} FROM {} WHERE {}",
                    assignments.join(", "),
                    values(set.len() + key.len()),
                    found(set.len())
                )
            }
        };
        Statement {
            sql,
            expected: (shape != Shape::Insert).then(|| (route.target.to_string(), count)),
        }
    }
}

fn insert_sql(route: &Route, rows: &[String]) -> String {
    let columns: Vec<&str> = route
        .columns
        .iter()
        .flatten()
        .map(|column| column.name.as_str())
        .collect();
    let target = route.target.sql();
    if columns.is_empty() {
        return format!(
            "INSERT INTO {target} SELECT FROM pg_catalog.generate_series(1, {})",
            rows.len()
        );
    }
    let mut sql = format!(
        "INSERT INTO {target} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
        columns.join(", "),
        rows.join("), (")
    );
    if let Some(key) = &route.key {
        let of_key = |i: usize| key.contains(&i);
        let pick = |wanted: bool| {
            let columns = route.columns.iter().enumerate();
            columns
                .filter(move |(i, _)| of_key(*i) == wanted)
                .filter_map(|(_, column)| column.as_ref().map(|column| column.name.as_str()))
        };
        let keys: Vec<&str> = pick(true).collect();
        let rest: Vec<String> = pick(false)
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let action = if rest.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", rest.join(", "))
        };
        let _ = write!(sql, " ON CONFLICT ({}) DO {action}", keys.join(", "));
    }
    sql
}

/// The columns of the source that the target has.
fn places(route: &Route) -> impl Iterator<Item = usize> {
    let columns = route.columns.iter().enumerate();
    columns.filter_map(|(i, column)| column.as_ref().map(|_| i))
}

fn column(route: &Route, i: usize) -> Result<&super::route::Column> {
    let column = route.columns.get(i).and_then(Option::as_ref);
    column.ok_or_else(|| torn(&format!("{} has no column {i}", route.source)))
}

fn value(tuple: &Tuple, i: usize) -> Result<&Value> {
    tuple
        .get(i)
        .ok_or_else(|| torn("a row has fewer values than its table has columns"))
}

fn torn(why: &str) -> Error {
    Error::internal(format!("a change cannot be read: {why}"))
}

/// The values of these columns, none of which can be null.
fn key_of(key: &[usize], tuple: &Tuple) -> Result<Vec<String>> {
    key.iter()
        .map(|i| match value(tuple, *i)? {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(torn("its key is not there")),
        })
        .collect()
}

/// A value as SQL.
pub(super) fn literal(value: &Value) -> Result<String> {
    match value {
        Value::Null => Ok("NULL".to_owned()),
        Value::Text(text) => Ok(quote_literal(text)),
        Value::Unchanged => Err(torn("a new row lacks a value")),
    }
}

fn cast(route: &Route, i: usize, value: &Value) -> Result<String> {
    Ok(format!("{}::{}", literal(value)?, column(route, i)?.cast))
}

/// What finds one row that is, as text, what it was; of several alike any is the one.
fn row_like(route: &Route, old: Option<&Old>) -> Result<String> {
    let Some(Old::Row(old)) = old else {
        return Err(torn("the row as it was is not there"));
    };
    let mut conditions = Vec::new();
    for i in places(route) {
        let column = column(route, i)?;
        conditions.push(format!(
            "o.{}::text IS NOT DISTINCT FROM ({}::{})::text",
            column.name,
            literal(value(old, i)?)?,
            column.type_name
        ));
    }
    if conditions.is_empty() {
        conditions.push("true".to_owned());
    }
    Ok(format!(
        "(t.tableoid, t.ctid) = (SELECT o.tableoid, o.ctid FROM {} AS o WHERE {} LIMIT 1)",
        route.target.sql(),
        conditions.join(" AND ")
    ))
}

#[cfg(test)]
mod tests;
