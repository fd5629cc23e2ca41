//! Starting the managed server, from nothing to two databases that take connections.
//!
//! The order matters: the lock first, then the data directory, then the supervisor, which keeps the
//! lock. Whatever fails, the server that may have been started is stopped again.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::account::Account;
use super::directory::Home;
use super::endpoint::{Endpoint, Probe};
use super::lock::{DirectoryLock, WhenHeld};
use super::place::{Place, write_anew};
use super::programs::Programs;
use super::settings::{Host, configuration_file, settings};
use super::{Cluster, ClusterOptions, clean_environment, data_directory};
use crate::error::{Error, Kind, Result};

/// How long a server may take to accept connections; recovery after a crash reads all its WAL.
const START_LIMIT: Duration = Duration::from_mins(5);
/// When a start that takes its time is mentioned.
const SLOW_START: Duration = Duration::from_secs(5);
/// A free port may be taken by somebody else before the server has it.
const PORT_ATTEMPTS: u32 = 5;
const LOG_TAIL_LINES: usize = 15;

pub(super) fn start(options: &ClusterOptions, mut on_wait: impl FnMut(&str)) -> Result<Cluster> {
    let programs = Programs::find(options.pg_bin.as_deref())?;
    let home = Home::resolve(options.cluster_dir.as_deref())?.create()?;
    let place = home.place(programs.version.major);
    let lock = DirectoryLock::acquire(&place.lock(), WhenHeld::Wait, &mut on_wait)?;
    let account = Account::for_server(&place.data())?;
    account.require_access(&programs.program("initdb"), home.path())?;
    place.create(&account)?;
    if !place.data().exists() {
        on_wait(&format!(
            "making a PostgreSQL {} server in {}",
            programs.version,
            place.path().display()
        ));
    }
    let settings = settings(Host::this(), &options.settings);
    let password = data_directory::ensure(&place, &programs, &account, &lock, &settings)?;
    let mut attempt = 1;
    loop {
        let port = free_port()?;
        let socket = place.socket(port);
        let text = configuration_file(&settings, port, socket.as_deref());
        write_anew(&place.configuration(), &text, &account)?;
        let supervisor = spawn_supervisor(options, &programs, &place, &account, &lock)?;
        // From here on, leaving drops the cluster, and that stops the server.
        let mut cluster = Cluster {
            supervisor: Some(supervisor),
            lock: None,
            place: place.clone(),
            programs: programs.clone(),
            endpoint: Endpoint {
                socket,
                port,
                password: password.clone(),
            },
            settings: settings.clone(),
        };
        match wait_until_ready(&mut cluster, START_LIMIT, &mut on_wait) {
            Ok(()) => {
                cluster.endpoint.create_databases()?;
                cluster.lock = Some(lock);
                return Ok(cluster);
            }
            Err(error) if attempt == PORT_ATTEMPTS || !port_was_taken(&error) => return Err(error),
            Err(_) => attempt += 1,
        }
    }
}

fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| Error::new(Kind::Io, format!("there is no free port on 127.0.0.1: {e}")))
}

fn port_was_taken(error: &Error) -> bool {
    error.message().contains("could not bind IPv4 address")
}

fn spawn_supervisor(
    options: &ClusterOptions,
    programs: &Programs,
    place: &Place,
    account: &Account,
    lock: &DirectoryLock,
) -> Result<Child> {
    let binary = match &options.supervisor {
        Some(path) => path.clone(),
        None => std::env::current_exe()
            .map_err(|e| Error::new(Kind::Io, format!("cannot find rb-bench's own file: {e}")))?,
    };
    let log = write_anew(&place.log(), "", account)?;
    // It starts as we are and becomes the account itself: the account may be unable to read the
    // binary (a build below /root).
    Command::new(&binary)
        .arg("__supervise")
        .arg("--pg-bin")
        .arg(&programs.directory)
        .arg("--data")
        .arg(place.data())
        .env_clear()
        .envs(clean_environment())
        .current_dir("/")
        // A terminal's Ctrl-C goes to our process group, and must not reach the server.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(lock.share()?)
        .stderr(log)
        .spawn()
        .map_err(|e| Error::file("run", &binary, e))
}

fn wait_until_ready(
    cluster: &mut Cluster,
    limit: Duration,
    on_wait: &mut impl FnMut(&str),
) -> Result<()> {
    let started = Instant::now();
    let mut told = false;
    loop {
        if cluster.place.server_is_ready() && cluster.endpoint.probe()? == Probe::Ready {
            return Ok(());
        }
        let ended = cluster
            .supervisor
            .as_mut()
            .is_none_or(|supervisor| !matches!(supervisor.try_wait(), Ok(None)));
        if ended || started.elapsed() >= limit {
            return Err(did_not_start(&cluster.place, (!ended).then_some(limit)));
        }
        if !told && started.elapsed() >= SLOW_START {
            on_wait(&format!(
                "waiting for the server to start; its log is {}",
                cluster.place.log().display()
            ));
            told = true;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// `limit`: how long was waited for a server that is still there.
fn did_not_start(place: &Place, limit: Option<Duration>) -> Error {
    let log = fs::read_to_string(place.log()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n  ");
    let kind = if log.contains("No space left on device") {
        Kind::Space
    } else {
        Kind::Server
    };
    let how = limit.map_or_else(
        || "did not start".to_owned(),
        |limit| format!("did not take connections within {limit:?}"),
    );
    Error::new(
        kind,
        format!(
            "the managed server {how}; the end of {}:\n  {tail}",
            place.log().display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::supervised_by;

    #[test]
    fn a_server_that_takes_no_connections_in_time_is_told_with_the_end_of_its_log() {
        let home = tempfile::tempdir().unwrap();
        let supervisor = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mut cluster = supervised_by(supervisor, home.path());
        fs::create_dir_all(cluster.place.path()).unwrap();
        fs::write(cluster.place.log(), "replaying what a crash left\n").unwrap();
        let limit = Duration::from_millis(40);
        let error = wait_until_ready(&mut cluster, limit, &mut |_: &str| {}).unwrap_err();
        assert_eq!(
            error.message(),
            format!(
                "the managed server did not take connections within 40ms; the end of {}:\n  replaying what a crash left",
                cluster.place.log().display()
            )
        );
    }
}
