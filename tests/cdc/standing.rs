//! Setup again, status, drop, and everything that keeps a run from going on where it must not.

use std::process::Command;

use crate::capture::Capture;
use crate::support::copies::Databases;
use crate::support::{fresh_database, own_server_with, server};

const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)";

#[test]
fn setup_again_finds_all_made_and_changes_nothing() {
    let capture = Capture::applied("again", &["t"]).of(TABLE);
    let slots = "SELECT slot_name, confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()";
    let before = capture.at_source(slots);
    let json = capture.setup();
    assert_eq!(json["made"], false);
    assert_eq!(capture.at_source(slots), before);
    capture.run();
    capture.setup();
    capture.assert_arrives("INSERT INTO t VALUES (11)", "t");
}

#[test]
fn setup_that_was_killed_in_between_is_done_again() {
    let capture = Capture::applied("halfway", &["t"]).of(TABLE);
    // as if it had died before it wrote down what it had made
    capture.at_dest("DELETE FROM rb_bench.slots");
    capture.at_source("INSERT INTO t VALUES (11)");
    assert_eq!(capture.setup()["made"], true);
    capture.run();
    capture.assert_arrives("INSERT INTO t VALUES (12)", "t");
    // or with a publication alone
    assert_eq!(capture.cdc("drop", &["--yes"]).code, Some(0));
    let json = capture.setup();
    let name = json["slot"].as_str().unwrap_or_default();
    capture.at_source(&format!("SELECT pg_drop_replication_slot('{name}')"));
    capture.at_dest("DELETE FROM rb_bench.slots");
    assert_eq!(capture.setup()["made"], true);
}

#[test]
fn status_says_how_far_it_is_and_what_the_source_keeps() {
    let capture = Capture::applied("status", &["t"]);
    capture.at_source(TABLE);
    let text = capture.cdc("status", &[]);
    assert!(
        text.stdout.contains("`rb-bench cdc setup` was not run"),
        "{text:?}"
    );
    capture.setup();
    assert!(capture.status()["state"]["initial_copy"].is_null());
    capture.run();
    let json = capture.status();
    assert!(json["state"]["initial_copy"].is_string(), "{json}");
    assert_eq!(json["slot"]["wal_status"], "reserved");
    assert_eq!(json["published"][0], "public.t");
    capture.at_source("INSERT INTO t SELECT generate_series(100, 5000)");
    let written = capture.at_source("SELECT pg_current_wal_lsn()");
    let behind = capture.status()["slot"]["lag_bytes"].as_u64();
    assert!(behind > Some(100_000), "{behind:?}");
    let run = capture.run();
    assert!(
        run["notes"].to_string().contains("of the source's log"),
        "{run}"
    );
    let json = capture.status();
    let (read, applied) = (
        &json["slot"]["confirmed_flush_lsn"],
        &json["state"]["applied"],
    );
    let far = format!("SELECT {read} >= '{written}'::pg_lsn, {read} = {applied}").replace('"', "'");
    assert_eq!(capture.at_source(&far), "t|t");
    let text = capture.cdc("status", &[]).stdout;
    for part in [
        "slot",
        "not read now",
        "log kept",
        "initial copy done",
        "public.t -> public.t",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn drop_asks_first_and_takes_away_whatever_is_there() {
    let capture = Capture::applied("drop", &["t"]).copied(TABLE);
    let asked = capture.cdc("drop", &[]);
    assert_eq!(asked.code, Some(2), "{asked:?}");
    assert!(asked.stderr.contains("there is no terminal to ask on"));
    let dropped = capture.cdc("drop", &["--yes"]);
    for part in ["dropped slot", "dropped publication", "dropped its state"] {
        assert!(dropped.stdout.contains(part), "{dropped:?}");
    }
    assert_eq!(
        capture.at_source("SELECT (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())"),
        "0|0"
    );
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "10");
    let again = capture.cdc("drop", &["--yes"]);
    assert_eq!(again.stdout.trim(), "there is nothing to drop");
    // a part that is gone already is no obstacle
    capture.at_dest("TRUNCATE t");
    let name = capture.setup()["slot"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    capture.at_source(&format!("DROP PUBLICATION {name}"));
    let dropped = capture.cdc("drop", &["--yes", "--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&dropped.stdout).unwrap();
    assert_eq!(said["dropped"]["slot"], true, "{dropped:?}");
    assert_eq!(said["dropped"]["publication"], false, "{dropped:?}");
    let nothing = capture.cdc("drop", &["--format", "json"]);
    assert_eq!(nothing.stdout.trim(), r#"{"dropped":null}"#);
}

#[test]
fn a_slot_that_is_gone_read_or_set_back_ends_the_run_before_anything_is_applied() {
    let capture = Capture::applied("gone", &["t"]).copied(TABLE);
    let name = capture.status()["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    // somebody else reads the slot: those changes would be missing
    capture.at_source("INSERT INTO t VALUES (50)");
    capture.at_source(&format!(
        "SELECT pg_replication_slot_advance('{name}', pg_current_wal_lsn())"
    ));
    capture
        .try_run(&[])
        .refused(&["somebody else read it, or the destination was set back; what is between them is lost", "start over: `rb-bench cdc drop`, `rb-bench cdc setup`, and a run that copies the tables again"]);
    capture.at_source(&format!("SELECT pg_drop_replication_slot('{name}')"));
    capture.try_run(&[]).refused(&[&format!(
        "slot {name} is gone from the source, and the destination expects it: changes since "
    )]);
    // made again by hand, it begins too late
    capture.at_source(&format!(
        "SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')"
    ));
    capture
        .try_run(&[])
        .refused(&["what is between them is lost"]);
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "10");
    // a source that was set back ends before what the destination has
    capture.at_dest("UPDATE rb_bench.slots SET applied = 'FFFFFFF/0'");
    capture.try_run(&[]).refused(&[
        "the source's log ends at ",
        ", and the destination has changes up to FFFFFFF/0: the source was set back",
    ]);
    capture.at_dest("UPDATE rb_bench.slots SET system_identifier = '1'");
    capture.try_run(&[]).refused(&[
        "was set up for another source (database ",
        " of the server with system identifier 1, and this is ",
        "give this document a pipeline name of its own, or ",
    ]);
}

#[test]
fn a_slot_whose_log_the_source_has_removed_is_lost_and_the_way_back_is_said() {
    let server = own_server_with(&[
        ("max_slot_wal_keep_size", "1MB"),
        ("min_wal_size", "32MB"),
        ("max_wal_size", "32MB"),
    ]);
    let databases = Databases {
        source: server.fresh_database("source"),
        dest: fresh_database("lost_dest"),
    };
    let capture = Capture::between(databases, &["t"], "upsert").copied(TABLE);
    let mut id = 100;
    while capture.status()["slot"]["wal_status"] != "lost" {
        id += 1;
        // a segment each
        capture.at_source(&format!(
            "INSERT INTO t VALUES ({id}); SELECT pg_switch_wal()"
        ));
        capture.at_source("CHECKPOINT");
        assert!(id < 200, "the slot is never lost: {}", capture.status());
    }
    let text = capture.cdc("status", &[]).stdout;
    assert!(text.contains("log lost"), "{text}");
    capture.try_run(&[]).refused(&[
        "is lost: the source has removed log that it needed, so changes are missing",
        "start over: `rb-bench cdc drop`, `rb-bench cdc setup`, and a run that copies the tables again; a larger \
         max_slot_wal_keep_size and more frequent runs keep it from happening",
    ]);
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "10");
    // as it says
    assert_eq!(capture.cdc("drop", &["--yes"]).code, Some(0));
    capture.setup();
    capture.run();
    capture.assert_arrives("DELETE FROM t WHERE id < 5", "t");
}

#[test]
fn tables_that_the_document_gained_are_not_taken_for_copied() {
    let mut capture = Capture::applied("gained", &["t"]).copied(TABLE);
    capture.at_source("CREATE TABLE u (id int PRIMARY KEY)");
    capture.document["source"]["streams"]
        .as_array_mut()
        .expect("a list")
        .push(serde_json::json!({ "name": "u", "sync_mode": "cdc" }));
    capture.try_run(&[]).refused(&[
        "the document's tables are not those that pipeline `test` was set up for: they are (",
        "), the publication has (public.t), and setup wrote down (public.t -> ",
        "public.u",
    ]);
    capture
        .cdc("setup", &[])
        .refused(&["the document's tables are not those"]);
}

#[test]
fn a_slot_that_another_client_reads_is_told_apart() {
    let capture = Capture::applied("busy", &["t"]).copied(TABLE);
    let name = capture.status()["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let program = server().programs().program("pg_recvlogical");
    let mut reader = Command::new(program)
        .args(["--start", "--no-loop", "-f", "/dev/null", "-S", &name])
        .args([
            "-o",
            "proto_version=1",
            "-o",
            &format!("publication_names={name}"),
        ])
        .args(["-d", &capture.databases.source])
        .spawn()
        .expect("the Postgres programs are installed");
    let active = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{name}'");
    while capture.at_source(&active) != "t" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let outcome = capture.try_run(&[]);
    reader.kill().expect("it runs");
    reader.wait().expect("it is our child");
    outcome.refused(&[
        "is read by another client (pid",
        "wait for it, or end it with pg_terminate_backend: a slot has one reader",
    ]);
}

#[test]
fn one_process_at_a_time_works_on_a_pipeline() {
    let capture = Capture::applied("lock", &["t"]).copied(TABLE);
    let held = std::thread::scope(|scope| {
        let dest = capture.databases.dest.clone();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime starts");
            runtime.block_on(async {
                let client = crate::support::connect(&dest).await;
                client
                    .batch_execute(
                        "SELECT pg_advisory_lock(hashtextextended('rb_bench cdc test', 0))",
                    )
                    .await
                    .expect("the lock is free");
                ready.send(()).expect("the test waits");
                let _ = tokio::task::spawn_blocking(move || is_done.recv()).await;
            });
        });
        is_ready.recv().expect("the lock is held");
        let outcome = capture.try_run(&[]);
        drop(done);
        outcome
    });
    held.refused(&[
        "pipeline `test` is under way in another process",
        "wait for it: one process at a time reads a slot",
    ]);
}

#[test]
fn a_publication_that_was_away_for_a_time_is_not_gone_on_with() {
    let capture = Capture::applied("unpublished", &["t"]).copied(TABLE);
    let name = capture.status()["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    capture.at_source(&format!("DROP PUBLICATION {name}"));
    capture.at_source("INSERT INTO t VALUES (50)");
    capture.at_source(&format!("CREATE PUBLICATION {name} FOR TABLE t"));
    capture.try_run(&[]).refused(&[
        &format!("reading slot {name}"),
        "the publication was not there all the time: start over with `rb-bench cdc drop` and `rb-bench cdc setup`",
    ]);
}

#[test]
fn a_state_that_cannot_be_read_is_told() {
    let capture = Capture::applied("garbled", &["t"]).copied(TABLE);
    capture.at_dest("UPDATE rb_bench.slots SET tables = '1'");
    capture
        .try_run(&[])
        .refused(&["the row of pipeline `test` in rb_bench.slots cannot be read: "]);
}
