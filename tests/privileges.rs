//! Roles that may do only what a copy needs.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, Outcome, as_role, command, run, try_run};
use support::{connect, sql, try_sql};

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
    try_run(&document, &[]).refused(&[
        "column `secret` of public.t",
        "GRANT SELECT (secret) ON public.t TO plain_role",
    ]);
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

#[test]
fn a_role_that_may_read_all_data_needs_no_other_grant_at_the_source() {
    let databases = Databases::new("reader");
    sql(
        &databases.source,
        "DROP ROLE IF EXISTS all_reader; CREATE ROLE all_reader LOGIN PASSWORD 'x'; GRANT pg_read_all_data TO all_reader;
         CREATE SCHEMA inner_rooms; CREATE TABLE inner_rooms.t (id int PRIMARY KEY, v text);
         INSERT INTO inner_rooms.t SELECT g, repeat('v', 50) FROM generate_series(1, 2000) g;
         CREATE TABLE p (id int PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE p_0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         INSERT INTO p SELECT generate_series(1, 2000)",
    );
    let mut document = databases.sharded(
        &[json!({ "name": "t", "schema": "inner_rooms" }), json!("p")],
        3,
    );
    document["source"]["config"]["url"] = json!(as_role(&databases.source, "all_reader", "x"));
    let json = run(&document);
    for stream in json["plan"]["streams"].as_array().expect("streams") {
        assert_eq!(stream["why_one_worker"], Value::Null, "{json}");
    }
    databases.assert_equal(
        "SELECT * FROM inner_rooms.t ORDER BY id",
        "SELECT * FROM t ORDER BY id",
    );
    databases.assert_same("SELECT * FROM p ORDER BY id");
    sql(
        &databases.source,
        "REVOKE pg_read_all_data FROM all_reader; DROP ROLE all_reader",
    );
}

/// Two databases with `t`, the destination's for this role, and a document as that role. It may not
/// make a schema.
fn for_role(name: &str, role: &str) -> (Databases, Value) {
    let databases = Databases::new(name);
    databases.both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 2000) g",
    );
    sql(
        &databases.dest,
        &format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'x'; ALTER TABLE t OWNER TO {role}; \
             GRANT CREATE ON SCHEMA public TO {role}"
        ),
    );
    let mut document = databases.sharded(&[json!("t")], 3);
    document["destination"]["config"]["url"] = json!(as_role(&databases.dest, role, "x"));
    (databases, document)
}

/// What `check` says of a document.
fn check(document: &Value) -> Outcome {
    command("check", document, &[])
}

/// A document in this mode; an upsert with staging tables in schema `rb_bench`.
fn as_mode(document: &Value, write_mode: &str) -> Value {
    let mut document = document.clone();
    document["destination"]["write_mode"] = json!(write_mode);
    if write_mode == "upsert" {
        document["destination"]["primary_key"] = json!(["id"]);
        document["destination"]["commit"] = json!("two_phase");
    }
    document
}

/// Runs a document in this mode.
fn in_mode(document: &Value, write_mode: &str, run: &str) -> Outcome {
    try_run(
        &as_mode(document, write_mode),
        &["--run-id", run, "--verify"],
    )
}

#[test]
fn what_a_target_refuses_is_said_by_a_check_and_a_dry_run_which_change_nothing() {
    let (databases, document) = for_role("checked", "checked_role");
    sql(
        &databases.dest,
        "ALTER TABLE t OWNER TO CURRENT_USER; REVOKE ALL ON t FROM checked_role",
    );
    let told = ["permission denied for table t", "GRANT INSERT on it"];
    check(&document).refused(&told);
    try_run(&document, &["--dry-run"]).refused(&told);
    sql(
        &databases.dest,
        "GRANT INSERT ON t TO checked_role; CREATE SEQUENCE s OWNED BY t.id; ALTER TABLE t ALTER id SET DEFAULT nextval('s')",
    );
    check(&document).refused(&["GRANT SELECT, UPDATE ON SEQUENCE public.s"]);
    sql(
        &databases.dest,
        "GRANT SELECT ON t TO checked_role; GRANT SELECT, UPDATE ON SEQUENCE s TO checked_role; \
         CREATE SCHEMA rb_bench AUTHORIZATION checked_role",
    );
    check(&document).succeeded();
    try_run(&document, &["--dry-run"]).succeeded();
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
    let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'rb_bench'::regnamespace";
    assert_eq!(sql(&databases.dest, made), "0");
    try_run(&document, &["--verify"]).succeeded();
    databases.assert_same("SELECT * FROM t ORDER BY id");
    sql(
        &databases.dest,
        "DROP OWNED BY checked_role; DROP ROLE checked_role",
    );
}

#[test]
fn a_schema_made_for_a_role_is_used_without_the_right_to_make_one() {
    let made = [
        "CREATE SCHEMA rb_bench AUTHORIZATION schema_owner",
        "CREATE SCHEMA rb_bench; GRANT USAGE, CREATE ON SCHEMA rb_bench TO schema_owner",
    ];
    for (n, made) in made.into_iter().enumerate() {
        let (databases, document) = for_role(&format!("schema_{n}"), "schema_owner");
        check(&document).refused(&["may not make schema rb_bench", "GRANT CREATE ON DATABASE"]);
        in_mode(&document, "append", "refused").refused(&[
            "permission denied for database",
            "rb-bench keeps its run ledger and marks there, and makes new and replaced tables there: GRANT CREATE ON \
             DATABASE to this role, or have a superuser CREATE SCHEMA rb_bench AUTHORIZATION this role",
        ]);
        // as the remedy says, nothing of ours is needed for this
        let mut alone = document.clone();
        alone["resources"]["parallelism"] = json!(1);
        run(&alone);
        sql(&databases.dest, "TRUNCATE t");
        sql(&databases.dest, made);
        for mode in ["append", "upsert", "replace"] {
            in_mode(&document, mode, mode).succeeded();
            databases.assert_same("SELECT * FROM t ORDER BY id");
        }
        sql(
            &databases.dest,
            "DROP OWNED BY schema_owner; DROP ROLE schema_owner",
        );
    }
}

#[test]
fn a_role_that_may_use_the_schema_of_another_is_told_what_it_lacks_and_then_runs() {
    let (databases, document) = for_role("schema_guest", "schema_guest");
    let mut of_another = document.clone();
    of_another["destination"]["config"]["url"] = json!(databases.dest);
    in_mode(&of_another, "append", "first").succeeded();
    sql(&databases.dest, "TRUNCATE t");
    let what = [
        "schema rb_bench in the destination belongs to another role",
        "GRANT USAGE ON SCHEMA rb_bench, and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rb_bench, to this role; for new and replaced tables CREATE ON SCHEMA rb_bench too",
    ];
    check(&document).refused(&what);
    in_mode(&document, "append", "second").refused(&what);
    sql(
        &databases.dest,
        "GRANT USAGE ON SCHEMA rb_bench TO schema_guest",
    );
    in_mode(&document, "append", "second").refused(&what);
    sql(
        &databases.dest,
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rb_bench TO schema_guest",
    );
    check(&document).succeeded();
    in_mode(&document, "append", "second").succeeded();
    let tables = "may not make schema rb_bench, or tables in it";
    for mode in ["upsert", "replace"] {
        check(&as_mode(&document, mode)).refused(&[tables, "GRANT CREATE ON SCHEMA rb_bench"]);
        in_mode(&document, mode, mode).refused(&[
            "permission denied for schema rb_bench",
            "rb-bench makes tables there until they are in place: GRANT CREATE ON SCHEMA rb_bench to this role",
        ]);
    }
    sql(
        &databases.dest,
        "GRANT CREATE ON SCHEMA rb_bench TO schema_guest",
    );
    for mode in ["upsert", "replace"] {
        check(&as_mode(&document, mode)).succeeded();
        in_mode(&document, mode, mode).succeeded();
        databases.assert_same("SELECT * FROM t ORDER BY id");
    }
    sql(
        &databases.dest,
        "DROP OWNED BY schema_guest; DROP ROLE schema_guest",
    );
}

#[test]
fn a_destination_that_does_not_say_when_transactions_begin_is_refused_and_a_source_is_not() {
    let databases = Databases::new("untracked");
    databases.both("CREATE TABLE t (id int PRIMARY KEY)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT generate_series(1, 1000)",
    );
    let off = |url: &str| {
        let database = sql(url, "SELECT current_database()");
        let set = format!("ALTER DATABASE \"{database}\" SET track_activities = off");
        sql(url, &set);
    };
    off(&databases.source);
    let document = databases.sharded(&[json!("t")], 2);
    run(&document);
    databases.assert_same("SELECT id FROM t ORDER BY id");
    sql(&databases.dest, "TRUNCATE t");
    off(&databases.dest);
    try_run(&document, &[]).refused(&[
        "does not say when this role's transactions begin",
        "(track_activities is off, or the session took another role): after a lost connection nobody could tell whether \
         they are over",
        "set track_activities = on for this database and role, and connect as the role itself, without `role` in its \
         settings",
    ]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_destination_session_that_takes_another_role_is_refused() {
    let databases = Databases::new("other_role");
    databases.both("CREATE TABLE t (id int PRIMARY KEY)");
    sql(
        &databases.dest,
        "DROP ROLE IF EXISTS taken_role; CREATE ROLE taken_role; GRANT INSERT, SELECT ON t TO taken_role",
    );
    let mut document = databases.document(&[json!("t")]);
    document["destination"]["config"]["options"] = json!("-c role=taken_role");
    try_run(&document, &[]).refused(&[
        "does not say when this role's transactions begin",
        "connect as the role itself",
    ]);
}

#[tokio::test]
async fn a_dead_run_is_not_settled_by_a_role_that_cannot_see_whether_its_transactions_are_over() {
    let databases = Databases::new("hidden");
    databases.both("CREATE TABLE t (id int PRIMARY KEY)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT generate_series(1, 2000)",
    );
    let mut document = databases.sharded(&[json!("t")], 2);
    document["destination"]["commit"] = json!("ledger");
    run(&document);
    sql(
        &databases.dest,
        "TRUNCATE t; DROP ROLE IF EXISTS blind_role; CREATE ROLE blind_role LOGIN PASSWORD 'x';
         GRANT SELECT, INSERT ON t TO blind_role; GRANT USAGE ON SCHEMA rb_bench TO blind_role;
         GRANT ALL ON ALL TABLES IN SCHEMA rb_bench TO blind_role",
    );
    // what a run leaves whose worker may still commit
    let held = connect(&databases.dest).await;
    held.batch_execute("BEGIN; INSERT INTO t VALUES (1)")
        .await
        .expect("it inserts");
    let worker = "SELECT json_build_object('xid', txid_current()::text, 'pid', pid, 'rows', '[]'::json, 'xact_start',
           (date_part('epoch', xact_start) * 1000000)::bigint::text)::text
         FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = held.query_one(worker, &[]).await.expect("its transaction");
    let worker: String = row.get(0);
    let dead = format!(
        "INSERT INTO rb_bench.runs (run, pipeline, digest, state, commit_form, workers)
         VALUES ('lost', 'p', 'd', 'committing', 'ledger', '[{worker}]')"
    );
    sql(&databases.dest, &dead);
    document["destination"]["config"]["url"] = json!(as_role(&databases.dest, "blind_role", "x"));
    try_run(&document, &[]).refused(&[
        "settling run `lost`",
        "whether old backends on ",
        ") are still at work for a run is not shown to this role",
        "run as the role that they belong to with track_activities = on, GRANT pg_read_all_stats to this one, or end \
         them with pg_terminate_backend",
    ]);
    held.batch_execute("COMMIT").await.expect("it commits");
    sql(
        &databases.dest,
        "TRUNCATE t; GRANT pg_read_all_stats TO blind_role",
    );
    run(&document);
    let state = "SELECT state FROM rb_bench.runs WHERE run = 'lost'";
    assert_eq!(sql(&databases.dest, state), "committed");
}

#[test]
fn a_benchmark_needs_no_superuser_on_either_side() {
    let (databases, mut document) = for_role("bench_role", "bench_role");
    sql(&databases.source, "GRANT SELECT ON t TO bench_role");
    let database = sql(&databases.dest, "SELECT current_database()");
    let create = format!("GRANT CREATE ON DATABASE \"{database}\" TO bench_role");
    sql(&databases.dest, &create);
    document["source"]["config"]["url"] = json!(as_role(&databases.source, "bench_role", "x"));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("pipeline.yaml");
    std::fs::write(&file, document.to_string()).unwrap();
    let output = support::rb_bench()
        .args([
            "--iters", "1", "--warmup", "0", "--guard", "off", "--format", "json",
        ])
        .arg("--pipeline")
        .arg(&file)
        .arg("--out")
        .arg(place.path().join("results"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let session: Value = serde_json::from_slice(&output.stdout).unwrap();
    let iterations = session["iterations"].as_array().unwrap();
    assert_eq!(iterations.len(), 2);
    for iteration in iterations {
        assert_eq!(iteration["rows"], 2000);
        assert_eq!(iteration["verify"]["checksum_ok"], true, "{iteration}");
    }
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'rb\\_bench%' AND relkind = 'r'";
    assert_eq!(sql(&databases.dest, left), "0");
}

#[test]
fn a_source_table_that_a_role_may_not_read_is_told_with_the_grant() {
    let databases = Databases::new("unread");
    sql(
        &databases.source,
        "CREATE TABLE t (id int); DROP ROLE IF EXISTS unread_role; CREATE ROLE unread_role LOGIN PASSWORD 'x'",
    );
    let mut document = databases.document(&[json!("t")]);
    document["source"]["config"]["url"] = json!(as_role(&databases.source, "unread_role", "x"));
    try_run(&document, &[]).refused(&[
        "permission denied for table t",
        "GRANT SELECT on it to this role",
    ]);
}
