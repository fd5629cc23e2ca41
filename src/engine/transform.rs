//! How the queries of `transform-sql` nest around the rows of a relation. Pure.
//!
//! The source runs them, so no row is decoded on the way. A query is put in as it is written: it
//! must have been seen to be one statement by itself before, for brackets would let it out.

use crate::config::types::{self, Pipeline};

/// The queries of a stream, and what the first of them reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// The relation's columns that `input` has in the first query.
    pub input: Vec<String>,
    /// The queries, in order, at least one: each one's rows are the `input` of the next.
    pub queries: Vec<String>,
}

impl Transform {
    /// The query whose rows are those of `rows`, a SELECT, after all transforms.
    #[must_use]
    pub fn over(&self, rows: &str) -> String {
        over(&self.queries, rows)
    }
}

/// The queries of a pipeline, in order.
#[must_use]
pub fn queries(pipeline: &Pipeline) -> Vec<String> {
    let transforms = pipeline.transforms.iter();
    transforms
        .map(|types::Transform::Sql(sql)| sql.query.clone())
        .collect()
}

/// `rows`, a SELECT, through these queries.
#[must_use]
pub fn over(queries: &[String], rows: &str) -> String {
    queries.iter().fold(rows.to_owned(), |rows, query| {
        // not materialised: the planner sees through it, and reads only what the query needs; the
        // line's end closes a comment
        format!("{}{query}\n) q", head(&rows))
    })
}

/// What stands before a query that reads `rows`.
fn head(rows: &str) -> String {
    format!("WITH input AS NOT MATERIALIZED ({rows}) SELECT * FROM (\n")
}

/// Where in the last of these queries the server's `position` (characters of the whole, from 1)
/// is, as line and column; none where it is outside of it.
#[must_use]
pub fn place(queries: &[String], rows: &str, position: u32) -> Option<String> {
    let (query, inner) = queries.split_last()?;
    let before = head(&over(inner, rows)).chars().count();
    line_and_column(query, (position as usize).checked_sub(before)?)
}

/// Where the `position`th character (from 1) of a text is; one past its end is its end.
#[must_use]
pub fn line_and_column(text: &str, position: usize) -> Option<String> {
    if position == 0 || position > text.chars().count() + 1 {
        return None;
    }
    let before: String = text.chars().take(position - 1).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Some(format!("line {line}, column {column}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_each_query_are_the_input_of_the_next() {
        let transform = Transform {
            input: vec!["a".into()],
            queries: vec![
                "SELECT a + 1 AS a FROM input".into(),
                "TABLE input -- as it is".into(),
            ],
        };
        assert_eq!(
            transform.over("SELECT a FROM t"),
            "WITH input AS NOT MATERIALIZED (\
             WITH input AS NOT MATERIALIZED (SELECT a FROM t) SELECT * FROM (\nSELECT a + 1 AS a FROM input\n) q\
             ) SELECT * FROM (\nTABLE input -- as it is\n) q"
        );
    }

    #[test]
    fn the_servers_position_is_told_as_a_place_in_the_users_query() {
        let queries = vec!["SELECT 1".into(), "SELECT é,\n  wrong FROM input".into()];
        let whole = over(&queries, "SELECT 'ü' FROM t");
        let at = whole.chars().position(|c| c == 'w').unwrap() as u32 + 1;
        assert_eq!(
            place(&queries, "SELECT 'ü' FROM t", at).as_deref(),
            Some("line 2, column 3")
        );
        assert_eq!(place(&queries, "SELECT 'ü' FROM t", 5), None);
        assert_eq!(place(&queries, "SELECT 'ü' FROM t", 9999), None);
        assert_eq!(
            line_and_column("ab", 3).as_deref(),
            Some("line 1, column 3")
        );
    }
}
