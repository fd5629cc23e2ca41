//! What every integration test shares: a managed server, databases on it, and the binary.
//!
//! One server serves a whole test binary; it starts with the first test that asks for it, stops
//! when the process ends in whatever way, and its directory is used again by the next run. A test
//! never shares a database with another, and must never kill a backend of the shared server (all
//! of them restart then): [`own_server`] is for that.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod copies;
pub(crate) mod machine;
pub(crate) mod pooler;
pub(crate) mod standby;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rb_bench::cluster::{Cluster, ClusterOptions, Programs, can_live_in};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_rb-bench");

/// Settings that make a test server small and quick; what a crash would lose, a test does not need.
const TEST_SETTINGS: [(&str, &str); 6] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("shared_buffers", "128MB"),
    ("min_wal_size", "64MB"),
    ("max_wal_size", "1GB"),
    ("cluster_name", "rb-bench-test"),
];

/// Databases made by [`fresh_database`] start with this.
const PREFIX: &str = "test_";

/// The directory for everything that the tests of this binary put on disk: below the build
/// directory, or, where root builds in a place that the server's account may not enter, in the
/// cache. Emptied of what an earlier run left behind, except servers that are used again.
pub(crate) fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let build = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(build).expect("the build directory can be written");
        let programs = Programs::find(pg_bin().as_deref()).expect("Postgres is installed");
        let base = if can_live_in(build, &programs).is_ok() {
            build.to_owned()
        } else {
            // Another checkout has another directory.
            let checkout = env!("CARGO_MANIFEST_DIR").replace('/', "-");
            Path::new("/var/cache/rb-bench/tests").join(checkout.trim_matches('-'))
        };
        let directory = base.join(env!("CARGO_CRATE_NAME"));
        fs::create_dir_all(&directory).expect("the test directory can be created");
        remove_leftovers(&directory);
        directory
    })
}

/// Deletes the directories of servers whose test process is gone.
fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|n| n.strip_prefix("own-"))
            .and_then(|n| n.split('-').next()?.parse().ok())
            .map(nix::unistd::Pid::from_raw);
        if owner.is_some_and(|pid| nix::sys::signal::kill(pid, None).is_err()) {
            let options = ClusterOptions {
                cluster_dir: Some(entry.path()),
                ..ClusterOptions::default()
            };
            // Waits for a server that is still shutting down.
            let _ = rb_bench::cluster::stop(&options, |_| {});
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Other Postgres programs than those that are found first, for running the tests with them.
pub(crate) fn pg_bin() -> Option<PathBuf> {
    std::env::var_os("RB_BENCH_PG_BIN").map(PathBuf::from)
}

/// The options of a test server in `directory`.
pub(crate) fn options(directory: &Path) -> ClusterOptions {
    ClusterOptions {
        pg_bin: pg_bin(),
        cluster_dir: Some(directory.to_owned()),
        supervisor: Some(BINARY.into()),
        settings: TEST_SETTINGS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// The server that all tests of this binary share.
pub(crate) fn server() -> &'static Cluster {
    // Never dropped: the end of the process closes the pipe, and the supervisor does the rest.
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        let options = options(&directory().join("server"));
        let cluster = Cluster::start(&options, |waiting| eprintln!("tests: {waiting}"))
            .expect("the shared test server starts");
        // The lock on the directory is ours, so these belong to no living test.
        let list =
            format!("SELECT datname FROM pg_database WHERE starts_with(datname, '{PREFIX}')");
        let url = cluster.url("postgres");
        let names = sql(&url, &list);
        let names: Vec<&str> = names.lines().collect();
        // Each DROP waits for a checkpoint, which several can share.
        thread::scope(|scope| {
            for some in names.chunks(names.len().div_ceil(16).max(1)) {
                scope.spawn(|| some.iter().for_each(|name| drop_database(&cluster, name)));
            }
        });
        cluster
    })
}

/// Drops a database of an earlier run, with all that a test that failed may have left in it.
fn drop_database(cluster: &Cluster, name: &str) {
    let url = cluster.url("postgres");
    let left = format!(
        "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = '{name}'"
    );
    for rollback in sql(&url, &left).lines() {
        sql(&cluster.url(name), rollback);
    }
    let slots = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{name}'"
    );
    sql(&cluster.url(name), &slots);
    sql(&url, &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
}

/// An empty database of its own for one test, on the shared server; its URL.
pub(crate) fn fresh_database(name: &str) -> String {
    fresh_database_on(server(), name)
}

/// An empty database of its own on the given server; its URL.
pub(crate) fn fresh_database_on(cluster: &Cluster, name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name: String = format!("{PREFIX}{number}_{name}")
        .chars()
        .take(63)
        .collect();
    sql(
        &cluster.url("postgres"),
        &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"),
    );
    cluster.url(&name)
}

/// Drops databases of the shared server that a test has done with, so that a thousand cases do not
/// fill the disk.
pub(crate) fn drop_databases(urls: &[&str]) {
    for url in urls {
        let name = url.rsplit_once('/').expect("a database in the URL").1;
        drop_database(server(), name);
    }
}

/// A server of one test, for killing what it likes; gone, directory included, when dropped.
pub(crate) struct OwnServer {
    cluster: Option<Cluster>,
    directory: PathBuf,
}

/// A fresh server for one test. Costs a second or two: prefer [`server`].
pub(crate) fn own_server() -> OwnServer {
    own_server_with(&[])
}

/// A fresh server for one test, with some settings of its own.
pub(crate) fn own_server_with(settings: &[(&str, &str)]) -> OwnServer {
    let directory = own_directory();
    let mut options = options(&directory);
    let own: BTreeMap<_, _> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    options.settings.extend(own);
    let cluster = Cluster::start(&options, |_| {}).expect("a test's own server starts");
    OwnServer {
        cluster: Some(cluster),
        directory,
    }
}

/// A directory that no other test uses; it need not exist yet. The next run deletes it.
pub(crate) fn own_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    directory().join(format!("own-{}-{number}", std::process::id()))
}

impl OwnServer {
    /// The running server.
    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("it runs until it is dropped")
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        self.cluster().url(database)
    }

    /// An empty database on it; its URL.
    pub(crate) fn fresh_database(&self, name: &str) -> String {
        fresh_database_on(self.cluster(), name)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let stopped = self.cluster.take().map(Cluster::stop);
        let deleted = fs::remove_dir_all(&self.directory);
        if !thread::panicking() {
            stopped
                .transpose()
                .expect("a test's own server can be stopped");
            deleted.expect("a test's own directory can be deleted");
        }
    }
}

/// The binary, in an environment that says nothing about Postgres. Its managed server is another
/// than [`server`], which this process keeps locked; all commands of a test binary share it.
pub(crate) fn rb_bench() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(BINARY);
    for name in foreign_variables() {
        command.env_remove(name);
    }
    command.env("RB_BENCH_CLUSTER_DIR", directory().join("commands"));
    command
}

/// The same as a plain process, to be interrupted, killed and waited for, with a managed server in
/// `directory`.
pub(crate) fn rb_bench_in(directory: &Path) -> std::process::Command {
    let mut command = command(Path::new(BINARY));
    command.env("RB_BENCH_CLUSTER_DIR", directory);
    command
}

/// A program in an environment that says nothing about Postgres.
pub(crate) fn command(program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    for name in foreign_variables() {
        command.env_remove(name);
    }
    command
}

/// The environment variables that could bend what the binary does.
pub(crate) fn foreign_variables() -> Vec<String> {
    std::env::vars()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("PG") || name.starts_with("RB_BENCH_"))
        .filter(|name| name != "RB_BENCH_PG_BIN")
        .collect()
}

/// Runs statements and returns what `psql -At` would print: rows by line, columns by `|`.
pub(crate) fn sql(url: &str, statements: &str) -> String {
    try_sql(url, statements).unwrap_or_else(|e| {
        let said = e
            .as_db_error()
            .map_or_else(|| e.to_string(), |d| format!("{d:?}"));
        panic!("{statements}\n  failed: {said}")
    })
}

/// The same, for statements that may fail. On a thread of its own: the test may be in a runtime.
pub(crate) fn try_sql(url: &str, statements: &str) -> Result<String, tokio_postgres::Error> {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime starts")
            .block_on(async {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
                let driver = tokio::spawn(connection);
                let messages = client.simple_query(statements).await;
                drop(client);
                // The session is over when this is: what it committed, the next one sees.
                let _ = driver.await;
                let messages = messages?;
                let lines: Vec<String> = messages.iter().filter_map(line).collect();
                Ok(lines.join("\n"))
            })
    };
    thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn line(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else {
        return None;
    };
    let columns: Vec<&str> = (0..row.len())
        .map(|column| row.get(column).unwrap_or(""))
        .collect();
    Some(columns.join("|"))
}

/// A connection for a test that needs several statements in one session.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("the test database takes connections");
    tokio::spawn(connection);
    client
}
