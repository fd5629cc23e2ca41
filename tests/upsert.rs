//! Upsert: rows with a known key are updated, others added, and no other row is touched, whatever
//! the commit form; and what cannot be upserted is refused before anything is written.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, as_role, plan, run, try_run};
use support::sql;

/// The document of an upsert by these columns, with several workers and small chunks.
fn upsert(databases: &Databases, streams: &[Value], key: &[&str]) -> Value {
    let mut document = databases.sharded(streams, 3);
    document["destination"]["write_mode"] = json!("upsert");
    document["destination"]["primary_key"] = json!(key);
    document
}

/// No staging table is left.
fn assert_nothing_left(databases: &Databases) {
    let left = sql(
        &databases.dest,
        "SELECT relname FROM pg_class WHERE relname LIKE 'staging%' UNION ALL SELECT gid FROM pg_prepared_xacts WHERE database = current_database()",
    );
    assert_eq!(left, "");
}

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, v text, n numeric)";

/// 3000 rows in the source; in the target every third of them, old, and two that are not there.
fn half_there(name: &str) -> Databases {
    let databases = Databases::new(name);
    databases.both(TABLE);
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, 'new ' || repeat('x', 50), g * 1.5 FROM generate_series(1, 3000) g",
    );
    sql(
        &databases.dest,
        "INSERT INTO t SELECT g, 'old', NULL FROM generate_series(3, 3000, 3) g; INSERT INTO t VALUES (-1, 'other', 1), (0, NULL, 2)",
    );
    databases
}

#[test]
fn rows_with_a_known_key_are_updated_and_others_added_in_every_commit_form() {
    for (form, workers) in [("two_phase", 3), ("ledger", 3), ("single_writer", 1)] {
        for method in ["copy", "insert"] {
            let databases = half_there("forms");
            let mut document = upsert(&databases, &[json!("t")], &["id"]);
            document["destination"]["commit"] = json!(form);
            document["destination"]["config"]["load_method"] = json!(method);
            let json = run(&document);
            assert_eq!(json["plan"]["commit"], form);
            assert_eq!(json["plan"]["workers"], workers, "{form}");
            assert_eq!(json["result"]["records_written"], 3000);
            // the second run finds all of them
            run(&document);
            databases.assert_equal(
                "SELECT * FROM t UNION ALL VALUES (-1, 'other', 1), (0, NULL, 2) ORDER BY 1",
                "SELECT * FROM t ORDER BY 1",
            );
            assert_nothing_left(&databases);
        }
    }
}

#[test]
fn an_upsert_by_one_worker_creates_nothing_of_ours() {
    let databases = half_there("nothing");
    let mut document = upsert(&databases, &[json!("t")], &["id"]);
    document["resources"]["parallelism"] = json!(1);
    run(&document);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT to_regnamespace('rb_bench') IS NULL"
        ),
        "t"
    );
}

#[test]
fn a_missing_target_gets_the_key_and_takes_the_next_upsert() {
    let databases = Databases::new("missing");
    sql(
        &databases.source,
        "CREATE TABLE bare (id int, v text); CREATE TABLE keyed (id int NOT NULL UNIQUE, other int PRIMARY KEY);
         CREATE TABLE late (other int UNIQUE, id int PRIMARY KEY DEFERRABLE);
         CREATE VIEW seen AS SELECT * FROM bare;
         INSERT INTO bare SELECT g, 'v' || g FROM generate_series(1, 2000) g;
         INSERT INTO keyed SELECT g, -g FROM generate_series(1, 2000) g;
         INSERT INTO late SELECT g, -g FROM generate_series(1, 2000) g",
    );
    let streams = ["bare", "keyed", "late", "seen"].map(|name| json!(name));
    let document = upsert(&databases, &streams, &["id"]);
    assert_eq!(run(&document)["plan"]["commit"], "built_aside");
    let keys = "SELECT string_agg(conrelid::regclass || ' ' || pg_get_constraintdef(oid), '; ' ORDER BY conrelid::regclass::text, conname) \
                FROM pg_constraint WHERE contype IN ('p', 'u') AND connamespace = 'public'::regnamespace";
    assert_eq!(
        sql(&databases.dest, keys),
        "bare PRIMARY KEY (id); keyed UNIQUE (id); keyed PRIMARY KEY (other); \
         late UNIQUE (other); late PRIMARY KEY (id); seen PRIMARY KEY (id)"
    );
    sql(
        &databases.source,
        "UPDATE bare SET v = 'changed' WHERE id < 100; DELETE FROM bare WHERE id = 2000",
    );
    run(&document);
    databases.assert_equal(
        "SELECT * FROM bare UNION ALL VALUES (2000, 'v2000') ORDER BY id",
        "SELECT * FROM bare ORDER BY id",
    );
    assert_nothing_left(&databases);
}

#[test]
fn duplicate_and_missing_keys_are_an_error_that_names_them_and_change_nothing() {
    let databases = half_there("duplicates");
    sql(
        &databases.source,
        "CREATE TABLE twice (id bigint, v text, n numeric); INSERT INTO twice SELECT * FROM t; INSERT INTO twice VALUES (77, 'again', 1)",
    );
    let before = sql(&databases.dest, "SELECT sum(hashtext(t::text)) FROM t");
    let document = |stream: Value, key: &[&str]| upsert(&databases, &[stream], key);
    let into_t = json!({ "name": "twice", "target": "t" });
    try_run(&document(into_t.clone(), &["id"]), &[]).refused(&[
        "upserting public.twice",
        "several rows of the input have the key (id)=(77)",
        "an upsert cannot tell which of them is right: name in primary_key what is unique in the source",
    ]);
    // into a new table the index says it
    try_run(&document(json!("twice"), &["id"]), &[]).refused(&["Key (id)=(77) is duplicated"]);
    sql(
        &databases.source,
        "UPDATE twice SET id = NULL WHERE v = 'again'",
    );
    try_run(&document(into_t, &["id"]), &[]).refused(&["null value in column \"id\"", "again"]);
    // a key of the target that takes NULLs
    sql(
        &databases.dest,
        "CREATE TABLE nullable (id bigint UNIQUE, v text, n numeric)",
    );
    let into_nullable = json!({ "name": "twice", "target": "nullable" });
    try_run(&document(into_nullable, &["id"]), &[])
        .refused(&["null value in column \"id\"", "again"]);
    try_run(&document(json!("twice"), &["id"]), &[]).refused(&["null value in column \"id\""]);
    assert_eq!(
        sql(&databases.dest, "SELECT sum(hashtext(t::text)) FROM t"),
        before
    );
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM nullable"), "0");
    assert_nothing_left(&databases);
}

#[test]
fn a_target_whose_key_an_upsert_cannot_use_is_refused_with_the_index_to_make() {
    let databases = half_there("refused");
    let without = json!({ "name": "t", "columns": ["v", "n"], "target": "other" });
    sql(
        &databases.dest,
        "CREATE TABLE other (id serial, v text, n numeric)",
    );
    try_run(&upsert(&databases, &[without], &["id"]), &[])
        .refused(&["column `id` of primary_key is not copied"]);
    for (target, says) in [
        (
            "CREATE TABLE t (id bigint, v text, n numeric)",
            "public.t has no unique key over (\"id\") that an upsert can use: CREATE UNIQUE INDEX ON \"public\".\"t\" (\"id\")",
        ),
        (
            "CREATE TABLE t (id bigint UNIQUE DEFERRABLE, v text, n numeric)",
            "(t_id_key is DEFERRABLE): ALTER TABLE \"public\".\"t\" DROP CONSTRAINT",
        ),
        (
            "CREATE TABLE t (id bigint, v text, n numeric); CREATE UNIQUE INDEX few ON t (id) WHERE n > 5",
            "(few covers only a part of the rows)",
        ),
        (
            "CREATE TABLE t (id bigint, v text, n numeric, PRIMARY KEY (id, v))",
            "no unique key over (\"id\")",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, v text, n numeric); CREATE RULE r AS ON UPDATE TO t DO ALSO SELECT 1",
            "rules",
        ),
    ] {
        sql(&databases.dest, &format!("DROP TABLE t; {target}"));
        try_run(&upsert(&databases, &[json!("t")], &["id"]), &[]).refused(&[says]);
    }
    // a column that no update may set
    sql(
        &databases.dest,
        "DROP TABLE t; CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, v text PRIMARY KEY, n numeric)",
    );
    try_run(&upsert(&databases, &[json!("t")], &["v"]), &[]).refused(&[
        "column `id` of public.t is GENERATED ALWAYS",
        "SET GENERATED BY DEFAULT",
    ]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

#[test]
fn keys_of_every_sort_find_their_rows() {
    let databases = Databases::new("keys");
    sql(
        &databases.source,
        "CREATE TYPE mood AS ENUM ('a', 'b');
         CREATE TABLE t (k numeric, m mood, i text COLLATE \"C\", v text, PRIMARY KEY (k, m, i));
         INSERT INTO t SELECT g, (ARRAY['a', 'b'])[1 + g % 2]::mood, 'i' || g, 'new' FROM generate_series(1, 2000) g;
         CREATE TABLE only_key (a int GENERATED ALWAYS AS IDENTITY, b date, PRIMARY KEY (a, b));
         INSERT INTO only_key (b) SELECT '2026-01-01'::date + g FROM generate_series(1, 2000) g;
         CREATE TABLE small (id smallint PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v varchar(9));
         INSERT INTO small (id, v) SELECT g, 'new' FROM generate_series(1, 2000) g;
         CREATE TABLE parts (id int, region int, v text, PRIMARY KEY (id, region));
         INSERT INTO parts SELECT g, g % 3, 'new' FROM generate_series(1, 2000) g",
    );
    sql(
        &databases.dest,
        "CREATE TYPE mood AS ENUM ('b', 'a', 'c');
         CREATE TABLE t (v text, i text COLLATE \"C\", m mood, k numeric, UNIQUE (i, k, m));
         INSERT INTO t SELECT 'old', 'i' || g, (ARRAY['a', 'b'])[1 + g % 2]::mood, round(g, 2) FROM generate_series(2, 2000, 2) g;
         CREATE TABLE only_key (a int GENERATED ALWAYS AS IDENTITY, b date, PRIMARY KEY (b, a));
         INSERT INTO only_key OVERRIDING SYSTEM VALUE SELECT g, '2026-01-01'::date + g FROM generate_series(1, 1000) g;
         CREATE TABLE small (id bigint PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v text);
         INSERT INTO small (id, v) SELECT g, 'old' FROM generate_series(1, 900) g;
         CREATE TABLE parts (id int, region int, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE parts0 PARTITION OF parts FOR VALUES IN (0, 1); CREATE TABLE parts2 PARTITION OF parts FOR VALUES IN (2);
         INSERT INTO parts SELECT g, g % 3, 'old' FROM generate_series(1, 900) g",
    );
    for (table, key) in [
        ("t", &["k", "m", "i"][..]),
        ("only_key", &["a", "b"]),
        ("small", &["id"]),
        ("parts", &["id", "region"]),
    ] {
        let document = upsert(&databases, &[json!(table)], key);
        for _ in 0..2 {
            let json = run(&document);
            assert_eq!(json["result"]["records_written"], 2000, "{table}");
        }
    }
    databases.assert_same("SELECT k::text, m, i, v FROM t ORDER BY t.k");
    databases.assert_same("SELECT a, b FROM only_key ORDER BY a");
    databases.assert_same("SELECT id, twice, v FROM small ORDER BY id");
    databases.assert_same("SELECT * FROM parts ORDER BY id");
    // the sequence is past what was copied
    sql(
        &databases.dest,
        "INSERT INTO only_key (b) VALUES ('2026-01-01')",
    );
    assert_eq!(sql(&databases.dest, "SELECT max(a) FROM only_key"), "2001");
    assert_nothing_left(&databases);
}

#[test]
fn parents_are_merged_before_their_children() {
    let databases = Databases::new("family");
    let tables = "CREATE TABLE parent (id int PRIMARY KEY, boss int REFERENCES parent, v text);
                  CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent, v text)";
    databases.both(tables);
    sql(
        &databases.source,
        "INSERT INTO parent SELECT g, nullif(g - 1, 0), 'new' FROM generate_series(1, 1000) g;
         INSERT INTO child SELECT g, 1 + g % 1000, 'new' FROM generate_series(1, 1000) g",
    );
    sql(
        &databases.dest,
        "INSERT INTO parent VALUES (1, NULL, 'old'), (2, 1, 'old'); INSERT INTO child VALUES (5, 2, 'old')",
    );
    run(&upsert(
        &databases,
        &[json!("child"), json!("parent")],
        &["id"],
    ));
    databases.assert_same("SELECT * FROM parent ORDER BY id");
    databases.assert_same("SELECT * FROM child ORDER BY id");
}

#[test]
fn a_key_that_the_source_does_not_guarantee_means_one_worker() {
    let databases = half_there("sure");
    sql(
        &databases.source,
        "CREATE TABLE unsure AS SELECT * FROM t; CREATE TABLE nullable AS SELECT * FROM t; CREATE UNIQUE INDEX ON nullable (id)",
    );
    for (source, why) in [
        ("t", None),
        (
            "unsure",
            Some("the source does not guarantee that (id) is unique and not null"),
        ),
        (
            "nullable",
            Some("the source does not guarantee that (id) is unique and not null"),
        ),
    ] {
        let stream = json!({ "name": source, "target": "t" });
        let json = plan(&upsert(&databases, &[stream], &["id"]));
        assert_eq!(
            json["streams"][0]["why_one_worker"].as_str(),
            why,
            "{source}"
        );
    }
    run(&upsert(
        &databases,
        &[json!({ "name": "unsure", "target": "t" })],
        &["id"],
    ));
    databases.assert_equal(
        "SELECT * FROM t ORDER BY 1",
        "SELECT * FROM t WHERE id > 0 ORDER BY 1",
    );
}

#[test]
fn rows_that_a_trigger_drops_or_changes_are_found() {
    let databases = half_there("triggers");
    sql(
        &databases.dest,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 5 THEN RETURN NULL; END IF; RETURN NEW; END $$;
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let document = upsert(&databases, &[json!("t")], &["id"]);
    try_run(&document, &[]).refused(&["rows were staged, and", "came into the target", "a trigger of the target that drops rows does this; if there is none, report it. Nothing was committed"]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "1002");
    sql(
        &databases.dest,
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 6 THEN NEW.v := 'else'; END IF; RETURN NEW; END $$",
    );
    try_run(&document, &["--verify"])
        .refused(&["public.t: 3000 rows in the source, 3000 arrived, and the contents differ"]);
}

#[test]
fn generated_rows_and_streams_without_a_row_are_upserted_too() {
    let databases = Databases::new("generated");
    let mut document = upsert(&databases, &[json!("g")], &["id"]);
    document["source"] = json!({
        "use": "source-generate", "config": { "rows": 500, "row_bytes": 20 }, "streams": [{ "name": "g" }],
    });
    for _ in 0..2 {
        let outcome = try_run(&document, &[]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM g"), "500");
    databases.both(TABLE);
    sql(&databases.dest, "INSERT INTO t VALUES (1, 'stays', 2)");
    assert_eq!(
        run(&upsert(&databases, &[json!("t")], &["id"]))["result"]["records_written"],
        0
    );
    assert_eq!(sql(&databases.dest, "SELECT * FROM t"), "1|stays|2");
}

#[test]
fn a_role_that_may_not_update_is_refused_before_a_row_moves() {
    let databases = half_there("role");
    sql(
        &databases.dest,
        "DROP ROLE IF EXISTS upsert_role; CREATE ROLE upsert_role LOGIN PASSWORD 'x'; GRANT INSERT, SELECT ON t TO upsert_role",
    );
    let mut document = upsert(&databases, &[json!("t")], &["id"]);
    document["resources"]["parallelism"] = json!(1);
    document["destination"]["config"]["url"] = json!(as_role(&databases.dest, "upsert_role", "x"));
    try_run(&document, &[]).refused(&[
        "permission denied for table t",
        "GRANT SELECT, INSERT, UPDATE on it to this role",
    ]);
    sql(&databases.dest, "GRANT UPDATE ON t TO upsert_role");
    run(&document);
    databases.assert_equal(
        "SELECT * FROM t ORDER BY 1",
        "SELECT * FROM t WHERE id > 0 ORDER BY 1",
    );
}
