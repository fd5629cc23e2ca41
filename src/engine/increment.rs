//! What one run of an incremental stream reads: the rows above the last mark, up to the highest value
//! under the run's snapshot, which becomes the next mark.
//!
//! A row whose cursor is NULL is never read. A row that equals the mark, or that is committed later
//! with a lower value, lies below the mark by then and is not read either, unless `cursor_lag` goes
//! back far enough. The notes say so with every run.

use super::cursors::Mark;
use super::targets::{Matched, Target};
use crate::config::types::Stream;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::Name;
use crate::postgres::{Session, quote_ident, quote_literal};

/// The rows that a run reads of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    /// The condition on the relation's rows, as SQL.
    pub only: String,
    /// The mark to commit with them; none where there has never been a row.
    pub mark: Option<Mark>,
    /// What the user should know.
    pub note: String,
}

/// The cursor's column, as the source has it.
struct Cursor {
    /// Its name as SQL.
    sql: String,
    /// Its type with modifiers, as SQL.
    type_name: String,
    /// Its type without them.
    base_type: String,
    /// What its order depends on, for the mark.
    order: String,
    /// `pg_type.typcategory`.
    category: char,
    not_null: bool,
}

/// Finds out what is to be read of a stream, in the session's snapshot.
pub async fn plan(
    session: &Session,
    one: &Matched,
    pipeline: &str,
    marks: &[Mark],
) -> Result<Increment> {
    let source = &one.source;
    let stream = &one.stream;
    let field = stream
        .cursor_field
        .as_deref()
        .ok_or_else(|| Error::internal(format!("stream {source} has no cursor field")))?;
    let cursor = Cursor::find(session, source, field).await?;
    let target = one.target_name.as_ref().map(ToString::to_string);
    let last = marks
        .iter()
        .find(|mark| mark.stream == source.to_string() && Some(&mark.target) == target.as_ref());
    if let Some(last) = last {
        check_mark(last, one, field, &cursor)?;
    }
    let above = cursor
        .above(session, stream.cursor_lag.as_deref(), last)
        .await?;
    let (highest, nulls) = cursor.highest(session, source, &above, last).await?;
    let only = highest.as_ref().map_or("false".to_owned(), |highest| {
        format!(
            "{above} AND {} OPERATOR(pg_catalog.<=) {}",
            cursor.sql,
            cursor.literal(highest)
        )
    });
    let value = highest.or_else(|| last.map(|last| last.value.clone()));
    let note = note(stream, source, field, last, value.as_deref(), nulls);
    let mark = value.zip(target).map(|(value, target)| Mark {
        pipeline: pipeline.to_owned(),
        stream: source.to_string(),
        target,
        field: field.to_owned(),
        r#type: cursor.order,
        value,
    });
    Ok(Increment { only, mark, note })
}

/// Refuses a mark that does not say what was copied.
fn check_mark(last: &Mark, one: &Matched, field: &str, cursor: &Cursor) -> Result<()> {
    let what = if last.field != field {
        format!("is of `{}`, and cursor_field is `{field}` now", last.field)
    } else if last.r#type != cursor.order {
        format!(
            "is of type {}, and `{field}` is {} now",
            last.r#type, cursor.order
        )
    } else if matches!(one.target, Target::Missing(_)) {
        format!(
            "says that all up to {} was copied, and {} does not exist",
            last.value, last.target
        )
    } else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Incompatible,
        format!("the mark of stream {} {what}", one.source),
    )
    .remedy(format!(
        "to copy the stream from the beginning: rb-bench marks reset {} --stream {}",
        last.pipeline, last.stream
    )))
}

fn note(
    stream: &Stream,
    source: &Name,
    field: &str,
    last: Option<&Mark>,
    value: Option<&str>,
    nulls: u64,
) -> String {
    let range = match (last, value) {
        (Some(last), Some(value)) => {
            format!("rows with `{field}` above {} up to {value}", last.value)
        }
        (None, Some(value)) => format!("the first run: rows with `{field}` up to {value}"),
        _ => format!("no row with a `{field}`"),
    };
    let lag = stream.cursor_lag.as_ref().map_or_else(
        || "not seen by later runs".to_owned(),
        |lag| format!("seen by later runs only within cursor_lag ({lag})"),
    );
    format!(
        "{source}: {range}; {nulls} without a `{field}` (NULL) are not copied; rows that equal the mark, or are \
         committed later with a lower value, are {lag}"
    )
}

impl Cursor {
    async fn find(session: &Session, source: &Name, field: &str) -> Result<Self> {
        let doing = format!("looking for cursor_field `{field}` of {source}");
        let sql = format!(
            "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name, \
               pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) AS base_type, t.typcategory, a.attnotnull, \
               pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname) AS collation \
               FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
               LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace \
              WHERE a.attrelid = {}::pg_catalog.regclass AND a.attname = {} AND a.attnum > 0 AND NOT a.attisdropped",
            quote_literal(&source.sql()),
            quote_literal(field)
        );
        let rows = session.rows(&sql, &doing).await?;
        let row = rows.first().ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("cursor_field `{field}` is no column of {source}"),
            )
            .remedy("name a column whose value grows with every change")
        })?;
        let text = |name: &str| row.get(name).unwrap_or_default().to_owned();
        let type_name = text("type_name");
        let order = match row.get("collation") {
            Some(collation) => format!("{type_name} COLLATE {collation}"),
            None => type_name.clone(),
        };
        Ok(Self {
            sql: quote_ident(field),
            type_name,
            base_type: text("base_type"),
            order,
            category: text("typcategory").chars().next().unwrap_or('U'),
            not_null: text("attnotnull") == "t",
        })
    }

    fn literal(&self, value: &str) -> String {
        format!("{}::{}", quote_literal(value), self.type_name)
    }

    /// The condition that a row lies above the last mark, less the lag.
    async fn above(
        &self,
        session: &Session,
        lag: Option<&str>,
        last: Option<&Mark>,
    ) -> Result<String> {
        // a lag that cannot be is told by the first run too
        let from = match lag {
            Some(lag) => Some(self.behind(session, lag, last).await?),
            None => None,
        };
        Ok(match (from, last) {
            (_, None) => format!("{} IS NOT NULL", self.sql),
            (Some(from), _) => format!("{} OPERATOR(pg_catalog.>=) {from}", self.sql),
            (None, Some(last)) => {
                let last = self.literal(&last.value);
                format!("{} OPERATOR(pg_catalog.>) {last}", self.sql)
            }
        })
    }

    /// Where a run that goes back so far behind the last mark begins.
    async fn behind(&self, session: &Session, lag: &str, last: Option<&Mark>) -> Result<String> {
        let wrong = |why: String| {
            Error::new(Kind::Config, format!("cursor_lag `{lag}` {why}"))
                .remedy("give an interval such as 10 minutes for a date or timestamp, a number for a number")
        };
        // the lag's type, what comes out, and the lowest value that can
        let (kind, out, lowest) = match self.base_type.as_str() {
            "date" | "timestamp without time zone" => {
                ("interval", "timestamp without time zone", None)
            }
            "timestamp with time zone" => ("interval", "timestamp with time zone", None),
            "smallint" => ("numeric", "smallint", Some("-32768")),
            "integer" => ("numeric", "integer", Some("-2147483648")),
            "bigint" => ("numeric", "bigint", Some("-9223372036854775808")),
            "numeric" => ("numeric", "numeric", None),
            "real" | "double precision" => ("double precision", "double precision", None),
            other => return Err(wrong(format!("does not go with a cursor of type {other}"))),
        };
        let finite = |number: f64| number.is_finite();
        if kind != "interval" && !lag.trim().parse().is_ok_and(finite) {
            return Err(wrong("is no number".to_owned()));
        }
        let place = match last {
            Some(last) => last.value.as_str(),
            None if kind == "interval" => "2000-01-01",
            None => "0",
        };
        let lag_sql = format!("{}::{kind}", quote_literal(lag));
        let zero = format!("'0'::{kind}");
        let place = format!(
            "{}::{}",
            quote_literal(place),
            if kind == "interval" { out } else { kind }
        );
        let from = match lowest {
            Some(lowest) => format!("GREATEST(pg_catalog.ceil({place} - {lag_sql}), {lowest})"),
            None => format!("({place} - {lag_sql})"),
        };
        let sql = format!("SELECT {lag_sql} >= {zero}, {from}::pg_catalog.text");
        let row = session
            .row(&sql, "reading cursor_lag")
            .await
            .map_err(
                |error| match error.sqlstate().and_then(|state| state.get(..2)) {
                    Some("22") => wrong(format!("cannot be used: {}", error.message())),
                    _ => error,
                },
            )?;
        if row.get(0) != Some("t") {
            return Err(wrong("is negative".to_owned()));
        }
        Ok(format!(
            "{}::{out}",
            quote_literal(row.get(1).unwrap_or_default())
        ))
    }

    /// The highest value that a run reads, and how many rows have none.
    async fn highest(
        &self,
        session: &Session,
        source: &Name,
        above: &str,
        last: Option<&Mark>,
    ) -> Result<(Option<String>, u64)> {
        let (cursor, table) = (&self.sql, source.sql());
        let doing = format!("looking for the highest {cursor} of {source}");
        let nulls = if self.not_null {
            "0".to_owned()
        } else {
            format!("(SELECT count(*) FROM {table} WHERE {cursor} IS NULL)")
        };
        // what is read again must not move the mark back
        let mut highest = format!("pg_catalog.max({cursor})");
        if let Some(last) = last {
            let last = self.literal(&last.value);
            highest =
                format!("CASE WHEN {highest} IS NOT NULL THEN GREATEST({highest}, {last}) END");
        }
        let sql =
            format!("SELECT ({highest})::pg_catalog.text, {nulls} FROM {table} WHERE {above}");
        let row = session
            .row(&sql, &doing)
            .await
            .map_err(|error| match error.sqlstate() {
                // undefined function
                Some("42883") => Error::new(
                    Kind::Incompatible,
                    format!(
                        "{doing}: type {} has no max() and order that this server knows",
                        self.type_name
                    ),
                )
                .remedy("name another cursor_field, or read a view that casts it"),
                _ => error,
            })?;
        let highest = row.get(0).map(str::to_owned);
        let endless = |value: &String| {
            let value = value.to_lowercase();
            // categories of pg_type: date and time, numeric, timespan
            matches!(self.category, 'D' | 'N' | 'T') && (value == "infinity" || value == "nan")
        };
        if let Some(value) = highest.as_ref().filter(|value| endless(value)) {
            return Err(Error::new(
                Kind::Data,
                format!("the highest {cursor} of {source} is {value}: a mark there would hide every later row"),
            )
            .remedy("correct those rows, or read a view that leaves them out"));
        }
        let nulls = row.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok((highest, nulls))
    }
}
