//! Failures between the commits of prepared transactions.

use crate::proxy::{self, Fate};
use crate::rehearsal::Rehearsal;
use crate::session::Held;

/// Waits until both workers have prepared.
const BOTH_PREPARED: &str =
    "SELECT count(*) = 2 FROM pg_prepared_xacts WHERE database = current_database()";

#[test]
fn a_run_killed_before_the_decision_is_rolled_back_by_the_next() {
    let rehearsal = Rehearsal::with_table("undecided", 4000).commit("two_phase");
    // a first run makes the ledger, on which the leader of the second can be held
    rehearsal.run(&["--run-id", "first"]).assert_ok();
    rehearsal.at_dest("TRUNCATE t");
    let held = Held::connect(&rehearsal.dest);
    held.sql("BEGIN; LOCK TABLE rb_bench.runs IN SHARE MODE");
    let running = rehearsal.start(&["--run-id", "second"]);
    rehearsal.until_dest(BOTH_PREPARED);
    running.kill();
    held.sql("ROLLBACK");
    rehearsal
        .run(&["--run-id", "third"])
        .assert_ok()
        .assert_says(&["run `second` died; its 2 prepared transactions were rolled back"]);
    rehearsal.assert_complete();
}

#[test]
fn a_run_killed_after_the_decision_is_committed_by_the_next() {
    let rehearsal = Rehearsal::with_table("decided", 4000).commit("two_phase");
    let vanishes = proxy::always(Fate::Vanishes, |sent| {
        sent.text.starts_with("COMMIT PREPARED")
    });
    let direct = rehearsal.dest.clone();
    let through = proxy::before(&rehearsal.dest, vanishes);
    let rehearsal = rehearsal.dest_through(through);
    let running = rehearsal.start(&["--run-id", "r"]);
    rehearsal.until_dest("SELECT to_regclass('rb_bench.runs') IS NOT NULL");
    rehearsal.until_dest("SELECT count(*) = 1 FROM rb_bench.runs WHERE state = 'committed'");
    assert_eq!(rehearsal.at_dest("SELECT count(*) FROM t"), "0");
    running.kill();
    let rehearsal = rehearsal.dest_through(direct);
    let outcome = rehearsal.run(&["--run-id", "r"]);
    outcome
        .assert_ok()
        .assert_says(&["its 2 prepared transactions were committed"]);
    assert_eq!(outcome.number("records_written"), 4000);
    rehearsal.assert_complete();
}

#[test]
fn a_worker_that_cannot_prepare_undoes_the_run_and_is_the_error() {
    let rehearsal = Rehearsal::with_table("refuses", 4000).commit("two_phase");
    rehearsal.fail_at_commit("NEW.id = 4000");
    rehearsal
        .run(&[])
        .assert_failed(&["row 4000 is refused at the end", "23514"]);
    rehearsal.assert_untouched();
}

#[test]
fn a_prepare_whose_answer_is_lost_is_rolled_back_and_tried_again() {
    for fate in [Fate::LosesAnswer, Fate::Breaks] {
        let rehearsal = Rehearsal::with_table("prepare", 4000)
            .commit("two_phase")
            .max_retries(1);
        let rule = proxy::once(fate, |sent| sent.text.starts_with("PREPARE TRANSACTION"));
        let through = proxy::before(&rehearsal.dest, rule);
        let rehearsal = rehearsal.dest_through(through);
        let outcome = rehearsal.run(&[]);
        outcome.assert_ok();
        assert_eq!(outcome.number("retry_count"), 1);
        rehearsal.assert_complete();
    }
}

#[test]
fn a_decided_run_that_loses_its_connection_is_finished_on_another() {
    for fate in [Fate::LosesAnswer, Fate::Breaks] {
        let rehearsal = Rehearsal::with_table("finish", 4000).commit("two_phase");
        let rule = proxy::once(fate, |sent| sent.text.starts_with("COMMIT PREPARED"));
        let through = proxy::before(&rehearsal.dest, rule);
        let rehearsal = rehearsal.dest_through(through);
        rehearsal.run(&[]).assert_ok();
        rehearsal.assert_complete();
    }
}
