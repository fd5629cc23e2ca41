//! Ctrl-C, SIGTERM, and a reader that goes away.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::rehearsal::Rehearsal;
use crate::running::{Outcome, Running};
use crate::session::Held;
use crate::support;

/// No session of a run works at anything any more.
const ALL_QUIET: &str = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rb-bench%'";

/// Stops it and expects its end soon: two seconds, and some more for a busy machine.
fn stop(running: Running, signal: Signal) -> Outcome {
    let begun = Instant::now();
    running.signal(signal);
    let outcome = running.finish();
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}: {outcome:#?}",
        begun.elapsed()
    );
    assert_eq!(outcome.status.code(), Some(130), "{outcome:#?}");
    outcome
}

#[test]
fn ctrl_c_and_sigterm_stop_a_copy_at_the_servers_too() {
    for (signal, commit) in [(Signal::SIGINT, "two_phase"), (Signal::SIGTERM, "ledger")] {
        let rehearsal = Rehearsal::with_table("copying", 4000)
            .commit(commit)
            .max_retries(3);
        let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
        let running = rehearsal.start(&[]);
        gate.until_waiting(2);
        stop(running, signal).assert_says(&["interrupted; nothing was committed"]);
        rehearsal.until_dest(ALL_QUIET);
        rehearsal.assert_untouched();
        drop(gate);
    }
}

#[test]
fn ctrl_c_stops_a_slow_view_at_the_source() {
    let rehearsal = Rehearsal::with_table("view", 10).streams(&["slow"]);
    rehearsal.at_source("CREATE VIEW slow AS SELECT id, note, pg_sleep(20)::text AS slept FROM t");
    let running = rehearsal.start(&[]);
    rehearsal.until_source("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
    stop(running, Signal::SIGINT);
    rehearsal.until_source(ALL_QUIET);
    rehearsal.assert_untouched();
}

#[test]
fn ctrl_c_stops_a_run_that_waits_for_a_lock() {
    for at_source in [true, false] {
        let rehearsal = Rehearsal::with_table("waiting", 10);
        let locked = if at_source {
            &rehearsal.source
        } else {
            &rehearsal.dest
        };
        let held = Held::connect(locked);
        held.sql("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
        let running = rehearsal.start(&[]);
        held.until("SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'relation' AND NOT granted AND relation = 't'::regclass");
        stop(running, Signal::SIGINT);
        held.sql("ROLLBACK");
        rehearsal.assert_untouched();
    }
}

#[test]
fn ctrl_c_stops_a_run_that_prepares_or_commits_as_long_as_nothing_is_decided() {
    for (commit, waiting) in [("two_phase", 2), ("ledger", 2), ("single_writer", 1)] {
        let rehearsal = Rehearsal::with_table("deciding", 4000).commit(commit);
        let gate = rehearsal.gate_at_commit("NEW.id % 100 = 0");
        let running = if waiting == 2 {
            rehearsal.start_shared(&[])
        } else {
            rehearsal.start(&[])
        };
        gate.until_waiting(waiting);
        stop(running, Signal::SIGINT);
        rehearsal.assert_untouched();
        drop(gate);
    }
}

#[test]
fn ctrl_c_between_two_commits_takes_the_first_back() {
    let rehearsal = Rehearsal::with_table("between", 4000).commit("ledger");
    let gate = rehearsal.gate_at_commit("NEW.id = 1");
    let running = rehearsal.start_shared(&[]);
    gate.until_waiting(1);
    rehearsal.until_dest("SELECT count(*) > 0 FROM t");
    stop(running, Signal::SIGINT);
    rehearsal.assert_untouched();
    drop(gate);
}

#[test]
fn ctrl_c_stops_a_run_that_builds_keys_and_drops_its_tables() {
    let rehearsal = Rehearsal::with_table("keys", 4000);
    rehearsal.at_dest("DROP TABLE t");
    let gate = rehearsal.gate_at_alter();
    let running = rehearsal.start(&[]);
    gate.until_waiting(1);
    stop(running, Signal::SIGINT);
    rehearsal.assert_untouched();
    drop(gate);
}

#[test]
fn ctrl_c_during_verification_says_that_the_rows_are_there() {
    let rehearsal = Rehearsal::with_table("verifying", 2000);
    let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
    let running = rehearsal.start(&["--verify"]);
    gate.until_waiting(2);
    // granted when the run has committed; verification waits behind it
    let locked = Held::connect(&rehearsal.dest)
        .begin("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(30)");
    rehearsal.until_dest(
        "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'",
    );
    gate.open();
    rehearsal.until_dest("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rb-bench verify' AND wait_event_type = 'Lock'");
    let outcome = stop(running, Signal::SIGINT);
    outcome.assert_says(&["interrupted; the rows are committed, and not verified"]);
    assert!(
        !outcome.stderr.contains("nothing was committed"),
        "{outcome:#?}"
    );
    locked.abort();
    rehearsal.at_dest("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
    rehearsal.assert_complete();
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let rehearsal = Rehearsal::with_table("twice", 4000);
    let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
    let running = rehearsal.start(&[]);
    gate.until_waiting(2);
    running.signal(Signal::SIGINT);
    running.signal(Signal::SIGINT);
    let outcome = running.finish();
    assert_eq!(outcome.status.code(), Some(130), "{outcome:#?}");
    drop(gate);
    rehearsal.run(&[]).assert_ok();
    rehearsal.assert_complete();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let rehearsal = Rehearsal::with_table("pipe", 100);
    let mut command = Command::new(support::BINARY);
    for name in support::foreign_variables() {
        command.env_remove(name);
    }
    let mut child = command
        .args(["copy", &rehearsal.source, &rehearsal.dest, "--table", "t"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop((child.stdout.take(), child.stderr.take()));
    let status = child.wait().expect("it is our child");
    assert_eq!(status.code(), Some(0));
    rehearsal.assert_complete();
}
