//! What others do to a pipeline, its slot and its tables while a command works on them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::capture::Capture;
use crate::running::{Outcome, Running};
use crate::session::Held;
use crate::support::copies::Databases;
use crate::support::{self, fresh_database, own_server, server};

const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)";

/// A run that waits at a point for as long as the test likes.
struct AtPoint {
    running: Running,
    held: PathBuf,
    _files: tempfile::TempDir,
}

impl AtPoint {
    /// Starts a run of this pipeline, and waits until it is there.
    fn start(capture: &Capture, point: &str) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let document = files.path().join("pipeline.yaml");
        fs::File::create(&document)
            .and_then(|mut file| write!(file, "{}", capture.document))
            .expect("the document can be written");
        let mut command = support::command(Path::new(support::BINARY));
        command.arg("run").arg(&document).env(
            "RB_BENCH_FAIL_POINTS",
            format!("{point}=hold:{}", files.path().display()),
        );
        let running = Running::start(command, &files.path().join("run"));
        let held = files.path().join(point);
        let begun = Instant::now();
        while !held.exists() {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "the run does not come to {point}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Self {
            running,
            held,
            _files: files,
        }
    }

    /// Lets it go on, to its end.
    #[track_caller]
    fn finish(self) -> Outcome {
        fs::remove_file(&self.held).expect("it is held there");
        self.running.finish()
    }
}

#[test]
fn a_position_that_somebody_else_moved_is_not_overwritten() {
    let capture = Capture::applied("moved", &["t"]).copied(TABLE);
    capture.at_source("INSERT INTO t VALUES (11)");
    let run = AtPoint::start(&capture, "planned");
    let before = capture.at_dest("SELECT applied FROM rb_bench.slots");
    capture.at_dest("UPDATE rb_bench.slots SET applied = '0/1'");
    run.finish()
        .assert_failed(&["pipeline `test` was changed by somebody else while it ran"]);
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "10");
    capture.at_dest(&format!("UPDATE rb_bench.slots SET applied = '{before}'"));
    capture.run();
    capture.assert_same("t");
}

#[test]
fn a_slot_that_another_client_takes_at_the_last_moment_is_told() {
    let capture = Capture::applied("taken", &["t"]).copied(TABLE);
    capture.at_source("INSERT INTO t VALUES (11)");
    let name = capture.at_source(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()",
    );
    let run = AtPoint::start(&capture, "planned");
    let mut reader = Command::new(server().programs().program("pg_recvlogical"))
        .args(["--start", "--no-loop", "-f", "/dev/null", "-S", &name])
        .args(["-o", "proto_version=1"])
        .args(["-o", &format!("publication_names={name}")])
        .args(["-d", &capture.databases.source])
        .spawn()
        .expect("the Postgres programs are installed");
    Held::connect(&capture.databases.source).until(&format!(
        "SELECT active FROM pg_replication_slots WHERE slot_name = '{name}'"
    ));
    let outcome = run.finish();
    reader.kill().expect("it runs");
    reader.wait().expect("it is our child");
    outcome.assert_failed(&[
        &format!("reading slot {name}: "),
        "55006",
        "what to do: a slot has one reader: wait for the other, or end it with pg_terminate_backend",
    ]);
}

#[test]
fn a_run_that_is_interrupted_says_what_it_has_applied() {
    let capture = Capture::applied("interrupted", &["t"]).copied(TABLE);
    capture.each(&["INSERT INTO t VALUES (11)", "INSERT INTO t VALUES (12)"]);
    let run = AtPoint::start(&capture, "committed");
    run.running.signal(Signal::SIGINT);
    let outcome = run.running.finish();
    assert_eq!(outcome.status.code(), Some(130), "{outcome:#?}");
    outcome.assert_says(&[
        "interrupted; 2 transactions are applied, and the next run goes on after them",
    ]);
    capture.assert_same("t");
    assert_eq!(capture.run()["changes"]["transactions"], 0);
}

#[test]
fn a_publication_whose_table_is_being_written_to_is_not_dropped_at_any_price() {
    // new slots wait for all transactions of their server: those of other tests would wait for this one
    let server = own_server();
    let databases = Databases {
        source: server.fresh_database("source"),
        dest: fresh_database("written_dest"),
    };
    let capture = Capture::between(databases, &["t"], "upsert").copied(TABLE);
    let writer = Held::connect(&capture.databases.source);
    writer.sql("BEGIN; INSERT INTO t VALUES (11)");
    capture.cdc("drop", &["--yes"]).refused(&[
        "dropping publication rb_bench_test_",
        "55P03",
        "what to do: a transaction that writes to one of its tables does not end: run again when it has",
    ]);
    writer.sql("COMMIT");
    assert_eq!(capture.cdc("drop", &["--yes"]).code, Some(0));
    assert_eq!(
        capture.at_source("SELECT count(*) FROM pg_publication"),
        "0"
    );
}

#[test]
fn a_slot_that_waits_for_a_transaction_that_does_not_end_is_given_up_after_a_minute() {
    // a slot waits for all transactions of its server: those of other tests would wait with it
    let server = own_server();
    let databases = Databases {
        source: server.fresh_database("source"),
        dest: fresh_database("endless_dest"),
    };
    let capture = Capture::between(databases, &["t"], "upsert");
    capture.at_source(TABLE);
    let hanging = Held::connect(&capture.databases.source);
    hanging.sql("BEGIN; SELECT txid_current()");
    capture.cdc("setup", &[]).refused(&[
        "creating slot rb_bench_test_",
        "55P03",
        "what to do: a slot begins when the transactions under way at the source have ended; end those that hang \
         (pg_stat_activity, xact_start), and run it again",
    ]);
    hanging.sql("ROLLBACK");
    capture.setup();
}
