//! What rb-bench keeps in a destination, from version to version.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, command, result_line, try_run};
use support::sql;

/// Two databases with a table of ten rows, and a run that keeps state.
fn prepared(name: &str) -> (Databases, Value) {
    let databases = Databases::new(name);
    databases.both("CREATE TABLE t (id int PRIMARY KEY)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT generate_series(1, 10)",
    );
    let document = databases.document(&[json!("t")]);
    (databases, document)
}

/// The ledger as the first version of rb-bench made it, with the rows it has now.
const BACK_TO_ONE: &str = "CREATE TABLE rb_bench.old (run text PRIMARY KEY, pipeline text NOT NULL, digest text NOT NULL, \
    state text NOT NULL CHECK (state IN ('building', 'committing', 'committed')), commit_form text NOT NULL, \
    workers jsonb NOT NULL DEFAULT '[]', aside jsonb NOT NULL DEFAULT '[]', result jsonb, \
    started_at timestamptz NOT NULL DEFAULT now(), decided_at timestamptz); \
  INSERT INTO rb_bench.old SELECT run, pipeline, digest, state, commit_form, workers, aside, result, started_at, decided_at FROM rb_bench.runs; \
  DROP TABLE rb_bench.runs; ALTER TABLE rb_bench.old RENAME TO runs; DROP TABLE rb_bench.cursors, rb_bench.slots, rb_bench.initial_copies; \
  UPDATE rb_bench.version SET version = 1";

#[test]
fn a_ledger_of_version_1_still_answers_for_its_runs_and_is_brought_up_to_date_by_the_next() {
    let (databases, document) = prepared("migrated");
    let first = try_run(&document, &["--run-id", "first"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    sql(&databases.dest, BACK_TO_ONE);
    // a run of version 1 that died while it built new tables
    sql(
        &databases.dest,
        "CREATE TABLE rb_bench.aside_dead_0 (id int); \
         INSERT INTO rb_bench.runs (run, pipeline, digest, state, commit_form, aside) \
         VALUES ('dead', 'p', 'd', 'building', 'built_aside', '[\"aside_dead_0\"]')",
    );
    let again = try_run(&document, &["--run-id", "first"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(result_line(&again.stdout)["records_written"], 10);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "10");
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT to_regclass('rb_bench.aside_dead_0') IS NULL"
        ),
        "t"
    );
    sql(&databases.dest, "TRUNCATE t");
    let next = try_run(&document, &["--run-id", "next"]);
    assert_eq!(next.code, Some(0), "{next:?}");
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT (SELECT version FROM rb_bench.version), to_regclass('rb_bench.cursors') IS NOT NULL, \
               string_agg(run, ' ' ORDER BY run) FROM rb_bench.runs"
        ),
        "2|t|first next"
    );
}

#[test]
fn state_of_a_newer_rb_bench_is_refused_and_left_alone() {
    let (databases, document) = prepared("newer");
    let first = try_run(&document, &["--run-id", "first"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    sql(&databases.dest, "UPDATE rb_bench.version SET version = 99");
    let refused = command("run", &document, &[]);
    refused.refused(&["version 99", "use the rb-bench that wrote it"]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "10");
}
