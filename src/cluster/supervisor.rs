//! The supervisor: rb-bench, re-executed, as the parent of the server.
//!
//! It outlives the rb-bench that started it by the time a shutdown takes, and no longer. The end
//! of the pipe on its standard input means that rb-bench has ended, in whatever way; then, or on a
//! signal, it stops the server: fast, then at once, then by force. Its standard output is no output
//! but the lock on the directory (a descriptor that a child keeps cannot be passed otherwise without
//! unsafe code), so it must never print there; its standard error is the server's log.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::account::Account;
use super::processes::{self, FAST_LIMIT, IMMEDIATE_LIMIT};
use crate::error::{Error, Kind, Result};

/// Runs the server in `data` with the programs in `pg_bin` until standard input ends.
///
/// An error is a server that could not be started or that ended by itself.
pub fn supervise(pg_bin: &Path, data: &Path) -> Result<()> {
    Account::become_owner_of(data)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("start a runtime"))?
        .block_on(run(pg_bin, data))
}

async fn run(pg_bin: &Path, data: &Path) -> Result<()> {
    let mut signals = (
        signal(SignalKind::terminate()).map_err(failed("listen for signals"))?,
        signal(SignalKind::interrupt()).map_err(failed("listen for signals"))?,
        signal(SignalKind::hangup()).map_err(failed("listen for signals"))?,
    );
    let standard_input = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(pipe::Receiver::from_owned_fd)
        .map_err(|cause| {
            Error::new(
                Kind::Usage,
                "this command is for rb-bench itself: standard input must be its pipe",
            )
            .caused_by(cause)
        })?;
    if let Some(pid) = processes::stop_left_behind(data)? {
        note(&format!(
            "stopped a server (pid {pid}) whose supervisor had been killed"
        ));
    }
    processes::forget_dead_postmaster(data)?;
    let mut server = start(pg_bin, data)?;
    let ended = tokio::select! {
        () = end_of(standard_input) => None,
        _ = signals.0.recv() => None,
        _ = signals.1.recv() => None,
        _ = signals.2.recv() => None,
        status = server.wait() => Some(status.map_err(failed("wait for the server"))?),
    };
    let outcome = match ended {
        None => stop(&mut server).await,
        Some(status) => Err(Error::new(
            Kind::Server,
            format!("the server ended by itself ({status})"),
        )),
    };
    // A server that was killed leaves children behind for a moment.
    processes::stop_left_behind(data)?;
    outcome
}

fn start(pg_bin: &Path, data: &Path) -> Result<Child> {
    let program = pg_bin.join("postgres");
    let configuration = data.with_file_name("postgresql.conf");
    let mut setting = std::ffi::OsString::from("config_file=");
    setting.push(&configuration);
    let log: OwnedFd = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(failed("share the log"))?;
    Command::new(&program)
        .arg("-D")
        .arg(data)
        .arg("-c")
        .arg(setting)
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .spawn()
        .map_err(|e| Error::file("run", &program, e))
}

/// Waits until every writer of the pipe is gone.
async fn end_of(pipe: pipe::Receiver) {
    let mut buffer = [0; 64];
    loop {
        // An error other than "not yet" cannot be told from the end.
        if pipe.readable().await.is_err() {
            return;
        }
        match pipe.try_read(&mut buffer) {
            Ok(0) => return,
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// Fast, then immediate, then by force.
async fn stop(server: &mut Child) -> Result<()> {
    for (signal, limit) in [
        (Signal::SIGINT, FAST_LIMIT),
        (Signal::SIGQUIT, IMMEDIATE_LIMIT),
        (Signal::SIGKILL, Duration::MAX),
    ] {
        // No pid once the server is reaped: a pid that may be a stranger's is never signalled.
        let Some(pid) = server.id() else {
            return Ok(());
        };
        // It can only fail for a process that is gone, which the wait below notices.
        let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        let waited: Result<io::Result<ExitStatus>, _> = timeout(limit, server.wait()).await;
        if let Ok(status) = waited {
            status.map_err(failed("wait for the server"))?;
            return Ok(());
        }
        note(&format!(
            "the server did not stop within {limit:?} of {signal}"
        ));
    }
    Ok(())
}

/// A line in the server's log. A full disk must not keep us from stopping the server.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "rb-bench: {text}");
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |cause| Error::new(Kind::Io, format!("cannot {doing}: {cause}"))
}
