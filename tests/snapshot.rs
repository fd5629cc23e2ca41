//! What a run reads is the source at one instant: chunks are disjoint and complete, whatever the
//! table has been through and whatever other clients do meanwhile.
//!
//! A control connection holds a transaction whose exported snapshot the run is given; what that
//! connection then reads is what has to arrive.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rb_bench::Kind;
use rb_bench::engine::{self, FinishedRun, RunOptions, RunRequest};
use rb_bench::telemetry::counters::Telemetry;
use serde_json::{Value, json};
use support::copies::{Databases, dump};
use support::{connect, sql, try_sql};
use tokio::runtime::Runtime;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn request(document: &Value, snapshot: Option<&str>) -> RunRequest {
    RunRequest {
        pipeline: Arc::new(serde_json::from_value(document.clone()).unwrap()),
        available_cores: 2,
        options: RunOptions {
            snapshot: snapshot.map(str::to_owned),
            ..RunOptions::default()
        },
        telemetry: Telemetry::new(),
        cancel: CancellationToken::new(),
    }
}

async fn run(document: &Value, snapshot: Option<&str>) -> FinishedRun {
    engine::run(request(document, snapshot))
        .await
        .unwrap_or_else(|e| panic!("{e}"))
}

/// A connection that reads at a snapshot of its own, and that snapshot's id.
async fn control(url: &str) -> (Client, String) {
    let client = connect(url).await;
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .unwrap();
    let row = client
        .query_one("SELECT pg_export_snapshot()", &[])
        .await
        .unwrap();
    let id = row.get(0);
    (client, id)
}

/// COPY text of a query on this connection.
async fn read(client: &Client, query: &str) -> String {
    let copy = format!("COPY ({query}) TO STDOUT");
    let mut stream = pin!(client.copy_out(&copy).await.unwrap());
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).unwrap()
}

/// A client that runs statements over and over, without pause, until it is dropped.
struct Churn {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<u64>>,
}

impl Churn {
    fn start(url: &str, statements: impl Fn(u64) -> String + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, url) = (Arc::clone(&stop), url.to_owned());
        let (begun, first) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(async {
                    let client = connect(&url).await;
                    let mut round = 0;
                    while !told.load(Relaxed) {
                        client.batch_execute(&statements(round)).await.unwrap();
                        round += 1;
                        let _ = begun.send(());
                    }
                    round
                })
        });
        first.recv().expect("the churn begins");
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends it; returns how many rounds it made.
    fn finish(mut self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a table has been through.
#[derive(Debug, Clone, Copy)]
enum Past {
    Plain,
    /// Most rows deleted, the end of the file cut off by VACUUM.
    Truncated,
    /// Rows deleted all over, the space not used again.
    Sparse,
    /// Every row rewritten: old versions in between.
    Bloated,
    /// Updated in place: chains within a page, pruned or not.
    HotUpdated,
    /// Emptied by DELETE.
    Emptied,
}

fn prepare(past: Past, rows: u32, width: u32) -> String {
    let fill = format!(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id int, n int, v text) WITH (fillfactor = 80, autovacuum_enabled = off);
         INSERT INTO t SELECT g, 0, repeat('v', {width}) FROM generate_series(1, {rows}) g"
    );
    let after = match past {
        Past::Plain => "",
        Past::Truncated => "DELETE FROM t WHERE id > 50; VACUUM t",
        Past::Sparse => "DELETE FROM t WHERE id % 7 <> 0; VACUUM (TRUNCATE off) t",
        Past::Bloated => "UPDATE t SET v = v || 'x'; UPDATE t SET v = v || 'y', id = id + 1",
        Past::HotUpdated => {
            "UPDATE t SET n = n + 1 WHERE id % 5 = 0; UPDATE t SET n = n + 1 WHERE id % 10 = 0"
        }
        Past::Emptied => "DELETE FROM t",
    };
    format!("{fill}; {after}")
}

#[test]
fn chunks_are_disjoint_and_complete() {
    let databases = Databases::new("chunks");
    let runtime = runtime();
    let pasts = prop::sample::select(vec![
        Past::Plain,
        Past::Truncated,
        Past::Sparse,
        Past::Bloated,
        Past::HotUpdated,
        Past::Emptied,
    ]);
    let rows = prop_oneof![Just(0u32), Just(1), 2u32..50, 500u32..4000];
    let strategy = (
        pasts,
        rows,
        1u32..400,
        8192u64..100_000,
        1u32..5,
        any::<bool>(),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config {
        cases: std::env::var("PROPTEST_CASES")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(30),
        failure_persistence: None,
        max_shrink_iters: 20,
        ..Config::default()
    });
    runner
        .run(
            &strategy,
            |(past, rows, width, chunk_bytes, workers, busy, existing)| {
                for statement in prepare(past, rows, width).split("; ") {
                    // VACUUM goes alone
                    if !statement.is_empty() {
                        sql(&databases.source, statement);
                    }
                }
                sql(&databases.dest, "DROP TABLE IF EXISTS t");
                if existing {
                    sql(&databases.dest, "CREATE TABLE t (id int, n int, v text)");
                }
                let churn = busy.then(|| {
                    Churn::start(&databases.source, |round| {
                        let part = round % 11;
                        format!(
                            "UPDATE t SET n = n + 1, v = v || '.' WHERE id % 11 = {part}; DELETE FROM t WHERE id % 97 = {part};
                             INSERT INTO t SELECT -{round}, g, 'new' FROM generate_series(1, 20) g"
                        )
                    })
                });
                let mut document = databases.sharded(&[json!("t")], workers);
                document["resources"]["chunk_bytes"] = json!(chunk_bytes);
                let query = "SELECT * FROM t ORDER BY id, n, v";
                let (expected, chunks) = runtime.block_on(async {
                    let (control, id) = control(&databases.source).await;
                    let finished = run(&document, Some(&id)).await;
                    let chunks = finished.plan.streams[0].chunks;
                    finished.close().await;
                    (read(&control, query).await, chunks)
                });
                drop(churn);
                let arrived = dump(&databases.dest, query);
                if expected != arrived {
                    return Err(TestCaseError::fail(format!(
                        "{} lines in the source, {} arrived in {chunks} chunks",
                        expected.lines().count(),
                        arrived.lines().count()
                    )));
                }
                Ok(())
            },
        )
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_copy_beside_writers_is_the_source_at_its_snapshot() {
    let runs = if std::env::var_os("RB_BENCH_TORTURE").is_some() {
        100
    } else {
        10
    };
    let databases = Databases::new("writers");
    sql(
        &databases.source,
        "CREATE TABLE t (id bigserial PRIMARY KEY, n int NOT NULL, v text) WITH (autovacuum_enabled = off);
         INSERT INTO t (n, v) SELECT g, repeat('v', g % 300) FROM generate_series(1, 8000) g; UPDATE t SET v = repeat('long', 3000) WHERE id % 500 = 0",
    );
    let churns: Vec<Churn> = (1..=2u64)
        .map(|client| {
            Churn::start(&databases.source, move |round| {
                let r = (round * 7 + client) % 101;
                match round % 40 {
                    39 => "VACUUM t".to_owned(),
                    _ => format!(
                        "BEGIN; UPDATE t SET n = n + 1, v = repeat('u', {r}) WHERE id % 101 = {r} AND id % 2 = {client} - 1;
                         DELETE FROM t WHERE id IN (SELECT id FROM t WHERE id % 2 = {client} - 1 ORDER BY id LIMIT 1 OFFSET {r});
                         INSERT INTO t (n, v) VALUES ({r}, 'new'), (-{r}, repeat('n', {r} * 100)); COMMIT"
                    ),
                }
            })
        })
        .collect();
    let runtime = runtime();
    let query = "SELECT id, n, v FROM t ORDER BY id";
    for number in 0..runs {
        let (existing, form) = [(false, "auto"), (true, "two_phase"), (true, "ledger")][number % 3];
        sql(&databases.dest, "DROP TABLE IF EXISTS t");
        if existing {
            sql(
                &databases.dest,
                "CREATE TABLE t (v text, id bigint PRIMARY KEY, n int)",
            );
        }
        let mut document = databases.sharded(&[json!("t")], 2 + number as u32 % 3);
        document["destination"]["commit"] = json!(form);
        document["resources"]["chunk_bytes"] = json!(65536);
        let (expected, finished) = runtime.block_on(async {
            let (control, id) = control(&databases.source).await;
            let finished = run(&document, Some(&id)).await;
            (read(&control, query).await, finished)
        });
        assert!(finished.plan.workers > 1 && finished.plan.streams[0].chunks > 4);
        assert_eq!(
            finished.result.records_written,
            expected.lines().count() as u64
        );
        runtime.block_on(finished.close());
        assert!(
            expected == dump(&databases.dest, query),
            "run {number} ({form}) differs from the source at its snapshot"
        );
    }
    let rounds: u64 = churns.into_iter().map(Churn::finish).sum();
    println!("{runs} runs beside {rounds} rounds of writers");
    assert!(rounds > runs as u64, "{rounds}");
}

#[test]
fn all_streams_are_seen_at_one_instant() {
    let databases = Databases::new("instant");
    sql(
        &databases.source,
        "CREATE TABLE a AS SELECT g AS id, 0 AS n, repeat('a', 200) AS v FROM generate_series(1, 2000) g;
         CREATE TABLE b AS SELECT g AS id, 0 AS n, repeat('b', 200) AS v FROM generate_series(1, 2000) g;
         CREATE VIEW both_sums AS SELECT (SELECT sum(n) FROM a) AS of_a, (SELECT sum(n) FROM b) AS of_b",
    );
    let churn = Churn::start(&databases.source, |round| {
        let r = round % 37;
        format!(
            "BEGIN; UPDATE a SET n = n + 1 WHERE id % 37 = {r}; UPDATE b SET n = n + 1 WHERE id % 37 = {r}; COMMIT"
        )
    });
    let runtime = runtime();
    for _ in 0..3 {
        sql(&databases.dest, "DROP TABLE IF EXISTS a, b, both_sums");
        let document = databases.sharded(&[json!("a"), json!("b"), json!("both_sums")], 3);
        let finished = runtime.block_on(run(&document, None));
        runtime.block_on(finished.close());
        let sums =
            "SELECT (SELECT sum(n) FROM a), (SELECT sum(n) FROM b), of_a, of_b FROM both_sums";
        let sums = sql(&databases.dest, sums);
        let sums: Vec<&str> = sums.split('|').collect();
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    }
    assert!(churn.finish() > 3);
}

/// Waits until a query says `t`.
fn await_true(url: &str, query: &str) {
    for _ in 0..400 {
        if sql(url, query) == "t" {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{query} stays false");
}

/// A run whose workers find an ALTER queued behind the run's own lock on the source.
fn run_into_an_alter(databases: &Databases, retries: u32) -> rb_bench::Result<FinishedRun> {
    databases.both("CREATE TABLE t (id int, v text)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 2000) g",
    );
    let mut document = databases.sharded(&[json!("t")], 2);
    document["resources"]["max_retries"] = json!(retries);
    let runtime = runtime();
    // the run locks the source, then has to wait for the target
    let holder = runtime.block_on(connect(&databases.dest));
    runtime
        .block_on(holder.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE"))
        .unwrap();
    let request = request(&document, None);
    let under_way = runtime.spawn(engine::run(request));
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid())";
    await_true(&databases.dest, waits);
    let source = databases.source.clone();
    let alter = thread::spawn(move || {
        try_sql(&source, "ALTER TABLE t ALTER v SET STORAGE EXTERNAL").map(|_| ())
    });
    await_true(&databases.source, waits);
    runtime.block_on(holder.batch_execute("COMMIT")).unwrap();
    let outcome = runtime.block_on(under_way).unwrap();
    alter.join().unwrap().unwrap();
    outcome
}

#[test]
fn a_queued_alter_is_named_and_not_waited_for() {
    let databases = Databases::new("alter");
    let error = run_into_an_alter(&databases, 0).err().expect("it fails");
    assert_eq!(error.kind(), Kind::Lock, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("public.t") && text.contains("ALTER"),
        "{text}"
    );
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_run_that_met_an_alter_succeeds_once_it_is_through() {
    let databases = Databases::new("alter_through");
    let finished = run_into_an_alter(&databases, 3).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(finished.result.retry_count, 1);
    runtime().block_on(finished.close());
    databases.assert_same("SELECT * FROM t ORDER BY id");
}
