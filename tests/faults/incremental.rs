//! Incremental runs that fail: the mark moves with the rows or not at all, so that the same command
//! again brings what is missing, and nothing twice. No key of the target would refuse a second copy.

use std::time::Duration;

use crate::rehearsal::Rehearsal;
use crate::session::{Gate, Held, terminate};

/// Two streams with 3000 rows each, and targets without keys.
fn two_streams(name: &str) -> Rehearsal {
    let rehearsal = Rehearsal::with_table(name, 3000)
        .streams(&["t", "u"])
        .incremental("id");
    rehearsal.at_source("CREATE TABLE u AS SELECT * FROM t");
    rehearsal.at_dest(
        "DROP TABLE t; CREATE TABLE t (id int, note text); CREATE TABLE u (id int, note text)",
    );
    rehearsal
}

fn mark(rehearsal: &Rehearsal) -> String {
    rehearsal.at_dest("SELECT string_agg(value, ',' ORDER BY stream) FROM rb_bench.cursors")
}

#[test]
fn a_second_run_of_the_pipeline_is_refused_while_the_first_is_under_way() {
    let rehearsal = two_streams("second");
    let gate = rehearsal.gate_at_insert("NEW.id = 5");
    let first = rehearsal.start(&[]);
    gate.until_waiting(1);
    rehearsal.run(&[]).assert_failed(&[
        "a run of pipeline `rehearsal` is under way in another process",
        "would copy the same rows twice",
    ]);
    gate.open();
    first.finish().assert_ok();
    rehearsal.assert_complete();
}

#[test]
fn the_next_run_waits_for_a_commit_that_a_dead_one_has_sent() {
    let rehearsal = two_streams("sent").commit("single_writer");
    let gate = rehearsal.gate_at_commit("NEW.id = 5");
    let running = rehearsal.start(&[]);
    gate.until_waiting(1);
    running.kill();
    let next = rehearsal.start(&[]);
    rehearsal.until_dest(
        "SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid) \
          WHERE locktype = 'advisory' AND NOT granted AND application_name = 'rb-bench control'",
    );
    gate.open();
    next.finish().assert_ok();
    rehearsal.assert_complete();
    assert_eq!(mark(&rehearsal), "3000,3000");
}

/// A run of two workers in the ledger form, killed when `t` of both streams is committed or not.
fn killed_at_commit(name: &str, both: bool) -> (Rehearsal, Gate, Held) {
    let rehearsal = two_streams(name).commit("ledger");
    // a first run makes the ledger, on which the leader of the second can be held
    rehearsal.run(&[]).assert_ok();
    for table in ["t", "u"] {
        rehearsal.at_source(&format!(
            "INSERT INTO {table} SELECT g, 'new' FROM generate_series(3001, 4000) g"
        ));
    }
    let gate = rehearsal.gate_at_commit("NEW.id = 3500");
    // each worker stands in one of the streams before either goes on
    let loading = rehearsal.gate_at_insert("NEW.id = 3500");
    rehearsal.at_dest("CREATE TRIGGER gate BEFORE INSERT ON u FOR EACH ROW WHEN (NEW.id = 3500) EXECUTE FUNCTION wait_at_insert()");
    let running = rehearsal.start(&[]);
    loading.until_waiting(2);
    loading.open();
    gate.until_waiting(1);
    rehearsal.until_dest("SELECT count(*) = 4000 FROM u");
    let held = Held::connect(&rehearsal.dest);
    if both {
        held.sql("BEGIN; LOCK TABLE rb_bench.runs IN SHARE MODE");
        gate.open();
        rehearsal.until_dest("SELECT count(*) = 4000 FROM t");
    }
    running.kill();
    assert_eq!(mark(&rehearsal), "3000,3000");
    if !both {
        terminate(&rehearsal.dest, "rb-bench write");
        gate.open();
    }
    (rehearsal, gate, held)
}

#[test]
fn the_marks_of_a_run_whose_workers_have_all_committed_are_moved_by_the_next() {
    let (rehearsal, _gate, held) = killed_at_commit("all", true);
    held.sql("ROLLBACK");
    let outcome = rehearsal.run(&[]);
    outcome.assert_ok().assert_says(&["it is complete"]);
    assert_eq!(outcome.number("records_written"), 0);
    rehearsal.assert_complete();
    assert_eq!(mark(&rehearsal), "4000,4000");
}

#[test]
fn the_marks_of_a_run_that_is_undone_stay_where_they_were() {
    let (rehearsal, _gate, _held) = killed_at_commit("mixed", false);
    let outcome = rehearsal.run(&[]);
    outcome.assert_ok().assert_says(&["were deleted again"]);
    assert_eq!(outcome.number("records_written"), 2000);
    rehearsal.assert_complete();
    assert_eq!(mark(&rehearsal), "4000,4000");
}

#[test]
fn a_run_that_somebody_else_is_settling_is_waited_for() {
    let (rehearsal, _gate, held) = killed_at_commit("settling", true);
    held.sql("ROLLBACK");
    // as if another run, of another pipeline, had taken it to settle it
    let run = held.sql("SELECT run FROM rb_bench.runs WHERE state = 'committing'");
    held.sql(&format!(
        "SELECT pg_advisory_lock(hashtextextended('rb_bench run {run}', 0))"
    ));
    rehearsal.run(&[]).assert_failed(&[
        "is being committed or settled by another process",
        "run again when that is done; `rb-bench runs` lists it",
    ]);
    held.sql("SELECT pg_advisory_unlock_all()");
    rehearsal.run(&[]).assert_ok();
    rehearsal.assert_complete();
}

#[test]
fn an_incremental_run_killed_at_any_instant_is_completed_by_the_same_command_again() {
    let rounds: u32 = match std::env::var("RB_BENCH_TORTURE") {
        Ok(_) => 200,
        Err(_) => 12,
    };
    let forms = ["single_writer", "two_phase", "ledger"];
    let mut rehearsal = two_streams("random").max_retries(5);
    for round in 0..rounds {
        rehearsal.commit = forms[round as usize % forms.len()];
        for table in ["t", "u"] {
            rehearsal.at_source(&format!(
                "INSERT INTO {table} SELECT g, repeat('x', 60) FROM generate_series({}, {}) g",
                3001 + round * 500,
                3500 + round * 500
            ));
        }
        // no id of the run is needed: the mark knows what is done
        let running = rehearsal.start(&[]);
        std::thread::sleep(Duration::from_secs_f64(0.02 + rand::random::<f64>() * 0.4));
        running.kill();
        rehearsal.run(&[]).assert_ok();
        rehearsal.assert_complete();
    }
}
