//! Every kind of change, applied.

use serde_json::json;

use crate::capture::Capture;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, note text, amount numeric(10,2)); \
     INSERT INTO t SELECT i, 'row ' || i, i FROM generate_series(1, 100) i";

#[test]
fn rows_that_come_change_and_go_are_the_same_on_both_sides() {
    let capture = Capture::applied("kinds", &["t"]).copied(TABLE);
    capture.assert_same("t");
    capture.each(&[
        "INSERT INTO t SELECT i, E'it''s \\\\ a \\n ' || i, NULL FROM generate_series(101, 1500) i",
        "UPDATE t SET note = NULL, amount = amount + 0.5 WHERE id % 3 = 0",
        "DELETE FROM t WHERE id % 7 = 0",
        "INSERT INTO t VALUES (5000, 'a', 1); UPDATE t SET note = 'b' WHERE id = 5000; \
         DELETE FROM t WHERE id = 5000; INSERT INTO t VALUES (5000, 'c', 2)",
    ]);
    let json = capture.assert_arrives("BEGIN; DELETE FROM t; ROLLBACK", "t");
    assert_eq!(json["changes"]["inserted"], 1402, "{json}");
    assert_eq!(json["changes"]["updated"], 501);
    assert_eq!(json["changes"]["deleted"], 215);
    assert_eq!(json["changes"]["transactions"], 4);
    assert_eq!(json["changes"]["missing"], json!({}));
    assert_eq!(json["result"]["records_read"], 2118);
    let again = capture.run();
    assert_eq!(again["changes"]["transactions"], 0, "{again}");
}

#[test]
fn keys_that_change_are_followed_also_in_a_circle() {
    let capture = Capture::applied("keys", &["t"]).copied(TABLE);
    capture.assert_arrives(
        "UPDATE t SET id = id + 1000 WHERE id <= 50; \
         BEGIN; UPDATE t SET id = -1 WHERE id = 60; UPDATE t SET id = 60 WHERE id = 61; \
         UPDATE t SET id = 61 WHERE id = -1; COMMIT; \
         UPDATE t SET id = 2000, note = 'again' WHERE id = 70; INSERT INTO t VALUES (70, 'new', 0); \
         UPDATE t SET id = -id WHERE id > 90",
        "t",
    );
}

#[test]
fn large_values_that_did_not_change_are_kept() {
    let capture = Capture::applied("toast", &["t"]).copied(
        "CREATE TABLE t (id int PRIMARY KEY, small int, big text, other text); \
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL; \
         INSERT INTO t SELECT i, i, repeat('b', 9000), repeat('o', 9000) FROM generate_series(1, 20) i",
    );
    capture.assert_arrives(
        "UPDATE t SET small = -small; UPDATE t SET other = 'short' WHERE id < 5; UPDATE t SET id = id + 100 WHERE id > 15; \
         UPDATE t SET big = repeat('n', 9500), small = 7 WHERE id = 3; UPDATE t SET big = NULL WHERE id = 4",
        "t",
    );
}

#[test]
fn tables_are_emptied_together_and_alone() {
    let capture = Capture::applied("truncate", &["a", "b"]).copied(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a); \
         INSERT INTO a SELECT generate_series(1, 10); INSERT INTO b (a) SELECT generate_series(1, 10)",
    );
    let json = capture.assert_arrives(
        "TRUNCATE a, b RESTART IDENTITY; INSERT INTO a VALUES (3); INSERT INTO b (a) VALUES (3); \
         INSERT INTO a VALUES (4); TRUNCATE b; INSERT INTO b (a) VALUES (4)",
        "b",
    );
    capture.assert_same("a");
    assert_eq!(json["changes"]["truncated"], 3);
    assert!(
        json["notes"]
            .to_string()
            .contains("emptied with RESTART IDENTITY: public.a, public.b"),
        "{json}"
    );
}

#[test]
fn a_row_is_found_by_all_of_it_where_that_is_its_identity() {
    let capture = Capture::applied("full", &["nokey", "keyed"]).copied(
        "CREATE TABLE nokey (a int, j json, n numeric, c char(5), f float8); ALTER TABLE nokey REPLICA IDENTITY FULL; \
         INSERT INTO nokey SELECT i % 3, '{\"x\": 1}', NULL, 'ab', 'NaN' FROM generate_series(1, 30) i; \
         CREATE TABLE keyed (id int PRIMARY KEY, big text); ALTER TABLE keyed REPLICA IDENTITY FULL, ALTER big SET STORAGE EXTERNAL; \
         INSERT INTO keyed SELECT i, repeat('x', 5000) FROM generate_series(1, 10) i",
    );
    let json = capture.assert_arrives(
        "DELETE FROM nokey WHERE ctid IN (SELECT ctid FROM nokey WHERE a = 1 LIMIT 3); \
         UPDATE nokey SET n = 1.50, j = '{\"x\":  2}' WHERE ctid IN (SELECT ctid FROM nokey WHERE a = 2 LIMIT 4); \
         UPDATE nokey SET n = 1.5 WHERE ctid IN (SELECT ctid FROM nokey WHERE n = 1.5 LIMIT 1); \
         INSERT INTO nokey DEFAULT VALUES; INSERT INTO nokey DEFAULT VALUES; DELETE FROM nokey WHERE a IS NULL; \
         INSERT INTO nokey DEFAULT VALUES; \
         UPDATE keyed SET id = id + 5 WHERE id > 5; DELETE FROM keyed WHERE id < 3; UPDATE keyed SET big = 'y' WHERE id = 4",
        "nokey",
    );
    capture.assert_same("keyed");
    assert_eq!(json["changes"]["missing"], json!({}));
}

#[test]
fn an_identity_by_index_and_a_key_of_several_columns_find_their_rows() {
    let capture = Capture::applied("index", &["by_index", "pair"]).copied(
        "CREATE TABLE by_index (a int NOT NULL, b text NOT NULL, c int); CREATE UNIQUE INDEX bi ON by_index (b, a); \
         ALTER TABLE by_index REPLICA IDENTITY USING INDEX bi; \
         INSERT INTO by_index SELECT i, 'x' || i, i FROM generate_series(1, 50) i; \
         CREATE TABLE pair (a char(3), b timestamptz, v bit(3), PRIMARY KEY (a, b)); \
         INSERT INTO pair SELECT 'k' || i, '2026-01-01Z'::timestamptz + i * interval '1 hour', B'101' FROM generate_series(1, 20) i",
    );
    capture.assert_arrives(
        "UPDATE by_index SET c = 0 WHERE a % 2 = 0; UPDATE by_index SET b = b || '!' WHERE a < 10; DELETE FROM by_index WHERE a > 45; \
         UPDATE pair SET v = B'010' WHERE a < 'k15'; DELETE FROM pair WHERE a = 'k7'; UPDATE pair SET a = 'z' WHERE a = 'k9'",
        "by_index",
    );
    capture.assert_same("pair");
}

#[test]
fn partitions_are_one_table_and_rows_move_between_them() {
    let capture = Capture::applied("parts", &["p"]).copied(
        "CREATE TABLE p (id int, k text, PRIMARY KEY (id, k)) PARTITION BY LIST (k); \
         CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p_b (k text NOT NULL, id int NOT NULL); \
         ALTER TABLE p ATTACH PARTITION p_b FOR VALUES IN ('b'); \
         INSERT INTO p SELECT i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 20) i",
    );
    capture.assert_arrives(
        "UPDATE p SET k = 'b' WHERE id < 9; INSERT INTO p VALUES (100, 'a'), (101, 'b'); DELETE FROM p WHERE id = 11; \
         INSERT INTO p_a VALUES (200, 'a')",
        "p",
    );
    capture.assert_arrives("TRUNCATE p; INSERT INTO p VALUES (1, 'a')", "p");
}

#[test]
fn values_of_every_sort_survive_the_way_through_text() {
    let capture = Capture::applied("values", &["v"]).copied(
        "CREATE TABLE v (id int PRIMARY KEY, ts timestamptz, d date, i interval, f float8, r real, n numeric, b bytea, j jsonb, a text[], \
            u uuid, ip inet, c char(8), bi bit(5), vb bit varying, m money, r4 int4range, x xml, g int GENERATED ALWAYS AS (id * 2) STORED, \
            s text COLLATE \"C\", n5 numeric(5,2)[])",
    );
    capture.assert_arrives(
        "INSERT INTO v (id, ts, d, i, f, r, n, b, j, a, u, ip, c, bi, vb, m, r4, x, s, n5) VALUES \
           (1, '2026-03-01 12:34:56.123456+05', '0044-03-15 BC', '1 year -2 days 03:04:05.6', 0.1::float8 + 0.2, '1e-30', \
            '12345678901234567890.123456789', '\\x00ff27', '{\"a\": [1, null]}', ARRAY['a', NULL, 'b\"c,d\\\\'], \
            '00000000-0000-0000-0000-000000000001', '10.0.0.1/8', 'ab', B'10101', B'101', '12.50', '[1,5)', '<a>b</a>', 'é''\\', '{1.5,NULL}'), \
           (2, 'infinity', '-infinity', '-1 mon', 'NaN', '-Infinity', 'NaN', '', 'null', '{}', NULL, NULL, '', B'00000', B'', NULL, 'empty', NULL, '', NULL); \
         UPDATE v SET ts = ts - interval '1 day', f = -f, a = a || 'x'::text, bi = ~bi, c = 'longer', n5 = n5 || 2.25 WHERE id = 1; \
         UPDATE v SET id = 3 WHERE id = 2",
        "v",
    );
}

#[test]
fn changes_of_several_tables_keep_their_order() {
    let capture = Capture::applied("order", &["parent", "child"]).copied(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent)",
    );
    capture.at_dest("ALTER TABLE child ADD FOREIGN KEY (p) REFERENCES parent");
    capture.assert_arrives(
        "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1); INSERT INTO parent VALUES (2); \
         UPDATE child SET p = 2; DELETE FROM parent WHERE id = 1; DELETE FROM child; DELETE FROM parent; \
         BEGIN; INSERT INTO parent SELECT generate_series(1, 50); INSERT INTO child SELECT i, i FROM generate_series(1, 50) i; COMMIT",
        "child",
    );
    capture.assert_same("parent");
}

#[test]
fn chosen_columns_and_another_target_are_kept_to() {
    let mut capture = Capture::applied("chosen", &[]);
    capture.document["source"]["streams"] = json!([
        { "name": "t", "sync_mode": "cdc", "columns": ["id", "note"], "target": "copy_of_t" },
        { "name": "g", "sync_mode": "cdc" }
    ]);
    let capture = capture.copied(&format!(
        "{TABLE}; CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int); INSERT INTO g (x) VALUES (1)"
    ));
    capture.at_source(
        "UPDATE t SET note = 'n', amount = 7 WHERE id < 10; UPDATE t SET amount = 8; INSERT INTO t VALUES (500, 'x', 1)",
    );
    capture.assert_arrives("INSERT INTO g (x) VALUES (2); UPDATE g SET x = 3", "g");
    capture.databases.assert_equal(
        "SELECT id, note FROM t ORDER BY id",
        "SELECT * FROM copy_of_t ORDER BY id",
    );
}

#[test]
fn a_row_that_somebody_took_from_the_target_is_counted_and_named() {
    let capture = Capture::applied("missing", &["t"]).copied(TABLE);
    capture.at_dest("DELETE FROM t WHERE id <= 3");
    capture.at_source("UPDATE t SET note = 'x' WHERE id <= 5; DELETE FROM t WHERE id = 3");
    let json = capture.run();
    assert_eq!(json["changes"]["missing"], json!({ "public.t": 4 }));
    assert!(
        json["notes"]
            .to_string()
            .contains("4 rows of public.t were to change or go")
    );
}

#[test]
fn a_change_that_the_target_refuses_is_named_and_nothing_after_it_is_applied() {
    let capture = Capture::applied("refused", &["t"]).copied(TABLE);
    capture.at_dest("ALTER TABLE t ADD CHECK (amount <> 666)");
    capture.at_source(
        "INSERT INTO t VALUES (201, 'before', 1); UPDATE t SET amount = 666 WHERE id = 42; INSERT INTO t VALUES (202, 'after', 1)",
    );
    let outcome = capture.try_run(&[]);
    outcome.refused(&[
        "an update of public.t",
        "of the transaction that committed at",
        "t_amount_check",
        "42, row 42",
    ]);
    assert_eq!(
        capture.at_dest("SELECT count(*) FROM t WHERE id > 200"),
        "0"
    );
    capture.at_dest("ALTER TABLE t DROP CONSTRAINT t_amount_check");
    capture.run();
    capture.assert_same("t");
}
