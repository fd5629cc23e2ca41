//! rb-bench, re-executed, as the parent of another program: `rb-bench __attend PROGRAM ARGS`.
//!
//! The end of the pipe on its standard input means that the rb-bench which asked for the program does
//! not want it any more, or has ended in whatever way; then the program is stopped. Its other streams are
//! the program's own. So nothing runs on after rb-bench was killed.

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Kind, Result};

/// How long a program may take to end in good order.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a program until it ends, or until standard input does; its exit code, 128 and the signal where
/// one ended it.
///
/// # Errors
/// A program that cannot be started.
pub async fn attend(program: &OsString, arguments: &[OsString]) -> Result<u8> {
    let cannot =
        |what: &str, e: std::io::Error| Error::new(Kind::Io, format!("cannot {what}: {e}"));
    // a terminal's Ctrl-C reaches the program as well, which ends by itself
    let _ignored = signal(SignalKind::interrupt()).map_err(|e| cannot("listen for signals", e))?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|e| cannot("listen for signals", e))?;
    let standard_input = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(pipe::Receiver::from_owned_fd)
        .map_err(|e| {
            cannot("wait for standard input", e)
                .with_kind(Kind::Usage)
                .remedy("this command is for rb-bench itself")
        })?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|e| cannot(&format!("run {}", program.display()), e))?;
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = end_of(standard_input) => None,
        _ = terminate.recv() => None,
    };
    let status = match ended {
        Some(status) => status,
        None => stop(&mut child).await,
    };
    status
        .map(code)
        .map_err(|e| cannot(&format!("wait for {}", program.display()), e))
}

async fn end_of(mut pipe: pipe::Receiver) {
    let mut nothing = [0; 64];
    while matches!(pipe.read(&mut nothing).await, Ok(1..)) {}
}

async fn stop(child: &mut Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) = child.id() {
        // one that has ended meanwhile is not waited for yet, so that its pid is nobody else's
        let _gone = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, Some(signal)) => 128 + signal as u8,
        (None, None) => 1,
    }
}
