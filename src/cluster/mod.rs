//! The managed throw-away Postgres: find the programs, start, supervise, stop.
//!
//! [`Cluster::start`] gives a running server with two databases, `source` and `dest`, whose data
//! survives between runs. The server must never outlive rb-bench, however that ends: it belongs to
//! a supervisor (`supervisor.rs`) that stops it when the pipe from rb-bench closes.
//!
//! Everything here blocks, and works inside an async runtime and outside one.

mod account;
mod data_directory;
mod directory;
mod endpoint;
mod lock;
mod machine;
mod place;
mod processes;
mod programs;
pub mod readiness;
mod settings;
mod start;
mod status;
mod supervisor;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

pub use endpoint::{DATABASES, Database};
pub use programs::{OLDEST_MAJOR, Programs, Version};
pub use settings::Settings;
pub use status::{ServerStatus, Status, Stopped, reset, status, stop};
pub use supervisor::supervise;

use directory::Home;
use endpoint::Endpoint;
use lock::DirectoryLock;
use place::Place;

use crate::error::{Error, Kind, Result};

/// The superuser of a managed server.
const SUPERUSER: &str = "postgres";
/// How long dropping a [`Cluster`] waits for the server; the supervisor finishes the job anyway.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// Where the managed server comes from and lives. The default is what a user without flags gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterOptions {
    /// Directory of the Postgres programs; searched for when `None`.
    pub pg_bin: Option<PathBuf>,
    /// Directory of the server, in place of the one in the cache directory.
    pub cluster_dir: Option<PathBuf>,
    /// The rb-bench binary to run as supervisor; the running executable when `None`.
    pub supervisor: Option<PathBuf>,
    /// Settings in place of those that [`Cluster::settings`] would state.
    pub settings: Settings,
}

/// A running managed server; it stops when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Taken when the server is stopped. Its standard input is the pipe that keeps the server up.
    supervisor: Option<Child>,
    lock: Option<DirectoryLock>,
    place: Place,
    programs: Programs,
    endpoint: Endpoint,
    settings: Settings,
}

impl Cluster {
    /// Starts the server, making it first where there is none yet. Blocking.
    ///
    /// Waits for another rb-bench that uses the same directory. `on_wait` is told, in a sentence
    /// for stderr, whenever there is something to wait for.
    pub fn start(options: &ClusterOptions, on_wait: impl FnMut(&str)) -> Result<Self> {
        start::start(options, on_wait)
    }

    /// The URL of a database, password inside: for connecting, never for printing.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.endpoint.url(database)
    }

    /// The environment (`PGHOST`, ..., `PGPASSWORD`) by which libpq programs reach a database.
    #[must_use]
    pub fn environment(&self, database: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", self.endpoint.host()),
            ("PGPORT", self.endpoint.port.to_string()),
            ("PGUSER", SUPERUSER.to_owned()),
            ("PGPASSWORD", self.endpoint.password.clone()),
            ("PGDATABASE", database.to_owned()),
        ]
    }

    /// The settings that decide what is measured, as rb-bench states them to the server.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The version of the server.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.programs.version
    }

    /// The programs that the server was started with.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The directory that holds the server's data, log and socket.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.place.path()
    }

    /// Stops the server and waits until it is gone.
    pub fn stop(self) -> Result<()> {
        // The supervisor's own limits, and what the rest of a machine may take.
        self.stop_within(processes::FAST_LIMIT + processes::IMMEDIATE_LIMIT + DROP_LIMIT)
    }

    fn stop_within(mut self, limit: Duration) -> Result<()> {
        if !self.close_and_wait(limit) {
            return Err(Error::new(
                Kind::Server,
                format!(
                    "the managed server in {} does not stop",
                    self.place.path().display()
                ),
            )
            .remedy("look at server.log there, then `rb-bench cluster stop`"));
        }
        // Nothing is left unless the supervisor was killed.
        processes::stop_left_behind(&self.place.data())?;
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
        Ok(())
    }

    /// Closes the pipe and waits for the supervisor; whether it has ended.
    fn close_and_wait(&mut self, limit: Duration) -> bool {
        let Some(mut supervisor) = self.supervisor.take() else {
            return true;
        };
        drop(supervisor.stdin.take());
        wait_for_end(&mut supervisor, limit)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.close_and_wait(DROP_LIMIT);
    }
}

/// Waits for a child; whether it ended within `limit`.
fn wait_for_end(child: &mut Child, limit: Duration) -> bool {
    let started = Instant::now();
    loop {
        // An error means that it is not ours to wait for any more.
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        if started.elapsed() >= limit {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The directory that holds the servers, and what is kept beside them. It need not be there.
pub fn home(options: &ClusterOptions) -> Result<PathBuf> {
    Ok(Home::resolve(options.cluster_dir.as_deref())?
        .path()
        .to_owned())
}

/// Makes that directory where it is not there, so that servers can live in it too.
pub fn make_home(options: &ClusterOptions) -> Result<PathBuf> {
    Ok(Home::resolve(options.cluster_dir.as_deref())?
        .create()?
        .path()
        .to_owned())
}

/// Whether the server could live below `directory`, which exists: as root, the ordinary account
/// it runs as must be able to get there.
pub fn can_live_in(directory: &Path, programs: &Programs) -> Result<()> {
    let home = Home::resolve(Some(directory))?;
    let data = home.place(programs.version.major).data();
    account::Account::for_server(&data)?.require_access(&programs.program("initdb"), home.path())
}

/// The environment of server programs: nothing that could bend their settings.
fn clean_environment() -> Vec<(&'static str, OsString)> {
    let mut environment = vec![("LC_ALL", OsString::from("C"))];
    for name in ["PATH", "LD_LIBRARY_PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            environment.push((name, value));
        }
    }
    environment
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::waitpid;
    use nix::unistd::Pid;

    use super::*;

    /// A server in `home` whose supervisor is this process.
    pub(super) fn supervised_by(supervisor: Child, home: &Path) -> Cluster {
        let version = Version {
            major: 15,
            text: "15.14".to_owned(),
        };
        Cluster {
            supervisor: Some(supervisor),
            lock: None,
            place: Home::resolve(Some(home)).unwrap().place(version.major),
            programs: Programs {
                directory: home.to_owned(),
                version,
            },
            endpoint: Endpoint {
                socket: None,
                port: 5432,
                password: String::new(),
            },
            settings: Settings::new(),
        }
    }

    #[test]
    fn a_server_that_does_not_stop_is_told_with_where_its_log_is() {
        let home = tempfile::tempdir().unwrap();
        // it does not look at its standard input
        let mut command = Command::new("sleep");
        let deaf = command.arg("600").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(deaf.id().cast_signed());
        let cluster = supervised_by(deaf, home.path());
        let place = cluster.directory();
        let error = cluster.stop_within(Duration::from_millis(40)).unwrap_err();
        kill(pid, Signal::SIGKILL).unwrap();
        waitpid(pid, None).unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "the managed server in {} does not stop\n  what to do: look at server.log there, then `rb-bench cluster stop`",
                place.display()
            )
        );
    }
}
