//! Servers and connections that go away between a batch and the word that it is in.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::capture::Capture;
use crate::proxy::{self, Fate, Sent};
use crate::support::copies::Databases;
use crate::support::{fresh_database, own_server, sql, try_sql};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 50) i";
const CONFIRMED: &str = "SELECT confirmed_flush_lsn FROM pg_replication_slots";

#[test]
fn a_slot_that_went_back_in_a_crash_of_the_source_brings_no_change_twice() {
    let server = own_server();
    let databases = Databases {
        source: server.fresh_database("source"),
        dest: fresh_database("went_back_dest"),
    };
    let capture = Capture::between(databases, &["t"], "append").of(TABLE);
    capture.at_source("CHECKPOINT");
    for round in 0..3 {
        capture.at_source(&format!("UPDATE t SET v = {round}"));
        capture.run();
    }
    let before = capture.at_source(CONFIRMED);
    let checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let pid = capture.at_source(checkpointer);
    kill(Pid::from_raw(pid.parse().expect("a pid")), Signal::SIGKILL).expect("it is there");
    // all sessions end, and the server recovers: it has another checkpointer then
    while !try_sql(&capture.databases.source, checkpointer)
        .is_ok_and(|now| !now.is_empty() && now != pid)
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let went_back = capture.at_source(&format!("SELECT '{before}'::pg_lsn > ({CONFIRMED})"));
    assert_eq!(went_back, "t", "this test needs a slot that went back");
    capture.at_source("UPDATE t SET v = 99 WHERE id = 1");
    let json = capture.run();
    assert_eq!(json["changes"]["skipped"], 3, "{json}");
    assert_eq!(json["changes"]["updated"], 1);
    assert_eq!(
        capture.at_dest("SELECT count(*), count(DISTINCT _rb_lsn) FROM t"),
        "151|4"
    );
}

/// A pipeline with changes to apply, whose next run meets this.
fn struck(name: &str, side: &str, fate: Fate, at: fn(&Sent<'_>) -> bool) -> Capture {
    let mut capture = Capture::logged(name, &["t"]).of(TABLE);
    capture.run();
    capture.each(&[
        "UPDATE t SET v = 1",
        "UPDATE t SET v = 2",
        "DELETE FROM t WHERE id = 1",
    ]);
    let url = if side == "source" {
        &capture.databases.source
    } else {
        &capture.databases.dest
    };
    let through = proxy::before(url, proxy::once(fate, at));
    capture.document[side]["config"]["url"] = json!(through);
    capture
}

/// The change log has every change once.
fn assert_once(capture: &Capture) {
    assert_eq!(
        capture.at_dest("SELECT count(*), count(DISTINCT (_rb_lsn, _rb_seq)), string_agg(DISTINCT _rb_op, '') FROM t"),
        "101|101|DU"
    );
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_applied_again() {
    let capture = struck("lost_answer", "destination", Fate::LosesAnswer, |sent| {
        sent.by == "rb-bench cdc write" && sent.text == "COMMIT"
    });
    assert_eq!(capture.try_run(&[]).code, Some(1));
    capture.run();
    assert_once(&capture);
}

#[test]
fn a_commit_that_never_arrived_is_done_again() {
    let mut capture = struck("lost_commit", "destination", Fate::Breaks, |sent| {
        sent.by == "rb-bench cdc write" && sent.text == "COMMIT"
    });
    assert_eq!(capture.try_run(&[]).code, Some(1));
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "0");
    // and with attempts left, the same run does it
    capture.document["resources"]["max_retries"] = json!(3);
    capture.run();
    assert_once(&capture);
}

#[test]
fn a_slot_that_was_not_advanced_brings_nothing_twice() {
    let capture = struck("not_advanced", "source", Fate::Breaks, |sent| {
        sent.text.contains("pg_replication_slot_advance")
    });
    assert_eq!(capture.try_run(&[]).code, Some(1));
    assert_once(&capture);
    let json = capture.run();
    assert_eq!(json["changes"]["transactions"], 0, "{json}");
    assert_eq!(json["changes"]["skipped"], 3);
    assert_once(&capture);
}

#[test]
fn a_source_lost_in_the_middle_of_its_changes_leaves_nothing_half_applied() {
    let capture = struck("lost_source", "source", Fate::LosesAnswer, |sent| {
        sent.text.contains("pg_logical_slot_peek_binary_changes")
    });
    assert_eq!(capture.try_run(&[]).code, Some(1));
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "0");
    capture.run();
    assert_once(&capture);
}

#[test]
fn more_changes_than_one_batch_are_applied_batch_by_batch() {
    let capture = Capture::applied("batches", &["t"]).copied(TABLE);
    capture.at_source("INSERT INTO t SELECT i, 0 FROM generate_series(100, 60100) i");
    capture.at_source("UPDATE t SET v = 1");
    capture.at_source("DELETE FROM t WHERE id % 2 = 0");
    let json = capture.run();
    assert_eq!(json["changes"]["transactions"], 3, "{json}");
    capture.assert_same("t");
    assert_eq!(
        sql(
            &capture.databases.dest,
            "SELECT count(*) FROM t WHERE v = 1"
        ),
        "30025"
    );
}
