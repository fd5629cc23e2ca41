//! The connectors that stand in for a server: rows made in the process, rows counted and dropped.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, command, plan, result_line, try_run};
use support::{sql, try_sql};

#[test]
fn dest_null_counts_rows_of_every_format() {
    let databases = Databases::new("null");
    sql(
        &databases.source,
        "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE b AS SELECT g, repeat('x', g) FROM generate_series(1, 1000) g; \
         CREATE TABLE t AS SELECT g, E'\\n\\\\'::text, 'a'::mood FROM generate_series(1, 1000) g",
    );
    let mut document = databases.sharded(&[json!("b"), json!("t")], 3);
    document["destination"] = json!({ "use": "dest-null" });
    let outcome = try_run(&document, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let line = result_line(&outcome.stdout);
    assert_eq!(line["records_read"], 2000);
    assert_eq!(line["records_written"], 2000);
    assert_eq!(plan(&document)["commit"], "none");
    let limited = command("run", &document, &["--limit", "1500", "--format", "json"]).ok();
    assert_eq!(limited["result"]["records_read"], 1500);
}

fn generate(databases: &Databases, settings: &Value) -> Value {
    let mut document = databases.document(&[json!("made_up")]);
    document["source"]["use"] = json!("source-generate");
    document["source"]["config"] = settings.clone();
    document
}

#[test]
fn generated_rows_arrive_in_missing_and_existing_tables() {
    let databases = Databases::new("generate");
    let document = generate(&databases, &json!({ "rows": 3000, "row_bytes": 100 }));
    let json = command("run", &document, &["--format", "json"]).ok();
    assert_eq!(json["result"]["records_written"], 3000);
    let summary = "SELECT count(*), min(id), max(id), count(DISTINCT payload), min(length(payload)), max(length(payload)) FROM made_up";
    assert_eq!(sql(&databases.dest, summary), "3000|1|3000|3000|100|100");
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM pg_index WHERE indrelid = 'made_up'::regclass AND indisprimary"
        ),
        "1"
    );

    // the same seed makes the same rows, and existing tables take them; with --limit, fewer
    sql(
        &databases.dest,
        "ALTER TABLE made_up RENAME TO first; CREATE TABLE made_up (payload text, id bigint, more int)",
    );
    let limited = command("run", &document, &["--limit", "10", "--format", "json"]).ok();
    assert_eq!(limited["result"]["records_written"], 10);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM made_up JOIN first USING (id, payload)"
        ),
        "10"
    );

    sql(&databases.dest, "DROP TABLE made_up");
    let mut some = generate(
        &databases,
        &json!({ "rows": 5, "rows_per_second": 1_000_000 }),
    );
    some["source"]["streams"][0]["columns"] = json!(["payload"]);
    some["destination"]["config"]["load_method"] = json!("insert");
    let json = command("run", &some, &["--format", "json"]).ok();
    assert_eq!(json["result"]["records_written"], 5);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT DISTINCT length(payload), count(*) OVER () FROM made_up GROUP BY payload"
        ),
        "500|5"
    );
}

#[test]
fn generated_rows_come_no_faster_than_asked_for() {
    let databases = Databases::new("rate");
    let document = generate(
        &databases,
        &json!({ "rows": 600, "row_bytes": 1000, "rows_per_second": 600 }),
    );
    let json = command("run", &document, &["--format", "json"]).ok();
    assert!(json["result"]["duration_secs"].as_f64().unwrap() >= 0.95);
    // a target of another shape is refused like any other
    sql(
        &databases.dest,
        "DROP TABLE made_up; CREATE TABLE made_up (id integer, payload text)",
    );
    try_run(&document, &[]).refused(&["column `id`", "bigint"]);
    assert!(try_sql(&databases.dest, "SELECT FROM rb_bench.runs").is_err());
}
