//! Transforms over a relation: checked and described before the snapshot, proved under it.
//!
//! What comes out looks like a relation, with the transforms' columns and the keys that are known
//! to hold for their rows, so that everything after it plans as for any other. Nothing is ever
//! created at the source.

use std::collections::BTreeSet;

use super::plan::Chunk;
use super::row_wise::{self, Judgement, Scope};
use super::source::rows_sql;
use super::transform::{self, Transform};
use super::{determinism, eligibility, readable, settings};
use crate::config::types::Stream;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, Column, Key, Name, Relation, RelationKind, ResultColumn};
use crate::postgres::{Session, describe, quote_ident, user_types};

/// What transforms do to a relation.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformed {
    /// The queries, and what the first of them reads.
    pub transform: Transform,
    /// Columns that come out as they are, under their own names, and rows at most once each.
    pub kept: Vec<String>,
    /// Why they are not row-wise (rule 6), if they are not known to be.
    pub why_one_worker: Option<String>,
    /// What makes their rows others each time they are read, if something does.
    pub unrepeatable: Option<String>,
}

/// The columns on both ends of a stream's transforms.
#[derive(Debug, Clone)]
pub struct Described {
    input: Vec<String>,
    output: Vec<ResultColumn>,
}

/// Refuses what is not one statement by itself. Nothing else is judged here: alone, a query does
/// not know what `input` is.
pub async fn check_syntax(session: &Session, queries: &[String]) -> Result<()> {
    for (n, query) in queries.iter().enumerate() {
        let doing = "reading it";
        let begin = format!("SAVEPOINT t; {}", settings::search_path(true));
        session.execute(&begin, doing).await?;
        if let Err(error) = describe::describe(session, query).await {
            let error = error.context(doing);
            let position = error.server().and_then(|report| report.position);
            let place = position.and_then(|at| transform::line_and_column(query, at as usize));
            match error.sqlstate() {
                Some("42601") => return Err(explain(error, n, place, &[])),
                None => return Err(error),
                Some(_) => {}
            }
        }
        session.execute("ROLLBACK TO t; RELEASE t", doing).await?;
    }
    Ok(())
}

/// Runs the transforms of a stream without a row, which locks in the session's transaction all
/// that they read, and describes what comes out.
pub async fn describe(
    session: &Session,
    name: &Name,
    stream: &Stream,
    queries: &[String],
) -> Result<Described> {
    readable::require_input(session, name, stream).await?;
    let columns = stream.columns.as_ref().map_or("*".to_owned(), |columns| {
        let columns: Vec<_> = columns.iter().map(|column| quote_ident(column)).collect();
        columns.join(", ")
    });
    let rows = format!("SELECT {columns} FROM {}", name.sql());
    let doing = format!("reading {name} through it");
    let mut output = result_columns(session, &rows, &format!("reading {name}")).await?;
    let names = |columns: &[ResultColumn]| -> Vec<String> {
        columns.iter().map(|column| column.name.clone()).collect()
    };
    let input = names(&output);
    for n in 0..queries.len() {
        let queries = &queries[..=n];
        let known = names(&output);
        let explained = |error: Error| {
            let position = error.server().and_then(|report| report.position);
            let place = position.and_then(|at| transform::place(queries, &rows, at));
            explain(error, n, place, &known)
        };
        let sql = transform::over(queries, &rows);
        let empty = session.execute(&format!("{sql} LIMIT 0"), &doing).await;
        empty.map_err(explained)?;
        output = result_columns(session, &sql, &doing)
            .await
            .map_err(explained)?;
        let wrong = |what: String| {
            Error::new(Kind::Config, format!("transform {}: {what}", n + 1))
                .remedy("give every column of its SELECT a name of its own, with AS")
        };
        if output.is_empty() {
            return Err(wrong("it has no columns".to_owned()));
        }
        let mut seen = BTreeSet::new();
        for (i, column) in output.iter().enumerate() {
            if column.name == "?column?" {
                return Err(wrong(format!("its column {} has no name", i + 1)));
            }
            if !seen.insert(&column.name) {
                return Err(wrong(format!(
                    "two of its columns are called `{}`",
                    column.name
                )));
            }
        }
    }
    Ok(Described { input, output })
}

async fn result_columns(session: &Session, sql: &str, doing: &str) -> Result<Vec<ResultColumn>> {
    let described = describe::describe(session, sql).await;
    described.map_err(|error| error.context(doing))
}

/// An error of a transform's query: which, where, and what to do.
fn explain(error: Error, n: usize, place: Option<String>, input: &[String]) -> Error {
    let place = place.map_or(String::new(), |place| format!(" ({place})"));
    let remedy = match error.sqlstate() {
        Some("42601") => Some("a transform is one SELECT over `input`, without a semicolon".to_owned()),
        Some("42703") => Some(format!("`input` has the columns {}", input.join(", "))),
        Some("42P01" | "42883" | "42704") => Some(
            "its rows are called `input`; other names are looked for along the role's own search_path".to_owned(),
        ),
        Some("42501") => Some("give this role what it lacks: GRANT SELECT on a table, GRANT EXECUTE on a function, GRANT USAGE on a schema".to_owned()),
        _ => None,
    };
    let error = error.context(format!("transform {}{place}", n + 1));
    match remedy {
        Some(remedy) => error.remedy(remedy),
        None => error,
    }
}

/// The relation as it comes out of its transforms, and what was proved of them; `session` is the
/// one that reads at the snapshot, with an empty `search_path`.
pub async fn prove(
    session: &Session,
    base: Relation,
    described: Described,
    queries: &[String],
) -> Result<(Relation, Transformed)> {
    let Described { input, output } = described;
    let mut columns = catalog::result_columns(session, &output).await?;
    refuse_types(session, &columns).await?;
    let transform = Transform {
        input,
        queries: queries.to_vec(),
    };
    let judgement = judge(session, &base, &transform).await?;
    let seen = determinism::look_up(session, &judgement.uses, queries).await?;
    let why_one_worker = (seen.differs.clone())
        .or(judgement.shape)
        .or(seen.doubt)
        .map(|why| format!("the transforms are not row-wise: {why}"));
    let unchanged: Vec<Option<&Column>> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let name = judgement
                .unchanged
                .get(&i)
                .filter(|_| why_one_worker.is_none());
            name.and_then(|name| base.column(name)).filter(|base| {
                (base.type_oid, base.type_modifier) == (column.type_oid, column.type_modifier)
            })
        })
        .collect();
    // under which name a column of the relation comes out
    let renamed = |name: &String| {
        unchanged
            .iter()
            .position(|base| base.is_some_and(|base| base.name == *name))
            .map(|i| output[i].name.clone())
    };
    let keys = base
        .keys
        .iter()
        .filter(|key| !key.exclusion && !key.partial && !key.columns.is_empty());
    let keys = keys.filter_map(|key| {
        let columns: Option<Vec<String>> = key.columns.iter().map(renamed).collect();
        Some(Key {
            columns: columns?,
            ..key.clone()
        })
    });
    let keys = keys.collect();
    let kept = (unchanged.iter().flatten().zip(output.iter()))
        .filter(|(base, _)| renamed(&base.name).as_ref() == Some(&base.name))
        .map(|(base, _)| base.name.clone())
        .collect();
    for (column, base) in columns.iter_mut().zip(&unchanged) {
        if let Some(base) = base {
            column.not_null = base.not_null;
            column.collation.clone_from(&base.collation);
            column
                .effective_collation
                .clone_from(&base.effective_collation);
        }
    }
    let relation = Relation {
        columns,
        keys,
        ..base
    };
    let transformed = Transformed {
        transform,
        kept,
        why_one_worker,
        unrepeatable: seen.unrepeatable,
    };
    Ok((relation, transformed))
}

/// Types that no table has, and types whose text is another along another `search_path`: a query
/// of the user's is read along the role's own.
async fn refuse_types(session: &Session, columns: &[Column]) -> Result<()> {
    let wrong = columns
        .iter()
        .find(|column| column.type_kind == 'p')
        .map(|column| {
            (
                &column.name,
                format!("the pseudo-type {}", column.type_name),
            )
        });
    let wrong = match (wrong, user_types::naming_objects(session, columns).await?) {
        (None, Some(column)) => Some((
            &column.name,
            format!(
                "the type {}, which names objects of the source",
                column.type_name
            ),
        )),
        (wrong, _) => wrong,
    };
    wrong.map_or(Ok(()), |(column, what)| {
        Err(Error::new(
            Kind::Incompatible,
            format!("column `{column}` of the transforms has {what}"),
        )
        .remedy("cast it in the query to a type that a column can be copied as, such as text"))
    })
}

/// What the source's plans of the transforms show.
async fn judge(session: &Session, base: &Relation, transform: &Transform) -> Result<Judgement> {
    let leaves: Vec<&Name> = base.leaves.iter().map(|leaf| &leaf.name).collect();
    let texts: BTreeSet<String> = base
        .columns
        .iter()
        .filter(|column| !is_plain(&column.base_type))
        .map(|column| column.name.clone())
        .collect();
    let first = leaves
        .first()
        .filter(|_| eligibility::ineligible_relation(base).is_none());
    let Some(first) = first else {
        // one worker reads it whatever the plan is, which only says what the queries use
        let plan = explained(session, base, transform, &Chunk::whole(0, 0)).await?;
        let judgement = row_wise::judge(&plan, &leaves, Scope::Whole, &texts);
        return Ok(Judgement {
            shape: Some("there is no heap to prove it on".to_owned()),
            ..judgement
        });
    };
    let chunk = Chunk {
        heap: Some((*first).clone()),
        from_block: Some(row_wise::BLOCKS.0),
        to_block: Some(row_wise::BLOCKS.1),
        ..Chunk::whole(0, 0)
    };
    let plan = explained(session, base, transform, &chunk).await?;
    let mut judgement = row_wise::judge(&plan, &[first], Scope::Chunk, &texts);
    if base.kind == RelationKind::Partitioned && judgement.shape.is_none() {
        // a key of one partition lets the planner leave out a join that the whole needs
        let plan = explained(session, base, transform, &Chunk::whole(0, 0)).await?;
        judgement.shape = row_wise::judge(&plan, &leaves, Scope::Whole, &texts).shape;
    }
    Ok(judgement)
}

/// Whether a type's values are no texts that could be read as a time.
fn is_plain(base_type: &str) -> bool {
    const PLAIN: &[&str] = &[
        "bigint",
        "boolean",
        "bytea",
        "date",
        "double precision",
        "integer",
        "interval",
        "numeric",
        "real",
        "smallint",
        "time with time zone",
        "time without time zone",
        "timestamp with time zone",
        "timestamp without time zone",
        "uuid",
    ];
    PLAIN.contains(&base_type)
}

/// The source's plan of a chunk's rows through the transforms, with nothing in it that depends on
/// indexes or workers of the server.
async fn explained(
    session: &Session,
    base: &Relation,
    transform: &Transform,
    chunk: &Chunk,
) -> Result<serde_json::Value> {
    let doing = format!("explaining the transforms of {}", base.name);
    let set = format!(
        "SAVEPOINT t; {}; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL enable_indexscan = off; \
         SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off",
        settings::search_path(false)
    );
    session.execute(&set, &doing).await?;
    let rows = rows_sql(&transform.input, &base.name, chunk);
    let sql = format!("EXPLAIN (VERBOSE, FORMAT JSON) {}", transform.over(&rows));
    let text = session.value(&sql, &doing).await?.unwrap_or_default();
    session.execute("ROLLBACK TO t; RELEASE t", &doing).await?;
    let mut plan: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| Error::internal(format!("{doing}: {e}")))?;
    Ok(plan[0]["Plan"].take())
}
