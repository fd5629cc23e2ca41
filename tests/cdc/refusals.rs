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
        "changes of these tables cannot be captured:",
        "correct this, then run `rb-bench cdc setup` again; nothing was made",
        "public.bare has no replica identity: give it a primary key, or ALTER TABLE \"public\".\"bare\" REPLICA IDENTITY USING INDEX <a unique index of columns that are NOT NULL>, or ALTER TABLE \"public\".\"bare\" REPLICA IDENTITY FULL",
        "public.none has no replica identity",
        "public.late has no replica identity",
        "public.v is a view, which has no changes of its own: leave it out",
        "public.logless is an unlogged or temporary table, whose changes are not in the log: leave it out",
        "public.base has tables that inherit from it, whose changes come under their own names: name those one by one",
        "public.fine has no unique key on (id), by which changes find their row: CREATE UNIQUE INDEX ON \"public\".\"fine\" (\"id\")",
        "primary_key is (id), and the replica identity of public.other is (k): only that is sent with a change; correct `primary_key` or leave it out, or ALTER TABLE ",
        "column `id` of primary_key may be NULL in public.open, and finds no row then: ALTER TABLE \"public\".\"open\" ALTER \"id\" SET NOT NULL, or leave `primary_key` out",
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
        "wal_level is replica: ALTER SYSTEM SET wal_level = logical, then restart the source",
        "all 0 replication slots of the source are taken: drop one that nobody reads, or raise max_replication_slots",
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
        "public.t does not belong to this role, which publishing it takes: ALTER TABLE ... OWNER TO, or GRANT its owner",
        "cannot be read: GRANT SELECT ON \"public\".\"t\" to this role",
    ]);
    assert_eq!(capture.at_source(NOTHING_MADE), "0|0");
}

#[test]
fn a_run_before_setup_says_what_to_do() {
    let capture = Capture::applied("early", &["t"]);
    capture.at_source("CREATE TABLE t (id int PRIMARY KEY)");
    capture.try_run(&[]).refused(&[
        "no changes are kept for pipeline `test` yet",
        "run `rb-bench cdc setup` with this document first",
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
        let said = if flags[0] == "--verify" {
            "--verify compares whole tables at one instant, and this run applies changes".to_owned()
        } else {
            format!(
                "{} does not go with sync_mode cdc: a run goes on where the last one ended\n  what to do: leave it out; \
                 `rb-bench cdc status` says what a run would find",
                flags[0]
            )
        };
        assert!(outcome.stderr.contains(&said), "{outcome:?}");
    }
}

#[test]
fn targets_that_changes_cannot_go_into_are_refused_with_what_to_alter() {
    let capture = Capture::logged("log_target", &["t"]);
    capture.at_source("CREATE TABLE t (id int PRIMARY KEY)");
    capture.at_dest("CREATE TABLE t (id int NOT NULL)");
    capture.cdc("setup", &[]).refused(&[
        "column `_rb_op` is missing in public.t, which is to hold a change log",
        "column `id` of public.t is NOT NULL, and not every change has a value for it",
    ]);
    let capture = Capture::applied("always", &["t"]);
    capture.at_source("CREATE TABLE t (k int PRIMARY KEY, id int)");
    capture.at_dest("CREATE TABLE t (k int PRIMARY KEY, id int GENERATED ALWAYS AS IDENTITY)");
    capture.cdc("setup", &[]).refused(&[
        "column `id` of public.t is GENERATED ALWAYS AS IDENTITY, which no update may set: ALTER TABLE \"public\".\"t\" \
         ALTER COLUMN \"id\" SET GENERATED BY DEFAULT",
    ]);
    let mut capture = Capture::applied("keyless", &["t"]);
    capture.document["source"]["streams"][0]["columns"] = json!(["v"]);
    capture.at_source("CREATE TABLE t (id int PRIMARY KEY, v text)");
    capture.at_dest("CREATE TABLE t (id int PRIMARY KEY, v text)");
    capture
        .cdc("setup", &[])
        .refused(&["column `id` of public.t finds the row of a change and must be copied"]);
}

#[test]
fn a_foreign_table_is_refused_for_its_changes_are_not_in_the_log() {
    let capture = Capture::applied("foreign", &["t", "p"]);
    capture.at_source(
        "CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER there FOREIGN DATA WRAPPER elsewhere; \
         CREATE FOREIGN TABLE t (id int) SERVER there; CREATE TABLE p (id int) PARTITION BY RANGE (id); \
         CREATE FOREIGN TABLE p0 PARTITION OF p FOR VALUES FROM (0) TO (9) SERVER there",
    );
    capture.at_dest("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY)");
    capture.cdc("setup", &[]).refused(&[
        "public.t is a foreign table, which has no changes of its own: leave it out",
        "public.p has the partition public.p0, which is a foreign table, whose changes are not in the log: leave it out",
    ]);
}

#[test]
fn partitions_that_say_otherwise_what_a_row_is_are_refused() {
    let capture = Capture::applied("parts", &["t", "u"]);
    capture.at_source(
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); \
         ALTER TABLE t_1 REPLICA IDENTITY FULL; \
         CREATE TABLE u (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE u_1 PARTITION OF u FOR VALUES IN (1); \
         ALTER TABLE u REPLICA IDENTITY USING INDEX u_pkey; ALTER TABLE u_1 REPLICA IDENTITY USING INDEX u_1_pkey",
    );
    capture.cdc("setup", &[]).refused(&[
        "has another replica identity than the whole: ALTER TABLE \"public\".\"t_1\" REPLICA IDENTITY as for the whole",
        "is partitioned and has a replica identity by index: ALTER TABLE ",
        ", and its partitions, REPLICA IDENTITY DEFAULT or FULL",
    ]);
}

#[test]
fn two_streams_into_one_table_are_refused_though_a_pattern_hides_it() {
    let mut capture = Capture::applied("hidden", &["t*", "other"]);
    capture.document["source"]["streams"][1]["target"] = json!("t1");
    capture
        .at_source("CREATE TABLE t1 (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)");
    capture.cdc("setup", &[]).refused(&[
        "two streams go into public.t1",
        "give one of them another `target`",
    ]);
    for stream in 0..2 {
        capture.document["source"]["streams"][stream]["sync_mode"] = json!("full_refresh");
    }
    capture.document["destination"]["write_mode"] = json!("append");
    let said = command("run", &capture.document, &[]).stderr;
    assert!(
        said.contains("two streams go into public.t1; give one of them another `target`"),
        "{said}"
    );
}

#[test]
fn a_document_that_writes_otherwise_than_it_was_set_up_is_refused() {
    let mut capture =
        Capture::applied("mode", &["t"]).copied("CREATE TABLE t (id int PRIMARY KEY)");
    capture.document["destination"]["write_mode"] = json!("append");
    capture.try_run(&[]).refused(&[
        "pipeline `test` was set up with write_mode upsert, and the document has append",
    ]);
}

#[test]
fn rows_without_a_key_are_not_mixed_with_those_that_are_there() {
    let capture = Capture::applied("whole_row", &["t"]).of(
        "CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1)",
    );
    capture.at_dest("CREATE TABLE t (id int); INSERT INTO t VALUES (7)");
    capture.try_run(&[]).refused(&[
        "public.t has rows, and the whole row is the replica identity of public.t: no key tells them from the copied ones",
        "empty it, or name a key of both in `primary_key`",
    ]);
}

#[test]
fn a_target_that_went_away_is_told_when_its_first_change_comes() {
    let capture = Capture::applied("dropped", &["t"]).copied("CREATE TABLE t (id int PRIMARY KEY)");
    capture.at_dest("DROP TABLE t");
    capture.at_source("INSERT INTO t VALUES (1)");
    capture.try_run(&[]).refused(&[
        "public.t does not exist in the destination",
        "it was there before: bring it back, or start over with `rb-bench cdc drop` and `rb-bench cdc setup`",
    ]);
}

#[test]
fn a_role_that_may_not_make_the_change_log_is_told_what_to_grant() {
    let mut capture =
        Capture::logged("log_grant", &["t"]).of("CREATE TABLE t (id int PRIMARY KEY)");
    capture.at_dest(
        "DROP ROLE IF EXISTS cdc_writer; CREATE ROLE cdc_writer LOGIN PASSWORD 'secret'; REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
         GRANT ALL ON SCHEMA rb_bench TO cdc_writer; GRANT ALL ON ALL TABLES IN SCHEMA rb_bench TO cdc_writer",
    );
    capture.document["destination"]["config"]["url"] =
        json!(as_role(&capture.databases.dest, "cdc_writer", "secret"));
    capture.try_run(&[]).refused(&[
        "creating change log public.t: permission denied for schema public",
        "what to do: GRANT CREATE on its schema to this role",
    ]);
}

#[test]
fn a_change_log_that_cannot_be_made_says_what_is_missing() {
    let mut capture = Capture::logged("log_schema", &["t"]);
    capture.document["destination"]["config"]["schema"] = json!("nowhere");
    capture.at_source("CREATE TABLE t (id int PRIMARY KEY)");
    capture.cdc("setup", &[]);
    capture.try_run(&[]).refused(&[
        "creating change log nowhere.t",
        "create its schema, and the types that it needs, in the destination",
    ]);
}
