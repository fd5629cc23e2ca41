//! What others do while a target is replaced, and what is there when the run is killed.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;

use crate::support::copies::{Databases, run, try_run};
use crate::support::{self, rb_bench_in, sql};
use crate::{assert_clean, replacing, schema_of};

#[test]
fn what_was_granted_and_said_while_the_rows_were_loaded_is_kept_and_a_new_view_is_refused() {
    let databases = Databases::new("meanwhile");
    databases.both("CREATE TABLE t (id int PRIMARY KEY)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT generate_series(1, 10); CREATE VIEW slow AS SELECT id, pg_sleep(0.3)::text AS slept FROM t",
    );
    sql(
        &databases.dest,
        "ALTER TABLE t ADD slept text; DROP ROLE IF EXISTS replace_late; CREATE ROLE replace_late",
    );
    let document = replacing(&databases, &[json!({ "name": "slow", "target": "t" })]);
    let meanwhile = |statements: &str| {
        std::thread::scope(|scope| {
            let running = scope.spawn(|| try_run(&document, &[]));
            let busy = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
            while sql(&databases.source, busy) != "t" {
                assert!(!running.is_finished());
            }
            sql(&databases.dest, statements);
            running.join().expect("it runs")
        })
    };
    let outcome = meanwhile(
        "GRANT SELECT ON t TO replace_late; COMMENT ON INDEX t_pkey IS 'late'; INSERT INTO t VALUES (99)",
    );
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT has_table_privilege('replace_late', 't', 'SELECT'), obj_description('t_pkey'::regclass, 'pg_class'), (SELECT count(*) FROM t)"
        ),
        "t|late|10"
    );
    meanwhile("CREATE VIEW v AS SELECT * FROM t").refused(&[
        "a target cannot be replaced:",
        "public.t is used by view public.v",
        "see to these, or use another write_mode; nothing was replaced",
    ]);
    sql(&databases.dest, "DROP VIEW v");
    meanwhile("ALTER INDEX t_pkey RENAME TO other").refused(&[
        "public.t was altered while the run was under way",
        "run again when nobody changes it; nothing was replaced",
    ]);
    assert_clean(&databases.dest);
    sql(
        &databases.dest,
        "DROP OWNED BY replace_late; DROP ROLE replace_late",
    );
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
            "the new tables are loaded, but their targets were in use for ",
            "end what holds them, or run again when it is done; nothing was replaced",
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
    let rounds = if std::env::var("RB_BENCH_TORTURE").is_ok() {
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

#[test]
fn a_writer_of_what_a_foreign_key_refers_to_is_waited_for_and_holds_nobody_up() {
    let databases = Databases::new("referred");
    sql(
        &databases.source,
        "CREATE TABLE t (id int, kind int); INSERT INTO t SELECT g, 1 FROM generate_series(1, 10) g",
    );
    sql(
        &databases.dest,
        "CREATE TABLE kinds (kind int PRIMARY KEY, n int); INSERT INTO kinds VALUES (1, 0), (2, 0); CREATE TABLE t (id int, kind int REFERENCES kinds)",
    );
    let document = replacing(&databases, &[json!("t")]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime starts");
    std::thread::scope(|scope| {
        let running = runtime.block_on(async {
            let holder = support::connect(&databases.dest).await;
            let update = "BEGIN; UPDATE kinds SET n = 1 WHERE kind = 1";
            holder.batch_execute(update).await.expect("it writes");
            let running = scope.spawn(|| try_run(&document, &["--verify"]));
            let watcher = support::connect(&databases.dest).await;
            let waits = "SELECT FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock' AND relation = 'kinds'::regclass";
            let mut tries = 0;
            while tries < 3 {
                while watcher.query(waits, &[]).await.expect("it looks").is_empty() {
                    assert!(!running.is_finished());
                }
                // a writer behind it comes through while the exchange pauses
                let begun = std::time::Instant::now();
                let other = "UPDATE kinds SET n = n + 1 WHERE kind = 2";
                watcher.batch_execute(other).await.expect("it writes");
                assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
                tries += 1;
            }
            holder.batch_execute("COMMIT").await.expect("it ends");
            running
        });
        let outcome = running.join().expect("it runs");
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(
            outcome.stderr.contains("public.kinds is held by"),
            "{outcome:?}"
        );
    });
    databases.assert_same("SELECT * FROM t ORDER BY id");
    assert_clean(&databases.dest);
}
