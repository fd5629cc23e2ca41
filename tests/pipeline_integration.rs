//! Parallelism from the document to the rows: what `auto` and a number do to each kind of stream,
//! with every gate of eligibility between them, and that the same rows arrive either way.
//!
//! Each test runs the engine as on a machine of four cores, whatever this one has.

mod support;

use std::sync::Arc;

use rb_bench::engine::{self, FinishedRun, RunOptions, RunRequest, StreamPlan};
use rb_bench::telemetry::counters::Telemetry;
use serde_json::{Value, json};
use support::copies::{Databases, cdc};
use support::sql;
use tokio_util::sync::CancellationToken;

const CORES: u32 = 4;
const ROWS: u32 = 2000;
const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, other int NOT NULL, changed int NOT NULL, v text)";

/// Two databases with `t` on both sides, filled in the source.
fn with_table(name: &str) -> Databases {
    let databases = Databases::new(name);
    databases.both(TABLE);
    sql(
        &databases.source,
        &format!(
            "INSERT INTO t SELECT g, g, g, repeat('x', 100) FROM generate_series(1, {ROWS}) g"
        ),
    );
    databases
}

/// A document that copies `t` in these modes, in chunks small enough for many workers.
fn document(databases: &Databases, sync: &str, write: &str, parallelism: &Value) -> Value {
    let mut document = databases.sharded(&[json!({ "name": "t", "sync_mode": sync })], 1);
    document["resources"]["parallelism"] = parallelism.clone();
    document["destination"]["write_mode"] = json!(write);
    if write == "upsert" {
        document["destination"]["primary_key"] = json!(["id"]);
    }
    if sync == "incremental" {
        document["source"]["streams"][0]["cursor_field"] = json!("changed");
    }
    document
}

/// A run as on four cores: the plan of its first stream, and the shards that stream had.
struct Ran {
    stream: StreamPlan,
    shards: usize,
    workers: u32,
    parallelism: u32,
    eligible: u32,
}

async fn finish(document: &Value) -> FinishedRun {
    finish_with(document, Telemetry::new()).await
}

async fn finish_with(document: &Value, telemetry: Arc<Telemetry>) -> FinishedRun {
    let request = RunRequest {
        pipeline: Arc::new(serde_json::from_value(document.clone()).expect("a pipeline")),
        available_cores: CORES,
        options: RunOptions::default(),
        telemetry,
        cancel: CancellationToken::new(),
    };
    engine::run(request).await.expect("the run succeeds")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_worker_says_what_its_backends_used_before_it_leaves() {
    let databases = with_table("backends");
    for parallelism in [1, 3] {
        sql(&databases.dest, "TRUNCATE t");
        let telemetry = Telemetry::new();
        let document = document(&databases, "full_refresh", "append", &json!(parallelism));
        let finished = finish_with(&document, Arc::clone(&telemetry)).await;
        finished.close().await;
        let backends = telemetry.backends();
        assert_eq!(backends.len(), 2 * parallelism);
        for backend in &backends {
            assert!(
                backend.local && backend.final_cpu_secs.is_some(),
                "{backends:?}"
            );
        }
    }
}

async fn run(document: &Value) -> Ran {
    let finished = finish(document).await;
    let ran = Ran {
        stream: finished.plan.streams[0].clone(),
        shards: finished.result.stream_metrics.len(),
        workers: finished.plan.workers,
        parallelism: finished.result.parallelism,
        eligible: finished.result.resolved.parallelism_eligible_streams,
    };
    finished.close().await;
    ran
}

/// The stream has one worker, whatever number was asked for, and says why; its rows are all there.
#[track_caller]
fn assert_one_worker(databases: &Databases, ran: &Ran, why: &str) {
    assert_eq!((ran.stream.workers, ran.shards), (1, 1), "{:?}", ran.stream);
    let said = ran.stream.why_one_worker.as_deref().unwrap_or_default();
    assert!(said.contains(why), "`{said}` is not about `{why}`");
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

/// The initial copy of a captured table has one worker and says why, whatever number was asked for;
/// so has the run that applies the changes.
async fn assert_one_worker_captures(name: &str, parallelism: &Value, resolved: u32) {
    let databases = with_table(name);
    let document = document(&databases, "cdc", "upsert", parallelism);
    cdc(&document, "setup", &[]).succeeded();
    let copied = run(&document).await;
    assert_eq!((copied.parallelism, copied.eligible), (resolved, 0));
    assert_one_worker(
        &databases,
        &copied,
        "cdc streams are applied in commit order",
    );
    sql(&databases.source, "UPDATE t SET v = 'changed' WHERE id < 9");
    let applied = finish(&document).await;
    cdc(&document, "drop", &["--yes"]).succeeded();
    assert_eq!(applied.result.parallelism, resolved);
    assert_eq!(applied.result.resolved.parallelism_eligible_streams, 0);
    assert_eq!(applied.plan.workers, 1);
    assert_eq!(applied.changes.expect("it applied some").updated, 8);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_auto_shards_an_eligible_full_refresh_stream_of_source_postgres() {
    let databases = with_table("auto");
    let ran = run(&document(
        &databases,
        "full_refresh",
        "append",
        &json!("auto"),
    ))
    .await;
    assert_eq!((ran.parallelism, ran.eligible), (CORES, 1));
    assert_eq!((ran.stream.workers, ran.workers), (CORES, CORES));
    assert_eq!(ran.stream.why_one_worker, None);
    assert!(ran.stream.chunks > u64::from(CORES), "{:?}", ran.stream);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_manual_still_works() {
    for workers in [1, 3, 6] {
        let databases = with_table("manual");
        let ran = run(&document(
            &databases,
            "full_refresh",
            "append",
            &json!(workers),
        ))
        .await;
        assert_eq!(
            (ran.parallelism, ran.workers, ran.stream.workers),
            (workers, workers, workers)
        );
        databases.assert_same("SELECT * FROM t ORDER BY id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_auto_does_not_shard_incremental_streams() {
    for write in ["append", "upsert"] {
        let databases = with_table("incremental");
        let ran = run(&document(&databases, "incremental", write, &json!("auto"))).await;
        assert_eq!((ran.parallelism, ran.eligible), (1, 0));
        assert_one_worker(
            &databases,
            &ran,
            "incremental streams are read in one piece",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_auto_does_not_shard_replace() {
    let databases = with_table("replace");
    sql(&databases.dest, "INSERT INTO t VALUES (-1, -1, -1, 'old')");
    let ran = run(&document(
        &databases,
        "full_refresh",
        "replace",
        &json!("auto"),
    ))
    .await;
    assert_eq!((ran.parallelism, ran.eligible), (1, 0));
    assert_one_worker(&databases, &ran, "replace loads each table in one piece");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_auto_does_not_shard_cdc_streams() {
    assert_one_worker_captures("cdc", &json!("auto"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_manual_does_not_override_eligibility_of_cdc_streams() {
    assert_one_worker_captures("cdc_manual", &json!(8), 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_manual_does_not_override_eligibility() {
    for (sync, write) in [
        ("incremental", "append"),
        ("incremental", "upsert"),
        ("full_refresh", "replace"),
    ] {
        let databases = with_table("override");
        let ran = run(&document(&databases, sync, write, &json!(8))).await;
        assert_eq!(
            ran.parallelism, 8,
            "the number is reported as it was resolved"
        );
        assert_one_worker(&databases, &ran, "in one piece");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_a_source_that_is_not_postgres_is_not_eligible() {
    for parallelism in [json!("auto"), json!(8)] {
        let databases = Databases::new("generated");
        let mut document = databases.sharded(&[json!("t")], 1);
        document["source"] = json!({
            "use": "source-generate",
            "config": { "rows": ROWS, "row_bytes": 100 },
            "streams": [{ "name": "t" }],
        });
        document["resources"]["parallelism"] = parallelism;
        let ran = run(&document).await;
        assert_eq!((ran.eligible, ran.stream.workers, ran.shards), (0, 1, 1));
        assert_eq!(
            ran.stream.why_one_worker.as_deref(),
            Some("the source is not source-postgres")
        );
        let rows = sql(
            &databases.dest,
            "SELECT count(*), count(DISTINCT id) FROM t",
        );
        assert_eq!(rows, format!("{ROWS}|{ROWS}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_rule_4_takes_relations_without_addresses_of_their_own_to_one_worker() {
    let databases = with_table("rule4");
    sql(
        &databases.source,
        "ALTER TABLE t RENAME TO base; CREATE VIEW t AS SELECT * FROM base",
    );
    let ran = run(&document(&databases, "full_refresh", "append", &json!(4))).await;
    assert_one_worker(&databases, &ran, "it is a view");

    let databases = with_table("rule4_heirs");
    sql(
        &databases.source,
        "CREATE TABLE heir () INHERITS (t); INSERT INTO heir VALUES (-5, -5, -5, 'heir')",
    );
    let ran = run(&document(&databases, "full_refresh", "append", &json!(4))).await;
    assert_one_worker(&databases, &ran, "other tables inherit from it");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_rule_5_takes_an_upsert_key_that_the_source_does_not_guarantee_to_one_worker() {
    let databases = with_table("rule5");
    let ran = run(&document(&databases, "full_refresh", "upsert", &json!(4))).await;
    assert_eq!(ran.stream.workers, 4, "{:?}", ran.stream);

    let databases = with_table("rule5_unguarded");
    sql(&databases.source, "ALTER TABLE t DROP CONSTRAINT t_pkey");
    let ran = run(&document(&databases, "full_refresh", "upsert", &json!(4))).await;
    assert_one_worker(&databases, &ran, "the source does not guarantee");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_rule_6_takes_transforms_that_are_not_row_wise_to_one_worker() {
    for (query, workers) in [
        ("SELECT id, other, changed, v FROM input WHERE id > 0", 4),
        (
            "SELECT id, other, changed, v FROM input ORDER BY v LIMIT 5000",
            1,
        ),
    ] {
        let databases = with_table("rule6");
        let mut document = document(&databases, "full_refresh", "append", &json!(4));
        document["transforms"] = json!([{ "use": "transform-sql", "config": { "query": query } }]);
        let ran = run(&document).await;
        assert_eq!(ran.stream.workers, workers, "{query}: {:?}", ran.stream);
        if workers == 1 {
            assert_one_worker(&databases, &ran, "");
            assert!(ran.stream.why_one_worker.is_some(), "{:?}", ran.stream);
        }
        databases.assert_same("SELECT * FROM t ORDER BY id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_rule_7_takes_a_key_that_two_workers_could_meet_on_to_one_worker() {
    let databases = with_table("rule7");
    sql(&databases.dest, "ALTER TABLE t ADD UNIQUE (other)");
    let ran = run(&document(&databases, "full_refresh", "append", &json!(4))).await;
    assert_one_worker(&databases, &ran, "two workers could meet");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallelism_rule_8_takes_tables_that_refer_to_themselves_to_one_worker() {
    let databases = with_table("rule8");
    sql(
        &databases.dest,
        "ALTER TABLE t ADD FOREIGN KEY (other) REFERENCES t",
    );
    let ran = run(&document(&databases, "full_refresh", "append", &json!(4))).await;
    assert_one_worker(&databases, &ran, "refers to itself");
}
