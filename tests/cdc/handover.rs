//! From the initial copy to the changes, while the application goes on writing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::capture::Capture;
use crate::proxy::{self, Fate};
use crate::running::Running;
use crate::support::{rb_bench_in, sql};

const TABLES: &str = "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL, note text); \
     INSERT INTO account SELECT i, 100, repeat('n', 50) FROM generate_series(1, 300) i; \
     CREATE TABLE entry (id bigserial PRIMARY KEY, account int NOT NULL, amount int NOT NULL)";

/// An application: transfers between accounts, each with its entries in one transaction, some of
/// them slow, accounts that come and go. It writes until it is told to stop.
fn write(url: &str, seed: u32, stop: &AtomicBool) {
    let mut n = seed * 1_000_000;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let (a, b) = (n * 7 % 300 + 1, n * 13 % 300 + 1);
        let (first, second) = (a.min(b), a.max(b));
        let pause = if n.is_multiple_of(10) {
            "SELECT pg_sleep(0.02);"
        } else {
            ""
        };
        sql(
            url,
            &format!(
                "BEGIN; INSERT INTO entry (account, amount) VALUES ({a}, 5), ({b}, -5); \
                 UPDATE account SET balance = balance + CASE id WHEN {a} THEN 5 ELSE 0 END - CASE id WHEN {b} THEN 5 ELSE 0 END, \
                   note = 'by {n}' WHERE id IN ({first}, {second}); {pause} \
                 INSERT INTO account VALUES ({n} + 1000, 0, 'new'); DELETE FROM account WHERE id = {n} + 1000 - 5; COMMIT"
            ),
        );
    }
}

/// Runs `work` while two writers write.
fn while_written<T>(url: &str, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 1..=2 {
            let stop = &stop;
            scope.spawn(move || write(url, seed, stop));
        }
        // told to stop also where the work fails
        let stopper = Stopper(&stop);
        let done = work();
        drop(stopper);
        done
    })
}

struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn assert_whole(capture: &Capture) {
    capture.assert_same("account");
    capture.assert_same("entry");
    assert_eq!(capture.at_dest("SELECT sum(balance) FROM account"), "30000");
}

#[test]
fn nothing_is_lost_or_doubled_between_the_copy_and_the_changes_while_writers_write() {
    let capture = Capture::applied("handover", &["account", "entry"]);
    capture.at_source(TABLES);
    while_written(&capture.databases.source.clone(), || {
        for _ in 0..20 {
            capture.setup();
            capture.run();
            // in the middle of it, money neither comes nor goes
            let json = capture.run();
            assert_eq!(json["changes"]["missing"], serde_json::json!({}));
            assert_eq!(capture.at_dest("SELECT sum(balance) FROM account"), "30000");
            assert_eq!(capture.cdc("drop", &["--yes"]).code, Some(0));
            capture.at_dest("DROP TABLE account, entry");
        }
        capture.setup();
        capture.run();
    });
    capture.run();
    assert_whole(&capture);
}

#[test]
fn transactions_that_the_copy_saw_are_not_applied_again() {
    let capture = Capture::applied("seen", &["t"]);
    capture.at_source("CREATE TABLE t (id int, v int); ALTER TABLE t REPLICA IDENTITY FULL");
    capture.setup();
    // in the slot and in the snapshot: without a key, a second insert would be a second row
    capture.each(&["INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (2, 2)"]);
    capture.run();
    capture.at_source("INSERT INTO t VALUES (3, 3)");
    let json = capture.run();
    assert_eq!(json["changes"]["skipped"], 2, "{json}");
    assert_eq!(json["changes"]["inserted"], 1);
    capture.assert_same("t");
}

#[test]
fn a_run_killed_at_any_instant_loses_and_doubles_nothing() {
    let capture = Capture::applied("killed", &["account", "entry"]);
    capture.at_source(TABLES);
    capture.setup();
    let files = tempfile::tempdir().expect("a directory for the document");
    let path = files.path().join("pipeline.yaml");
    std::fs::write(&path, capture.document.to_string()).expect("the document can be written");
    let rounds = match std::env::var("RB_BENCH_TORTURE") {
        Ok(_) => 200,
        Err(_) => 15,
    };
    while_written(&capture.databases.source.clone(), || {
        for round in 0..rounds {
            let mut command = rb_bench_in(files.path());
            command.arg("run").arg(&path);
            let running = Running::start(command, &files.path().join("output"));
            thread::sleep(Duration::from_secs_f64(
                0.01 + 0.25 * f64::from(round) / f64::from(rounds) + rand::random::<f64>() * 0.05,
            ));
            running.kill();
        }
    });
    // the first of these may still be the initial copy
    capture.run();
    capture.run();
    assert_whole(&capture);
}

#[test]
fn the_initial_copy_and_what_it_saw_are_committed_together_or_not_at_all() {
    let mut capture = Capture::applied("together", &["account", "entry"]);
    capture.at_source(TABLES);
    capture.setup();
    let direct = capture.databases.dest.clone();
    let struck = proxy::before(
        &direct,
        proxy::once(Fate::Breaks, |sent| {
            sent.text.contains("initial_copies") && sent.text.contains("INSERT")
        }),
    );
    capture.document["destination"]["config"]["url"] = serde_json::json!(struck);
    assert_eq!(capture.try_run(&[]).code, Some(1));
    assert_eq!(
        capture.at_dest(
            "SELECT to_regclass('account') IS NULL, (SELECT count(*) FROM rb_bench.initial_copies)"
        ),
        "t|0"
    );
    capture.document["destination"]["config"]["url"] = serde_json::json!(direct);
    capture.run();
    capture.run();
    assert_whole(&capture);
}
