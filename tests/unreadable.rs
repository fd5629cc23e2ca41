//! Columns of the source that a role may not read: named before anything is made.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, as_role, command, run, try_run};
use support::{sql, try_sql};

#[test]
fn columns_that_a_role_may_not_read_are_told_with_their_grants_before_anything_is_made() {
    let databases = Databases::new("columns");
    sql(
        &databases.source,
        "CREATE TABLE t (id int PRIMARY KEY, \"Pay\" int, note text, at timestamptz DEFAULT now()); \
         INSERT INTO t SELECT g, g, 'n' || g FROM generate_series(1, 2000) g; CREATE TABLE other (id int, v text); \
         DROP ROLE IF EXISTS column_reader; CREATE ROLE column_reader LOGIN PASSWORD 'x'; \
         GRANT SELECT (id) ON t TO column_reader; GRANT SELECT (id) ON other TO column_reader",
    );
    let mut document = databases.document(&[json!("t"), json!("other")]);
    document["source"]["config"]["url"] = json!(as_role(&databases.source, "column_reader", "x"));
    let everyone_says = |document: &Value, told: &[&str]| {
        command("check", document, &[]).refused(told);
        try_run(document, &["--dry-run"]).refused(told);
        try_run(document, &[]).refused(told);
        assert!(try_sql(&databases.dest, "SELECT FROM t").is_err());
    };
    everyone_says(
        &document,
        &[
            "this role may not read column `v` of public.other; columns `Pay`, `note`, `at` of public.t",
            "GRANT SELECT (v) ON public.other TO column_reader; GRANT SELECT (\"Pay\", note, at) ON public.t TO column_reader; \
             or leave out what is not needed: `columns` of a stream names those that are read",
        ],
    );
    // the one remedy, but for what the next increment goes by
    let mut stream = json!({ "name": "t", "columns": ["id", "note"], "sync_mode": "incremental", "cursor_field": "at" });
    document["source"]["streams"] = json!([stream]);
    sql(
        &databases.source,
        "GRANT SELECT (note) ON t TO column_reader",
    );
    let cursor = [
        "this role may not read column `at` of public.t",
        "GRANT SELECT (at) ON public.t TO column_reader",
    ];
    everyone_says(&document, &cursor);
    stream = json!({ "name": "t", "columns": ["id", "note"] });
    document["source"]["streams"] = json!([stream]);
    command("check", &document, &[]).succeeded();
    run(&document);
    databases.assert_same("SELECT id, note FROM t ORDER BY id");
    sql(&databases.dest, "DROP TABLE t");
    // a transform is given all columns, whatever it takes of them
    let transform = |query: &str| json!([{ "use": "transform-sql", "config": { "query": query } }]);
    document["source"]["streams"] = json!([{ "name": "t" }]);
    document["transforms"] = transform("SELECT id FROM input");
    everyone_says(
        &document,
        &[
            "columns `Pay`, `at` of public.t",
            "GRANT SELECT (\"Pay\", at) ON public.t TO column_reader",
        ],
    );
    document["source"]["streams"] = json!([stream]);
    document["transforms"] =
        transform("SELECT i.id, o.v FROM input i JOIN public.other o USING (id)");
    everyone_says(
        &document,
        &[
            "transform 1: reading public.t through it: permission denied for table other",
            "give this role what it lacks: GRANT SELECT on a table, GRANT EXECUTE on a function, GRANT USAGE on a schema",
        ],
    );
    document["transforms"] = transform("SELECT id FROM input");
    run(&document);
    databases.assert_same("SELECT id FROM t ORDER BY id");
    // the other remedy, to the letter
    sql(&databases.dest, "DROP TABLE t");
    sql(
        &databases.source,
        "GRANT SELECT (\"Pay\", at) ON public.t TO column_reader",
    );
    let mut whole = databases.document(&[json!("t")]);
    whole["source"]["config"]["url"] = document["source"]["config"]["url"].clone();
    run(&whole);
    databases.assert_same("SELECT * FROM t ORDER BY id");
    sql(
        &databases.source,
        "DROP OWNED BY column_reader; DROP ROLE column_reader",
    );
}
