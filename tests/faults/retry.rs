//! What is tried again, how often, and what is said about it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::proxy::{self, Fate};
use crate::rehearsal::Rehearsal;
use crate::support;

/// Serialization failures come from the server's own decision: the same run may succeed.
const CONFLICTS: &str = "CREATE SEQUENCE tries; \
     CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
       IF nextval('tries') < %s THEN RAISE 'could not serialize' USING ERRCODE = 'serialization_failure'; END IF; RETURN NEW; END $$; \
     CREATE TRIGGER conflict BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION conflict()";

#[test]
fn a_conflict_is_tried_again_and_the_result_says_how_often() {
    let rehearsal = Rehearsal::with_table("conflict", 2000).max_retries(3);
    rehearsal.at_dest(&CONFLICTS.replace("%s", "3"));
    let outcome = rehearsal.run(&[]);
    outcome.assert_ok().assert_says(&[
        "attempt 1 failed",
        "attempt 2 failed",
        "trying again in 200 ms",
    ]);
    assert_eq!(outcome.number("retry_count"), 2);
    assert_eq!(outcome.number("records_written"), 2000);
    rehearsal.assert_complete();
}

#[test]
fn the_error_says_after_how_many_attempts() {
    let rehearsal = Rehearsal::with_table("attempts", 2000).max_retries(2);
    rehearsal.at_dest(&CONFLICTS.replace("%s", "100"));
    rehearsal
        .run(&[])
        .assert_failed(&["after 3 attempts", "could not serialize", "40001"]);
    rehearsal.assert_untouched();
}

#[test]
fn the_error_says_how_the_first_attempt_failed_where_that_was_otherwise() {
    let rehearsal = Rehearsal::with_table("first", 2000).max_retries(2);
    rehearsal.at_dest(&CONFLICTS.replace("%s", "2"));
    rehearsal.at_dest("ALTER TABLE t ADD CHECK (id <> 1)");
    rehearsal.run(&[]).assert_failed(&[
        "after 2 attempts, the first of which failed with \"",
        "could not serialize",
        "t_id_check",
    ]);
    rehearsal.assert_untouched();
}

/// The source, where the snapshot's session ends just before a worker wants the snapshot. Once.
fn without_snapshot(rehearsal: &Rehearsal) -> String {
    let source = rehearsal.source.clone();
    let struck = AtomicBool::new(false);
    proxy::before(&rehearsal.source, move |sent| {
        let imports = sent.by.starts_with("rb-bench read") && sent.text.contains("SNAPSHOT");
        if imports && !struck.swap(true, Ordering::SeqCst) {
            // waits until it is gone, and its snapshot with it
            let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = 'rb-bench snapshot'";
            assert_eq!(support::sql(&source, end), "t");
        }
        Fate::Arrives
    })
}

#[test]
fn a_snapshot_that_is_gone_is_the_root_cause_and_the_next_attempt_takes_another() {
    for retries in [0, 1] {
        let rehearsal = Rehearsal::with_table("no_snapshot", 2000).max_retries(retries);
        let through = without_snapshot(&rehearsal);
        let rehearsal = rehearsal.source_through(through);
        let outcome = rehearsal.run(&[]);
        let why = ["the snapshot session on", "was lost"];
        assert!(!outcome.stderr.contains("invalid snapshot"), "{outcome:#?}");
        if retries == 0 {
            outcome.assert_failed(&why);
            rehearsal.assert_untouched();
        } else {
            outcome.assert_ok().assert_says(&why);
            assert_eq!(outcome.number("retry_count"), 1);
            rehearsal.assert_complete();
        }
    }
}

#[test]
fn no_retries_means_one_attempt() {
    let rehearsal = Rehearsal::with_table("once", 2000).max_retries(0);
    rehearsal.at_dest(&CONFLICTS.replace("%s", "2"));
    let outcome = rehearsal.run(&[]);
    outcome.assert_failed(&["could not serialize"]);
    assert!(!outcome.stderr.contains("attempt"), "{outcome:#?}");
    assert_eq!(rehearsal.at_dest("SELECT last_value FROM tries"), "1");
    rehearsal.assert_untouched();
}

#[test]
fn a_worker_that_keeps_losing_its_connection_gives_up() {
    let rehearsal = Rehearsal::with_table("lives", 4000);
    let breaks = proxy::always(Fate::Breaks, |sent| {
        sent.by.starts_with("rb-bench write") && sent.kind == b'd'
    });
    let through = proxy::before(&rehearsal.dest, breaks);
    let rehearsal = rehearsal.dest_through(through);
    rehearsal
        .run(&[])
        .assert_failed(&["lost its connection 4 times"]);
    rehearsal.assert_untouched();
}
