//! Whether what arrived is what left: by both servers' own count and sums, never by our counters.
//!
//! Per side, in SQL: the row count, and the sums over rows of `hashtextextended(row::text, 0)` and
//! with seed 1, as numeric. Sums, never XOR, which cancels duplicates. The source is read under
//! the run's own snapshot; columns in the target's order and types.

use super::plan::{Chunk, CopyFormat};
use super::settings;
use super::source::rows_sql;
use super::targets::{Matched, Target};
use super::transformed::Transformed;
use super::upsert::Upsert;
use super::{StreamVerification, Sums};
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::Name;
use crate::postgres::{Session, quote_ident, quote_literal};

/// What was in a target before the run, where it was not empty.
pub type Baseline = Option<Sums>;

/// The columns that were copied, in the target's order, each as the target has it.
pub fn expressions(one: &Matched, at_source: bool) -> String {
    let cast = |name: &str| match one.target.table() {
        Some(relation) if at_source => relation
            .column(name)
            .map_or_else(String::new, |column| format!("::{}", column.type_name)),
        _ => String::new(),
    };
    in_order(one)
        .into_iter()
        .map(|name| {
            format!(
                "{}{} AS {}",
                quote_ident(name),
                cast(name),
                quote_ident(name)
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// The columns that were copied, in the target's order.
fn in_order(one: &Matched) -> Vec<&String> {
    match one.target.table() {
        Some(relation) => relation
            .columns
            .iter()
            .map(|c| &c.name)
            .filter(|name| one.fit.columns.contains(name))
            .collect(),
        None => one.fit.columns.iter().collect(),
    }
}

fn sums_sql(expressions: &str, from: &str, less: &Baseline) -> String {
    let minus = |value: &str| format!(" - {}::pg_catalog.numeric", quote_literal(value));
    let (rows, sum0, sum1) = less.as_ref().map_or_else(Default::default, |less| {
        (
            format!(" - {}", less.rows),
            minus(&less.sum0),
            minus(&less.sum1),
        )
    });
    let sum = |seed: u8, less: &str| {
        format!(
            "(coalesce(pg_catalog.sum(pg_catalog.hashtextextended((r.*)::pg_catalog.text, {seed})::pg_catalog.numeric), 0){less})::pg_catalog.text"
        )
    };
    format!(
        "SELECT pg_catalog.count(*){rows}, {}, {} FROM (SELECT {expressions} FROM {from}) r",
        sum(0, &sum0),
        sum(1, &sum1)
    )
}

async fn sums(session: &Session, sql: &str, of: &Name) -> Result<Sums> {
    let row = session.row(sql, &format!("summing {of}")).await?;
    let text = |i: usize| row.get(i).unwrap_or_default().to_owned();
    Ok(Sums {
        rows: text(0).parse().unwrap_or(-1),
        sum0: text(1),
        sum1: text(2),
    })
}

/// The source's sums of a stream, in the session's snapshot.
pub async fn source_sums(session: &Session, one: &Matched) -> Result<Sums> {
    // as the workers read it: a view's functions may need the role's own path, and so may a query
    let qualified = one.fit.format == CopyFormat::Text && one.transformed.is_none();
    let path = settings::search_path(qualified);
    session.execute(path, "setting search_path").await?;
    let only = one
        .increment
        .as_ref()
        .map(|increment| increment.only.clone());
    let from = match &one.transformed {
        None => {
            let only = only.map_or_else(String::new, |only| format!(" WHERE {only}"));
            format!("{}{only}", one.source.sql())
        }
        Some(Transformed { transform, .. }) => {
            let whole = Chunk {
                only,
                ..Chunk::whole(0, 0)
            };
            let rows = rows_sql(&transform.input, &one.source, &whole);
            format!("({}) t", transform.over(&rows))
        }
    };
    sums(
        session,
        &sums_sql(&expressions(one, true), &from, &None),
        &one.source,
    )
    .await
}

/// The target's sums of a stream, less what was there before.
pub async fn target_sums(session: &Session, one: &Matched, before: &Baseline) -> Result<Sums> {
    let target = one.target_name.as_ref().ok_or_else(|| {
        // who asks has looked whether anything was written
        Error::internal("what dest-null dropped was to be verified")
    })?;
    sums(
        session,
        &sums_sql(&expressions(one, false), &target.sql(), before),
        target,
    )
    .await
}

/// The sums of what this worker has merged into the target of an upsert: of the target's rows, as
/// they are now, whose keys are in the staging table. Those of all workers add up to the stream's.
pub async fn merged_sums(
    session: &Session,
    upsert: &Upsert,
    staging: &Name,
) -> Result<Option<Sums>> {
    let Some(expressions) = &upsert.sums else {
        return Ok(None);
    };
    let sql = sums_sql(expressions, &upsert.arrived(staging), &None);
    sums(session, &sql, staging).await.map(Some)
}

/// What is in the target now: nothing where it is missing or empty, nor where an upsert says
/// itself what it has merged.
pub async fn baseline(session: &Session, one: &Matched) -> Result<Baseline> {
    let (Target::Existing(_), Some(target), None) = (&one.target, &one.target_name, &one.upsert)
    else {
        return Ok(None);
    };
    let doing = format!("looking into {target}");
    session.execute("SAVEPOINT look", &doing).await?;
    let sql = format!("SELECT EXISTS (SELECT FROM {})", target.sql());
    let filled = session.value(&sql, &doing).await?.as_deref() == Some("t");
    let mut before = None;
    if filled {
        // as its rows will be once it is altered
        let columns: Vec<String> = in_order(one)
            .into_iter()
            .map(|name| format!("{} AS {}", one.drift.beforehand(name), quote_ident(name)))
            .collect();
        let sql = sums_sql(&columns.join(", "), &target.sql(), &None);
        before = Some(sums(session, &sql, target).await?);
    }
    // our lock must not be in the way of a worker that alters it
    session.execute("ROLLBACK TO look", &doing).await?;
    Ok(before)
}

/// The error of a run whose streams do not match, naming each.
pub fn require_match(verifications: &[StreamVerification]) -> Result<()> {
    let wrong: Vec<String> = verifications
        .iter()
        .filter(|v| !v.row_count_ok() || !v.checksum_ok())
        .map(|v| {
            let sums = if v.row_count_ok() {
                ", and the contents differ"
            } else {
                ""
            };
            format!(
                "{}: {} rows in the source, {} arrived{sums}",
                v.stream, v.source.rows, v.destination.rows
            )
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Verification, format!("verification failed: {}", wrong.join("; ")))
        .remedy("another client that writes to the target meanwhile does this; if there was none, report it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(rows: i64, sum0: &str) -> Sums {
        Sums {
            rows,
            sum0: sum0.into(),
            sum1: "1".into(),
        }
    }

    #[test]
    fn a_difference_in_rows_or_contents_is_named() {
        let one = |destination| StreamVerification {
            stream: "public.t".into(),
            source: sums(2, "7"),
            destination,
        };
        assert!(require_match(&[one(sums(2, "7"))]).is_ok());
        let rows = require_match(&[one(sums(3, "9"))]).unwrap_err();
        assert!(
            rows.message().contains("2 rows in the source, 3 arrived"),
            "{rows}"
        );
        let contents = require_match(&[one(sums(2, "8"))]).unwrap_err();
        assert!(contents.message().contains("contents differ"), "{contents}");
    }

    #[test]
    fn what_was_there_before_is_taken_off() {
        let sql = sums_sql("\"a\" AS \"a\"", "s.t", &Some(sums(5, "12")));
        assert!(
            sql.starts_with("SELECT pg_catalog.count(*) - 5, (coalesce("),
            "{sql}"
        );
        assert!(sql.contains("- '12'::pg_catalog.numeric"), "{sql}");
    }
}
