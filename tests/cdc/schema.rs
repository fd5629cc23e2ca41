//! Tables that look different than before: followed where that is safe, else refused whole.

use crate::capture::Capture;

const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v varchar(10)); INSERT INTO t VALUES (1, 'a')";

#[test]
fn a_column_that_the_target_lacks_is_refused_and_no_change_is_lost() {
    let capture = Capture::applied("added", &["t"]).copied(TABLE);
    capture.at_source(
        "INSERT INTO t VALUES (2, 'before'); ALTER TABLE t ADD extra int DEFAULT 7; INSERT INTO t VALUES (3, 'after', 8); \
         UPDATE t SET extra = 9 WHERE id = 1",
    );
    for _ in 0..2 {
        capture.try_run(&[]).refused(&[
            "changes of public.t do not fit public.t:",
            "column `extra` of public.t is missing in public.t",
            "nothing after this was applied, and the slot keeps it",
        ]);
    }
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "1");
    capture.at_dest("ALTER TABLE t ADD extra int DEFAULT 7");
    capture.run();
    capture.assert_same("t");
}

#[test]
fn a_column_that_became_wider_is_refused_until_the_target_is() {
    let capture = Capture::applied("widened", &["t"]).copied(TABLE);
    capture.at_source(
        "ALTER TABLE t ALTER v TYPE text; UPDATE t SET v = 'much longer than ten characters'",
    );
    capture
        .try_run(&[])
        .refused(&["column `v`: type text cannot go into character varying(10)"]);
    capture.at_dest("ALTER TABLE t ALTER v TYPE text");
    capture.run();
    capture.assert_same("t");
}

#[test]
fn changes_from_before_an_alter_are_read_as_they_were() {
    let capture = Capture::applied("earlier", &["t"]).copied(TABLE);
    capture.at_source(
        "INSERT INTO t VALUES (2, 'b'); ALTER TABLE t ALTER v TYPE text; INSERT INTO t VALUES (3, 'c'); \
         ALTER TABLE t DROP v; INSERT INTO t VALUES (4); ALTER TABLE t ADD v varchar(10); INSERT INTO t VALUES (5, 'e')",
    );
    capture.at_dest("ALTER TABLE t ALTER v TYPE text");
    capture.run();
    assert_eq!(
        capture.at_dest("SELECT string_agg(id || coalesce(v, '-'), ' ' ORDER BY id) FROM t"),
        "1a 2b 3c 4- 5e"
    );
}

#[test]
fn a_table_that_was_renamed_is_not_taken_for_another() {
    let capture = Capture::applied("renamed", &["t"]).copied(TABLE);
    capture.at_source("ALTER TABLE t RENAME TO was_t; INSERT INTO was_t VALUES (2, 'b'); CREATE TABLE t (id int PRIMARY KEY, v varchar(10))");
    capture
        .try_run(&[])
        .refused(&["the document's tables are not those", "public.was_t"]);
    capture.at_source("DROP TABLE t; ALTER TABLE was_t RENAME TO t");
    // what came under the other name is still told apart
    capture
        .try_run(&[])
        .refused(&["changes of public.was_t came, which the document does not name", "a table that was renamed goes on under its new name: name it in the document, then `rb-bench cdc drop` and `rb-bench cdc setup`"]);
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "1");
}
