//! The source's columns are no longer the target's: each policy of `schema_evolution`, each value,
//! in each write mode.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, command, plan, run, try_run};
use support::sql;

const MODES: [&str; 3] = ["append", "upsert", "replace"];

/// The columns of the destination's `t`: name, type, and NOT NULL.
const SHAPE: &str = "SELECT string_agg(format('%s %s%s', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' not null' END), ', ' ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped";

/// Two databases in which `t` is made anew and differs, and a document for one mode with these policies.
struct Case<'a> {
    databases: &'a Databases,
    document: Value,
    mode: &'static str,
}

impl<'a> Case<'a> {
    fn new(
        databases: &'a Databases,
        mode: &'static str,
        source: &str,
        dest: &str,
        policies: &Value,
    ) -> Self {
        let fresh = "DROP TABLE IF EXISTS t; DROP SCHEMA IF EXISTS rb_bench CASCADE";
        sql(&databases.source, &format!("{fresh}; {source}"));
        sql(&databases.dest, &format!("{fresh}; {dest}"));
        let mut document = databases.sharded(&[json!("t")], 3);
        document["destination"]["write_mode"] = json!(mode);
        if mode == "upsert" {
            document["destination"]["primary_key"] = json!(["id"]);
        }
        if !policies.is_null() {
            document["schema_evolution"] = policies.clone();
        }
        Self {
            databases,
            document,
            mode,
        }
    }

    /// A verified run, after which the target has this shape.
    fn becomes(&self, shape: &str) -> Value {
        let result = run(&self.document);
        assert_eq!(self.at_dest(SHAPE), shape, "{}", self.mode);
        let again = run(&self.document);
        assert_eq!(again["plan"]["streams"][0]["alters"], json!([]), "{again}");
        result
    }

    /// A run that is refused, in `check` too, and changes nothing.
    fn is_refused(&self, says: &[&str]) {
        let before = self.at_dest(SHAPE);
        command("check", &self.document, &[]).refused(says);
        try_run(&self.document, &[]).refused(says);
        assert_eq!(self.at_dest(SHAPE), before);
    }

    fn at_dest(&self, query: &str) -> String {
        sql(&self.databases.dest, query)
    }
}

const TARGET: &str = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (-1, 7)";
const WIDER: &str = "CREATE TABLE t (id int PRIMARY KEY, v int, extra varchar(20) COLLATE \"C\" NOT NULL, n numeric(10,2) DEFAULT 3);
    INSERT INTO t SELECT g, g, 'x' || g, g FROM generate_series(1, 2000) g";

#[test]
fn a_new_column_is_added_by_default() {
    let databases = Databases::new("drift_added");
    for mode in MODES {
        // two runs: appended rows must be allowed twice
        let key = if mode == "append" { "" } else { " PRIMARY KEY" };
        let target = TARGET.replace(" PRIMARY KEY", key);
        let case = Case::new(&databases, mode, WIDER, &target, &Value::Null);
        let checked = plan(&case.document);
        assert_eq!(
            checked["streams"][0]["alters"],
            json!([
                r#"ALTER TABLE "public"."t" ADD COLUMN "extra" character varying(20) COLLATE pg_catalog."C", ADD COLUMN "n" numeric(10,2)"#
            ]),
        );
        assert_eq!(checked["workers"], 1, "{mode}: {checked}");
        command("run", &case.document, &["--dry-run", "--format", "json"]).ok();
        assert_eq!(case.at_dest("SELECT count(*) FROM t"), "1", "{mode}");
        let not_null = if mode == "append" { "" } else { " not null" };
        case.becomes(&format!(
            "id integer{not_null}, v integer, extra character varying(20), n numeric(10,2)"
        ));
        case.databases.assert_equal(
            "SELECT * FROM t ORDER BY id",
            "SELECT DISTINCT * FROM t WHERE id > 0 ORDER BY id",
        );
        let old = if mode == "replace" { "" } else { "-1|7||" };
        assert_eq!(case.at_dest("SELECT * FROM t WHERE id < 0"), old, "{mode}");
    }
}

#[test]
fn a_new_column_can_be_left_out_or_refused() {
    let databases = Databases::new("drift_left_out");
    for mode in MODES {
        let target = TARGET.replace(
            " PRIMARY KEY",
            if mode == "append" { "" } else { " PRIMARY KEY" },
        );
        let case = Case::new(
            &databases,
            mode,
            WIDER,
            &target,
            &json!({ "new_column": "ignore" }),
        );
        let shape = case.at_dest(SHAPE);
        let notes = plan(&case.document)["notes"].to_string();
        assert!(
            notes.contains("column `extra` of public.t is not copied"),
            "{notes}"
        );
        case.becomes(&shape);
        case.databases.assert_equal(
            "SELECT id, v FROM t ORDER BY id",
            "SELECT DISTINCT * FROM t WHERE id > 0 ORDER BY id",
        );
        let case = Case::new(
            &databases,
            mode,
            WIDER,
            TARGET,
            &json!({ "new_column": "refuse" }),
        );
        case.is_refused(&[
            "column `extra` of public.t is missing in public.t; schema_evolution: { new_column: add } adds it there, ignore leaves it out",
            "column `n` of public.t is missing",
        ]);
    }
}

#[test]
fn tables_without_a_column_in_common_are_not_made_alike() {
    let databases = Databases::new("drift_uncommon");
    let case = Case::new(
        &databases,
        "append",
        "CREATE TABLE t (a int, b int)",
        "CREATE TABLE t (c int)",
        &Value::Null,
    );
    case.is_refused(&[
        "public.t and public.t have no column in common; correct the stream's `target`",
    ]);
}

#[test]
fn a_column_that_is_gone_stays_or_is_refused() {
    let databases = Databases::new("drift_gone");
    let source =
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 2000)";
    let target = "CREATE TABLE t (id int, gone text, filled int DEFAULT 5, twice int GENERATED ALWAYS AS (id * 2) STORED); CREATE UNIQUE INDEX ON t (id)";
    for mode in MODES {
        let once = if mode == "append" {
            "DROP INDEX t_id_idx"
        } else {
            ""
        };
        let case = Case::new(
            &databases,
            mode,
            source,
            &format!("{target}; {once}"),
            &Value::Null,
        );
        case.becomes("id integer, gone text, filled integer, twice integer");
        assert_eq!(
            case.at_dest("SELECT count(DISTINCT id), count(gone), sum(filled) / count(*), bool_and(twice = 2 * id) FROM t"),
            "2000|0|5|t"
        );
        let case = Case::new(
            &databases,
            mode,
            source,
            target,
            &json!({ "removed_column": "refuse" }),
        );
        case.is_refused(&["column `gone` of public.t is not in public.t (any more); drop it, or use schema_evolution: { removed_column: keep }"]);
        // NOT NULL and nothing to fill it
        let strict = target.replace("gone text", "gone text NOT NULL");
        Case::new(&databases, mode, source, &strict, &Value::Null)
            .is_refused(&["column `gone` of public.t is NOT NULL without a default"]);
        let relaxed = json!({ "nullability_change": "relax" });
        Case::new(
            &databases,
            mode,
            source,
            &format!("{strict}; {once}"),
            &relaxed,
        )
        .becomes("id integer, gone text, filled integer, twice integer");
    }
}

#[test]
fn a_type_that_grew_is_widened_where_the_document_says_so() {
    let databases = Databases::new("drift_grown");
    let source = "CREATE TABLE t (id bigint PRIMARY KEY, name text, d numeric(12,3), at timestamp, many bigint[]);
        INSERT INTO t SELECT 3000000000 + g, repeat('n', 30), g / 7.0, '2020-01-01', ARRAY[g, 3000000000] FROM generate_series(1, 2000) g";
    let target =
        "CREATE TABLE t (id int, name varchar(5), d numeric(6,1), at timestamp(0), many int[]);
        CREATE UNIQUE INDEX ON t (id); INSERT INTO t VALUES (1, 'old', 1.5, '2000-01-01', '{1,2}')";
    for mode in MODES {
        let case = Case::new(&databases, mode, source, target, &Value::Null);
        case.is_refused(&[
            "column `id` of public.t is integer and bigint in the source; schema_evolution: { type_change: widen } alters it",
            "column `name` of public.t is character varying(5)",
            "column `many` of public.t",
        ]);
        let once = if mode == "append" {
            "DROP INDEX t_id_idx"
        } else {
            ""
        };
        let case = Case::new(
            &databases,
            mode,
            source,
            &format!("{target}; {once}"),
            &json!({ "type_change": "widen" }),
        );
        case.becomes(
            "id bigint, name text, d numeric(12,3), at timestamp without time zone, many bigint[]",
        );
        let old = if mode == "replace" {
            ""
        } else {
            "1|old|1.500|2000-01-01 00:00:00|{1,2}"
        };
        assert_eq!(case.at_dest("SELECT * FROM t WHERE id = 1"), old);
        case.databases.assert_equal(
            "SELECT * FROM t ORDER BY id",
            "SELECT DISTINCT * FROM t WHERE id > 1 ORDER BY id",
        );
        // what could lose a value is no widening
        let other = "CREATE TABLE t (id int PRIMARY KEY, name int)";
        Case::new(
            &databases,
            mode,
            "CREATE TABLE t (id int PRIMARY KEY, name text)",
            other,
            &json!({ "type_change": "widen" }),
        )
        .is_refused(&["column `name`: type text cannot go into integer without possible loss"]);
    }
}

#[test]
fn a_column_that_may_be_null_now_is_relaxed_where_the_document_says_so() {
    let databases = Databases::new("drift_relaxed");
    let source = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, nullif(g, 77) FROM generate_series(1, 2000) g";
    let target = "CREATE TABLE t (id int NOT NULL, v int NOT NULL); CREATE UNIQUE INDEX ON t (id); INSERT INTO t VALUES (-1, 1)";
    for mode in MODES {
        let case = Case::new(&databases, mode, source, target, &Value::Null);
        try_run(&case.document, &[]).refused(&[
            "null value in column \"v\"",
            "the target is NOT NULL where the source has a NULL; schema_evolution: { nullability_change: relax } lets it be NULL",
        ]);
        assert_eq!(case.at_dest("SELECT * FROM t"), "-1|1");
        // without a NULL there is nothing to refuse
        sql(&case.databases.source, "DELETE FROM t WHERE v IS NULL");
        run(&case.document);
        let once = if mode == "append" {
            "DROP INDEX t_id_idx"
        } else {
            ""
        };
        let case = Case::new(
            &databases,
            mode,
            source,
            &format!("{target}; {once}"),
            &json!({ "nullability_change": "relax" }),
        );
        case.becomes("id integer not null, v integer");
        assert_eq!(case.at_dest("SELECT DISTINCT v FROM t WHERE id = 77"), "");
    }
    // a primary key stays what it is
    let case = Case::new(
        &databases,
        "append",
        "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 10)",
        "CREATE TABLE t (id int PRIMARY KEY)",
        &json!({ "nullability_change": "relax" }),
    );
    let result = run(&case.document);
    assert!(
        result["plan"]["notes"]
            .to_string()
            .contains("stays NOT NULL"),
        "{result}"
    );
    assert_eq!(case.at_dest(SHAPE), "id integer not null");
}

#[test]
fn a_run_that_fails_after_it_altered_its_target_leaves_it_as_it_was() {
    let databases = Databases::new("drift_undone");
    for mode in MODES {
        let target = format!("{TARGET}; ALTER TABLE t ADD CHECK (v < 1500)");
        let case = Case::new(&databases, mode, WIDER, &target, &Value::Null);
        let shape = case.at_dest(SHAPE);
        try_run(&case.document, &["--run-id", "r"]).refused(&["violates check constraint"]);
        assert_eq!(case.at_dest(SHAPE), shape);
        assert_eq!(case.at_dest("SELECT * FROM t"), "-1|7");
        sql(&case.databases.source, "DELETE FROM t WHERE v >= 1500");
        command("run", &case.document, &["--run-id", "r", "--verify"])
            .code
            .filter(|code| *code == 0)
            .expect("the same run succeeds once it can");
    }
}

#[test]
fn a_column_added_between_two_increments_is_added_and_the_mark_moves_with_it_or_not_at_all() {
    let databases = Databases::new("drift_increments");
    for mode in ["append", "upsert"] {
        let begin = "CREATE TABLE t (id int PRIMARY KEY, at int NOT NULL, v text)";
        let mut case = Case::new(&databases, mode, begin, begin, &Value::Null);
        case.document["source"]["streams"] =
            json!([{ "name": "t", "sync_mode": "incremental", "cursor_field": "at" }]);
        let mark = "SELECT value FROM rb_bench.cursors";
        sql(
            &databases.source,
            "INSERT INTO t SELECT g, g, 'v' || g FROM generate_series(1, 1000) g",
        );
        run(&case.document);
        sql(
            &databases.source,
            "ALTER TABLE t ADD extra text DEFAULT 'there'; INSERT INTO t SELECT g, g, 'v', 'e' || g FROM generate_series(1001, 1500) g",
        );
        if mode == "upsert" {
            sql(&databases.source, "UPDATE t SET at = 2000 WHERE id = 7");
        }
        // a run that fails after it altered the target: neither column nor mark
        let shape = case.at_dest(SHAPE);
        case.at_dest("ALTER TABLE t ADD CONSTRAINT few CHECK (id < 1500)");
        try_run(&case.document, &[]).refused(&["violates check constraint"]);
        assert_eq!(case.at_dest(SHAPE), shape, "{mode}");
        assert_eq!(case.at_dest(mark), "1000", "{mode}");
        case.at_dest("ALTER TABLE t DROP CONSTRAINT few");
        let json = case.becomes("id integer not null, at integer not null, v text, extra text");
        let (brought, highest) = match mode {
            "append" => (500, "1500"),
            _ => (501, "2000"),
        };
        assert_eq!(json["result"]["records_written"], brought, "{mode}");
        assert_eq!(case.at_dest(mark), highest, "{mode}");
        // what came before the column has none, and nothing comes twice
        databases.assert_equal(
            "SELECT id, at, v, CASE WHEN at > 1000 THEN extra END FROM t ORDER BY id",
            "SELECT id, at, v, extra FROM t ORDER BY id",
        );
    }
}

#[test]
fn a_stranger_may_not_alter_and_is_told() {
    let databases = Databases::new("stranger");
    sql(&databases.source, WIDER);
    sql(
        &databases.dest,
        "CREATE TABLE t (id int, v int); DROP ROLE IF EXISTS drift_stranger; CREATE ROLE drift_stranger LOGIN PASSWORD 'x'; GRANT ALL ON t TO drift_stranger",
    );
    let mut document = databases.document(&[json!("t")]);
    let url = support::copies::as_role(&databases.dest, "drift_stranger", "x");
    document["destination"]["config"]["url"] = json!(url);
    try_run(&document, &[]).refused(&["must be owner of table t"]);
    document["schema_evolution"] = json!({ "new_column": "ignore" });
    run(&document);
    sql(
        &databases.dest,
        "DROP OWNED BY drift_stranger; DROP ROLE drift_stranger",
    );
}

#[test]
fn an_unknown_policy_is_refused_with_what_is_known() {
    let databases = Databases::new("policies");
    let mut document = databases.document(&[json!("t")]);
    document["schema_evolution"] = json!({ "new_column": "ad", "removed_columns": "keep" });
    try_run(&document, &[]).refused(&["accepted: add, ignore, refuse", "removed_column"]);
}

#[test]
fn a_key_is_widened_together_with_what_refers_to_it() {
    let databases = Databases::new("referred");
    let tables = |kind: &str, refer: &str| {
        format!(
            "CREATE TABLE t (id {kind} PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY, t {kind} {refer})"
        )
    };
    sql(
        &databases.source,
        &format!(
            "{}; INSERT INTO t SELECT 3000000000 + g FROM generate_series(1, 500) g; INSERT INTO u SELECT g, 3000000000 + g FROM generate_series(1, 500) g",
            tables("bigint", "")
        ),
    );
    sql(&databases.dest, &tables("int", "REFERENCES t"));
    let mut document = databases.sharded(&[json!("u"), json!("t")], 2);
    document["schema_evolution"] = json!({ "type_change": "widen" });
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
    databases.assert_same("SELECT * FROM u ORDER BY id");
    // and where only one of the two is behind
    sql(
        &databases.dest,
        "DROP TABLE t, u; CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY, t bigint REFERENCES t)",
    );
    run(&document);
    databases.assert_same("SELECT * FROM u ORDER BY id");
}
