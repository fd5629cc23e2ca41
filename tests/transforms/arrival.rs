//! What the source computes arrives, in every type and format, from one worker and from several.

use std::fmt::Write as _;
use std::thread;

use serde_json::{Value, json};

use crate::support::copies::{Databases, as_role, plan, run, try_run};
use crate::support::values::VALUES;
use crate::support::{self, sql};
use crate::{ROWS, through};

#[test]
fn what_the_source_computes_arrives_from_several_workers_and_from_one() {
    let databases = Databases::new("computed");
    sql(&databases.source, ROWS);
    let query = "SELECT id, upper(note) AS note, amount * 2 AS amount, at + interval '1 day' AS at FROM input WHERE id % 3 <> 0 -- not all";
    let expected = "SELECT id, upper(note) AS note, amount * 2 AS amount, at + interval '1 day' AS at FROM t WHERE id % 3 <> 0 ORDER BY id";
    for workers in [4, 1] {
        sql(
            &databases.dest,
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint, note text, amount numeric, at timestamptz)",
        );
        let mut document = through(&databases, &json!("t"), &[query]);
        document["resources"]["parallelism"] = json!(workers);
        let json = run(&document);
        assert_eq!(json["plan"]["workers"], workers, "{json}");
        assert_eq!(json["result"]["parallelism_transform_count"], 1);
        assert_eq!(json["plan"]["streams"][0]["why_one_worker"], Value::Null);
        assert!(json["plan"]["streams"][0]["chunks"].as_u64().unwrap() > 4);
        databases.assert_equal(expected, "SELECT id, note, amount, at FROM t ORDER BY id");
    }
}

#[test]
fn each_querys_rows_are_the_input_of_the_next_three_deep() {
    let databases = Databases::new("nested");
    sql(&databases.source, ROWS);
    let queries = [
        "SELECT id, amount + 1 AS amount, note FROM input",
        "WITH input AS (SELECT id, amount * 2 AS doubled FROM input WHERE id > 100), other AS (SELECT * FROM input) SELECT * FROM other",
        "SELECT doubled, id, generate_series(1, 2) AS copy FROM input /* both */ WHERE id <= 1900 --",
    ];
    let stream = json!({ "name": "t", "columns": ["id", "amount", "note"], "target": "made" });
    let json = run(&through(&databases, &stream, &queries));
    assert_eq!(json["plan"]["workers"], 4, "{json}");
    databases.assert_equal(
        "SELECT (amount + 1) * 2, id, c FROM t, generate_series(1, 2) c WHERE id > 100 AND id <= 1900 ORDER BY id, c",
        "SELECT doubled, id, copy FROM made ORDER BY id, copy",
    );
}

#[test]
fn every_type_comes_out_of_a_query_as_it_is() {
    let databases = Databases::new("types");
    // a type whose text names objects is another matter; char is a column's word for bpchar
    let types: Vec<_> = VALUES
        .iter()
        .filter(|(name, _)| !name.starts_with("reg"))
        .collect();
    let column = |name: &str| format!("\"c {name}\"");
    let columns: Vec<String> = types
        .iter()
        .map(|(name, _)| format!("{} \"{name}\"", column(name)))
        .collect();
    let mut statements = format!("CREATE TABLE t (id int, {});", columns.join(", "));
    for row in 0..4 {
        let values: Vec<String> = types
            .iter()
            .map(|(name, values)| match values.get(row) {
                Some(value) => format!("'{}'::\"{name}\"", value.replace('\'', "''")),
                None => "NULL".to_owned(),
            })
            .collect();
        write!(
            statements,
            "INSERT INTO t VALUES ({row}, {});",
            values.join(", ")
        )
        .expect("a string takes it");
    }
    statements.push_str(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE TYPE pair AS (a int, b mood)",
    );
    sql(&databases.source, &statements);
    sql(
        &databases.dest,
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE TYPE pair AS (a int, b mood)",
    );
    let computed: Vec<String> = types
        .iter()
        .map(|(name, _)| format!("CASE WHEN id < 9 THEN {0} END AS {0}", column(name)))
        .collect();
    let query = format!(
        "SELECT id, {}, CASE id WHEN 1 THEN 'sad'::mood ELSE 'ok' END AS m, id::small AS s, ROW(id, 'ok')::pair AS p, \
         ARRAY['sad'::mood, NULL] AS ms, (id || 'x')::varchar(7) AS v, id::numeric(9,3) AS n FROM input",
        computed.join(", ")
    );
    let json = run(&through(&databases, &json!("t"), &[&query]));
    assert_eq!(json["plan"]["streams"][0]["format"], "text");
    databases.assert_equal(&query.replace("input", "t"), "SELECT * FROM t ORDER BY id");
    let type_of = |column: &str| {
        let sql_text = format!(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = '{column}'"
        );
        sql(&databases.dest, &sql_text)
    };
    assert_eq!(
        (type_of("v"), type_of("n")),
        ("character varying(7)".into(), "numeric(9,3)".into())
    );
    // what has binary forms alone travels in binary, and gives the same
    let binary =
        "SELECT id, \"c int8\" + 0 AS a, \"c text\" || 'x' AS b, ARRAY[id, NULL] AS c FROM input";
    let stream = json!({ "name": "t", "target": "binary" });
    let json = run(&through(&databases, &stream, &[binary]));
    assert_eq!(json["plan"]["streams"][0]["format"], "binary");
    databases.assert_equal(
        &binary.replace("input", "t"),
        "SELECT * FROM \"binary\" ORDER BY id",
    );
}

#[test]
fn the_query_sees_the_roles_own_search_path_in_binary_and_in_text() {
    let databases = Databases::new("path");
    sql(&databases.source, ROWS);
    sql(
        &databases.source,
        "CREATE SCHEMA tools; CREATE TYPE tools.mood AS ENUM ('sad', 'ok');
         CREATE FUNCTION tools.tidy(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
         CREATE FUNCTION tools.outer_tidy(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN tidy($1); END';
         DROP ROLE IF EXISTS path_reader; CREATE ROLE path_reader LOGIN PASSWORD 'x'; GRANT SELECT ON t TO path_reader;
         GRANT USAGE ON SCHEMA tools TO path_reader; ALTER ROLE path_reader SET search_path = tools, public",
    );
    sql(
        &databases.dest,
        "CREATE SCHEMA tools; CREATE TYPE tools.mood AS ENUM ('sad', 'ok')",
    );
    let reader = as_role(&databases.source, "path_reader", "x");
    for (target, query, format) in [
        (
            "plain",
            "SELECT id, tidy(note) AS a, outer_tidy(note) AS b FROM input",
            "binary",
        ),
        (
            "moods",
            "SELECT id, outer_tidy(note) AS a, 'ok'::mood AS b FROM input",
            "text",
        ),
    ] {
        let stream = json!({ "name": "t", "target": target });
        let mut document = through(&databases, &stream, &[query]);
        document["source"]["config"]["url"] = json!(reader);
        let json = run(&document);
        assert_eq!(json["plan"]["streams"][0]["format"], format);
        assert_eq!(json["plan"]["workers"], 4);
        databases.assert_equal(
            "SELECT id, upper(note) FROM t ORDER BY id",
            &format!("SELECT id, a FROM {target} ORDER BY id"),
        );
    }
}

#[test]
fn views_dry_runs_and_limits_go_through_transforms_too() {
    let databases = Databases::new("others");
    sql(&databases.source, ROWS);
    sql(&databases.source, "CREATE VIEW v AS SELECT id, note FROM t");
    let query = ["SELECT id, length(note) AS n FROM input WHERE id % 2 = 0"];
    let json = run(&through(&databases, &json!("v"), &query));
    assert_eq!(
        json["plan"]["streams"][0]["why_one_worker"],
        "it is a view, which has no row addresses"
    );
    databases.assert_equal(
        "SELECT id, length(note) FROM t WHERE id % 2 = 0 ORDER BY id",
        "SELECT id, n FROM v ORDER BY id",
    );
    let document = through(&databases, &json!("t"), &query);
    let dry = try_run(&document, &["--dry-run", "--format", "json"]).ok();
    assert_eq!(dry["result"]["records_read"], 1000);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM pg_class WHERE relname = 't'"
        ),
        "0"
    );
    try_run(&document, &["--limit", "7", "--format", "json"]).ok();
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*), bool_and(id % 2 = 0) FROM t"
        ),
        "7|t"
    );
}

#[test]
fn what_a_query_reads_beside_its_input_is_locked_with_it() {
    let databases = Databases::new("beside");
    sql(&databases.source, ROWS);
    sql(
        &databases.source,
        "CREATE TABLE rates (id int, rate int); INSERT INTO rates SELECT id, id % 5 FROM t",
    );
    let query = ["SELECT i.id, r.rate FROM input i JOIN rates r USING (id)"];
    let document = through(&databases, &json!("t"), &query);
    // another client empties the other table and fills it anew, and commits once we wait for it
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = runtime.block_on(async {
        let client = support::connect(&databases.source).await;
        let begin = "BEGIN; TRUNCATE rates; INSERT INTO rates SELECT id, 9 FROM t WHERE id <= 50";
        client.batch_execute(begin).await.unwrap();
        client
    });
    thread::scope(|scope| {
        let running = scope.spawn(|| run(&document));
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sql(&databases.source, waits) == "0" {
            assert!(
                !running.is_finished(),
                "it did not wait for the other table"
            );
        }
        runtime.block_on(client.batch_execute("COMMIT")).unwrap();
        let json = running.join().unwrap();
        // a snapshot from before would find the table empty
        assert_eq!(json["result"]["records_written"], 50);
    });
    databases.assert_equal(
        "SELECT id, rate FROM rates ORDER BY id",
        "SELECT id, rate FROM t ORDER BY id",
    );
}

#[test]
fn upsert_and_replace_take_what_comes_out() {
    let databases = Databases::new("modes");
    sql(&databases.source, ROWS);
    let query = "SELECT id AS key, amount * 2 AS amount FROM input WHERE id <= 1500";
    let expected = "SELECT id, amount * 2 FROM t WHERE id <= 1500 ORDER BY id";
    let table = "DROP TABLE IF EXISTS t; CREATE TABLE t (key int PRIMARY KEY, amount numeric)";
    let stale = "INSERT INTO t SELECT g, -1 FROM generate_series(1000, 1999) g";
    let mut document = through(&databases, &json!("t"), &[query]);
    document["destination"]["write_mode"] = json!("upsert");
    document["destination"]["primary_key"] = json!(["key"]);
    sql(&databases.dest, table);
    sql(&databases.dest, stale);
    let json = run(&document);
    assert_eq!(json["plan"]["workers"], 4, "{json}");
    databases.assert_equal(
        expected,
        "SELECT key, amount FROM t WHERE key <= 1500 ORDER BY key",
    );
    let untouched = "SELECT count(*) FROM t WHERE key > 1500 AND amount = -1";
    assert_eq!(sql(&databases.dest, untouched), "499");
    // a missing table gets the key that the document names
    sql(&databases.dest, "DROP TABLE t");
    run(&document);
    databases.assert_equal(expected, "SELECT key, amount FROM t ORDER BY key");
    // what the source's key does not speak of is for one worker, and a key that repeats is an error
    document["transforms"][0]["config"]["query"] =
        json!("SELECT id % 1000 AS key, amount FROM input");
    let why = &plan(&document)["streams"][0]["why_one_worker"];
    assert_eq!(
        why,
        "the source does not guarantee that (key) is unique and not null"
    );
    try_run(&document, &[]).refused(&["key"]);
    databases.assert_equal(expected, "SELECT key, amount FROM t ORDER BY key");
    let mut document = through(&databases, &json!("t"), &[query]);
    document["destination"]["write_mode"] = json!("replace");
    sql(&databases.dest, table);
    sql(&databases.dest, stale);
    run(&document);
    databases.assert_equal(expected, "SELECT key, amount FROM t ORDER BY key");
}
