//! A standby as the source: warned of before, and named when it gives a run up.

mod support;

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use support::copies::{Databases, plan, run};
use support::standby::Standby;
use support::{fresh_database, own_server, rb_bench_in, sql};

#[test]
fn a_standby_is_warned_of_and_a_recovery_conflict_is_named_and_not_tried_again() {
    let primary = own_server();
    let source = primary.fresh_database("source");
    sql(
        &source,
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('v', 50) FROM generate_series(1, 2000) g",
    );
    let standby = Standby::with(&primary, &[("max_standby_streaming_delay", "0")]);
    let at_standby = standby.url(&source);
    let databases = Databases {
        source: at_standby.clone(),
        dest: fresh_database("conflict_dest"),
    };
    // an ordinary copy, with the warning beforehand and in all commit forms
    let mut document = databases.sharded(&[json!("t")], 2);
    let notes = plan(&document)["notes"].to_string();
    for part in [
        "is a standby",
        "hot_standby_feedback = on",
        "(max_standby_streaming_delay)",
    ] {
        assert!(notes.contains(part), "{notes}");
    }
    run(&document);
    sql(&databases.dest, "TRUNCATE t");
    assert_eq!(run(&document)["plan"]["commit"], "two_phase");
    databases.assert_same("SELECT * FROM t ORDER BY id");
    // a copy that takes its time, while the primary removes what it can still see
    document["transforms"] = json!([{ "use": "transform-sql", "config": {
        "query": "SELECT input.* FROM input, LATERAL (SELECT pg_sleep(0.05 + 0 * id)) s" } }]);
    document["resources"]["max_retries"] = json!(3);
    sql(&databases.dest, "TRUNCATE t");
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file can be made");
    write!(file, "{document}").expect("the document can be written");
    let mut process = rb_bench_in(&support::directory().join("commands"))
        .arg("run")
        .arg(file.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let reading = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'rb-bench read%' AND state = 'active'";
    while sql(&at_standby, reading) != "t" {
        assert!(
            process.try_wait().expect("it can be asked").is_none(),
            "it ended too early"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    sql(&source, "DELETE FROM t WHERE id > 5");
    while process.try_wait().expect("it can be asked").is_none() {
        sql(&source, "VACUUM t");
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = process.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "is a standby, and gave up reading for its primary's changes (recovery conflict)",
        "hot_standby_feedback = on",
        "set hot_standby_feedback = on or max_standby_streaming_delay = -1 there for the copy, or copy from the primary",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("trying again"), "{said}");
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_standby_that_waits_for_its_readers_is_not_warned_of() {
    let primary = own_server();
    let source = primary.fresh_database("source");
    sql(&source, "CREATE TABLE t (id int PRIMARY KEY)");
    let standby = Standby::with(&primary, &[("hot_standby_feedback", "on")]);
    let databases = Databases {
        source: standby.url(&source),
        dest: fresh_database("patient_dest"),
    };
    let notes = plan(&databases.document(&[json!("t")]))["notes"].to_string();
    assert!(!notes.contains("standby"), "{notes}");
    // the primary is none
    let databases = Databases {
        source,
        dest: fresh_database("primary_dest"),
    };
    let notes = plan(&databases.document(&[json!("t")]))["notes"].to_string();
    assert!(!notes.contains("standby"), "{notes}");
}
