//! When a query is shared out over workers: where the source's plan proves it row-wise, and where
//! the target's keys are safe.

use serde_json::{Value, json};

use crate::support::copies::{Databases, run};
use crate::support::sql;
use crate::{ROWS, stream_plan, through};

#[test]
fn row_wise_queries_are_shared_out() {
    let databases = Databases::new("rowwise");
    sql(&databases.source, ROWS);
    sql(
        &databases.source,
        "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
         CREATE FUNCTION thrice(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 * 3; END'",
    );
    for query in [
        "SELECT * FROM input",
        "TABLE input",
        "SELECT id, twice(id) AS b, thrice(id) AS c FROM input",
        "SELECT id, generate_series(1, id % 3) AS n FROM input",
        "SELECT id, unnest(string_to_array(note, 'a')) AS piece FROM input WHERE note LIKE 'a%'",
        "SELECT id, to_char(at, 'YYYY-MM') AS month, date_trunc('day', at) AS day, extract(year FROM at) AS year FROM input",
        "SELECT id, coalesce(note, 'none') AS note, amount::text AS a, at::date AS d FROM input WHERE at >= '2024-01-05' AND id IN (1, 2, 3)",
        "SELECT id, CASE WHEN id > 5 THEN 'many' ELSE 'few' END AS word, format('%s-%s', id, note) AS f, substring(note from 1 for 3) AS s FROM input",
        "WITH recent AS (SELECT * FROM input WHERE at > '2024-02-01') SELECT id, jsonb_build_object('id', id, 'at', at) AS j FROM recent",
        "SELECT a.id, a.note FROM (SELECT * FROM input) a WHERE NOT a.id BETWEEN 5 AND 10",
    ] {
        let stream = stream_plan(&databases, &json!("t"), &[query]);
        assert_eq!(stream["why_one_worker"], Value::Null, "{query}");
        assert_eq!(stream["workers"], 4, "{query}");
    }
}

#[test]
fn a_query_that_is_not_row_wise_has_one_worker_and_says_why() {
    let databases = Databases::new("notrowwise");
    sql(&databases.source, ROWS);
    sql(
        &databases.source,
        "CREATE TABLE other AS SELECT id, id * 2 AS twice FROM t; CREATE SEQUENCE s;
         CREATE FUNCTION vague(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
         CREATE FUNCTION looks(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
         CREATE FUNCTION dice(int, int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1 + $2; END';
         CREATE OPERATOR <~> (FUNCTION = dice, LEFTARG = int, RIGHTARG = int)",
    );
    for (query, why) in [
        ("SELECT * FROM input LIMIT 500", "the node Limit"),
        ("SELECT * FROM input OFFSET 5", "the node Limit"),
        ("SELECT * FROM input ORDER BY note", "the node Sort"),
        ("SELECT * FROM input ORDER BY id", "the node Sort"),
        (
            "SELECT DISTINCT parent FROM input",
            "the node HashAggregate|the node Aggregate|the node Unique",
        ),
        (
            "SELECT DISTINCT ON (parent) * FROM input ORDER BY parent, id",
            "the node Unique",
        ),
        (
            "SELECT parent, sum(amount) AS total FROM input GROUP BY parent",
            "the node Aggregate",
        ),
        (
            "SELECT id FROM input GROUP BY id",
            "the node Aggregate|the node Group",
        ),
        ("SELECT count(*) AS n FROM input", "the node Aggregate"),
        (
            "SELECT id, row_number() OVER (ORDER BY id) AS n FROM input",
            "the node WindowAgg",
        ),
        (
            "SELECT id, lag(id) OVER () AS n FROM input",
            "the node WindowAgg",
        ),
        (
            "SELECT i.id, o.twice FROM input i JOIN other o ON o.id = i.id",
            "Join|Nested Loop",
        ),
        (
            "SELECT a.id FROM input a JOIN input b ON b.id = a.parent",
            "Join|Nested Loop",
        ),
        (
            "SELECT id, n FROM input, generate_series(1, 2) n",
            "the node Nested Loop",
        ),
        (
            "SELECT id FROM input WHERE id IN (SELECT parent FROM input)",
            "Join|Nested Loop|sub-select",
        ),
        (
            "SELECT id, (SELECT max(id) FROM input) AS most FROM input",
            "a sub-select (InitPlan)",
        ),
        (
            "SELECT id, (SELECT twice FROM other o WHERE o.id = i.id) AS o FROM input i",
            "a sub-select (SubPlan)",
        ),
        (
            "SELECT id FROM input i WHERE EXISTS (SELECT FROM other o WHERE o.id > i.id)",
            "Nested Loop|sub-select",
        ),
        (
            "SELECT id FROM input UNION ALL SELECT -id FROM input",
            "the node Append",
        ),
        (
            "SELECT id FROM input UNION SELECT parent FROM input",
            "the node ",
        ),
        (
            "WITH RECURSIVE r AS (SELECT id FROM input WHERE id = 1 UNION ALL SELECT r.id + 1 FROM r WHERE r.id < 5) SELECT * FROM r",
            "the node CTE Scan|sub-select",
        ),
        (
            "WITH m AS MATERIALIZED (SELECT id FROM input) SELECT * FROM m",
            "the node CTE Scan|sub-select",
        ),
        ("SELECT 1 AS one", "each row of `input` once"),
        ("SELECT * FROM other", "each row of `input` once"),
        ("SELECT * FROM t", "each row of `input` once"),
        (
            "SELECT * FROM t WHERE ctid >= '(0,0)'",
            "each row of `input` once",
        ),
        (
            "SELECT id, random() AS r FROM input",
            "the function random is volatile",
        ),
        (
            "SELECT * FROM input WHERE random() < 0.5",
            "the function random is volatile",
        ),
        (
            "SELECT id, nextval('s') AS n FROM input",
            "the function nextval is volatile",
        ),
        (
            "SELECT id, clock_timestamp() AS at FROM input",
            "the function clock_timestamp is volatile",
        ),
        (
            "SELECT id, gen_random_uuid() AS u FROM input",
            "the function gen_random_uuid is volatile",
        ),
        (
            "SELECT id, vague(id) AS v FROM input",
            "the function vague is volatile",
        ),
        (
            "SELECT id, id <~> 1 AS v FROM input",
            "the operator <~> is volatile",
        ),
        (
            "SELECT id, looks(id) AS v FROM input",
            "the function looks is only stable",
        ),
        (
            "SELECT id, now() AS at FROM input",
            "the function now is the clock",
        ),
        (
            "SELECT * FROM input WHERE at > now() - interval '1 day'",
            "the function now is the clock",
        ),
        (
            "SELECT id, CURRENT_TIMESTAMP AS at FROM input",
            "CURRENT_TIMESTAMP is the clock",
        ),
        (
            "SELECT id, CURRENT_DATE AS at FROM input",
            "CURRENT_DATE is the clock",
        ),
        (
            "SELECT id, LOCALTIMESTAMP(2) AS at FROM input",
            "LOCALTIMESTAMP is the clock",
        ),
        (
            "SELECT id, age(at) AS at FROM input",
            "CURRENT_DATE is the clock|the function age",
        ),
        (
            "SELECT id, current_user AS who FROM input",
            "CURRENT_USER is a value of the session",
        ),
        (
            "SELECT id, session_user AS who FROM input",
            "SESSION_USER is a value of the session",
        ),
        (
            "SELECT id, current_schema AS who FROM input",
            "CURRENT_SCHEMA is a value of the session|current_schema",
        ),
        (
            "SELECT id, current_setting('TimeZone') AS z FROM input",
            "the function current_setting is only stable",
        ),
        (
            "SELECT id, pg_backend_pid() AS p FROM input",
            "the function pg_backend_pid is only stable",
        ),
        (
            "SELECT id, txid_current_if_assigned() AS x FROM input",
            "the function txid_current_if_assigned is ",
        ),
        (
            "SELECT id, 'now'::timestamptz AS at FROM input",
            "read as the clock",
        ),
        (
            "SELECT id, date 'today' AS at FROM input",
            "read as the clock",
        ),
        (
            "SELECT id, (note || '')::timestamptz AS at FROM input",
            "may read a word such as 'now' as the clock",
        ),
        (
            "SELECT s.word::date AS d, s.n FROM (SELECT note AS word, generate_series(1, 2) AS n FROM input) s",
            "may read a word such as 'now' as the clock",
        ),
        (
            "SELECT id, xmlelement(name a, note) AS x FROM input",
            "XMLELEMENT is not known",
        ),
    ] {
        let stream = stream_plan(&databases, &json!("t"), &[query]);
        let reason = stream["why_one_worker"].as_str().unwrap_or_default();
        assert!(
            reason.starts_with("the transforms are not row-wise: "),
            "{query}: {stream}"
        );
        assert!(
            why.split('|').any(|why| reason.contains(why)),
            "{query}: {reason}"
        );
        assert_eq!(
            (&stream["workers"], &stream["chunks"]),
            (&json!(1), &json!(1)),
            "{query}"
        );
    }
}

#[test]
fn a_query_over_the_whole_sees_the_whole() {
    let databases = Databases::new("whole");
    sql(&databases.source, ROWS);
    sql(
        &databases.source,
        "CREATE TABLE p (id int, region int) PARTITION BY LIST (region);
         CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
         CREATE UNIQUE INDEX ON p1 (id); CREATE UNIQUE INDEX ON p2 (id); CREATE TABLE none (id int) PARTITION BY LIST (id);
         INSERT INTO p SELECT g, r FROM generate_series(1, 1000) g, generate_series(1, 2) r",
    );
    // the planner leaves this join out for each partition by its key; for the whole it must not
    let joined = "SELECT a.id, a.region FROM input a LEFT JOIN input b ON b.id = a.id";
    let counted = "SELECT count(*) AS n, sum(id) AS s FROM input";
    for (name, query) in [
        ("t", counted),
        ("none", "SELECT count(*) AS n FROM input"),
        ("p", joined),
        ("p", counted),
    ] {
        sql(&databases.dest, "DROP TABLE IF EXISTS made");
        let stream = json!({ "name": name, "target": "made" });
        let json = run(&through(&databases, &stream, &[query]));
        assert_eq!(json["plan"]["workers"], 1, "{query} {json}");
        if query == joined {
            let why = json["plan"]["streams"][0]["why_one_worker"]
                .as_str()
                .unwrap();
            assert!(why.contains("Join"), "{why}");
        }
        databases.assert_equal(
            &format!(
                "SELECT * FROM ({}) q ORDER BY 1, 2",
                query
                    .replace("input", name)
                    .replace("AS n FROM", "AS n, 1 FROM")
            ),
            if name == "none" {
                "SELECT n, 1 FROM made"
            } else {
                "SELECT * FROM made ORDER BY 1, 2"
            },
        );
    }
    let stream = json!({ "name": "p", "target": "cut" });
    let json = run(&through(
        &databases,
        &stream,
        &["SELECT id + region AS x FROM input WHERE region = 2"],
    ));
    assert_eq!(
        json["plan"]["streams"][0]["why_one_worker"],
        Value::Null,
        "{json}"
    );
    databases.assert_equal(
        "SELECT id + region FROM p WHERE region = 2 ORDER BY 1",
        "SELECT x FROM cut ORDER BY 1",
    );
}

#[test]
fn a_key_counts_only_where_its_columns_pass_unchanged() {
    let databases = Databases::new("keys");
    sql(&databases.source, ROWS);
    sql(
        &databases.source,
        "CREATE INDEX by_at ON t (at); ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)",
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (id int CONSTRAINT k PRIMARY KEY, v text)",
    );
    for (query, guarded) in [
        ("SELECT id, note AS v FROM input", true),
        ("SELECT id, lower(note) AS v FROM input WHERE id > 5", true),
        ("SELECT (id + 0) AS id, note AS v FROM input", false),
        ("SELECT parent AS id, note AS v FROM input", false),
        (
            "SELECT id, generate_series(1, 1)::text AS v FROM input",
            false,
        ),
        ("SELECT id, unnest(ARRAY[note]) AS v FROM input", false),
    ] {
        let stream = stream_plan(&databases, &json!("t"), &[query]);
        let why = stream["why_one_worker"].as_str();
        assert_eq!(why.is_none(), guarded, "{query}: {why:?}");
        assert!(
            why.is_none_or(|why| why.contains("unique key k")),
            "{query}: {why:?}"
        );
    }
    // renamed it is the same column still
    sql(
        &databases.dest,
        "CREATE TABLE renamed (order_id int PRIMARY KEY)",
    );
    let stream = json!({ "name": "t", "target": "renamed" });
    assert_eq!(
        stream_plan(&databases, &stream, &["SELECT id AS order_id FROM input"])["why_one_worker"],
        Value::Null
    );
    run(&through(
        &databases,
        &stream,
        &["SELECT id AS order_id FROM input"],
    ));
    // a new table has the keys that hold, and no other
    let stream = json!({ "name": "t", "target": "made" });
    let json = run(&through(
        &databases,
        &stream,
        &["SELECT id, upper(note) AS note, at + interval '1 h' AS at FROM input"],
    ));
    assert_eq!(json["plan"]["workers"], 4);
    let keys = "SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY contype DESC) FROM pg_constraint WHERE conrelid = 'made'::regclass AND contype <> 'n'";
    assert_eq!(
        sql(&databases.dest, keys),
        "PRIMARY KEY (id) CHECK ((id > 0))"
    );
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM pg_index WHERE indrelid = 'made'::regclass"
        ),
        "1"
    );
    let stream = json!({ "name": "t", "target": "doubled" });
    run(&through(
        &databases,
        &stream,
        &["SELECT id, generate_series(1, 2) AS n FROM input"],
    ));
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM pg_index WHERE indrelid = 'doubled'::regclass"
        ),
        "0"
    );
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM doubled"), "4000");
}
