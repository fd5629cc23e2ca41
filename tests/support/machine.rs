//! Servers of other versions than the managed one's: from their own programs, with `initdb` alone.
//!
//! `scripts/ensure-servers` fetches the programs, and `make test` runs it. A machine trusts whoever
//! connects, listens on the loopback only, and stops with its supervisor, which is the binary under
//! test, and that with this process.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{BINARY, command, own_directory, server, sql, try_sql};

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings of a machine; what a crash would lose, a test does not need.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n\
full_page_writes = off\nwal_level = logical\nmax_prepared_transactions = 32\nshared_buffers = 32MB\n";

/// A running server of one major version.
pub(crate) struct Machine {
    supervisor: Child,
    directory: PathBuf,
    port: u16,
}

impl Machine {
    /// An empty server of this major version.
    pub(crate) fn start(major: u32) -> Self {
        let programs = programs(major);
        let directory = own_directory();
        fs::create_dir(&directory).expect("a directory for the server");
        let data = directory.join("data");
        let (uid, gid) = make_for_the_account(&data);
        let made = command(&programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(&data)
            .uid(uid)
            .gid(gid)
            .current_dir("/")
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        let settings = format!("port = {port}\n{SETTINGS}");
        fs::write(directory.join("postgresql.conf"), settings).expect("it can be written");
        let log = fs::File::create(directory.join("log")).expect("a log");
        let supervisor = command(Path::new(BINARY))
            .arg("__supervise")
            .arg("--pg-bin")
            .arg(&programs)
            .arg("--data")
            .arg(&data)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        let machine = Self {
            supervisor,
            directory,
            port,
        };
        let begun = Instant::now();
        while try_sql(&machine.url("postgres"), "SELECT 1").is_err() {
            let log = fs::read_to_string(machine.directory.join("log"));
            assert!(begun.elapsed() < PATIENCE, "it does not come up: {log:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        machine
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// An empty database on it; its URL.
    pub(crate) fn fresh_database(&self, name: &str) -> String {
        let make = format!("CREATE DATABASE {name} TEMPLATE template0");
        sql(&self.url("postgres"), &make);
        self.url(name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let stopped = self.supervisor.wait();
        let deleted = fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            assert!(stopped.is_ok_and(|status| status.success()));
            deleted.expect("a machine's directory can be deleted");
        }
    }
}

/// Where the programs of a major version are.
fn programs(major: u32) -> PathBuf {
    let directory = match std::env::var_os("RB_BENCH_TEST_SERVERS") {
        Some(directory) => PathBuf::from(directory),
        None if nix::unistd::geteuid().is_root() => PathBuf::from("/var/cache/rb-bench/servers"),
        None => std::env::var_os("XDG_CACHE_HOME")
            .map_or_else(
                || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache"),
                PathBuf::from,
            )
            .join("rb-bench/servers"),
    };
    let programs = directory.join(major.to_string()).join("bin");
    assert!(
        programs.join("postgres").exists(),
        "PostgreSQL {major} is not in {}: run scripts/ensure-servers",
        programs.display()
    );
    programs
}

/// A port of the loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port is free")
        .port()
}

/// A directory that belongs to the account which servers run as; that account.
pub(crate) fn make_for_the_account(directory: &Path) -> (u32, u32) {
    let shared = server().directory().join("data");
    let owner = fs::metadata(shared).expect("the shared server has data");
    fs::DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .expect("a directory can be made");
    chown(directory, Some(owner.uid()), Some(owner.gid())).expect("the account can have it");
    (owner.uid(), owner.gid())
}
