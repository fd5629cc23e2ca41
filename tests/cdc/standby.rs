//! A standby as the source, before and after it is promoted: a real one, made with `pg_basebackup`.

use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::Config;

use crate::capture::Capture;
use crate::support::copies::{Databases, run};
use crate::support::{
    BINARY, OwnServer, command, fresh_database, own_directory, own_server, sql, try_sql,
};

/// How long it may take to catch up and to take connections.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running standby of a test's own server. It stops with its supervisor, and that with this
/// process, in whatever way this ends.
struct Standby {
    supervisor: Child,
    directory: PathBuf,
    port: u16,
}

impl Standby {
    /// Copies the primary as it runs, and follows it.
    fn of(primary: &OwnServer) -> Self {
        let primary = primary.cluster();
        let directory = own_directory();
        let data = directory.join("data");
        let owner = std::fs::metadata(primary.directory().join("data")).expect("the primary's");
        std::fs::create_dir(&directory).expect("a directory for the standby");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&data)
            .expect("a directory for its data");
        chown(&data, Some(owner.uid()), Some(owner.gid())).expect("the server's account has it");
        let programs = primary.programs();
        let copied = command(&programs.program("pg_basebackup"))
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .args(["--wal-method=stream", "--pgdata"])
            .arg(&data)
            .envs(primary.environment("postgres"))
            .uid(owner.uid())
            .gid(owner.gid())
            .current_dir("/")
            .output()
            .expect("the Postgres programs are installed");
        assert!(copied.status.success(), "{copied:?}");
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port is free")
            .port();
        // what a standby may not have smaller than its primary, and the rest, is the same
        let settings = format!(
            "include '{}'\nport = {port}\nunix_socket_directories = ''\n",
            primary.directory().join("postgresql.conf").display()
        );
        std::fs::write(directory.join("postgresql.conf"), settings).expect("it can be written");
        let log = std::fs::File::create(directory.join("log")).expect("a log");
        let supervisor = command(Path::new(BINARY))
            .arg("__supervise")
            .arg("--pg-bin")
            .arg(&programs.directory)
            .arg("--data")
            .arg(&data)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        let standby = Self {
            supervisor,
            directory,
            port,
        };
        standby.until_up(&standby.url(&primary.url("postgres")));
        standby
    }

    fn until_up(&self, url: &str) {
        let begun = Instant::now();
        while try_sql(url, "SELECT 1").is_err() {
            let log = std::fs::read_to_string(self.directory.join("log"));
            assert!(begun.elapsed() < PATIENCE, "it does not come up: {log:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where a database of the primary is on the standby.
    fn url(&self, at_primary: &str) -> String {
        let config: Config = at_primary.parse().expect("a URL");
        format!(
            "postgres://{}:{}@127.0.0.1:{}/{}",
            config.get_user().unwrap_or_default(),
            String::from_utf8_lossy(config.get_password().unwrap_or_default()),
            self.port,
            config.get_dbname().unwrap_or_default()
        )
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let stopped = self.supervisor.wait();
        let deleted = std::fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            assert!(stopped.is_ok_and(|status| status.success()));
            deleted.expect("a standby's directory can be deleted");
        }
    }
}

#[test]
fn a_standby_can_be_copied_from_but_keeps_no_changes_even_once_it_is_promoted() {
    let primary = own_server();
    let source = primary.fresh_database("source");
    let databases = Databases {
        source: source.clone(),
        dest: fresh_database("standby_dest"),
    };
    let mut capture = Capture::between(databases, &["t"], "upsert").copied(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)",
    );
    let standby = Standby::of(&primary);
    let at_standby = standby.url(&source);
    assert_eq!(sql(&at_standby, "SELECT pg_is_in_recovery()"), "t");
    // an ordinary copy reads it as it reads any server
    let copied = Databases {
        source: at_standby.clone(),
        dest: fresh_database("standby_copied"),
    };
    run(&copied.sharded(&[json!("t")], 2));
    copied.assert_same("SELECT * FROM t ORDER BY id");
    // the pipeline of the primary, pointed at it
    capture.document["source"]["config"]["url"] = json!(at_standby);
    let refusal = ["is a standby", "use its primary"];
    capture.try_run(&[]).refused(&refusal);
    for action in ["setup", "status", "drop"] {
        capture.cdc(action, &[]).refused(&refusal);
    }
    // waits until it is one
    assert_eq!(sql(&at_standby, "SELECT pg_promote()"), "t");
    capture.try_run(&[]).refused(&[
        "the source is on timeline 00000002 and was on 00000001",
        "rb-bench cdc drop",
    ]);
    // and the primary goes on as if nothing had been
    capture.document["source"]["config"]["url"] = json!(source);
    capture.assert_arrives("INSERT INTO t VALUES (1001)", "t");
}
