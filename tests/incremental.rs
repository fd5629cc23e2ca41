//! Incremental streams: each run brings what lies above the last mark, the mark moves with the rows
//! or not at all, and what cannot be seen that way is said.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, Outcome, command, run, try_run};
use support::{rb_bench, sql};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, v text)";

/// A document that copies `t` by the cursor `at`.
fn document(databases: &Databases, stream: &Value) -> Value {
    let mut entry = json!({ "name": "t", "sync_mode": "incremental", "cursor_field": "at" });
    for (key, value) in stream.as_object().expect("a map") {
        entry[key] = value.clone();
    }
    let mut document = databases.document(&[entry]);
    document["pipeline"] = json!("orders");
    document["resources"]["parallelism"] = json!(4);
    document
}

fn upsert(databases: &Databases, stream: &Value) -> Value {
    let mut document = document(databases, stream);
    document["destination"]["write_mode"] = json!("upsert");
    document["destination"]["primary_key"] = json!(["id"]);
    document
}

/// Rows `from` to `to`, a minute apart.
fn add(databases: &Databases, from: u32, to: u32) {
    sql(
        &databases.source,
        &format!(
            "INSERT INTO t SELECT g, '2026-01-01 00:00+00'::timestamptz + g * interval '1 min', 'v' || g FROM generate_series({from}, {to}) g"
        ),
    );
}

/// Runs and verifies; how many rows it wrote, and the note of its first stream.
fn written(document: &Value) -> (u64, String) {
    let json = run(document);
    let rows = json["result"]["records_written"]
        .as_u64()
        .expect("a number");
    let mut notes = json["notes"].as_array().expect("notes").iter();
    let note = notes.find_map(|note| note.as_str().filter(|note| note.contains("(NULL)")));
    (
        rows,
        note.expect("every run says what it cannot see").to_owned(),
    )
}

fn mark(databases: &Databases) -> String {
    sql(&databases.dest, "SELECT value FROM rb_bench.cursors")
}

fn marks(databases: &Databases, arguments: &[&str]) -> Outcome {
    let output = rb_bench()
        .arg("marks")
        .args(arguments)
        .args(["--dest-url", &databases.dest])
        .output()
        .expect("the binary runs");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn each_run_brings_what_is_new_and_nothing_twice() {
    for there in [false, true] {
        let databases = Databases::new("new");
        sql(&databases.source, TABLE);
        if there {
            sql(&databases.dest, TABLE);
        }
        add(&databases, 1, 1000);
        let document = document(&databases, &json!({}));
        assert_eq!(written(&document).0, 1000);
        assert_eq!(written(&document).0, 0);
        add(&databases, 1001, 1300);
        let (rows, note) = written(&document);
        assert_eq!(rows, 300);
        assert!(
            note.contains(
                "rows with `at` above 2026-01-01 16:40:00+00 up to 2026-01-01 21:40:00+00"
            ),
            "{note}"
        );
        databases.assert_same("SELECT * FROM t ORDER BY id");
        assert_eq!(mark(&databases), "2026-01-01 21:40:00+00");
    }
}

#[test]
fn an_empty_stream_is_a_success_and_sets_no_mark() {
    let databases = Databases::new("empty");
    sql(&databases.source, TABLE);
    let document = document(&databases, &json!({}));
    assert_eq!(written(&document).0, 0);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT to_regclass('rb_bench.cursors') IS NULL"
        ),
        "t"
    );
    add(&databases, 1, 10);
    assert_eq!(written(&document).0, 10);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

#[test]
fn rows_without_a_cursor_are_counted_and_not_copied() {
    let databases = Databases::new("nulls");
    databases.both(TABLE);
    add(&databases, 1, 10);
    sql(
        &databases.source,
        "INSERT INTO t VALUES (50, NULL, 'x'), (51, NULL, 'y')",
    );
    let (rows, note) = written(&document(&databases, &json!({})));
    assert_eq!(rows, 10);
    assert!(
        note.contains("2 without a `at` (NULL) are not copied"),
        "{note}"
    );
    databases.assert_equal(
        "SELECT * FROM t WHERE at IS NOT NULL ORDER BY id",
        "SELECT * FROM t ORDER BY id",
    );
}

#[test]
fn rows_at_the_boundary_and_late_ones_are_missed_as_said_and_found_again_by_a_lag() {
    for (lag, found) in [(None, false), (Some("5 min"), true)] {
        let databases = Databases::new("late");
        databases.both(TABLE);
        add(&databases, 1, 100);
        let stream = lag.map_or(json!({}), |lag| json!({ "cursor_lag": lag }));
        let document = upsert(&databases, &stream);
        let (rows, note) = written(&document);
        assert_eq!(rows, 100);
        let says = if found {
            "seen by later runs only within cursor_lag (5 min)"
        } else {
            "rows that equal the mark, or are committed later with a lower value, are not seen by later runs"
        };
        assert!(note.contains(says), "{note}");
        // one equal to the mark, one that was committed late, and one that is later than the lag
        sql(
            &databases.source,
            "INSERT INTO t SELECT 200, max(at), 'equal' FROM t; INSERT INTO t SELECT 201, max(at) - interval '4 min', 'late' FROM t;
             INSERT INTO t SELECT 202, max(at) - interval '6 min', 'too late' FROM t; UPDATE t SET v = 'changed' WHERE id = 98",
        );
        add(&databases, 101, 110);
        let (rows, _) = written(&document);
        // the lag reads rows 95 to 100, the equal and the late one again
        assert_eq!(rows, if found { 18 } else { 10 });
        let missed = if found { "202" } else { "200,201,202" };
        assert_eq!(
            sql(
                &databases.dest,
                "SELECT string_agg(id::text, ',' ORDER BY id) FROM t WHERE id >= 200 OR v = 'changed'"
            ),
            if found { "98,200,201" } else { "" }
        );
        let changed = if found { "" } else { "OR id = 98" };
        databases.assert_equal(
            &format!("SELECT * FROM t WHERE NOT (id IN ({missed}) {changed}) ORDER BY id"),
            &format!("SELECT * FROM t WHERE NOT (id IN ({missed}) {changed}) ORDER BY id"),
        );
        // nothing new: the mark does not go back
        let before = mark(&databases);
        written(&document);
        assert_eq!(mark(&databases), before);
    }
}

#[test]
fn cursors_of_every_ordered_type_go_on_where_they_were() {
    let databases = Databases::new("types");
    for (n, (kind, first, second, lag)) in [
        ("smallint", "-32768", "7", Some("10")),
        ("integer", "5", "70", Some("2.5")),
        (
            "bigint",
            "-9223372036854775808",
            "9223372036854775807",
            Some("1"),
        ),
        ("numeric", "1.10", "1.11", Some("0.005")),
        ("numeric(10,2)", "1.10", "1.11", None),
        ("real", "0.1", "0.3", Some("0.05")),
        ("double precision", "0.1", "0.30000000000000004", None),
        ("date", "2026-01-01", "2026-01-03", Some("1 day")),
        (
            "timestamp(3)",
            "2026-01-01 00:00:00.001",
            "2026-01-01 00:00:00.002",
            Some("1 microsecond"),
        ),
        (
            "timestamptz",
            "2026-01-01 00:00:00.000001+02",
            "2026-01-01 00:00+00",
            None,
        ),
        ("time", "00:00", "23:59", None),
        ("interval", "1 day", "3 days", None),
        ("text COLLATE \"C\"", "B'\\\"", "a", None),
        ("text", "a", "b", None),
        ("char(3)", "a", "ab", None),
        ("varchar(9)", "", "x", None),
        ("inet", "10.0.0.1", "10.0.0.2", None),
        ("oid", "5", "6", None),
        ("int[]", "{1,2}", "{1,3}", None),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("t{n}");
        sql(
            &databases.source,
            &format!(
                "CREATE TABLE {table} (id serial PRIMARY KEY, c {kind}); INSERT INTO {table} (c) VALUES ({})",
                quoted(first)
            ),
        );
        let entry = json!({ "name": table, "sync_mode": "incremental", "cursor_field": "c" });
        let mut document = databases.document(&[entry]);
        document["destination"]["write_mode"] = json!("upsert");
        document["destination"]["primary_key"] = json!(["id"]);
        document["source"]["streams"][0]["cursor_lag"] = lag.map_or(Value::Null, |lag| json!(lag));
        if lag.is_none() {
            document["source"]["streams"][0]
                .as_object_mut()
                .expect("a map")
                .remove("cursor_lag");
        }
        assert_eq!(written(&document).0, 1, "{kind}");
        sql(
            &databases.source,
            &format!("INSERT INTO {table} (c) VALUES ({})", quoted(second)),
        );
        let again = u64::from(lag.is_some());
        assert_eq!(written(&document).0, 1 + again, "{kind}");
        assert_eq!(written(&document).0, again, "{kind}");
        databases.assert_same(&format!("SELECT * FROM {table} ORDER BY id"));
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[test]
fn cursors_that_cannot_mark_a_place_are_refused_before_a_row_moves() {
    let databases = Databases::new("refused");
    sql(
        &databases.source,
        "CREATE TABLE t (id int PRIMARY KEY, u uuid, b boolean, f float8, at timestamptz, n numeric, tm time);
         INSERT INTO t VALUES (1, gen_random_uuid(), true, 'NaN', 'infinity', 'Infinity', '10:00'), (2, NULL, false, 1, now(), 2, '11:00')",
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (id int PRIMARY KEY, u uuid, b boolean, f float8, at timestamptz, n numeric, tm time)",
    );
    for (stream, says) in [
        (
            json!({ "cursor_field": "nothing" }),
            "cursor_field `nothing` is no column of public.t\n  what to do: name a column whose value grows with every change",
        ),
        (
            json!({ "cursor_field": "b" }),
            "type boolean has no max() and order that this server knows\n  what to do: name another cursor_field, or read a view that casts it",
        ),
        (
            json!({ "cursor_field": "f" }),
            "is NaN: a mark there would hide every later row",
        ),
        (
            json!({ "cursor_field": "at" }),
            "is infinity: a mark there would hide every later row\n  what to do: correct those rows, or read a view that leaves them out",
        ),
        (json!({ "cursor_field": "n" }), "is Infinity: a mark there"),
        (
            json!({ "cursor_field": "id", "cursor_lag": "1 hour" }),
            "cursor_lag `1 hour` is no number\n  what to do: give an interval such as 10 minutes for a date or timestamp, a number for a number",
        ),
        (
            json!({ "cursor_field": "id", "cursor_lag": "-1" }),
            "cursor_lag `-1` is negative",
        ),
        (
            json!({ "cursor_field": "id", "cursor_lag": "NaN" }),
            "cursor_lag `NaN` is no number",
        ),
        (
            json!({ "cursor_field": "at", "cursor_lag": "5" }),
            "a mark there",
        ),
        (
            json!({ "cursor_field": "at", "cursor_lag": "soon" }),
            "cursor_lag `soon` cannot be used: ",
        ),
        (
            json!({ "cursor_field": "at", "cursor_lag": "-1 day" }),
            "cursor_lag `-1 day` is negative",
        ),
        (
            json!({ "cursor_field": "tm", "cursor_lag": "1 min" }),
            "does not go with a cursor of type time",
        ),
    ] {
        try_run(&upsert(&databases, &stream), &[]).refused(&[says]);
    }
    let limited = upsert(&databases, &json!({ "cursor_field": "id" }));
    let outcome = try_run(&limited, &["--limit", "1"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(
        outcome.stderr.contains("--limit leaves out rows of an incremental stream, and its mark would hide them\n  what to do: leave it out, or give --dry-run"),
        "{outcome:?}"
    );
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT to_regclass('rb_bench.cursors') IS NULL"
        ),
        "t"
    );
}

#[test]
fn a_mark_that_no_longer_says_what_was_copied_is_refused_until_it_is_reset() {
    let databases = Databases::new("stale");
    sql(&databases.source, TABLE);
    add(&databases, 1, 10);
    let by_at = document(&databases, &json!({}));
    assert_eq!(
        marks(&databases, &[]).stdout.trim(),
        "no mark is kept there: no incremental stream has been copied yet"
    );
    written(&by_at);
    try_run(&document(&databases, &json!({ "cursor_field": "id" })), &[]).refused(&[
        "the mark of stream public.t is of `at`, and cursor_field is `id` now",
        "to copy the stream from the beginning: rb-bench marks reset orders --stream public.t",
    ]);
    sql(&databases.source, "ALTER TABLE t ALTER at TYPE timestamp");
    sql(&databases.dest, "ALTER TABLE t ALTER at TYPE timestamp");
    try_run(&by_at, &[]).refused(&[
        "is of type timestamp with time zone, and `at` is timestamp without time zone now",
    ]);
    sql(&databases.source, "ALTER TABLE t ALTER at TYPE timestamptz");
    sql(&databases.dest, "DROP TABLE t");
    try_run(&by_at, &[]).refused(&[
        "says that all up to 2026-01-01 00:10:00+00 was copied, and public.t does not exist",
    ]);
    // looked at, and reset
    let listed = marks(&databases, &["--format", "json"]).ok();
    assert_eq!(listed[0]["stream"], "public.t");
    assert_eq!(listed[0]["value"], "2026-01-01 00:10:00+00");
    assert!(
        marks(&databases, &[])
            .stdout
            .contains("2026-01-01 00:10:00+00")
    );
    let unasked = marks(&databases, &["reset", "orders"]);
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    marks(&databases, &["reset", "other", "--yes"]).refused(&[
        "keeps no mark of pipeline `other`",
        "`rb-bench marks` lists those it keeps",
    ]);
    marks(
        &databases,
        &["reset", "orders", "--stream", "public.u", "--yes"],
    )
    .refused(&["keeps no mark of stream `public.u` of pipeline `orders`"]);
    let reset = marks(
        &databases,
        &["reset", "orders", "--stream", "public.t", "--yes"],
    );
    assert_eq!(
        reset.stdout.trim(),
        "1 mark deleted; the next run copies from the beginning"
    );
    assert_eq!(written(&by_at).0, 10);
}

#[test]
fn several_streams_keep_marks_of_their_own_in_every_commit_form() {
    for form in ["two_phase", "ledger", "single_writer"] {
        for mode in ["append", "upsert"] {
            let databases = Databases::new("several");
            databases.both("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text)");
            let grow = |from: u32, to: u32| {
                let rows = format!("SELECT g, 'v' FROM generate_series({from}, {to}) g");
                sql(
                    &databases.source,
                    &format!("INSERT INTO a {rows}; INSERT INTO b {rows} WHERE g % 2 = 0"),
                );
            };
            let stream = |name: &str| json!({ "name": name, "sync_mode": "incremental", "cursor_field": "id" });
            let mut document = databases.document(&[stream("a"), stream("b")]);
            document["resources"]["parallelism"] = json!(2);
            document["destination"]["commit"] = json!(form);
            document["destination"]["write_mode"] = json!(mode);
            document["destination"]["primary_key"] = json!(["id"]);
            grow(1, 100);
            let json = run(&document);
            assert_eq!(json["plan"]["commit"], form);
            assert_eq!(json["result"]["records_written"], 150);
            grow(101, 201);
            assert_eq!(run(&document)["result"]["records_written"], 151);
            assert_eq!(
                sql(
                    &databases.dest,
                    "SELECT string_agg(stream || ' ' || value, ', ' ORDER BY stream) FROM rb_bench.cursors"
                ),
                "public.a 201, public.b 200"
            );
            databases.assert_same("SELECT * FROM a ORDER BY id");
            databases.assert_same("SELECT * FROM b ORDER BY id");
        }
    }
}

#[test]
fn the_plan_and_a_dry_run_read_the_mark_and_leave_it() {
    let databases = Databases::new("dry");
    databases.both(TABLE);
    add(&databases, 1, 10);
    let document = document(&databases, &json!({}));
    written(&document);
    add(&databases, 11, 15);
    let plan = command("check", &document, &["--format", "json"]).ok();
    assert!(
        plan.to_string()
            .contains("above 2026-01-01 00:10:00+00 up to 2026-01-01 00:15:00+00"),
        "{plan}"
    );
    assert_eq!(
        plan["streams"][0]["why_one_worker"],
        "incremental streams are read in one piece"
    );
    let dry = command("run", &document, &["--dry-run", "--format", "json"]).ok();
    assert_eq!(dry["result"]["records_read"], 5);
    assert_eq!(mark(&databases), "2026-01-01 00:10:00+00");
    assert_eq!(written(&document).0, 5);
}

#[test]
fn a_cursor_need_not_be_copied_and_may_be_a_column_of_a_view() {
    let databases = Databases::new("view");
    sql(
        &databases.source,
        &format!("{TABLE}; CREATE VIEW w AS SELECT id, at AS changed, v FROM t"),
    );
    add(&databases, 1, 10);
    let entry = json!({ "name": "w", "sync_mode": "incremental", "cursor_field": "changed", "columns": ["id", "v"] });
    let document = databases.document(&[entry]);
    assert_eq!(written(&document).0, 10);
    add(&databases, 11, 12);
    assert_eq!(written(&document).0, 2);
    databases.assert_same("SELECT id, v FROM w ORDER BY id");
}

#[test]
fn transforms_see_the_increment_alone_and_may_drop_rows_of_it() {
    let databases = Databases::new("transform");
    sql(&databases.source, TABLE);
    add(&databases, 1, 100);
    let mut document = document(&databases, &json!({}));
    let query = "SELECT id, upper(v) AS v, count(*) OVER () AS of FROM input WHERE id % 10 <> 0";
    document["transforms"] = json!([{ "use": "transform-sql", "config": { "query": query } }]);
    assert_eq!(written(&document).0, 90);
    add(&databases, 101, 120);
    // the last row is dropped, and the mark stands at it all the same
    assert_eq!(written(&document).0, 18);
    assert_eq!(mark(&databases), "2026-01-01 02:00:00+00");
    assert_eq!(written(&document).0, 0);
    databases.assert_equal(
        "SELECT id, upper(v), CASE WHEN id > 100 THEN 18 ELSE 90 END FROM t WHERE id % 10 <> 0 ORDER BY id",
        "SELECT * FROM t ORDER BY id",
    );
}
