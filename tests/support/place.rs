//! A directory of one test's own server, and what runs there.
//!
//! Dropping a place checks that no process is left in it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use rb_bench::cluster::{Cluster, Programs};

use crate::support;

/// A directory of one test, deleted with it. Dropping checks that no process is left.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        Self(support::own_directory())
    }

    /// The same with a server made already: a copy of one, for making it takes seconds.
    pub(crate) fn with_server() -> Self {
        static MADE: OnceLock<PathBuf> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let directory = support::directory().join("made");
            let cluster = Cluster::start(&support::options(&directory), |_| {}).unwrap();
            cluster.stop().unwrap();
            directory
        });
        let place = Self::new();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(made).arg(place.path());
        assert!(copy.status().unwrap().success());
        place
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn server(&self) -> PathBuf {
        let major = Programs::find(support::pg_bin().as_deref())
            .unwrap()
            .version
            .major;
        self.0.join(format!("pg{major}"))
    }

    /// `rb-bench cluster psql` on the server in this directory.
    pub(crate) fn psql(&self, args: &[&str]) -> Command {
        let mut command = support::rb_bench_in(&self.0);
        command
            .args(["cluster", "psql", "--", "-X", "-At"])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = support::rb_bench_in(&self.0);
        command.args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Waits until a fail point holds a run (`POINT=hold:` this directory); deleting the file lets it go on.
    pub(crate) fn wait_until_held_at(&self, point: &str) -> PathBuf {
        let held = self.0.join(point);
        let until = Instant::now() + Duration::from_mins(2);
        while !held.exists() {
            assert!(Instant::now() < until, "the run does not come to {point}");
            std::thread::sleep(Duration::from_millis(2));
        }
        held
    }

    /// Waits until nobody holds the lock: the supervisor has ended.
    pub(crate) fn wait_until_free(&self) {
        let lock = self.server().with_extension("lock");
        if let Ok(file) = File::open(lock) {
            file.lock().unwrap();
        }
    }

    pub(crate) fn assert_no_process_is_left(&self) {
        self.wait_until_free();
        let left = processes_in(&self.0);
        assert!(left.is_empty(), "left behind: {left:?}");
        let note = self.server().join("data/postmaster.pid");
        assert!(!note.exists(), "the server did not shut down in order");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that failed half way leaves something running: by its directory, never by name.
        let options = support::options(&self.0);
        let stopped = rb_bench::cluster::stop(&options, |_| {});
        let deleted = fs::remove_dir_all(&self.0);
        if !std::thread::panicking() {
            stopped.unwrap();
            deleted.unwrap();
        }
    }
}

/// A long-running `rb-bench cluster psql`, whose query has been seen to run.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stderr: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn start(place: &Place) -> Self {
        // A notice arrives while its statement runs.
        let query = "DO $$ BEGIN RAISE NOTICE 'running'; PERFORM pg_sleep(600); END $$";
        let mut child = place
            .psql(&["-c", query])
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("running\n") {
            let length = stderr.read_line(&mut said).unwrap();
            assert_ne!(length, 0, "psql did not start: {said}");
        }
        Self { child, stderr }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for rb-bench, then for psql, whose standard error it is; the exit code, and what
    /// was said there.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (status.code(), rest)
    }
}

/// Processes that name `directory` on their command line or work in it.
pub(crate) fn processes_in(directory: &Path) -> Vec<(u32, String)> {
    let name = directory.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let place = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if pid != std::process::id() && (command.contains(name) || place.starts_with(directory)) {
            found.push((pid, command));
        }
    }
    found
}

pub(crate) fn supervisor_of(place: &Place) -> Pid {
    let found = processes_in(place.path());
    let supervisor = found.iter().find(|(_, c)| c.contains("__supervise"));
    Pid::from_raw(supervisor.unwrap().0.cast_signed())
}

pub(crate) fn postmaster_of(place: &Place) -> u32 {
    let note = fs::read_to_string(place.server().join("data/postmaster.pid")).unwrap();
    note.lines().next().unwrap().parse().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
