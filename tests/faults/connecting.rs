//! Failures to connect.

use crate::proxy::{self, Fate};
use crate::rehearsal::Rehearsal;
use crate::session::role;

#[test]
fn a_server_that_is_not_there_is_named_with_what_to_check() {
    let rehearsal =
        Rehearsal::with_table("refused", 10).source_through("postgres://app@127.0.0.1:1/shop");
    rehearsal
        .run(&[])
        .assert_failed(&["app@127.0.0.1:1/shop", "check that the server runs there"]);
    rehearsal.assert_untouched();
}

#[test]
fn a_wrong_password_is_never_printed() {
    let rehearsal = Rehearsal::with_table("password", 10);
    let right = role(&rehearsal.source, "faults_password", "");
    let rehearsal = rehearsal.source_through(right.replace(":secret@", ":hunter2@"));
    let outcome = rehearsal.run(&[]);
    outcome.assert_failed(&["faults_password", "28P01"]);
    assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:#?}");
    rehearsal.assert_untouched();
}

#[test]
fn a_role_without_a_free_slot_is_asked_again_and_then_told() {
    let rehearsal = Rehearsal::with_table("slots", 10);
    let limited = role(&rehearsal.dest, "faults_slots", "CONNECTION LIMIT 1");
    let rehearsal = rehearsal.dest_through(limited);
    rehearsal
        .run(&[])
        .assert_failed(&["53300", "max_connections"]);
    rehearsal.assert_untouched();
}

#[test]
fn a_connection_that_was_taken_and_is_never_answered_is_given_up_in_time() {
    let rehearsal = Rehearsal::with_table("unanswered", 10);
    let vanishes = proxy::always(Fate::Vanishes, |sent| {
        sent.by == "rb-bench leader" && sent.text.starts_with("BEGIN")
    });
    let through = proxy::before(&rehearsal.dest, vanishes);
    let rehearsal = rehearsal.dest_through(through);
    rehearsal.run(&[]).assert_failed(&[
        "beginning the leader's transaction: ",
        " has taken the connection, and not answered within 15 s; a pooler without a free connection does that",
        "a run takes its workers and two connections more on either side",
    ]);
    rehearsal.assert_untouched();
}
