//! Upserts that fail: nothing is left of them but rows that the same run writes again.

use std::time::Duration;

use crate::proxy::{self, Fate};
use crate::rehearsal::Rehearsal;
use crate::session::terminate;

/// An upsert into a table that has half of its rows already, with other contents.
fn half_there(name: &str) -> Rehearsal {
    let rehearsal = Rehearsal::with_table(name, 4000).upsert();
    rehearsal.at_dest("INSERT INTO t SELECT g, 'old' FROM generate_series(2, 4000, 2) g");
    rehearsal
}

#[test]
fn a_worker_that_loses_its_connection_stages_and_merges_again() {
    for at in [
        "INSERT INTO \"public\".\"t\"",
        "CREATE UNLOGGED TABLE",
        "DROP TABLE",
    ] {
        let rehearsal = half_there("life").commit("two_phase");
        let rule = proxy::once(Fate::LosesAnswer, move |sent| {
            sent.by.starts_with("rb-bench write") && sent.text.starts_with(at)
        });
        let through = proxy::before(&rehearsal.dest, rule);
        let rehearsal = rehearsal.dest_through(through);
        let outcome = rehearsal.run(&["--verify"]);
        outcome.assert_ok().assert_says(&["chunks requeued"]);
        assert_eq!(outcome.number("records_written"), 4000);
        rehearsal.assert_complete();
    }
}

#[test]
fn an_upsert_that_cannot_prepare_leaves_the_rows_as_they_were() {
    let rehearsal = half_there("refuses").commit("two_phase");
    let before = rehearsal.at_dest("SELECT sum(hashtext(t::text)) FROM t");
    rehearsal.fail_at_commit("NEW.id = 3999");
    rehearsal
        .run(&[])
        .assert_failed(&["row 3999 is refused at the end"]);
    assert_eq!(
        rehearsal.at_dest("SELECT sum(hashtext(t::text)) FROM t"),
        before
    );
    rehearsal.assert_nothing_left();
}

#[test]
fn an_upsert_killed_between_its_commits_is_forgotten_and_done_again() {
    let rehearsal = half_there("between").commit("ledger");
    let gate = rehearsal.gate_at_commit("NEW.id = 1");
    let running = rehearsal.start_shared(&["--run-id", "r"]);
    gate.until_waiting(1);
    rehearsal.until_dest("SELECT count(*) > 2000 FROM t");
    running.kill();
    terminate(&rehearsal.dest, "rb-bench write");
    gate.open();
    rehearsal.run(&["--run-id", "r"]).assert_ok().assert_says(&[
        "run `r` died between its commits",
        "are upserted again when it is run again",
    ]);
    rehearsal.assert_complete();
}

#[test]
fn an_upsert_that_fails_between_its_commits_says_what_stays() {
    let rehearsal = half_there("stays").commit("ledger");
    rehearsal.fail_at_commit("NEW.id = 3999");
    let outcome = rehearsal.start_shared(&[]).finish();
    outcome.assert_failed(&["row 3999 is refused at the end", "are upserted again"]);
    rehearsal.assert_nothing_left();
}

#[test]
fn an_upsert_killed_at_any_instant_is_completed_by_the_same_command_again() {
    let rounds = match std::env::var("RB_BENCH_TORTURE") {
        Ok(_) => 200,
        Err(_) => 12,
    };
    let forms = ["single_writer", "two_phase", "ledger"];
    let mut rehearsal = Rehearsal::with_table("random", 4000)
        .upsert()
        .max_retries(5);
    for round in 0..rounds {
        rehearsal.commit = forms[round % forms.len()];
        rehearsal.at_dest("DELETE FROM t WHERE id % 3 = 0; UPDATE t SET note = 'old'");
        let run = format!("r{round}");
        // the instants of a kill: each form from its start to a little past its end
        let step = (round / forms.len()) as f64 / (rounds / forms.len()) as f64;
        let running = rehearsal.start(&["--run-id", &run]);
        std::thread::sleep(Duration::from_secs_f64(
            0.02 + (step + rand::random::<f64>() * 0.2) * 0.6,
        ));
        running.kill();
        rehearsal.run(&["--run-id", &run]).assert_ok();
        rehearsal.assert_complete();
    }
}
