//! Whole copies over TLS, on both sides, and one that is stopped in its middle.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rb_bench::config::types::Endpoint;
use serde_json::json;

use crate::running::Running;
use crate::server::{Tls, server};
use crate::support::copies::{Databases, run};
use crate::support::{own_directory, rb_bench_in, sql};

/// The same databases by way of a role that may come encrypted only, believing one authority.
fn through_tls(tls: &Tls, databases: &Databases) -> Databases {
    let strict = |url: &str| {
        let database = url.rsplit_once('/').expect("a database in the URL").1;
        let parameters = format!(
            "sslmode=verify-full&sslrootcert={}&channel_binding=require",
            tls.root()
        );
        tls.url_as("sslonly", &parameters)
            .replace("/postgres?", &format!("/{database}?"))
    };
    Databases {
        source: strict(&databases.source),
        dest: strict(&databases.dest),
    }
}

#[test]
fn a_hundred_thousand_rows_arrive_over_tls_with_wide_and_narrow_ones_among_them() {
    let tls = server();
    let databases = Databases::new("tls_copy");
    let encrypted = through_tls(tls, &databases);
    sql(
        &databases.source,
        "CREATE TABLE t (id int PRIMARY KEY, note text, wide text);
         INSERT INTO t SELECT i, md5(i::text), CASE WHEN i % 5000 = 0 THEN repeat(md5(i::text), 20000) END
         FROM generate_series(1, 100000) i;
         CREATE TABLE empty (id int PRIMARY KEY)",
    );
    for workers in [1, 3] {
        let result = run(&encrypted.sharded(&[json!("t"), json!("empty")], workers));
        assert_eq!(result["result"]["records_written"], 100_000, "{result}");
        databases.assert_same("SELECT * FROM t ORDER BY id");
        sql(&databases.dest, "DROP TABLE t, empty");
    }
}

#[test]
fn inserts_upserts_and_replacements_go_over_tls_as_well() {
    let tls = server();
    let databases = Databases::new("tls_modes");
    let encrypted = through_tls(tls, &databases);
    databases.both("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let fill = |text: &str| {
        let rows = format!("SELECT i, '{text}' || i FROM generate_series(1, 3000) i");
        sql(
            &databases.source,
            &format!("TRUNCATE t; INSERT INTO t {rows}"),
        );
    };
    let mut document = encrypted.sharded(&[json!("t")], 2);
    fill("inserted ");
    document["destination"]["config"]["load_method"] = json!("insert");
    run(&document);
    fill("upserted ");
    document["destination"]["config"]["load_method"] = json!("copy");
    document["destination"]["write_mode"] = json!("upsert");
    document["destination"]["primary_key"] = json!(["id"]);
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
    fill("replaced ");
    document["destination"]["write_mode"] = json!("replace");
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

#[test]
fn a_row_that_the_destination_refuses_is_told_over_tls() {
    let tls = server();
    let databases = Databases::new("tls_refused");
    let encrypted = through_tls(tls, &databases);
    sql(
        &databases.source,
        "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 50000)",
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (id int CHECK (id <> 30000))",
    );
    let outcome = crate::support::copies::try_run(&encrypted.document(&[json!("t")]), &[]);
    outcome.refused(&["23514", "t_id_check"]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_copy_that_is_interrupted_is_cancelled_at_the_servers_over_tls() {
    let tls = server();
    let databases = Databases::new("tls_stopped");
    let encrypted = through_tls(tls, &databases);
    sql(
        &databases.source,
        "CREATE TABLE t (id int PRIMARY KEY, note text);
         INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i",
    );
    // the destination hangs in the middle, deaf to a connection that is gone
    sql(
        &databases.dest,
        "CREATE TABLE t (id int PRIMARY KEY, note text);
         CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
         CREATE TRIGGER hang BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id % 10000 = 0) EXECUTE FUNCTION hang()",
    );
    let directory = own_directory();
    std::fs::create_dir_all(&directory).unwrap();
    let document = directory.join("copy.yaml");
    std::fs::write(&document, encrypted.sharded(&[json!("t")], 2).to_string()).unwrap();
    let mut command = rb_bench_in(&directory);
    command.arg("run").arg(&document);
    let running = Running::start(command, &directory.join("run"));
    let asleep = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until(&databases.dest, asleep);
    running.signal(Signal::SIGINT);
    let outcome = running.finish();
    assert_eq!(outcome.status.code(), Some(130), "{outcome:#?}");
    outcome.assert_says(&["interrupted; nothing was committed"]);
    for url in [&databases.source, &databases.dest] {
        until(
            url,
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rb-bench%'",
        );
    }
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
    std::fs::remove_dir_all(&directory).unwrap();
}

fn until(url: &str, question: &str) {
    let begun = Instant::now();
    while sql(url, question) != "t" {
        assert!(begun.elapsed() < Duration::from_mins(1), "{question}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_documents_keys_say_what_a_urls_parameters_say() {
    let tls = server();
    let databases = Databases::new("tls_keys");
    sql(
        &databases.source,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
    );
    let mut document = databases.document(&[json!("t")]);
    for (side, url) in [
        ("source", &databases.source),
        ("destination", &databases.dest),
    ] {
        document[side]["config"] = json!({
            "host": "db1.example.org",
            "hostaddr": "127.0.0.1",
            "port": tls.port,
            "user": "sslonly",
            "password": "secret",
            "database": url.rsplit_once('/').unwrap().1,
            "sslmode": "verify-full",
            "sslrootcert": tls.root(),
            "channel_binding": "require",
            "target_session_attrs": "read-write",
            "connect_timeout": 20,
            "keepalives_idle": 10,
            "options": "-c work_mem=8MB",
        });
    }
    run(&document);
    databases.assert_same("SELECT * FROM t");
    document["source"]["config"]["host"] = json!("db1.example.com");
    crate::support::copies::try_run(&document, &[]).refused(&[
        "connecting to sslonly@db1.example.com:",
        "not for db1.example.com",
        "what to do",
    ]);
    let endpoint: Endpoint = serde_json::from_value(document["source"]["config"].clone()).unwrap();
    assert_eq!(endpoint.settings.connect_timeout, Some(20));
}
