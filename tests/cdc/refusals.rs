//! What setup, documents and runs refuse, and that nothing is made then.

use serde_json::json;

use crate::capture::Capture;
use crate::support::copies::{as_role, command};
use crate::support::{own_server_with, sql};

const NOTHING_MADE: &str = "SELECT (SELECT count(*) FROM pg_publication), \
    (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())";

#[test]
fn setup_tells_all_that_speaks_against_it_at_once_and_makes_nothing() {
    let mut capture = Capture::applied(
        "unfit",
        &[
            "bare", "none", "late", "v", "logless", "base", "fine", "other", "open",
        ],
    );
    capture.document["destination"]["primary_key"] = json!(["id"]);
    capture.at_source(
        "CREATE TABLE bare (a int); CREATE TABLE none (id int PRIMARY KEY); ALTER TABLE none REPLICA IDENTITY NOTHING; \
         CREATE TABLE late (id int PRIMARY KEY DEFERRABLE); CREATE VIEW v AS SELECT 1 AS a; CREATE UNLOGGED TABLE logless (id int PRIMARY KEY); \
         CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir () INHERITS (base); CREATE TABLE fine (id int PRIMARY KEY); \
         CREATE TABLE other (k int PRIMARY KEY); CREATE TABLE open (id int UNIQUE); ALTER TABLE open REPLICA IDENTITY FULL",
    );
    capture.at_dest("CREATE TABLE fine (id int); CREATE TABLE other (k int PRIMARY KEY); CREATE TABLE open (id int UNIQUE)");
    capture.cdc("setup", &[]).refused(&[
        "public.bare has no replica identity: give it a primary key, or ALTER TABLE \"public\".\"bare\" REPLICA IDENTITY",
        "public.none has no replica identity",
        "public.late has no replica identity",
        "public.v is a view",
        "public.logless is an unlogged",
        "public.base has tables that inherit from it",
        "public.fine has no unique key on (id), by which changes find their row: CREATE UNIQUE INDEX ON \"public\".\"fine\" (\"id\")",
        "primary_key is (id), and the replica identity of public.other is (k)",
        "column `id` of primary_key may be NULL in public.open",
        "nothing was made",
    ]);
    assert_eq!(capture.at_source(NOTHING_MADE), "0|0");
    assert_eq!(
        capture.at_dest("SELECT to_regnamespace('rb_bench') IS NULL"),
        "t"
    );
    // and the application's own updates go on
    capture.at_source("UPDATE bare SET a = 1");
}

#[test]
fn a_source_that_keeps_no_logical_log_is_refused_with_the_setting() {
    let server = own_server_with(&[("wal_level", "replica"), ("max_replication_slots", "0")]);
    let source = server.fresh_database("physical");
    let mut capture = Capture::applied("wal_level", &["t"]);
    capture.document["source"]["config"]["url"] = json!(source);
    sql(&source, "CREATE TABLE t (id int PRIMARY KEY)");
    capture.cdc("setup", &[]).refused(&[
        "wal_level is replica: ALTER SYSTEM SET wal_level = logical",
        "all 0 replication slots of the source are taken",
    ]);
}

#[test]
fn a_role_that_may_not_is_told_what_to_grant() {
    let mut capture = Capture::applied("role", &["t"]);
    capture.at_source(
        "CREATE TABLE t (id int PRIMARY KEY); DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN PASSWORD 'secret'",
    );
    capture.document["source"]["config"]["url"] =
        json!(as_role(&capture.databases.source, "plain", "secret"));
    capture.cdc("setup", &[]).refused(&[
        "role plain may not make slots: ALTER ROLE plain REPLICATION",
        "role plain may not make publications: GRANT CREATE ON DATABASE",
        "public.t does not belong to this role",
        "GRANT SELECT ON \"public\".\"t\"",
    ]);
    assert_eq!(capture.at_source(NOTHING_MADE), "0|0");
}

#[test]
fn a_run_before_setup_says_what_to_do() {
    let capture = Capture::applied("early", &["t"]);
    capture.at_source("CREATE TABLE t (id int PRIMARY KEY)");
    capture.try_run(&[]).refused(&[
        "no changes are kept for pipeline `test` yet",
        "rb-bench cdc setup",
    ]);
}

#[test]
fn documents_that_mix_or_transform_changes_are_refused() {
    let mut capture = Capture::applied("mixed", &["t", "u"]);
    capture.document["source"]["streams"][1]["sync_mode"] = json!("full_refresh");
    let said = command("check", &capture.document, &[]).stderr;
    assert!(said.contains("cdc for all streams or for none"), "{said}");
    let mut capture = Capture::applied("drifting", &["t"]);
    capture.document["schema_evolution"] = json!({ "type_change": "widen" });
    let said = command("check", &capture.document, &[]).stderr;
    assert!(
        said.contains("a policy that changes do not follow"),
        "{said}"
    );
    let mut capture = Capture::applied("nowhere", &["t"]);
    capture.document["destination"] = json!({ "use": "dest-null" });
    let said = command("check", &capture.document, &[]).stderr;
    assert!(
        said.contains("dest-null keeps nothing that changes could be applied to"),
        "{said}"
    );
    let mut capture = Capture::applied("replaced", &["t"]);
    capture.document["destination"]["write_mode"] = json!("replace");
    let said = command("check", &capture.document, &[]).stderr;
    assert!(
        said.contains("cdc does not go with write_mode replace"),
        "{said}"
    );
}

#[test]
fn options_that_mean_nothing_here_are_refused() {
    let capture = Capture::applied("options", &["t"]).copied("CREATE TABLE t (id int PRIMARY KEY)");
    for flags in [
        &["--limit", "3"][..],
        &["--run-id", "x"],
        &["--dry-run"],
        &["--verify"],
    ] {
        let outcome = capture.try_run(flags);
        assert_eq!(outcome.code, Some(2), "{flags:?}: {outcome:?}");
        assert!(outcome.stderr.contains(flags[0]), "{outcome:?}");
    }
}
