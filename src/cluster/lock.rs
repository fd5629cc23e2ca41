//! The lock that lets one rb-bench use a cluster directory at a time.
//!
//! It is an advisory lock on a file beside the data. The lock belongs to the open file, not to a
//! process: the supervisor gets a duplicate and keeps the lock until the server is gone, however
//! rb-bench ended. It must never reach the server itself, or an orphaned server would lock out the
//! rb-bench that comes to stop it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::processes;
use crate::error::{Error, Kind, Result};

/// How long another holder may take to go away before anybody is told.
const PATIENCE: Duration = Duration::from_millis(300);

/// What to do when a living rb-bench holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenHeld {
    /// Wait until it is done.
    Wait,
    /// Refuse; only a server that is shutting down already is waited for.
    Refuse,
}

/// The lock on a cluster directory, held until this and every duplicate is closed.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
    path: PathBuf,
}

impl DirectoryLock {
    /// Takes the lock at `path`; `on_wait` is told once, when there is something to wait for.
    pub(crate) fn acquire(
        path: &Path,
        when_held: WhenHeld,
        mut on_wait: impl FnMut(&str),
    ) -> Result<Self> {
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                // Root must not be led to write elsewhere.
                .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
                .open(path)
                .map_err(|e| {
                    Error::file("open the lock", path, e)
                        .remedy("take a directory of your own with --cluster-dir")
                })?;
            wait_for(&file, path, when_held, &mut on_wait)?;
            // `cluster reset` deletes the file: a lock on a deleted file protects nothing.
            let mine = file.metadata().map_err(|e| Error::file("read", path, e))?;
            let current = fs::metadata(path);
            if !current.is_ok_and(|c| (c.dev(), c.ino()) == (mine.dev(), mine.ino())) {
                continue;
            }
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| write!(file, "{}", std::process::id()))
                .map_err(|e| Error::file("write", path, e))?;
            return Ok(Self {
                file,
                path: path.to_owned(),
            });
        }
    }

    /// A duplicate for a child process that shall keep the lock as long as it lives.
    pub(crate) fn share(&self) -> Result<Stdio> {
        self.file
            .try_clone()
            .map(Stdio::from)
            .map_err(|e| Error::file("share the lock", &self.path, e))
    }

    /// Gives the lock up, with the note that nobody holds it.
    pub(crate) fn release(self) {
        // The note is a courtesy to `status`; without it the pid in the file is found dead.
        let _ = self.file.set_len(0);
    }

    /// Gives the lock up and deletes its file.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|e| Error::file("delete", &self.path, e))
    }
}

/// The living rb-bench that holds, or waits to note that it holds, the lock at `path`.
pub(crate) fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    let pid = text.trim().parse().ok()?;
    processes::is_alive(pid).then_some(pid)
}

fn wait_for(
    file: &File,
    path: &Path,
    when_held: WhenHeld,
    on_wait: &mut impl FnMut(&str),
) -> Result<()> {
    let started = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(Error::file("lock", path, e)),
        }
        if !told && started.elapsed() >= PATIENCE {
            let directory = path.parent().unwrap_or(path).display();
            let holder = holder(path);
            if let (WhenHeld::Refuse, Some(pid)) = (when_held, holder) {
                return Err(Error::new(
                    Kind::Lock,
                    format!("the server in {directory} is in use by another rb-bench (pid {pid})"),
                )
                .remedy(format!(
                    "let it finish, or stop it with `kill {pid}`; its server goes with it"
                )));
            }
            match holder {
                Some(pid) => on_wait(&format!(
                    "waiting for another rb-bench (pid {pid}) that uses {directory}; --cluster-dir takes another directory"
                )),
                None => on_wait(&format!(
                    "waiting for the previous server in {directory} to shut down"
                )),
            }
            told = true;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_free_again_only_when_every_duplicate_is_closed() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("lock");
        let lock = DirectoryLock::acquire(&path, WhenHeld::Wait, |_| {}).unwrap();
        let duplicate = lock.file.try_clone().unwrap();
        assert_eq!(holder(&path), Some(std::process::id()));
        drop(lock);
        let other = File::open(&path).unwrap();
        assert!(other.try_lock().is_err());
        drop(duplicate);
        assert!(other.try_lock().is_ok());
    }

    #[test]
    fn a_lock_on_a_deleted_file_is_not_taken_for_one() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("lock");
        let first = DirectoryLock::acquire(&path, WhenHeld::Wait, |_| {}).unwrap();
        let (told, waits) = std::sync::mpsc::channel();
        let second = thread::spawn({
            let path = path.clone();
            move || {
                DirectoryLock::acquire(&path, WhenHeld::Wait, |m| told.send(m.to_owned()).unwrap())
            }
        });
        assert!(waits.recv().unwrap().contains("another rb-bench"));
        first.remove().unwrap();
        let second = second.join().unwrap().unwrap();
        let there = fs::metadata(&path).unwrap();
        assert_eq!(second.file.metadata().unwrap().ino(), there.ino());
    }

    #[test]
    fn a_lock_in_use_can_be_refused_instead() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("lock");
        let _held = DirectoryLock::acquire(&path, WhenHeld::Wait, |_| {}).unwrap();
        let error = DirectoryLock::acquire(&path, WhenHeld::Refuse, |_| {}).unwrap_err();
        assert_eq!(error.kind(), Kind::Lock);
        let (place, pid) = (base.path().display(), std::process::id());
        assert_eq!(
            error.to_string(),
            format!(
                "the server in {place} is in use by another rb-bench (pid {pid})\n  what to do: let it finish, or stop it \
                 with `kill {pid}`; its server goes with it"
            )
        );
    }

    #[test]
    fn a_lock_that_cannot_be_opened_is_told_with_the_way_out() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("lock");
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        let error = DirectoryLock::acquire(&path, WhenHeld::Refuse, |_| {}).unwrap_err();
        let start = format!("cannot open the lock {}: ", path.display());
        assert!(error.message().starts_with(&start), "{error}");
        assert_eq!(
            error.remedy_text(),
            Some("take a directory of your own with --cluster-dir")
        );
    }

    #[test]
    fn a_lock_whose_file_somebody_has_deleted_is_told_when_it_is_given_up() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("lock");
        let lock = DirectoryLock::acquire(&path, WhenHeld::Refuse, |_| {}).unwrap();
        fs::remove_file(&path).unwrap();
        let error = lock.remove().unwrap_err();
        let start = format!("cannot delete {}: ", path.display());
        assert!(error.message().starts_with(&start), "{error}");
    }
}
