//! PostgreSQL 12 to 18 at either end, beside the version that all other tests meet: the oldest, the newest and the
//! one that reads ranges of row addresses first (14) in every mode, those between more briefly.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, cdc, plan, run, try_run};
use support::machine::Machine;
use support::{fresh_database, sql};

/// Tables with what the catalogs of versions describe in different ways.
const TABLES: &str = "CREATE TYPE mood AS ENUM ('low', 'high'); \
    CREATE TABLE t (id bigserial PRIMARY KEY, v text NOT NULL, n numeric(10,2) CHECK (n >= 0), m mood, \
      big text GENERATED ALWAYS AS (v || v) STORED, at timestamptz DEFAULT now(), r int4range, js jsonb); \
    CREATE INDEX ON t (n) INCLUDE (v); CREATE STATISTICS s (dependencies) ON v, m FROM t; \
    CREATE TABLE other (t_id bigint REFERENCES t, place int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (t_id, place)); \
    CREATE TABLE parted (id int NOT NULL, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id); \
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (500); \
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (500) TO (MAXVALUE)";
const ROWS: &str = "INSERT INTO t (v, n, m, r, js) SELECT md5(g::text), g / 7.0, 'high', int4range(g, g + 5), jsonb_build_object('g', g) \
      FROM generate_series(1, 3000) g; \
    INSERT INTO other (t_id) SELECT g FROM generate_series(1, 1000) g; \
    INSERT INTO parted SELECT g, 'p' || g FROM generate_series(1, 1000) g; ANALYZE";

fn assert_all_same(databases: &Databases) {
    databases.assert_same("SELECT * FROM t ORDER BY id");
    databases.assert_same("SELECT * FROM other ORDER BY t_id, place");
    databases.assert_same("SELECT * FROM parted ORDER BY id");
}

/// Every mode between these two.
fn assert_every_mode(databases: &Databases) {
    sql(&databases.source, &format!("{TABLES}; {ROWS}"));
    sql(&databases.dest, "CREATE TYPE mood AS ENUM ('low', 'high')");
    let mut document = databases.sharded(&["t", "other", "parted"].map(|name| json!(name)), 3);
    let json = run(&document);
    assert_eq!(json["plan"]["commit"], "built_aside");
    assert_eq!(json["plan"]["streams"][0]["workers"], 3, "{json}");
    assert_all_same(databases);
    for form in ["two_phase", "ledger", "single_writer"] {
        sql(&databases.dest, "TRUNCATE t, other, parted");
        document["destination"]["commit"] = json!(form);
        assert_eq!(run(&document)["plan"]["commit"], form);
        assert_all_same(databases);
    }
    document["destination"]["commit"] = json!("auto");
    sql(
        &databases.source,
        "UPDATE t SET v = v || '!' WHERE id % 2 = 0; DELETE FROM other WHERE t_id > 990; UPDATE parted SET v = '' WHERE id = 7",
    );
    document["destination"]["write_mode"] = json!("replace");
    document["source"]["streams"] =
        json!([{ "name": "t" }, { "name": "other" }, { "name": "parted" }]);
    run(&document);
    assert_all_same(databases);
    sql(
        &databases.source,
        "UPDATE t SET v = v || '?' WHERE id % 3 = 0; INSERT INTO t (v, n) VALUES ('new', 1)",
    );
    let mut upsert = databases.sharded(&[json!("t")], 3);
    upsert["destination"]["write_mode"] = json!("upsert");
    upsert["destination"]["primary_key"] = json!(["id"]);
    assert_eq!(run(&upsert)["plan"]["commit"], "two_phase");
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

/// Changes captured between these two.
fn assert_capture(databases: &Databases) {
    sql(
        &databases.source,
        "CREATE TABLE c (id int PRIMARY KEY, v text); INSERT INTO c SELECT g, 'v' FROM generate_series(1, 1000) g",
    );
    let mut document = databases.document(&[json!({ "name": "c", "sync_mode": "cdc" })]);
    document["destination"]["write_mode"] = json!("upsert");
    cdc(&document, "setup", &[]).succeeded();
    sql(
        &databases.source,
        "INSERT INTO c VALUES (0, 'before the copy')",
    );
    try_run(&document, &[]).succeeded();
    sql(
        &databases.source,
        "UPDATE c SET v = 'x' WHERE id < 10; DELETE FROM c WHERE id > 990; INSERT INTO c VALUES (5000, repeat('y', 10000))",
    );
    try_run(&document, &[]).succeeded();
    databases.assert_same("SELECT * FROM c ORDER BY id");
    cdc(&document, "status", &[]).succeeded();
    cdc(&document, "drop", &["--yes"]).succeeded();
}

/// A machine of this version as source, as destination, and as both.
fn assert_version_works(major: u32) {
    let machine = Machine::start(major);
    let shared = |name: &str| fresh_database(&format!("v{major}_{name}"));
    assert_every_mode(&Databases {
        source: machine.fresh_database("source"),
        dest: shared("dest"),
    });
    assert_every_mode(&Databases {
        source: shared("source"),
        dest: machine.fresh_database("dest"),
    });
    assert_capture(&Databases {
        source: machine.fresh_database("changes"),
        dest: machine.fresh_database("applied"),
    });
}

/// A machine of a version between those: tables that are made, tables that are there, and changes; all
/// that is asked of the others in `make torture`.
fn assert_version_copies(major: u32) {
    if std::env::var_os("RB_BENCH_TORTURE").is_some() {
        return assert_version_works(major);
    }
    let machine = Machine::start(major);
    let databases = Databases {
        source: machine.fresh_database("source"),
        dest: machine.fresh_database("dest"),
    };
    sql(&databases.source, &format!("{TABLES}; {ROWS}"));
    sql(&databases.dest, "CREATE TYPE mood AS ENUM ('low', 'high')");
    let document = databases.sharded(&["t", "other", "parted"].map(|name| json!(name)), 3);
    assert_eq!(run(&document)["plan"]["commit"], "built_aside");
    assert_all_same(&databases);
    sql(&databases.dest, "TRUNCATE t, other, parted");
    assert_eq!(run(&document)["plan"]["commit"], "two_phase");
    assert_all_same(&databases);
    assert_capture(&Databases {
        source: machine.fresh_database("changes"),
        dest: machine.fresh_database("applied"),
    });
}

#[test]
fn postgres_12_is_copied_from_and_to() {
    assert_version_works(12);
}

#[test]
fn postgres_13_is_copied_from_and_to() {
    assert_version_copies(13);
}

#[test]
fn postgres_14_is_copied_from_and_to() {
    assert_version_works(14);
}

#[test]
fn postgres_16_is_copied_from_and_to() {
    assert_version_copies(16);
}

#[test]
fn postgres_17_is_copied_from_and_to() {
    assert_version_copies(17);
}

#[test]
fn postgres_18_is_copied_from_and_to() {
    assert_version_works(18);
}

#[test]
fn tables_of_an_old_source_are_cut_by_their_key_or_read_by_one_worker_who_says_so() {
    let machine = Machine::start(12);
    let databases = Databases {
        source: machine.fresh_database("source"),
        dest: fresh_database("keys_dest"),
    };
    let bulk = "repeat('x', 100)";
    sql(
        &databases.source,
        &format!(
            "CREATE TABLE even AS SELECT g AS id, {bulk} AS v FROM generate_series(-1000, 1000) g; ALTER TABLE even ADD PRIMARY KEY (id); \
             CREATE TABLE ends AS SELECT g::bigint AS id, {bulk} AS v FROM generate_series(1, 500) g; ALTER TABLE ends ADD PRIMARY KEY (id); \
             INSERT INTO ends VALUES (-9223372036854775808, ''), (9223372036854775807, ''); \
             CREATE TABLE uneven AS SELECT g * g AS id, {bulk} AS v FROM generate_series(1, 2000) g; ALTER TABLE uneven ADD UNIQUE (id), ALTER id SET NOT NULL; ANALYZE uneven; \
             CREATE TABLE empty (id smallint PRIMARY KEY); \
             CREATE TABLE nullable AS SELECT g AS id, {bulk} AS v FROM generate_series(1, 2000) g; ALTER TABLE nullable ADD UNIQUE (id); \
             CREATE TABLE words AS SELECT 'w' || g AS id, {bulk} AS v FROM generate_series(1, 2000) g; ALTER TABLE words ADD PRIMARY KEY (id)"
        ),
    );
    let names = ["even", "ends", "uneven", "empty", "nullable", "words"];
    let document = databases.sharded(&names.map(|name| json!(name)), 4);
    let json = plan(&document);
    let stream = |name: &str| -> &Value {
        let streams = json["streams"].as_array().expect("streams");
        streams
            .iter()
            .find(|stream| stream["stream"] == format!("public.{name}"))
            .expect("the stream")
    };
    for name in ["even", "ends", "uneven"] {
        assert!(stream(name)["chunks"].as_u64() > Some(3), "{json}");
        assert_eq!(stream(name)["why_one_worker"], Value::Null);
    }
    for name in ["nullable", "words"] {
        assert_eq!(stream(name)["chunks"], 1);
        let why = stream(name)["why_one_worker"].as_str().unwrap_or_default();
        assert!(
            why.starts_with("PostgreSQL before 14 reads no ranges of row addresses"),
            "{json}"
        );
    }
    let notes = json["notes"].to_string();
    assert!(
        notes.contains("public.even is cut by its key id"),
        "{notes}"
    );
    assert!(!notes.contains("public.empty is cut"), "{notes}");
    run(&document);
    for name in names {
        databases.assert_same(&format!("SELECT * FROM {name} ORDER BY id"));
    }
    // through a query, too; what it makes of a row does not change how its table is cut
    let mut document = databases.sharded(&[json!({ "name": "uneven", "target": "doubled" })], 4);
    document["transforms"] = json!([{ "use": "transform-sql", "config": { "query": "SELECT id * 2 AS twice FROM input" } }]);
    let json = run(&document);
    assert_eq!(json["plan"]["streams"][0]["workers"], 4, "{json}");
    databases.assert_equal(
        "SELECT id * 2 AS twice FROM uneven ORDER BY 1",
        "SELECT twice FROM doubled ORDER BY 1",
    );
}

#[test]
fn a_run_that_died_between_its_commits_is_undone_on_the_oldest_version() {
    let machine = Machine::start(12);
    let databases = Databases {
        source: fresh_database("undone_source"),
        dest: machine.fresh_database("dest"),
    };
    databases.both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, repeat('v', 100) FROM generate_series(1, 3000) g",
    );
    // one worker's commit is refused, and what its sibling has committed is taken back
    sql(
        &databases.dest,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused at the end''; END'; \
         CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 3000) EXECUTE FUNCTION refuse()",
    );
    let mut document = databases.sharded(&[json!("t")], 3);
    document["destination"]["commit"] = json!("ledger");
    try_run(&document, &[]).refused(&["refused at the end"]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
    assert_eq!(
        sql(&databases.dest, "SELECT count(*) FROM rb_bench.runs"),
        "0"
    );
    sql(&databases.dest, "DROP TRIGGER refuse ON t");
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

#[test]
fn what_only_the_newest_version_has_is_copied_and_replaced() {
    let machine = Machine::start(18);
    let databases = Databases {
        source: machine.fresh_database("source"),
        dest: machine.fresh_database("dest"),
    };
    databases.both(
        "CREATE TABLE t (id int CONSTRAINT id_is_there NOT NULL, v text, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL, \
           n int CONSTRAINT n_is_small CHECK (n < 10) NOT ENFORCED, PRIMARY KEY (id))",
    );
    sql(
        &databases.source,
        "INSERT INTO t (id, v, n) SELECT g, 'v', 50 FROM generate_series(1, 2000) g",
    );
    let mut document = databases.sharded(&[json!("t")], 3);
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
    let made = "SELECT conname, contype, convalidated FROM pg_constraint WHERE conrelid = 't'::regclass ORDER BY 1";
    let before = sql(&databases.dest, made);
    document["destination"]["write_mode"] = json!("replace");
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
    assert_eq!(sql(&databases.dest, made), before);
    // and into a table that is made
    sql(&databases.dest, "DROP TABLE t");
    document["destination"]["write_mode"] = json!("append");
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}
