//! Servers that go away whole.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::rehearsal::Rehearsal;
use crate::support;

#[test]
fn a_destination_that_crashes_and_comes_back_is_tried_again() {
    let server = support::own_server();
    let rehearsal = Rehearsal::between(
        support::fresh_database("crash_source"),
        server.fresh_database("dest"),
    );
    rehearsal.fill(4000);
    let rehearsal = rehearsal.max_retries(5);
    let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
    let running = rehearsal.start(&[]);
    gate.until_waiting(2);
    let pid = rehearsal
        .at_dest("SELECT pid FROM pg_stat_activity WHERE application_name = 'rb-bench write 0'");
    // a backend that dies of this takes all others with it, the gate's session too
    kill(Pid::from_raw(pid.parse().expect("a pid")), Signal::SIGKILL).expect("it is there");
    running
        .finish()
        .assert_ok()
        .assert_says(&["attempt 1 failed"]);
    rehearsal.assert_complete();
}

#[test]
fn a_destination_that_stops_in_the_middle_is_named() {
    let server = support::own_server();
    let rehearsal = Rehearsal::between(
        support::fresh_database("stop_source"),
        server.fresh_database("dest"),
    );
    rehearsal.fill(4000);
    let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
    let running = rehearsal.start(&[]);
    gate.until_waiting(2);
    drop(gate);
    drop(server);
    let outcome = running.finish();
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    assert!(
        [
            "57P01",
            "connecting to",
            "was lost",
            "closed the connection"
        ]
        .iter()
        .any(|text| outcome.stderr.contains(text)),
        "{outcome:#?}"
    );
}
