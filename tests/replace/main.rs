//! Write mode replace: what a target has is there afterwards, what could not come along is refused
//! before a row moves, and whoever reads meanwhile sees the old table or the new one.

mod kept;
mod meanwhile;
mod refused;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use rb_bench::cluster::Programs;
use serde_json::{Value, json};
use support::copies::Databases;
use support::{pg_bin, sql};

/// A document that replaces the targets of these streams.
fn replacing(databases: &Databases, streams: &[Value]) -> Value {
    let mut document = databases.document(streams);
    document["destination"]["write_mode"] = json!("replace");
    document
}

/// Everything a database is made of, in the words of pg_dump.
fn schema_of(url: &str) -> String {
    let programs = Programs::find(pg_bin().as_deref()).expect("Postgres is installed");
    let output = Command::new(programs.program("pg_dump"))
        .args(["--schema-only", "--exclude-schema=rb_bench", url])
        .output()
        .expect("pg_dump runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("a dump is text");
    // newer ones guard their output with a random word
    let lines = text.lines().filter(|line| !line.contains("restrict "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Nothing of ours is left in a destination but the ledger.
fn assert_clean(url: &str) {
    let left = "SELECT relname FROM pg_class WHERE relname LIKE 'aside%' UNION ALL SELECT gid FROM pg_prepared_xacts WHERE database = current_database()
        UNION ALL SELECT run FROM rb_bench.runs WHERE state <> 'committed'";
    assert_eq!(sql(url, left), "");
}
