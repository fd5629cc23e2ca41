//! The server processes of a data directory: finding them, and stopping what was left behind.
//!
//! A server is left behind when its supervisor was killed. Nothing here may ever signal a process
//! of another data directory: a process counts when it is called `postgres` and works in this very
//! directory (every server process does), or, where the kernel does not tell us that, when it is
//! the one that postmaster.pid names and its command line names the directory.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use sysinfo::{
    Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind,
};

use crate::error::{Error, Kind, Result};

/// How long a fast shutdown may take; it writes out everything that is in memory.
pub(crate) const FAST_LIMIT: Duration = Duration::from_mins(1);
/// How long an immediate shutdown may take.
pub(crate) const IMMEDIATE_LIMIT: Duration = Duration::from_secs(10);

/// Whether a process exists and is not merely waiting to be reaped.
pub(crate) fn is_alive(pid: u32) -> bool {
    let pid = Pid::from_u32(pid);
    let Ok(mut system) = System::new() else {
        return !matches!(kill(raw(pid), None), Err(Errno::ESRCH));
    };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    system.process(pid).is_some_and(runs)
}

/// The postmaster that serves `data`, if one runs.
pub(crate) fn postmaster_of(data: &Path) -> Option<u32> {
    Servers::of(data).ok()?.postmaster.map(Pid::as_u32)
}

/// Stops every server process of `data` and returns the pid of the postmaster that ran, if any.
/// Fast shutdown first, then immediate, then by force.
pub(crate) fn stop_left_behind(data: &Path) -> Result<Option<u32>> {
    let found = Servers::of(data)?.postmaster.map(Pid::as_u32);
    for (signal, limit) in [
        (Signal::SIGINT, FAST_LIMIT),
        (Signal::SIGQUIT, IMMEDIATE_LIMIT),
        (Signal::SIGKILL, IMMEDIATE_LIMIT),
    ] {
        let started = Instant::now();
        let mut signalled = false;
        loop {
            let servers = Servers::of(data)?;
            if servers.all.is_empty() {
                return Ok(found);
            }
            if !signalled {
                // Without a postmaster its children have lost their coordinator, and the shared
                // memory with it: they are of no more use.
                match servers.postmaster {
                    Some(postmaster) if signal != Signal::SIGKILL => send(postmaster, signal)?,
                    _ => {
                        for pid in servers.all {
                            send(pid, Signal::SIGKILL)?;
                        }
                    }
                }
                signalled = true;
            } else if started.elapsed() >= limit {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    Err(Error::new(
        Kind::Io,
        format!("a server that uses {} cannot be stopped", data.display()),
    ))
}

/// Deletes a postmaster.pid that no process stands behind any more. Its pid may since belong to a
/// stranger, and then Postgres would refuse to start.
pub(crate) fn forget_dead_postmaster(data: &Path) -> Result<()> {
    let path = data.join("postmaster.pid");
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file("delete", &path, e)),
        _ => Ok(()),
    }
}

struct Servers {
    postmaster: Option<Pid>,
    all: Vec<Pid>,
}

impl Servers {
    fn of(data: &Path) -> Result<Self> {
        let mut system = System::new().map_err(|cause| {
            Error::new(Kind::Io, format!("cannot list processes: {cause}"))
                .remedy("mount /proc, where the system has one")
        })?;
        system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing()
                .with_cwd(UpdateKind::Always)
                .with_cmd(UpdateKind::Always)
                .without_tasks(),
        );
        let noted = noted_postmaster(data);
        let mut all: Vec<Pid> = system
            .processes()
            .values()
            .filter(|p| is_server(p) && (works_in(p, data) || is_noted(p, data, noted)))
            .map(Process::pid)
            .collect();
        let children: Vec<Pid> = system
            .processes()
            .values()
            .filter(|p| is_server(p) && !all.contains(&p.pid()))
            .filter(|p| p.parent().is_some_and(|parent| all.contains(&parent)))
            .map(Process::pid)
            .collect();
        all.extend(children);
        let postmaster = noted
            .map(Pid::from_u32)
            .filter(|pid| all.contains(pid))
            .or_else(|| {
                // The others' command lines are titles: `postgres: rb-bench: checkpointer`.
                all.iter()
                    .copied()
                    .find(|pid| system.process(*pid).is_some_and(|p| names(p, data)))
            });
        Ok(Self { postmaster, all })
    }
}

fn runs(process: &Process) -> bool {
    !matches!(
        process.status(),
        ProcessStatus::Zombie | ProcessStatus::Dead
    )
}

fn is_server(process: &Process) -> bool {
    runs(process) && (process.name() == "postgres" || process.name() == "postmaster")
}

/// Compares the directories themselves, not their names: in a container the same name may be
/// another directory.
#[cfg(target_os = "linux")]
fn works_in(process: &Process, data: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let theirs = fs::metadata(format!("/proc/{}/cwd", process.pid()));
    let ours = fs::metadata(data);
    matches!((theirs, ours), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

#[cfg(not(target_os = "linux"))]
fn works_in(process: &Process, data: &Path) -> bool {
    process.cwd() == Some(data)
}

/// The first line of postmaster.pid.
fn noted_postmaster(data: &Path) -> Option<u32> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

fn is_noted(process: &Process, data: &Path, noted: Option<u32>) -> bool {
    noted == Some(process.pid().as_u32()) && process.cwd().is_none() && names(process, data)
}

fn names(process: &Process, data: &Path) -> bool {
    process.cmd().iter().any(|part| part == data.as_os_str())
}

fn raw(pid: Pid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(pid.as_u32().cast_signed())
}

fn send(pid: Pid, signal: Signal) -> Result<()> {
    match kill(raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(cause) => Err(Error::new(
            Kind::Permission,
            format!("cannot stop server process {pid}: {cause}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_serves_nothing() {
        assert!(is_alive(std::process::id()));
        let base = tempfile::tempdir().unwrap();
        assert_eq!(postmaster_of(base.path()), None);
        assert_eq!(stop_left_behind(base.path()).unwrap(), None);
    }

    #[test]
    fn a_process_that_waits_to_be_reaped_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        // waitpid without reaping needs waitid, which not every system has: reap, then look.
        child.wait().unwrap();
        assert!(!is_alive(child.id()));
    }
}
