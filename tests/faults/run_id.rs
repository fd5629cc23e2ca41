//! Runs that can be repeated.

use std::sync::Arc;

use rb_bench::Kind;
use rb_bench::engine::{self, FinishedRun, KnownSums, RunOptions, RunRequest};
use rb_bench::telemetry::counters::Telemetry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::rehearsal::Rehearsal;
use crate::support::copies::Databases;
use crate::support::sql;

#[test]
fn the_same_id_again_prints_the_recorded_result_and_copies_nothing() {
    for commit in ["single_writer", "two_phase", "ledger", "auto"] {
        let rehearsal = Rehearsal::with_table("again", 4000).commit(commit);
        if commit == "auto" {
            rehearsal.at_dest("DROP TABLE t");
        }
        let first = rehearsal.run(&["--run-id", "2026-11"]);
        first.assert_ok();
        rehearsal.at_dest("DELETE FROM t WHERE id = 1");
        let again = rehearsal.run(&["--run-id", "2026-11"]);
        again.assert_ok();
        for field in ["records_written", "bytes_read", "worker_records_max"] {
            assert_eq!(again.number(field), first.number(field), "{commit} {field}");
        }
        assert_eq!(rehearsal.at_dest("SELECT count(*) FROM t"), "3999");
        rehearsal.assert_nothing_left();
    }
}

#[test]
fn another_document_under_the_same_id_is_refused() {
    let rehearsal = Rehearsal::with_table("document", 100);
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    let rehearsal = rehearsal.parallelism(1);
    rehearsal.run(&["--run-id", "r"]).assert_failed(&[
        "run `r` was done with another document",
        "give this one another --run-id",
    ]);
    rehearsal.assert_complete();
}

#[test]
fn the_second_of_two_processes_with_the_same_id_is_told() {
    let rehearsal = Rehearsal::with_table("both", 4000);
    let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
    let first = rehearsal.start(&["--run-id", "r"]);
    gate.until_waiting(2);
    rehearsal.run(&["--run-id", "r"]).assert_failed(&[
        "run `r` is under way in another process",
        "wait for it, or use another --run-id",
    ]);
    gate.open();
    first.finish().assert_ok();
    rehearsal.assert_complete();
}

#[test]
fn an_id_that_could_not_be_a_name_is_wrong_use() {
    let rehearsal = Rehearsal::with_table("odd", 10);
    let outcome = rehearsal.run(&["--run-id", "a:b"]);
    assert_eq!(outcome.status.code(), Some(2), "{outcome:#?}");
    outcome.assert_says(&["use 1 to 100 letters, digits, `.`, `_` or `-`"]);
    rehearsal.assert_untouched();
}

#[test]
fn a_committed_run_without_a_result_is_not_repeated_in_silence() {
    let rehearsal = Rehearsal::with_table("resultless", 100);
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    rehearsal.at_dest("UPDATE rb_bench.runs SET result = NULL");
    rehearsal.run(&["--run-id", "r"]).assert_failed(&[
        "run `r` is in the ledger as committed and has no result",
        "see in rb_bench.runs and in the target what is there; another --run-id copies again",
    ]);
    rehearsal.assert_complete();
}

async fn run_in_process(document: &Value, id: &str) -> FinishedRun {
    let request = RunRequest {
        pipeline: Arc::new(serde_json::from_value(document.clone()).expect("a pipeline")),
        available_cores: 2,
        options: RunOptions {
            run_id: Some(id.to_owned()),
            ..RunOptions::default()
        },
        telemetry: Telemetry::new(),
        cancel: CancellationToken::new(),
    };
    engine::run(request).await.expect("the run succeeds")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_done_earlier_cannot_be_verified_any_more() {
    let databases = Databases::new("verify_again");
    sql(&databases.source, "CREATE TABLE t AS SELECT 1 AS id");
    let document = databases.document(&[json!("t")]);
    let first = run_in_process(&document, "r").await;
    first
        .verify(&KnownSums::new())
        .await
        .expect("its snapshot is still there");
    first.close().await;
    let again = run_in_process(&document, "r").await;
    assert!(again.replayed);
    let error = again.verify(&KnownSums::new()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert_eq!(
        error.message(),
        "this run cannot be verified: it was done earlier"
    );
}
