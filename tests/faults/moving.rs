//! Failures while rows move.

use std::time::{Duration, Instant};

use crate::proxy::{self, Fate};
use crate::rehearsal::Rehearsal;
use crate::session::terminate;

#[test]
fn a_worker_that_loses_its_destination_begins_again_and_no_row_is_doubled() {
    for (commit, method) in [
        ("two_phase", "copy"),
        ("ledger", "copy"),
        ("ledger", "insert"),
    ] {
        let rehearsal = Rehearsal::with_table("kill_dest", 4000)
            .commit(commit)
            .load_method(method);
        let gate = rehearsal.gate_at_insert("NEW.id % 1000 = 0");
        let running = rehearsal.start(&[]);
        gate.until_waiting(2);
        terminate(&rehearsal.dest, "rb-bench write 0");
        gate.until_waiting(2);
        gate.open();
        let outcome = running.finish();
        outcome
            .assert_ok()
            .assert_says(&["worker 0 lost its connection"]);
        for counter in ["records_read", "records_written"] {
            assert_eq!(outcome.number(counter), 4000, "{counter}");
        }
        assert_eq!(outcome.number("retry_count"), 0);
        rehearsal.assert_complete();
    }
}

#[test]
fn a_worker_that_loses_its_source_begins_again_and_no_row_is_doubled() {
    let rehearsal = Rehearsal::with_table("kill_source", 60_000).chunk_bytes(3 << 20);
    let gate = rehearsal.gate_at_insert("NEW.id % 1000 = 0");
    let running = rehearsal.start(&[]);
    gate.until_waiting(2);
    rehearsal.until_source("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientWrite'");
    terminate(&rehearsal.source, "rb-bench read 0");
    terminate(&rehearsal.source, "rb-bench read 1");
    gate.open();
    let outcome = running.finish();
    outcome.assert_ok().assert_says(&["lost its connection"]);
    assert_eq!(outcome.number("records_written"), 60_000);
    rehearsal.assert_complete();
}

#[test]
fn a_connection_that_breaks_in_the_middle_of_a_row_is_begun_again() {
    // COPY data, or the values of an INSERT
    for (method, kind) in [("copy", b'd'), ("insert", b'B')] {
        let rehearsal = Rehearsal::with_table("broken", 4000).load_method(method);
        let breaks = proxy::once(Fate::Breaks, move |sent| {
            sent.by.starts_with("rb-bench write") && sent.kind == kind && sent.after > 100_000
        });
        let through = proxy::before(&rehearsal.dest, breaks);
        let rehearsal = rehearsal.dest_through(through);
        rehearsal
            .run(&[])
            .assert_ok()
            .assert_says(&["lost its connection"]);
        rehearsal.assert_complete();
    }
}

#[test]
fn a_connection_that_is_reset_is_told_as_the_system_tells_it() {
    let rehearsal = Rehearsal::with_table("reset", 4000);
    let resets = proxy::once(Fate::Resets, |sent| {
        sent.by.starts_with("rb-bench write") && sent.kind == b'd' && sent.after > 50_000
    });
    let through = proxy::before(&rehearsal.dest, resets);
    let rehearsal = rehearsal.dest_through(through);
    rehearsal
        .run(&[])
        .assert_ok()
        .assert_says(&["lost its connection", "the connection broke: "]);
    rehearsal.assert_complete();
}

#[test]
fn a_leader_whose_transaction_is_lost_while_rows_move_ends_the_run() {
    let rehearsal = Rehearsal::with_table("leaderless", 4000);
    let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
    let running = rehearsal.start(&[]);
    gate.until_waiting(2);
    // its other session, which watches the workers, stays
    let ended = rehearsal.at_dest(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'rb-bench leader' AND state = 'idle in transaction'",
    );
    assert_eq!(ended, "1");
    running
        .finish()
        .assert_failed(&["the leader's session on ", " was lost"]);
    gate.open();
    rehearsal.assert_untouched();
}

#[test]
fn a_row_of_the_last_chunk_that_breaks_a_constraint_undoes_the_whole_run() {
    for commit in ["single_writer", "two_phase", "ledger"] {
        let rehearsal = Rehearsal::with_table("constraint", 4000)
            .commit(commit)
            .max_retries(2);
        rehearsal.at_dest("ALTER TABLE t ADD CONSTRAINT not_the_last CHECK (id <> 4000)");
        let outcome = rehearsal.run(&[]);
        outcome.assert_failed(&["copying public.t", "not_the_last", "23514", "4000"]);
        assert!(
            !outcome.stderr.contains("attempt"),
            "tried again: {outcome:#?}"
        );
        rehearsal.assert_untouched();
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_the_target_as_it_was() {
    let rehearsal = Rehearsal::with_table("space", 4000);
    rehearsal.at_dest(
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           RAISE 'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = 'disk_full', HINT = 'Check free disk space.'; END $$; \
         CREATE TRIGGER fill BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 3000) EXECUTE FUNCTION fill()",
    );
    rehearsal.run(&[]).assert_failed(&[
        "No space left on device",
        "53100",
        "Check free disk space",
    ]);
    rehearsal.assert_untouched();
}

/// Every row adds to the one row of `totals`.
const TOTALS: &str = "CREATE TABLE totals (id int PRIMARY KEY, rows int NOT NULL); \
     CREATE FUNCTION add_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
       INSERT INTO totals VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET rows = totals.rows + 1; RETURN NULL; END $$;";

#[test]
fn workers_that_meet_on_a_key_are_found_within_two_seconds_and_both_named() {
    let rehearsal = Rehearsal::with_table("meet", 4000).commit("two_phase");
    rehearsal.at_dest(&format!(
        "{TOTALS} CREATE TRIGGER add_up AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION add_up()"
    ));
    let running = rehearsal.start_shared(&[]);
    rehearsal.until_dest("SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted \
                          AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())");
    let begun = Instant::now();
    running
        .finish()
        .assert_failed(&["worker 0", "worker 1", " of the same run", ": they met on a key", "totals", "use resources.parallelism: 1, or drop the trigger or constraint that makes rows of one table depend on each other"]);
    // two seconds, and some more for a busy machine
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    rehearsal.assert_untouched();
    assert_eq!(rehearsal.at_dest("SELECT count(*) FROM totals"), "0");
}

#[test]
fn after_workers_met_on_a_key_the_retry_has_one_worker_and_succeeds() {
    let rehearsal = Rehearsal::with_table("meet_again", 4000).max_retries(1);
    rehearsal.at_dest(&format!(
        "{TOTALS} CREATE TRIGGER add_up AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION add_up()"
    ));
    rehearsal
        .start_shared(&[])
        .finish()
        .assert_ok()
        .assert_says(&["trying again", "with one worker"]);
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest("SELECT rows FROM totals"), "4000");
}

#[test]
fn workers_that_meet_on_a_key_while_they_prepare_are_found_too() {
    let rehearsal = Rehearsal::with_table("meet_late", 4000)
        .commit("two_phase")
        .max_retries(1);
    rehearsal.at_dest(&format!(
        "{TOTALS} CREATE CONSTRAINT TRIGGER add_up AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION add_up()"
    ));
    rehearsal
        .start_shared(&[])
        .finish()
        .assert_ok()
        .assert_says(&["trying again", "with one worker"]);
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest("SELECT rows FROM totals"), "4000");
}

#[test]
fn a_trigger_that_drops_rows_is_an_error_and_nothing_is_committed() {
    for commit in ["single_writer", "two_phase"] {
        let rehearsal = Rehearsal::with_table("drops", 2000).commit(commit);
        rehearsal.at_dest(
            "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
             CREATE TRIGGER skip BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION skip()",
        );
        rehearsal
            .run(&[])
            .assert_failed(&[" by the source's count, ",
                " by the destination's", "a trigger or rule of the target that drops or redirects rows does this; if there is none, report it. Nothing was committed"]);
        rehearsal.assert_untouched();
    }
}

#[test]
fn a_limit_is_rows_of_the_run_also_when_a_connection_is_lost() {
    let rehearsal = Rehearsal::with_table("limit", 4000).parallelism(2);
    let gate = rehearsal.gate_at_insert("NEW.id = 2400");
    let running = rehearsal.start(&["--limit", "2500"]);
    gate.until_waiting(1);
    terminate(&rehearsal.dest, "rb-bench write");
    gate.until_waiting(1);
    gate.open();
    let outcome = running.finish();
    outcome.assert_ok().assert_says(&["lost its connection"]);
    assert_eq!(rehearsal.at_dest("SELECT count(*) FROM t"), "2500");
    assert_eq!(outcome.number("records_written"), 2500);
    rehearsal.assert_nothing_left();
}

#[test]
fn a_dry_run_reads_and_writes_nothing_at_all() {
    for table in [
        "CREATE TABLE t (id int PRIMARY KEY, note text NOT NULL)",
        "SELECT",
    ] {
        let rehearsal = Rehearsal::with_table("dry", 2000);
        rehearsal.at_dest(&format!("DROP TABLE t; {table}"));
        let outcome = rehearsal.run(&["--dry-run"]);
        outcome.assert_ok();
        assert_eq!(outcome.number("records_read"), 2000);
        rehearsal.assert_untouched();
        let ours = "SELECT count(*) FROM pg_namespace WHERE nspname = 'rb_bench'";
        assert_eq!(rehearsal.at_dest(ours), "0");
    }
}
