//! A standby as the source, before and after it is promoted.

use serde_json::json;

use crate::capture::Capture;
use crate::support::copies::{Databases, run};
use crate::support::standby::Standby;
use crate::support::{fresh_database, own_server, sql};

#[test]
fn a_standby_can_be_copied_from_but_keeps_no_changes_even_once_it_is_promoted() {
    let primary = own_server();
    let source = primary.fresh_database("source");
    let databases = Databases {
        source: source.clone(),
        dest: fresh_database("standby_dest"),
    };
    let mut capture = Capture::between(databases, &["t"], "upsert").copied(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)",
    );
    let standby = Standby::of(&primary);
    let at_standby = standby.url(&source);
    assert_eq!(sql(&at_standby, "SELECT pg_is_in_recovery()"), "t");
    // an ordinary copy reads it as it reads any server
    let copied = Databases {
        source: at_standby.clone(),
        dest: fresh_database("standby_copied"),
    };
    run(&copied.sharded(&[json!("t")], 2));
    copied.assert_same("SELECT * FROM t ORDER BY id");
    // the pipeline of the primary, pointed at it
    capture.document["source"]["config"]["url"] = json!(at_standby);
    let refusal = [
        "is a standby, and changes are captured where they are made",
        "use its primary; a full_refresh copy can read a standby",
    ];
    capture.try_run(&[]).refused(&refusal);
    for action in ["setup", "status", "drop"] {
        capture.cdc(action, &[]).refused(&refusal);
    }
    // waits until it is one
    assert_eq!(sql(&at_standby, "SELECT pg_promote()"), "t");
    capture.try_run(&[]).refused(&[
        "the source is on timeline 00000002 and was on 00000001 when slot ",
        "a standby was promoted or a backup restored, and what happened in between cannot be known",
        "rb-bench cdc drop",
    ]);
    // and the primary goes on as if nothing had been
    capture.document["source"]["config"]["url"] = json!(source);
    capture.assert_arrives("INSERT INTO t VALUES (1001)", "t");
}
