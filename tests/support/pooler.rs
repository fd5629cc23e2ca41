//! pgbouncer in front of databases, as a test wants it.
//!
//! `scripts/ensure-servers` installs it, and `make test` runs it. It ends with the test, and with this
//! process, for it is the child of a shell that waits for the end of a pipe.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::copies::Databases;
use super::machine::{free_port, make_for_the_account};
use super::{command, own_directory, try_sql};

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running pgbouncer.
pub(crate) struct Pooler {
    shell: Child,
    directory: PathBuf,
    port: u16,
}

impl Pooler {
    /// A pooler in front of these databases: `source` and `dest`.
    pub(crate) fn before(databases: &Databases, mode: &str, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let directory = own_directory();
        std::fs::create_dir_all(directory.parent().expect("a parent")).expect("it can be made");
        let (uid, gid) = make_for_the_account(&directory);
        let mut text = format!(
            "[databases]\nsource = {}\ndest = {}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\n",
            target(&databases.source),
            target(&databases.dest)
        );
        for (name, value) in settings {
            writeln!(text, "{name} = {value}").expect("a string takes it");
        }
        let file = directory.join("pgbouncer.ini");
        std::fs::write(&file, text).expect("it can be written");
        let program = program();
        let log = std::fs::File::create(directory.join("log")).expect("a log");
        let shell = command(Path::new("/bin/sh"))
            .args(["-c", "\"$0\" \"$1\" & read -r _; kill $!; wait $!"])
            .arg(program)
            .arg(&file)
            .uid(uid)
            .gid(gid)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a shell runs");
        let pooler = Self {
            shell,
            directory,
            port,
        };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(pooler.directory.join("log"));
            assert!(
                begun.elapsed() < PATIENCE,
                "pgbouncer does not come up; scripts/ensure-servers installs it: {log:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    /// The URL of a database behind it: `source` or `dest`.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgresql://pooled@127.0.0.1:{}/{database}", self.port)
    }

    /// Both databases, seen through it.
    pub(crate) fn databases(&self) -> Databases {
        Databases {
            source: self.url("source"),
            dest: self.url("dest"),
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.join("log"));
            eprintln!("pgbouncer said: {log:?}");
        }
        drop(self.shell.stdin.take());
        let ended = self.shell.wait();
        let deleted = std::fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            ended.expect("the shell can be waited for");
            deleted.expect("a pooler's directory can be deleted");
        }
    }
}

/// The pgbouncer to start: another version than the system's may be named.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("RB_BENCH_TEST_PGBOUNCER") {
        return PathBuf::from(named);
    }
    ["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"]
        .iter()
        .map(|directory| Path::new(directory).join("pgbouncer"))
        .find(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from("pgbouncer"))
}

/// A database as pgbouncer's configuration names it.
fn target(url: &str) -> String {
    let config: Config = url.parse().expect("a URL");
    let host = match &config.get_hosts()[0] {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let password = String::from_utf8_lossy(config.get_password().unwrap_or_default());
    format!(
        "host={host} port={} dbname={} user={} password={password}",
        config.get_ports()[0],
        config.get_dbname().unwrap_or_default(),
        config.get_user().unwrap_or_default()
    )
}

/// Sees that what runs left on the pool's connections is nothing: no setting, no statement, no lock.
pub(crate) fn assert_nothing_stays(url: &str) {
    let left = "SELECT coalesce(string_agg(name || '=' || setting, ','), '') || '|' || \
                  (SELECT count(*) FROM pg_prepared_statements) || '|' || \
                  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) || '|' || \
                  (SELECT count(*) FROM pg_cursors) \
                FROM pg_settings WHERE source = 'session' \
                  AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings', 'IntervalStyle')";
    // a transaction each, all open at once, so that every connection of the pool is asked
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(move || {
                    try_sql(url, &format!("BEGIN; SELECT pg_sleep(0.2); {left}; COMMIT"))
                })
            })
            .collect();
        for one in asked {
            let answer = one
                .join()
                .expect("a thread ends")
                .expect("the pool answers");
            assert_eq!(answer.lines().last(), Some("|0|0|0"), "{answer}");
        }
    });
}
