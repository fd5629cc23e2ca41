//! Roles that may do only what a copy needs.

mod support;

use serde_json::json;
use support::copies::{Databases, as_role, command, run, try_run};
use support::{sql, try_sql};

#[test]
fn a_row_security_policy_that_would_filter_is_an_error() {
    let databases = Databases::new("policy");
    sql(
        &databases.source,
        "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 100); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY half ON t USING (id % 2 = 0); DROP ROLE IF EXISTS policy_reader; CREATE ROLE policy_reader LOGIN PASSWORD 'x'; GRANT SELECT ON t TO policy_reader",
    );
    let mut document = databases.document(&[json!("t")]);
    let url = as_role(&databases.source, "policy_reader", "x");
    document["source"]["config"]["url"] = json!(url);
    try_run(&document, &[]).refused(&["row-level security", "public.t"]);
    assert!(try_sql(&databases.dest, "SELECT FROM t").is_err());
}

#[test]
fn a_role_without_superuser_can_do_everything() {
    let databases = Databases::new("role");
    sql(
        &databases.source,
        "DROP ROLE IF EXISTS plain_role; CREATE ROLE plain_role LOGIN PASSWORD 'x';
         CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, secret text, v text);
         INSERT INTO t (secret, v) SELECT 's', 'v' || g FROM generate_series(1, 2000) g;
         CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t; CREATE VIEW w AS SELECT id FROM t;
         GRANT SELECT (id, v) ON t TO plain_role; GRANT SELECT ON m, w TO plain_role",
    );
    let database = sql(&databases.dest, "SELECT current_database()");
    sql(
        &databases.dest,
        &format!(
            "GRANT CREATE ON DATABASE \"{database}\" TO plain_role; GRANT CREATE ON SCHEMA public TO plain_role"
        ),
    );
    let mut document = databases.sharded(
        &[
            json!({ "name": "t", "columns": ["id", "v"] }),
            json!("m"),
            json!("w"),
        ],
        3,
    );
    document["source"]["config"]["url"] = json!(as_role(&databases.source, "plain_role", "x"));
    document["destination"]["config"]["url"] = json!(as_role(&databases.dest, "plain_role", "x"));
    // tables made aside, then the same tables appended to in every commit form
    let json = run(&document);
    assert_eq!(json["plan"]["commit"], "built_aside");
    assert_eq!(
        json["plan"]["streams"][0]["why_one_worker"],
        "this role may not SELECT from it by itself"
    );
    databases.assert_same("SELECT id, v FROM t ORDER BY id");
    for form in ["two_phase", "ledger", "single_writer"] {
        sql(&databases.dest, "TRUNCATE t, m, w");
        document["destination"]["commit"] = json!(form);
        assert_eq!(run(&document)["plan"]["commit"], form);
        databases.assert_same("SELECT id, v FROM t ORDER BY id");
        databases.assert_same("SELECT id, v FROM m ORDER BY id");
    }
    // a column this role may not read
    document["source"]["streams"][0] = json!({ "name": "t" });
    document["destination"]["commit"] = json!("auto");
    sql(&databases.dest, "DROP TABLE t");
    try_run(&document, &[]).refused(&["permission denied for table t"]);
    // a target of somebody else: INSERT is enough, save for sequences to be moved
    sql(
        &databases.dest,
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, v text); GRANT INSERT ON t TO plain_role",
    );
    document["source"]["streams"] = json!([{ "name": "t", "columns": ["v"] }]);
    let outcome = command("run", &document, &["--format", "json"]);
    assert_eq!(outcome.ok()["result"]["records_written"], 2000);
    document["source"]["streams"] = json!([{ "name": "t", "columns": ["id", "v"] }]);
    try_run(&document, &[]).refused(&["GRANT SELECT, UPDATE ON SEQUENCE public.t_id_seq"]);
}
