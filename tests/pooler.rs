//! Through pgbouncer: what a run needs of a connection it needs for one transaction at a time.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rb_bench::error::Kind;
use rb_bench::postgres::Server;
use rb_bench::postgres::repeated::Repeated;
use serde_json::{Value, json};
use support::copies::{Databases, cdc, run, try_run};
use support::machine::Machine;
use support::pooler::{Pooler, assert_nothing_stays};
use support::{fresh_database, own_server_with, sql};
use tempfile::NamedTempFile;
use tokio_postgres::types::Format;

const TABLE: &str = "CREATE TYPE mood AS ENUM ('low', 'high'); \
                     CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL, m mood NOT NULL)";
const ROWS: &str = "INSERT INTO t SELECT g, 'v' || g, 'high' FROM generate_series(1, 3000) g";

/// Two databases with table `t`, the source's filled.
fn filled(name: &str) -> Databases {
    let databases = Databases::new(name);
    databases.both(TABLE);
    sql(&databases.source, ROWS);
    databases
}

#[test]
fn every_mode_and_commit_form_runs_through_a_transaction_pooler_and_leaves_nothing_on_it() {
    let databases = filled("pooled");
    let pooler = Pooler::before(&databases, "transaction", &[("default_pool_size", "6")]);
    let through = pooler.databases();
    let mut document = through.sharded(&[json!("t")], 3);
    for form in ["two_phase", "ledger", "single_writer"] {
        sql(&databases.dest, "TRUNCATE t");
        document["destination"]["commit"] = json!(form);
        assert_eq!(run(&document)["plan"]["commit"], form);
        databases.assert_same("SELECT * FROM t ORDER BY id");
    }
    document["destination"]["commit"] = json!("auto");
    sql(
        &databases.source,
        "UPDATE t SET v = v || '!' WHERE id % 2 = 0",
    );
    for mode in ["upsert", "replace"] {
        document["destination"]["write_mode"] = json!(mode);
        document["destination"]["primary_key"] =
            json!(if mode == "upsert" { vec!["id"] } else { vec![] });
        run(&document);
        databases.assert_same("SELECT * FROM t ORDER BY id");
    }
    document["destination"]["write_mode"] = json!("append");
    // a new table, by INSERT, through a query whose columns have a type of the user's
    sql(&databases.dest, "DROP TABLE t");
    document["destination"]["config"]["load_method"] = json!("insert");
    document["transforms"] = json!([{ "use": "transform-sql", "config": { "query": "SELECT id, v, m FROM input WHERE id > 10" } }]);
    assert_eq!(run(&document)["plan"]["commit"], "built_aside");
    databases.assert_same("SELECT * FROM t WHERE id > 10 ORDER BY id");
    for side in ["source", "dest"] {
        assert_nothing_stays(&pooler.url(side));
    }
}

#[test]
fn increments_and_changes_come_through_a_transaction_pooler() {
    let databases = filled("increments");
    let pooler = Pooler::before(&databases, "transaction", &[]);
    let through = pooler.databases();
    let stream = json!({ "name": "t", "sync_mode": "incremental", "cursor_field": "id" });
    let document = through.document(&[stream]);
    run(&document);
    sql(
        &databases.source,
        "INSERT INTO t VALUES (4000, 'new', 'low')",
    );
    assert_eq!(run(&document)["result"]["records_written"], 1);
    databases.assert_same("SELECT * FROM t ORDER BY id");
    // and capture, into another table
    let stream = json!({ "name": "t", "target": "captured", "sync_mode": "cdc" });
    let mut document = through.document(&[stream]);
    document["pipeline"] = json!("captured");
    document["destination"]["write_mode"] = json!("upsert");
    cdc(&document, "setup", &[]).succeeded();
    try_run(&document, &[]).succeeded();
    sql(
        &databases.source,
        "UPDATE t SET v = 'other' WHERE id < 100; DELETE FROM t WHERE id = 100",
    );
    try_run(&document, &[]).succeeded();
    databases.assert_equal(
        "SELECT * FROM t ORDER BY id",
        "SELECT * FROM captured ORDER BY id",
    );
    cdc(&document, "drop", &["--yes"]).succeeded();
    for side in ["source", "dest"] {
        assert_nothing_stays(&pooler.url(side));
    }
}

/// A run under way, with its document: the destination sleeps in the middle of its rows.
fn run_until_asleep(document: &Value, dest: &str, id: &str) -> (Child, NamedTempFile) {
    let file = NamedTempFile::with_suffix(".yaml").expect("a file can be made");
    std::fs::write(file.path(), document.to_string()).expect("it can be written");
    let mut process = support::rb_bench_in(&support::directory().join("commands"))
        .args(["run", "--run-id", id])
        .arg(file.path())
        .spawn()
        .expect("the binary runs");
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while sql(dest, sleeping) != "1" {
        assert!(
            process.try_wait().expect("it can be asked").is_none(),
            "it ended"
        );
        thread::sleep(std::time::Duration::from_millis(20));
    }
    (process, file)
}

#[test]
fn a_run_that_died_is_settled_through_a_pooler_whose_connections_serve_others() {
    let databases = filled("settled");
    sql(
        &databases.dest,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 3000) EXECUTE FUNCTION slow()",
    );
    let pooler = Pooler::before(&databases, "transaction", &[]);
    let through = pooler.databases();
    let mut document = through.sharded(&[json!("t")], 2);
    document["destination"]["commit"] = json!("two_phase");
    let (mut process, _file) = run_until_asleep(&document, &databases.dest, "dies");
    process.kill().expect("it can be killed");
    process.wait().expect("it can be waited for");
    sql(&databases.dest, "ALTER TABLE t DISABLE TRIGGER slow");
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

#[test]
fn inserts_that_are_done_refused_or_cancelled_leave_no_statement_on_the_poolers_connections() {
    let databases = filled("inserts");
    sql(
        &databases.dest,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 2000) EXECUTE FUNCTION slow(); \
         ALTER TABLE t DISABLE TRIGGER slow",
    );
    // as many connections as one worker's run needs: every run comes by all of them
    let pooler = Pooler::before(&databases, "transaction", &[("default_pool_size", "3")]);
    let mut document = pooler.databases().document(&[json!("t")]);
    document["destination"]["config"]["load_method"] = json!("insert");
    document["resources"]["parallelism"] = json!(1);
    let run_and_look = || {
        run(&document);
        databases.assert_same("SELECT * FROM t ORDER BY id");
        assert_nothing_stays(&pooler.url("dest"));
        sql(&databases.dest, "TRUNCATE t");
    };
    run_and_look();
    run_and_look();
    sql(
        &databases.dest,
        "ALTER TABLE t ADD CHECK (id <> 2000) NOT VALID",
    );
    try_run(&document, &[]).refused(&["inserting rows", "t_id_check", "23514"]);
    assert_nothing_stays(&pooler.url("dest"));
    sql(
        &databases.dest,
        "ALTER TABLE t DROP CONSTRAINT t_id_check; ALTER TABLE t ENABLE TRIGGER slow",
    );
    let (mut process, _file) = run_until_asleep(&document, &databases.dest, "cancelled");
    let pid = Pid::from_raw(i32::try_from(process.id()).expect("a process's number"));
    kill(pid, Signal::SIGINT).expect("it can be told to stop");
    let status = process.wait().expect("it can be waited for");
    assert_eq!(status.code(), Some(130));
    assert_nothing_stays(&pooler.url("dest"));
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
    sql(&databases.dest, "ALTER TABLE t DISABLE TRIGGER slow");
    run_and_look();
}

#[test]
fn a_chunks_insert_is_parsed_once_and_executed_often_through_a_pooler_too() {
    let settings = [
        ("log_min_duration_statement", "0"),
        ("log_parameter_max_length", "0"),
    ];
    let server = own_server_with(&settings);
    let databases = Databases {
        source: server.fresh_database("source"),
        dest: server.fresh_database("dest"),
    };
    databases.both("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE wide (LIKE t)");
    // of wide rows fewer go into a statement, and as they become narrower it does not change with each
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 5200) g; CREATE VIEW one_chunk AS SELECT * FROM t;
         INSERT INTO wide SELECT g, repeat('w', 8000 - 2 * g) FROM generate_series(1, 3000) g; CREATE VIEW wide_chunk AS SELECT * FROM wide",
    );
    let pooler = Pooler::before(&databases, "transaction", &[]);
    let streams = [("one_chunk", "t"), ("wide_chunk", "wide")]
        .map(|(view, table)| json!({ "name": view, "target": table }));
    let mut document = pooler.databases().document(&streams);
    document["resources"] = json!({ "parallelism": 1 });
    document["destination"]["config"]["load_method"] = json!("insert");
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
    databases.assert_same("SELECT * FROM wide ORDER BY id");
    let log = std::fs::read_to_string(server.cluster().directory().join("server.log"))
        .expect("the server has a log");
    let said = |what: &str, table: &str| {
        let insert = format!("{what} <unnamed>: INSERT INTO \"public\".\"{table}\"");
        log.lines().filter(|line| line.contains(&insert)).count()
    };
    // ten times 500 rows, then 200
    assert_eq!((said("parse", "t"), said("execute", "t")), (2, 11));
    let (parsed, executed) = (said("parse", "wide"), said("execute", "wide"));
    assert!(parsed <= 4 && executed > 20, "{parsed} {executed}");
}

#[tokio::test]
async fn a_repeated_statement_is_refused_without_losing_step_however_large_its_values() {
    let databases = filled("repeated");
    let pooler = Pooler::before(&databases, "transaction", &[]);
    let server = Server::from_url(&pooler.url("dest")).unwrap();
    let session = server.connect("rb-bench test").await.unwrap();
    // far more than the sockets take while the server has refused the statement already
    let large = vec![b'x'; 64 << 20];
    let values = || [Some(b"1".as_slice()), Some(&large), Some(b"low")];
    for (sql, kind, code) in [
        (
            "INSERT INTO nowhere VALUES ($1, $2, $3)",
            Kind::NotFound,
            "42P01",
        ),
        (
            "INSERT INTO t VALUES ($1, $2::varchar(5), $3), ($1, 'v', $3)",
            Kind::Data,
            "23505",
        ),
    ] {
        session.begin("BEGIN", "beginning").await.unwrap();
        let mut statement = Repeated::on(&session).unwrap();
        statement.set(sql).unwrap();
        let error = statement.execute(Format::Text, values()).await.unwrap_err();
        assert_eq!((error.kind(), error.sqlstate()), (kind, Some(code)));
        statement.finish().await.unwrap();
        session.execute("ROLLBACK", "rolling back").await.unwrap();
    }
    session.begin("BEGIN", "beginning").await.unwrap();
    let mut statement = Repeated::on(&session).unwrap();
    statement
        .set("INSERT INTO t VALUES ($1, coalesce($2, 'none'), 'low')")
        .unwrap();
    for row in 1..=20 {
        let id = row.to_string();
        let values = [Some(id.as_bytes()), None];
        let written = statement.execute(Format::Text, values).await.unwrap();
        assert_eq!(written, 1);
    }
    statement.finish().await.unwrap();
    session.execute("COMMIT", "committing").await.unwrap();
    session.close().await;
    let arrived = "SELECT count(*), count(DISTINCT id), min(v) FROM t";
    assert_eq!(sql(&databases.dest, arrived), "20|20|none");
    assert_nothing_stays(&pooler.url("dest"));
}

#[test]
fn a_pool_that_is_too_small_is_an_error_that_says_so_and_not_a_deadlock() {
    let databases = filled("small");
    let small = Pooler::before(&databases, "transaction", &[("default_pool_size", "3")]);
    // the leader and two workers have all there are, and wait for the third
    let mut document = databases.sharded(&[json!("t")], 3);
    document["destination"]["config"]["url"] = json!(small.url("dest"));
    let remedy = "lower resources.parallelism, make the pool larger";
    let said = try_run(&document, &[]).refused(&["a pooler without a free connection", remedy]);
    assert!(said.contains("within 15 s"), "{said}");
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
    // with one worker it is large enough
    document["resources"]["parallelism"] = json!(1);
    run(&document);
    // a pooler that itself gives up first
    let impatient = [("default_pool_size", "2"), ("query_wait_timeout", "1")];
    let impatient = Pooler::before(&databases, "transaction", &impatient);
    let mut document = databases.sharded(&[json!("t")], 2);
    document["source"]["config"]["url"] = json!(impatient.url("source"));
    sql(&databases.dest, "TRUNCATE t");
    try_run(&document, &[]).refused(&["query_wait_timeout", remedy]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

#[test]
fn statement_pooling_is_refused_with_what_to_do() {
    let databases = filled("statement");
    let pooler = Pooler::before(&databases, "statement", &[]);
    for side in ["source", "destination"] {
        let mut document = databases.sharded(&[json!("t")], 2);
        let name = if side == "source" { "source" } else { "dest" };
        document[side]["config"]["url"] = json!(pooler.url(name));
        try_run(&document, &[]).refused(&["statement pooling", "pool_mode = transaction"]);
    }
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

/// A load balancer: every connection goes to the next of these ports.
fn balancer(ports: [u16; 2]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    let turn = AtomicUsize::new(0);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let next = ports[turn.fetch_add(1, Ordering::Relaxed) % 2];
            let Ok(server) = TcpStream::connect(("127.0.0.1", next)) else {
                return;
            };
            let (from, to) = (client.try_clone(), server.try_clone());
            thread::spawn(move || pass(client, server));
            if let (Ok(from), Ok(to)) = (to, from) {
                thread::spawn(move || pass(from, to));
            }
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn several_servers_behind_one_name_are_refused_before_a_row_moves() {
    let machines = [Machine::start(14), Machine::start(14)];
    let mut ports = [0; 2];
    for (machine, port) in machines.iter().zip(&mut ports) {
        let url = machine.fresh_database("shop");
        sql(&url, &format!("{TABLE}; {ROWS}"));
        *port = url
            .rsplit_once(':')
            .expect("a port")
            .1
            .split('/')
            .next()
            .expect("a port")
            .parse()
            .expect("a number");
    }
    let balanced = format!("postgresql://postgres@127.0.0.1:{}/shop", balancer(ports));
    let databases = Databases {
        source: balanced.clone(),
        dest: fresh_database("balanced"),
    };
    let refusal = [
        "several servers answer behind ",
        ", and a run needs all its sessions on one",
        "name one of them: a load balancer or a name with several addresses cannot be copied through",
    ];
    let document: Value = databases.sharded(&[json!("t")], 2);
    try_run(&document, &[]).refused(&refusal);
    let databases = Databases {
        source: machines[0].url("shop"),
        dest: balanced,
    };
    try_run(&databases.sharded(&[json!("t")], 2), &[]).refused(&refusal);
    for machine in &machines {
        assert_eq!(sql(&machine.url("shop"), "SELECT count(*) FROM t"), "3000");
    }
}
