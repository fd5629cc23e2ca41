//! Failures between commits that happen one by one.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::proxy::{self, Fate};
use crate::rehearsal::Rehearsal;
use crate::running::Running;
use crate::session::{Gate, Held, terminate};
use crate::support;

#[test]
fn a_worker_that_cannot_commit_undoes_those_that_have() {
    let rehearsal = Rehearsal::with_table("refuses", 4000).commit("ledger");
    rehearsal.at_dest("INSERT INTO t VALUES (-1, 'was there before')");
    rehearsal.fail_at_commit("NEW.id = 4000");
    rehearsal
        .start_shared(&[])
        .finish()
        .assert_failed(&["row 4000 is refused at the end", "23514"]);
    assert_eq!(rehearsal.at_dest("SELECT id FROM t"), "-1");
    rehearsal.assert_nothing_left();
}

#[test]
fn a_commit_that_is_lost_is_copied_again_under_the_same_snapshot() {
    let rehearsal = Rehearsal::with_table("lost", 4000).commit("ledger");
    let rule = proxy::once(Fate::Breaks, |sent| {
        sent.by.starts_with("rb-bench write") && sent.text == "COMMIT"
    });
    let through = proxy::before(&rehearsal.dest, rule);
    let rehearsal = rehearsal.dest_through(through);
    let outcome = rehearsal.run(&["--run-id", "r"]);
    outcome.assert_ok().assert_says(&["copied again"]);
    assert_eq!(outcome.number("records_written"), 4000);
    rehearsal.assert_complete();
}

#[test]
fn a_commit_whose_answer_is_lost_is_not_copied_again() {
    let rehearsal = Rehearsal::with_table("answered", 4000).commit("ledger");
    let rule = proxy::once(Fate::LosesAnswer, |sent| {
        sent.by.starts_with("rb-bench write") && sent.text == "COMMIT"
    });
    let through = proxy::before(&rehearsal.dest, rule);
    let rehearsal = rehearsal.dest_through(through);
    let outcome = rehearsal.run(&[]);
    outcome.assert_ok();
    assert!(!outcome.stderr.contains("copied again"), "{outcome:#?}");
    rehearsal.assert_complete();
}

#[test]
fn commits_that_are_all_lost_leave_nothing_and_are_tried_again() {
    let rule = proxy::always(Fate::Breaks, |sent| {
        sent.by.starts_with("rb-bench write") && sent.text == "COMMIT"
    });
    let rehearsal = Rehearsal::with_table("all_lost", 4000).commit("ledger");
    let through = proxy::before(&rehearsal.dest, rule);
    let rehearsal = rehearsal.dest_through(through).max_retries(1);
    rehearsal
        .run(&[])
        .assert_failed(&["after 2 attempts", "committing"]);
    rehearsal.assert_untouched();
}

/// A run of which one worker has committed, and the other is about to.
fn in_between(rehearsal: &Rehearsal) -> (Running, Gate) {
    let gate = rehearsal.gate_at_commit("NEW.id = 1");
    let running = rehearsal.start_shared(&["--run-id", "r"]);
    gate.until_waiting(1);
    rehearsal.until_dest("SELECT count(*) BETWEEN 1 AND 3999 FROM t");
    (running, gate)
}

/// A run that is killed when one worker has committed and the other is about to.
pub(crate) fn killed_in_between(name: &str) -> (Rehearsal, Gate) {
    let rehearsal = Rehearsal::with_table(name, 4000).commit("ledger");
    let (running, gate) = in_between(&rehearsal);
    running.kill();
    (rehearsal, gate)
}

/// The backend that stands at the gate.
const AT_THE_GATE: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[test]
fn a_run_killed_between_its_commits_is_undone_by_the_next_where_one_is_missing() {
    let (rehearsal, gate) = killed_in_between("mixed");
    terminate(&rehearsal.dest, "rb-bench write");
    gate.open();
    rehearsal
        .run(&["--run-id", "r"])
        .assert_ok()
        .assert_says(&["run `r` died between its commits"]);
    rehearsal.assert_complete();
}

#[test]
fn a_worker_that_still_commits_for_a_dead_run_is_ended_by_the_next() {
    let (rehearsal, gate) = killed_in_between("orphan");
    let orphan = rehearsal.at_dest(AT_THE_GATE);
    // the next run ends the orphan, and may come to stand at the gate itself
    let running = rehearsal.start(&["--run-id", "other"]);
    rehearsal.until_dest(&format!(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {orphan}"
    ));
    gate.open();
    running
        .finish()
        .assert_ok()
        .assert_says(&["run `r` died between its commits"]);
    rehearsal.assert_complete();
}

#[test]
fn a_backend_that_cannot_be_ended_is_named_and_nothing_is_settled() {
    let server = support::own_server();
    let rehearsal = Rehearsal::between(
        server.fresh_database("source"),
        server.fresh_database("dest"),
    )
    .commit("ledger");
    rehearsal.fill(4000);
    let (running, gate) = in_between(&rehearsal);
    let pid = rehearsal.at_dest(AT_THE_GATE);
    let backend = Pid::from_raw(pid.parse().expect("a process id"));
    // it would see that its client is gone, and that it is told to end
    kill(backend, Signal::SIGSTOP).expect("it is there");
    running.kill();
    let outcome = rehearsal.run(&["--run-id", "other"]);
    kill(backend, Signal::SIGCONT).expect("it is still there");
    outcome.assert_failed(&[
        "old backends on ",
        &format!(" (pid {pid}) did not go away within 10 s"),
        "what to do: end them with pg_terminate_backend, then run again",
    ]);
    gate.open();
    rehearsal
        .run(&["--run-id", "other"])
        .assert_ok()
        .assert_says(&["run `r` died between its commits"]);
    rehearsal.assert_complete();
}

#[test]
fn a_commit_that_the_server_says_nothing_of_is_left_in_doubt() {
    let rehearsal = Rehearsal::with_table("silent", 4000).commit("ledger");
    // as it answers when the transaction is older than all that it keeps
    rehearsal.at_dest(
        "ALTER FUNCTION pg_catalog.txid_status(bigint) RENAME TO true_txid_status; \
         CREATE FUNCTION pg_catalog.txid_status(bigint) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
    );
    let rule = proxy::once(Fate::LosesAnswer, |sent| {
        sent.by.starts_with("rb-bench write") && sent.text == "COMMIT"
    });
    let through = proxy::before(&rehearsal.dest, rule);
    let rehearsal = rehearsal.dest_through(through);
    rehearsal.run(&["--run-id", "r"]).assert_failed(&[
        "asking what became of a worker's COMMIT: the server does not say what became of transaction ",
    ]);
}

#[test]
fn a_run_killed_between_its_commits_is_confirmed_by_the_next_where_all_happened() {
    let rehearsal = Rehearsal::with_table("all", 4000).commit("ledger");
    // a first run makes the ledger, on which the leader of the second can be held
    rehearsal.run(&["--run-id", "first"]).assert_ok();
    rehearsal.at_dest("TRUNCATE t");
    let gate = rehearsal.gate_at_commit("NEW.id % 100 = 0");
    let running = rehearsal.start_shared(&["--run-id", "r"]);
    gate.until_waiting(2);
    let held = Held::connect(&rehearsal.dest);
    held.sql("BEGIN; LOCK TABLE rb_bench.runs IN SHARE MODE");
    gate.open();
    rehearsal.until_dest("SELECT count(*) = 4000 FROM t");
    running.kill();
    held.sql("ROLLBACK");
    let outcome = rehearsal.run(&["--run-id", "r"]);
    outcome.assert_ok().assert_says(&["it is complete"]);
    assert_eq!(outcome.number("records_written"), 4000);
    rehearsal.assert_complete();
}

#[test]
fn a_run_killed_before_its_first_commit_is_forgotten_by_the_next() {
    let rehearsal = Rehearsal::with_table("none", 4000).commit("ledger");
    let gate = rehearsal.gate_at_commit("NEW.id % 100 = 0");
    let running = rehearsal.start_shared(&["--run-id", "r"]);
    gate.until_waiting(2);
    running.kill();
    terminate(&rehearsal.dest, "rb-bench write");
    gate.open();
    rehearsal
        .run(&["--run-id", "r"])
        .assert_ok()
        .assert_says(&["died before its first commit"]);
    rehearsal.assert_complete();
}

/// What the next run says after `then` was done to the target of a run killed in between.
fn refusal(name: &str, then: &str, says: &[&str]) {
    let (rehearsal, gate) = killed_in_between(name);
    terminate(&rehearsal.dest, "rb-bench write");
    gate.open();
    let there = rehearsal.at_dest(&format!("{then}; SELECT count(*) FROM t"));
    let outcome = rehearsal.run(&["--run-id", "other"]);
    outcome.assert_failed(&[
        "settling run `r`, which died earlier",
        "WHERE xmin",
        "rb-bench runs resolve r --forget",
    ]);
    outcome.assert_says(says);
    assert_eq!(rehearsal.at_dest("SELECT count(*) FROM t"), there);
    assert_eq!(
        rehearsal.at_dest("SELECT run, state FROM rb_bench.runs"),
        "r|committing"
    );
}

#[test]
fn rows_that_another_client_deleted_meanwhile_are_not_undone() {
    refusal(
        "deleted",
        "DELETE FROM t WHERE id = (SELECT min(id) FROM t)",
        &[
            "transaction ",
            " rows to public.t, and ",
            " of them are still as it left them",
        ],
    );
}

#[test]
fn rows_whose_deletion_fires_a_trigger_or_a_rule_are_not_undone() {
    let function =
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$";
    refusal(
        "delete_trigger",
        &format!(
            "{function}; CREATE TRIGGER keep_history AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION note()"
        ),
        &["deleting from public.t would do more than that: `keep_history` acts on it"],
    );
    refusal(
        "delete_rule",
        "CREATE RULE keep_rows AS ON DELETE TO t DO INSTEAD NOTHING",
        &["`keep_rows` acts on it"],
    );
}

#[test]
fn rows_that_others_would_be_deleted_with_are_not_undone() {
    refusal(
        "cascade",
        "CREATE TABLE child (id int CONSTRAINT of_parent REFERENCES t ON DELETE CASCADE)",
        &["`of_parent` acts on it"],
    );
}

#[test]
fn a_transaction_that_the_server_has_forgotten_is_not_guessed_at() {
    let rehearsal = Rehearsal::with_table("forgotten_xid", 100).commit("ledger");
    rehearsal.run(&["--run-id", "first"]).assert_ok();
    // older than all that a server keeps: what initdb itself did
    rehearsal.at_dest(
        "INSERT INTO rb_bench.runs (run, pipeline, digest, state, commit_form, workers) VALUES ('lost', 'p', 'd', \
         'committing', 'ledger', '[{\"xid\": \"10\", \"pid\": 1, \"rows\": [], \"xact_start\": \"0\"}]')",
    );
    rehearsal.run(&["--run-id", "other"]).assert_failed(&[
        "the server no longer knows what became of transaction 10 of run `lost`",
        "see which rows arrived, repair the table by hand, then `rb-bench runs resolve lost --forget`",
    ]);
}

#[test]
fn a_ledger_of_another_version_or_with_a_row_of_another_kind_is_not_read() {
    let rehearsal = Rehearsal::with_table("foreign", 100).commit("ledger");
    rehearsal.run(&["--run-id", "first"]).assert_ok();
    rehearsal.at_dest(
        "INSERT INTO rb_bench.runs (run, pipeline, digest, state, commit_form, workers) VALUES ('odd', 'p', 'd', \
         'committing', 'ledger', '[1]')",
    );
    rehearsal
        .run(&["--run-id", "other"])
        .assert_failed(&["run `odd` in rb_bench.runs cannot be read: "]);
    rehearsal.at_dest(
        "DELETE FROM rb_bench.runs WHERE run = 'odd'; UPDATE rb_bench.version SET version = 9999",
    );
    rehearsal.run(&["--run-id", "other"]).assert_failed(&[
        "schema rb_bench in the destination has version 9999; this rb-bench knows ",
        "use the rb-bench that wrote it, or a newer one",
    ]);
}
