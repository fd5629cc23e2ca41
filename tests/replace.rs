//! Write mode replace: what a target has is there afterwards, what could not come along is refused
//! before a row moves, and whoever reads meanwhile sees the old table or the new one.

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rb_bench::cluster::Programs;
use serde_json::{Value, json};
use support::copies::{Databases, as_role, plan, run, try_run};
use support::{pg_bin, rb_bench_in, sql, try_sql};

/// A document that replaces the targets of these streams.
fn replacing(databases: &Databases, streams: &[Value]) -> Value {
    let mut document = databases.document(streams);
    document["destination"]["write_mode"] = json!("replace");
    document
}

/// Everything a database is made of, in the words of pg_dump.
fn schema_of(url: &str) -> String {
    let programs = Programs::find(pg_bin().as_deref()).expect("Postgres is installed");
    let output = Command::new(programs.program("pg_dump"))
        .args(["--schema-only", "--exclude-schema=rb_bench", url])
        .output()
        .expect("pg_dump runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("a dump is text");
    // newer ones guard their output with a random word
    let lines = text.lines().filter(|line| !line.contains("restrict "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Nothing of ours is left in a destination but the ledger.
fn assert_clean(url: &str) {
    let left = "SELECT relname FROM pg_class WHERE relname LIKE 'aside%' UNION ALL SELECT gid FROM pg_prepared_xacts WHERE database = current_database()
        UNION ALL SELECT run FROM rb_bench.runs WHERE state <> 'committed'";
    assert_eq!(sql(url, left), "");
}

/// Two tables with one of everything that comes along.
const DRESSED: &str = r#"
    CREATE ROLE replace_owner; CREATE ROLE replace_reader; CREATE ROLE "Replace Writer";
    GRANT ALL ON SCHEMA public TO replace_owner;
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'stamped'; RETURN NEW; END $$;
    CREATE TABLE kinds (kind text PRIMARY KEY); INSERT INTO kinds VALUES ('a'), ('b');
    CREATE TABLE "Odd ""name" (
        id bigint GENERATED ALWAYS AS IDENTITY (START WITH 7 INCREMENT BY 3 CACHE 2),
        counted serial, gone int, note text COLLATE "C" DEFAULT 'none' NOT NULL, twice bigint GENERATED ALWAYS AS (id * 2) STORED,
        kind text, "Wide " text, span int4range, mother bigint, amount numeric(10,2))
        WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
    ALTER TABLE "Odd ""name" DROP COLUMN gone;
    ALTER TABLE "Odd ""name" ADD CONSTRAINT "The key" PRIMARY KEY (id) WITH (fillfactor = 60),
        ADD CONSTRAINT counted_once UNIQUE (counted) INCLUDE (kind) DEFERRABLE INITIALLY DEFERRED,
        ADD CONSTRAINT apart EXCLUDE USING gist (span WITH &&) WHERE (amount > 0),
        ADD CONSTRAINT small CHECK (amount < 1000) NO INHERIT,
        ADD CONSTRAINT positive CHECK (amount > -100000) NOT VALID,
        ADD CONSTRAINT of_kind FOREIGN KEY (kind) REFERENCES kinds ON DELETE SET NULL ON UPDATE CASCADE,
        ADD CONSTRAINT of_mother FOREIGN KEY (mother) REFERENCES "Odd ""name" DEFERRABLE,
        ADD CONSTRAINT later FOREIGN KEY (note) REFERENCES kinds NOT VALID;
    CREATE UNIQUE INDEX by_note ON "Odd ""name" (lower(note) DESC NULLS LAST, (id + 1)) WHERE amount IS NOT NULL;
    ALTER INDEX by_note ALTER COLUMN 2 SET STATISTICS 50;
    CREATE UNIQUE INDEX for_replicas ON "Odd ""name" (note, id);
    CREATE INDEX spans ON "Odd ""name" USING gist (span);
    ALTER TABLE "Odd ""name" CLUSTER ON spans, REPLICA IDENTITY USING INDEX for_replicas,
        ALTER COLUMN note SET STATISTICS 300, ALTER COLUMN kind SET (n_distinct = -0.5), ALTER COLUMN "Wide " SET STORAGE EXTERNAL, ALTER COLUMN note SET COMPRESSION pglz;
    CREATE STATISTICS together (ndistinct, dependencies) ON note, kind FROM "Odd ""name"; ALTER STATISTICS together SET STATISTICS 20;
    CREATE TRIGGER stamps BEFORE INSERT ON "Odd ""name" FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION stamp();
    CREATE TRIGGER never BEFORE UPDATE OF note ON "Odd ""name" FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE "Odd ""name" DISABLE TRIGGER never;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "Odd ""name" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE "Odd ""name" ENABLE ALWAYS TRIGGER late;
    CREATE POLICY own_rows ON "Odd ""name" AS RESTRICTIVE FOR SELECT TO replace_reader, "Replace Writer" USING (kind IN (SELECT k.kind FROM kinds k) AND id > (SELECT min(o.id) FROM "Odd ""name" o));
    CREATE POLICY all_rows ON "Odd ""name" WITH CHECK (amount > 0);
    ALTER TABLE "Odd ""name" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    ALTER TABLE "Odd ""name" OWNER TO replace_owner;
    GRANT SELECT ON "Odd ""name" TO PUBLIC; GRANT INSERT, UPDATE ON "Odd ""name" TO "Replace Writer" WITH GRANT OPTION; REVOKE TRUNCATE ON "Odd ""name" FROM replace_owner;
    GRANT UPDATE (note), REFERENCES (id) ON "Odd ""name" TO replace_reader;
    GRANT USAGE ON SEQUENCE "Odd ""name_id_seq", "Odd ""name_counted_seq" TO replace_reader;
    COMMENT ON TABLE "Odd ""name" IS 'it''s odd'; COMMENT ON COLUMN "Odd ""name"."Wide " IS 'wide'; COMMENT ON CONSTRAINT "The key" ON "Odd ""name" IS 'key';
    COMMENT ON CONSTRAINT of_mother ON "Odd ""name" IS 'mother'; COMMENT ON INDEX by_note IS 'index'; COMMENT ON TRIGGER stamps ON "Odd ""name" IS 'trigger';
    COMMENT ON POLICY own_rows ON "Odd ""name" IS 'policy'; COMMENT ON STATISTICS together IS 'statistics'; COMMENT ON SEQUENCE "Odd ""name_id_seq" IS 'sequence'; COMMENT ON INDEX "The key" IS 'key index';
    CREATE UNLOGGED TABLE scratch (id int); CREATE TABLE child (id int PRIMARY KEY, parent bigint CONSTRAINT of_parent REFERENCES "Odd ""name" ON DELETE CASCADE, friend int CONSTRAINT of_friend REFERENCES child);
    ALTER TABLE child REPLICA IDENTITY FULL; ALTER TABLE "Odd ""name" ADD first_child int CONSTRAINT of_child REFERENCES child DEFERRABLE;
    ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO "Replace Writer";
"#;

const DRESSED_ROWS: &str = r#"
    CREATE TABLE "Odd ""name" (id bigint, counted int, note text COLLATE "C", kind text, "Wide " text, span int4range, mother bigint, amount numeric(10,2), first_child int);
    INSERT INTO "Odd ""name" SELECT g, g, 'a', CASE WHEN g % 2 = 0 THEN 'b' END, repeat('w', g), int4range(g, g + 1), nullif(g - 1, 0), g / 3.0, nullif(g % 50, 0) FROM generate_series(1, 900) g;
    CREATE TABLE scratch (id int); CREATE TABLE child (id int, parent bigint, friend int); INSERT INTO child SELECT g, g, 1 + g % 50 FROM generate_series(1, 50) g
"#;

fn with_roles_dropped<T>(test: impl FnOnce(&Databases) -> T) {
    let databases = Databases::new("dressed");
    for role in ["replace_owner", "replace_reader", "\"Replace Writer\""] {
        let _ = try_sql(&databases.dest, &format!("DROP ROLE IF EXISTS {role}"));
    }
    test(&databases);
    sql(
        &databases.dest,
        "DROP OWNED BY replace_owner, replace_reader, \"Replace Writer\" CASCADE; ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM \"Replace Writer\";
         DROP ROLE replace_owner, replace_reader, \"Replace Writer\"",
    );
}

#[test]
fn a_replaced_table_keeps_everything_it_had() {
    with_roles_dropped(|databases| {
        sql(&databases.dest, DRESSED);
        sql(&databases.source, DRESSED_ROWS);
        sql(
            &databases.dest,
            "SET session_replication_role = replica; INSERT INTO \"Odd \"\"name\" (note, kind) VALUES ('old', 'a'); SELECT nextval('\"Odd \"\"name_id_seq\"') FROM generate_series(1, 400)",
        );
        let before = schema_of(&databases.dest);
        assert!(before.contains("CREATE POLICY own_rows"), "{before}");
        let streams = ["Odd \"name", "child", "scratch"].map(|name| json!(name));
        for workers in [1, 2] {
            let mut document = replacing(databases, &streams);
            document["resources"]["parallelism"] = json!(workers);
            let result = run(&document);
            assert_eq!(result["plan"]["commit"], "built_aside", "{result}");
            assert_eq!(schema_of(&databases.dest), before);
            databases.assert_same("SELECT id, counted, note, kind, \"Wide \", span, mother, amount, first_child FROM \"Odd \"\"name\" ORDER BY id");
            databases.assert_same("SELECT * FROM child ORDER BY id");
            assert_clean(&databases.dest);
        }
        // both sequences go on where the furthest of table and rows is
        assert_eq!(
            sql(
                &databases.dest,
                "SELECT nextval('\"Odd \"\"name_id_seq\"') > 1200, nextval('\"Odd \"\"name_counted_seq\"')"
            ),
            "t|901"
        );
        // the planner knows the new rows
        assert_eq!(
            sql(
                &databases.dest,
                "SELECT reltuples FROM pg_class WHERE relname = 'child'"
            ),
            "50"
        );
    });
}

#[test]
fn what_refers_to_a_target_is_named_before_a_row_moves_and_all_of_it() {
    let databases = Databases::new("refused");
    sql(
        &databases.source,
        "CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE TABLE part (id int); CREATE TABLE heir (id int); CREATE TABLE typed (id int)",
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY); INSERT INTO t VALUES (7);
         CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
         CREATE RULE noisy AS ON UPDATE TO t DO ALSO NOTIFY changed;
         CREATE TABLE child (id int CONSTRAINT of_t REFERENCES t);
         CREATE TABLE holder (whole t, many t[]);
         CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION g() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t';
         CREATE FUNCTION inlined() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM t; END;
         CREATE TABLE other (id int DEFAULT nextval('t_id_seq'));
         CREATE TABLE guarded (id int); CREATE POLICY by_t ON guarded USING (id IN (SELECT id FROM t));
         CREATE PUBLICATION mine FOR TABLE t;
         CREATE TABLE whole (id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF whole DEFAULT;
         CREATE TABLE ancestor (id int); CREATE TABLE heir () INHERITS (ancestor);
         CREATE TYPE shape AS (id int); CREATE TABLE typed OF shape",
    );
    let streams = ["t", "part", "heir", "typed"].map(|name| json!(name));
    let document = replacing(&databases, &streams);
    let parts = [
        "public.t is used by view public.v",
        "public.t is used by materialized view public.m",
        "public.t is used by rule noisy on table public.t",
        "public.t is used by constraint of_t on table public.child",
        "public.t is used by column whole of table public.holder",
        "public.t is used by column many of table public.holder",
        "public.t is used by function public.f(public.t)",
        "public.t is used by function public.g()",
        "public.t is used by function public.inlined()",
        "public.t is used by default value for column id of table public.other",
        "public.t is used by policy by_t on table public.guarded",
        "public.t is published by mine",
        "public.part is a partition of public.whole",
        "public.heir inherits from public.ancestor",
        "public.typed is a table of a type",
    ];
    try_run(&document, &[]).refused(&parts);
    support::copies::command("check", &document, &[]).refused(&parts);
    assert_eq!(sql(&databases.dest, "SELECT id FROM t"), "7");
    assert_eq!(
        sql(&databases.dest, "SELECT to_regclass('rb_bench.runs')"),
        ""
    );
    // and what is only partly a table
    sql(&databases.dest, "DROP TABLE heir");
    sql(
        &databases.source,
        "CREATE TABLE ancestor (id int); CREATE TABLE whole (id int)",
    );
    sql(&databases.dest, "CREATE TABLE again () INHERITS (ancestor)");
    let document = replacing(&databases, &[json!("whole"), json!("ancestor")]);
    try_run(&document, &[]).refused(&[
        "public.whole is not an ordinary table",
        "public.ancestor is used by table public.again",
    ]);
}

#[test]
fn a_publication_of_all_tables_keeps_a_table_from_being_replaced() {
    let databases = Databases::new("published");
    databases.both("CREATE TABLE t (id int)");
    sql(
        &databases.dest,
        "CREATE PUBLICATION everything FOR ALL TABLES",
    );
    try_run(&replacing(&databases, &[json!("t")]), &[])
        .refused(&["public.t is published by everything"]);
}

#[test]
fn a_role_that_does_not_own_the_target_is_refused_and_its_owners_member_is_not() {
    let databases = Databases::new("owned");
    sql(
        &databases.source,
        "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 10)",
    );
    sql(
        &databases.dest,
        "DROP ROLE IF EXISTS replace_stranger; DROP ROLE IF EXISTS replace_group;
         CREATE ROLE replace_group; CREATE ROLE replace_stranger LOGIN PASSWORD 'x'; GRANT CREATE ON SCHEMA public TO replace_group, replace_stranger;
         CREATE TABLE t (id int); ALTER TABLE t OWNER TO replace_group; GRANT ALL ON t TO replace_stranger;
         CREATE SCHEMA rb_bench AUTHORIZATION replace_stranger",
    );
    let database = sql(&databases.dest, "SELECT current_database()");
    let create = format!("GRANT CREATE ON DATABASE \"{database}\" TO replace_stranger");
    sql(&databases.dest, &create);
    let mut document = replacing(&databases, &[json!("t")]);
    document["destination"]["config"]["url"] =
        json!(as_role(&databases.dest, "replace_stranger", "x"));
    try_run(&document, &[])
        .refused(&["public.t belongs to replace_group, whose member this role is not"]);
    sql(&databases.dest, "GRANT replace_group TO replace_stranger");
    run(&document);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT tableowner, (SELECT count(*) FROM t) FROM pg_tables WHERE tablename = 't'"
        ),
        "replace_group|10"
    );
    sql(
        &databases.dest,
        "DROP OWNED BY replace_group, replace_stranger CASCADE; DROP ROLE replace_group, replace_stranger",
    );
}

#[test]
fn a_missing_target_is_made_and_what_replaces_may_stand_beside_it() {
    let databases = Databases::new("beside");
    sql(
        &databases.source,
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 100); CREATE TABLE b (id serial PRIMARY KEY); INSERT INTO b SELECT generate_series(1, 200)",
    );
    sql(
        &databases.dest,
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)",
    );
    let mut document = replacing(&databases, &[json!("a"), json!("b")]);
    document["resources"]["parallelism"] = json!(2);
    assert_eq!(plan(&document)["commit"], "built_aside");
    for round in 1..=3 {
        run(&document);
        databases.assert_same("SELECT * FROM a ORDER BY id");
        databases.assert_same("SELECT * FROM b ORDER BY id");
        assert_eq!(
            sql(&databases.dest, "SELECT nextval('b_id_seq') - 200"),
            round.to_string()
        );
        assert_clean(&databases.dest);
    }
    document["destination"]["config"]["load_method"] = json!("insert");
    document["destination"]["commit"] = json!("single_writer");
    assert_eq!(run(&document)["plan"]["workers"], 1);
    databases.assert_same("SELECT * FROM b ORDER BY id");
}

#[test]
fn a_target_that_cannot_take_the_rows_is_as_it_was() {
    let databases = Databases::new("unfit");
    sql(
        &databases.source,
        "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2), (2)",
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (id int PRIMARY KEY CHECK (id < 9)); INSERT INTO t VALUES (7)",
    );
    let document = replacing(&databases, &[json!("t")]);
    try_run(&document, &[]).refused(&["building keys of public.t", "(id)=(2) is duplicated"]);
    sql(&databases.source, "TRUNCATE t; INSERT INTO t VALUES (10)");
    try_run(&document, &[]).refused(&["violates check constraint"]);
    assert_eq!(sql(&databases.dest, "SELECT id FROM t"), "7");
    assert_clean(&databases.dest);
}

#[test]
fn readers_see_the_old_rows_or_the_new_ones_through_twenty_exchanges() {
    let databases = Databases::new("readers");
    sql(
        &databases.source,
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 3000) g",
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, -1 FROM generate_series(1, 3000) g",
    );
    let document = replacing(&databases, &[json!("t")]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = |query: &'static str, prepared: bool| {
            let (over, url) = (&over, databases.dest.clone());
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime starts");
                runtime.block_on(async {
                    let client = support::connect(&url).await;
                    let statement = client.prepare(query).await.expect("it can be prepared");
                    let mut reads = 0;
                    while !over.load(Relaxed) {
                        let row = if prepared {
                            client.query_one(&statement, &[]).await
                        } else {
                            // older than an exchange that comes while it sleeps
                            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_sleep(0.05) FROM pg_class LIMIT 1").await.expect("a transaction begins");
                            let row = client.query_one(query, &[]).await;
                            client.batch_execute("COMMIT").await.expect("it ends");
                            row
                        };
                        let row = row.unwrap_or_else(|e| panic!("after {reads} reads: {e:?}"));
                        let (rows, kinds): (i64, i64) = (row.get(0), row.get(1));
                        assert_eq!((rows, kinds), (3000, 1), "after {reads} reads");
                        reads += 1;
                    }
                    reads
                })
            }
        };
        let query = "SELECT count(*), count(DISTINCT v) FROM t";
        let readers = [
            scope.spawn(reader(query, true)),
            scope.spawn(reader(query, false)),
        ];
        for round in 1..=20 {
            sql(&databases.source, &format!("UPDATE t SET v = {round}"));
            run(&document);
        }
        over.store(true, Relaxed);
        for reader in readers {
            let reads = reader
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            assert!(reads > 20, "{reads}");
        }
    });
    assert_eq!(sql(&databases.dest, "SELECT DISTINCT v FROM t"), "20");
}

#[test]
fn a_reader_that_stays_is_named_and_nobody_waits_behind_the_exchange() {
    let databases = Databases::new("blocked");
    databases.both("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 10)");
    let document = replacing(&databases, &[json!("t")]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let holder = runtime.block_on(async {
        let client = support::connect(&databases.dest).await;
        client
            .batch_execute("BEGIN; SELECT count(*) FROM t")
            .await
            .expect("it reads");
        client
    });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !over.load(Relaxed) {
                let begun = std::time::Instant::now();
                assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "10");
                longest = longest.max(begun.elapsed());
            }
            longest
        });
        let outcome = try_run(&document, &[]);
        over.store(true, Relaxed);
        outcome.refused(&[
            "their targets were in use",
            "public.t is held by",
            "SELECT count(*) FROM t",
        ]);
        let longest = others.join().expect("readers go on");
        // a try holds up others for 100 ms; the reader held the table for 15 s
        assert!(longest < Duration::from_secs(3), "{longest:?}");
    });
    assert_clean(&databases.dest);
    // one that ends while the exchange tries is waited for
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&document));
        runtime.block_on(async {
            let watcher = support::connect(&databases.dest).await;
            loop {
                let waits = "SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 't'::regclass";
                if !watcher.query(waits, &[]).await.expect("it looks").is_empty() {
                    break;
                }
            }
            holder.batch_execute("COMMIT").await.expect("it ends");
        });
        running.join().expect("it runs")
    });
    assert_eq!(running["verify"]["row_count_ok"], true);
}

#[test]
fn a_run_killed_at_any_instant_leaves_the_old_table_or_the_new_one_and_the_next_leaves_nothing() {
    let databases = Databases::new("killed");
    databases.both(
        "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id serial PRIMARY KEY, t int CONSTRAINT of_t REFERENCES t)",
    );
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, 0 FROM generate_series(1, 3000) g; INSERT INTO u (t) SELECT g FROM generate_series(1, 3000) g",
    );
    let files = tempfile::tempdir().expect("a directory for the document");
    let path = files.path().join("pipeline.json.yaml");
    let mut document = replacing(&databases, &[json!("t"), json!("u")]);
    document["resources"]["max_retries"] = json!(5);
    std::fs::write(&path, document.to_string()).expect("the document can be written");
    let contents = "SELECT count(*), min(v), max(v), (SELECT count(*) FROM u) FROM t";
    run(&document);
    let rounds = if std::env::var("RB_BENCH_LONG_TESTS").is_ok() {
        200
    } else {
        15
    };
    let before = schema_of(&databases.dest);
    let mut killed = 0;
    for round in 1..=rounds {
        sql(&databases.source, &format!("UPDATE t SET v = {round}"));
        let name = format!("r{round}");
        let mut command = rb_bench_in(files.path());
        command.arg("run").arg(&path).args(["--run-id", &name]);
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the binary runs");
        std::thread::sleep(Duration::from_secs_f64(0.02 + rand::random::<f64>() * 0.4));
        child.kill().expect("it can be killed");
        killed += u32::from(!child.wait().expect("it ends").success());
        let rows = sql(&databases.dest, contents);
        let (old, new) = (round - 1, round);
        assert!(
            rows == format!("3000|{old}|{old}|3000") || rows == format!("3000|{new}|{new}|3000"),
            "{rows} in round {round}"
        );
        try_run(&document, &["--run-id", &name, "--format", "json"]).ok();
        assert_eq!(
            sql(&databases.dest, contents),
            format!("3000|{new}|{new}|3000")
        );
        assert_clean(&databases.dest);
        assert_eq!(schema_of(&databases.dest), before);
    }
    assert!(killed > 0, "no round was killed in time");
}
