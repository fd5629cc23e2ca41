//! transform-sql: what the source computes arrives, however many workers read it; a query is cut
//! into chunks only where that cannot be told from the whole; a wrong query is an error before
//! anything is made.

#[path = "../support/mod.rs"]
mod support;

mod arrival;
mod mistakes;
mod row_wise;

use serde_json::{Value, json};
use support::copies::{Databases, plan};

/// Rows enough for several chunks; `parent` refers to other chunks' rows.
pub(crate) const ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY, parent int, note text, at timestamptz, amount numeric(10,2));
    INSERT INTO t SELECT g, (g * 7919) % 2000 + 1, repeat(md5(g::text), 3), '2024-01-01'::timestamptz + g * interval '1 hour', g / 7.0
      FROM generate_series(1, 2000) g; ANALYZE t";

/// A document of one stream, cut small for four workers, through these queries.
pub(crate) fn through(databases: &Databases, stream: &Value, queries: &[&str]) -> Value {
    let mut document = databases.sharded(std::slice::from_ref(stream), 4);
    let transforms = queries
        .iter()
        .map(|query| json!({ "use": "transform-sql", "config": { "query": query } }));
    document["transforms"] = transforms.collect();
    document
}

pub(crate) fn stream_plan(databases: &Databases, stream: &Value, queries: &[&str]) -> Value {
    plan(&through(databases, stream, queries))["streams"][0].clone()
}
