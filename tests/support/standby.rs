//! A standby of a test's own server: a real one, made with `pg_basebackup`.

use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::Config;

use super::{BINARY, OwnServer, command, own_directory, try_sql};

/// How long it may take to catch up and to take connections.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running standby of a test's own server. It stops with its supervisor, and that with this
/// process, in whatever way this ends.
pub(crate) struct Standby {
    supervisor: Child,
    directory: PathBuf,
    port: u16,
}

impl Standby {
    /// Copies the primary as it runs, and follows it, with these settings of its own.
    pub(crate) fn of(primary: &OwnServer, settings: &[(&str, &str)]) -> Self {
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
        let own: Vec<String> = (settings.iter())
            .map(|(name, value)| format!("{name} = '{value}'\n"))
            .collect();
        let own = own.concat();
        let settings = format!(
            "include '{}'\nport = {port}\nunix_socket_directories = ''\n{own}",
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
    pub(crate) fn url(&self, at_primary: &str) -> String {
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
