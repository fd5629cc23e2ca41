//! Lists of servers: which one is taken, and that a whole run stays on it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rb_bench::postgres::Server;
use serde_json::json;
use tokio_postgres::Config;

use crate::server::{ask, refused};
use crate::support::copies::{Databases, run};
use crate::support::standby::Standby;
use crate::support::{OwnServer, fresh_database, own_server, sql};

/// A primary and its standby, kept until the process ends.
struct Pair {
    primary: OwnServer,
    standby: Standby,
}

impl Pair {
    fn of_this_test() -> Self {
        let primary = own_server();
        let standby = Standby::of(&primary);
        Self { primary, standby }
    }

    fn ports(&self) -> (u16, u16) {
        let config: Config = self.primary.url("postgres").parse().expect("a URL");
        (config.get_ports()[0], self.standby.port)
    }

    /// A URL with several ports of this machine.
    fn url(&self, ports: &[u16], parameters: &str) -> String {
        let config: Config = self.primary.url("postgres").parse().expect("a URL");
        let password =
            String::from_utf8_lossy(config.get_password().expect("a password")).into_owned();
        let hosts: Vec<String> = ports.iter().map(|p| format!("127.0.0.1:{p}")).collect();
        format!(
            "postgres://postgres:{password}@{}/postgres?{parameters}",
            hosts.join(",")
        )
    }
}

/// A port on which nobody listens.
fn dead() -> u16 {
    static DEAD: OnceLock<u16> = OnceLock::new();
    *DEAD.get_or_init(|| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        listener.local_addr().expect("it is bound").port()
    })
}

const PORT: &str = "SELECT inet_server_port()";

#[test]
fn the_first_server_that_is_what_was_asked_for_is_taken() {
    let pair = Pair::of_this_test();
    let (primary, standby) = pair.ports();
    for (ports, attributes, taken) in [
        (&[dead(), primary][..], "any", primary),
        (&[dead(), standby, primary], "any", standby),
        (&[standby, primary], "read-write", primary),
        (&[standby, primary], "primary", primary),
        (&[primary, standby], "read-only", standby),
        (&[primary, dead(), standby], "standby", standby),
        (&[primary, standby], "prefer-standby", standby),
        (&[primary, dead()], "prefer-standby", primary),
    ] {
        let url = pair.url(ports, &format!("target_session_attrs={attributes}"));
        assert_eq!(
            ask(&url, PORT).unwrap(),
            taken.to_string(),
            "{attributes} {ports:?}"
        );
    }
    let url = pair.url(&[dead(), primary], "target_session_attrs=standby");
    let said = refused(
        &url,
        &[
            "no server can be used",
            "check that one of them runs, can be reached, and is what target_session_attrs asks for",
            "it is a primary, and target_session_attrs is standby",
            "Connection refused",
        ],
    );
    assert!(said.contains(&format!("127.0.0.1:{}", dead())), "{said}");
    refused(
        &pair.url(&[standby], "target_session_attrs=read-write"),
        &[
            "it is read-only, and target_session_attrs is read-write",
            "list a server in host that is what target_session_attrs asks for",
        ],
    );
    for (port, attributes, why) in [
        (
            primary,
            "read-only",
            "it is not read-only, and target_session_attrs is read-only",
        ),
        (
            standby,
            "primary",
            "it is a standby, and target_session_attrs is primary",
        ),
    ] {
        let url = pair.url(&[port], &format!("target_session_attrs={attributes}"));
        refused(&url, &[why]);
    }
    // a server that has judged who we are is the last one that is asked
    let wrong = pair.url(&[primary, standby], "");
    let wrong = wrong.replacen("postgres://postgres:", "postgres://postgres:wrong", 1);
    refused(&wrong, &["28P01"]);
}

/// A port on which somebody lets everybody in and answers no question.
fn silent() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // AuthenticationOk, ReadyForQuery: what comes then is read and no more
                let welcome = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
                let mut bytes = [0; 1024];
                if client.read(&mut bytes).is_ok() && client.write_all(welcome).is_ok() {
                    while matches!(client.read(&mut bytes), Ok(1..)) {}
                }
            });
        }
    });
    port
}

#[test]
fn a_server_that_does_not_say_what_it_is_is_passed_over() {
    let pair = Pair::of_this_test();
    let (primary, _) = pair.ports();
    let asked = "target_session_attrs=read-write&sslmode=disable&connect_timeout=2";
    let mute = silent();
    let answer = ask(&pair.url(&[mute, primary], asked), PORT);
    assert_eq!(answer.unwrap(), primary.to_string());
    refused(&pair.url(&[mute], asked), &["no answer within 2 s"]);
}

#[test]
fn all_connections_of_a_run_go_to_the_server_of_the_first() {
    let pair = Pair::of_this_test();
    let (primary, standby) = pair.ports();
    let url = pair.url(&[primary, standby], "load_balance_hosts=random");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // so many that chance would not do it: 2 ** -30
    let taken = runtime.block_on(async {
        let server = Server::from_url(&url).unwrap();
        let mut taken = Vec::new();
        let (first, second) = tokio::join!(server.connect("a"), server.connect("b"));
        for session in [first.unwrap(), second.unwrap()] {
            taken.push(session.value(PORT, "asking").await.unwrap());
            session.close().await;
        }
        for _ in 0..28 {
            let session = server.clone().connect("c").await.unwrap();
            taken.push(session.value(PORT, "asking").await.unwrap());
            session.close().await;
        }
        assert!(server.is_local());
        // and it prints as the one that it is
        assert_eq!(
            server.to_string().matches("127.0.0.1:").count(),
            1,
            "{server}"
        );
        taken
    });
    assert!(taken.iter().all(|port| *port == taken[0]), "{taken:?}");
    // several servers are met by several
    let met: std::collections::BTreeSet<String> =
        (0..40).map(|_| ask(&url, PORT).unwrap()).collect();
    assert_eq!(met.len(), 2, "{met:?}");
}

#[test]
fn a_run_reads_from_the_standby_and_writes_to_the_primary_of_a_list() {
    let pair = Pair::of_this_test();
    let (primary, standby) = pair.ports();
    let source = pair.primary.fresh_database("list");
    let name = source.rsplit_once('/').unwrap().1.to_owned();
    sql(
        &source,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 20000)",
    );
    let in_list = |database: &str, parameters: &str| {
        let ports = [dead(), standby, primary];
        pair.url(&ports, parameters)
            .replace("/postgres?", &format!("/{database}?"))
    };
    // the standby has the table
    let at_standby = in_list(&name, "target_session_attrs=standby");
    let begun = Instant::now();
    while ask(&at_standby, "SELECT count(*) FROM t").ok().as_deref() != Some("20000") {
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
    sql(&pair.primary.url("postgres"), "CREATE DATABASE copied");
    // a standby without it would be asked first, and its answer be the last
    while ask(
        &pair.url(&[standby], "").replace("/postgres?", "/copied?"),
        "SELECT 1",
    )
    .is_err()
    {
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
    let databases = Databases {
        source: format!("{at_standby}&load_balance_hosts=random"),
        dest: in_list("copied", "target_session_attrs=primary"),
    };
    run(&databases.sharded(&[json!("t")], 4));
    let copied = pair.primary.url("copied");
    assert_eq!(
        sql(&copied, "SELECT count(*), sum(id) FROM t"),
        "20000|200010000"
    );
}

#[test]
fn a_benchmark_of_a_list_stays_on_one_server_as_well() {
    let pair = Pair::of_this_test();
    let (primary, standby) = pair.ports();
    let source = pair.primary.fresh_database("bench");
    let name = source.rsplit_once('/').unwrap().1.to_owned();
    sql(
        &source,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 500)",
    );
    let url = pair.url(
        &[primary, standby],
        "load_balance_hosts=random&target_session_attrs=any",
    );
    let url = url.replace("/postgres?", &format!("/{name}?"));
    let begun = Instant::now();
    let at_standby = pair.standby.url(&source);
    while ask(&at_standby, "SELECT count(*) FROM t").ok().as_deref() != Some("500") {
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
    let dest = fresh_database("bench_dest");
    sql(&dest, "CREATE TABLE t (id int PRIMARY KEY)");
    let directory = tempfile::tempdir().unwrap();
    let document = Databases { source: url, dest }.document(&[json!("t")]);
    let file = directory.path().join("bench.yaml");
    std::fs::write(&file, document.to_string()).unwrap();
    let output = crate::support::rb_bench()
        .arg("--pipeline")
        .arg(&file)
        .args([
            "--iters", "1", "--warmup", "0", "--guard", "off", "--format", "json", "--out",
        ])
        .arg(directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let session: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let endpoint = session["postgres"]["source"]["endpoint"]
        .as_str()
        .unwrap_or_default();
    let one = [primary, standby]
        .iter()
        .any(|port| endpoint == format!("postgres@127.0.0.1:{port}/{name}"));
    assert!(one, "{endpoint:?} in {session:#}");
}
