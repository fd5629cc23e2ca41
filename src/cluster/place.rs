//! The place of one managed server: its files, the mark that they are ours, creating, deleting.
//!
//! Nothing may ever be deleted that does not carry our mark. Whoever changes a place holds its lock.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::directory::create;
use crate::error::{Error, Kind, Result};

const TAG: &str = "CACHEDIR.TAG";
// https://bford.info/cachedir/
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55
# A throw-away Postgres server of rb-bench; `rb-bench cluster reset` deletes it.
";
/// The longest path of a Unix socket, less the terminating zero.
const LONGEST_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The place of one server: `<home>/pg<major>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) home: PathBuf,
    pub(crate) major: u32,
}

impl Place {
    pub(crate) fn path(&self) -> PathBuf {
        self.home.join(format!("pg{}", self.major))
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.home.join(format!("pg{}.lock", self.major))
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Where `initdb` works; renamed to [`Self::data`] when it is done.
    pub(crate) fn unfinished_data(&self) -> PathBuf {
        self.path().join("data.unfinished")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path().join("server.log")
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.path().join("postgresql.conf")
    }

    pub(crate) fn password(&self) -> PathBuf {
        self.path().join("password")
    }

    /// The socket directory, where a socket's path for this port is short enough.
    pub(crate) fn socket(&self, port: u16) -> Option<PathBuf> {
        let directory = self.path().join("socket");
        let socket = directory.join(format!(".s.PGSQL.{port}"));
        (socket.as_os_str().len() <= LONGEST_SOCKET).then_some(directory)
    }

    /// Whether the server has noted, in the eighth line of postmaster.pid, that it is ready: until
    /// then a connection would only fill its log.
    pub(crate) fn server_is_ready(&self) -> bool {
        let note = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        note.lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
    }

    /// The port that the server has noted, in the fourth line.
    pub(crate) fn noted_port(&self) -> Option<u16> {
        let note = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        note.lines().nth(3)?.trim().parse().ok()
    }

    /// Whether rb-bench made this directory.
    pub(crate) fn is_ours(&self) -> bool {
        fs::read(self.path().join(TAG)).is_ok_and(|text| text == TAG_TEXT.as_bytes())
    }

    /// Creates the directory, its mark and the socket directory. The lock must be held.
    pub(crate) fn create(&self, account: &Account) -> Result<()> {
        let path = self.path();
        let root = matches!(account, Account::Other { .. });
        create(&path, if root { 0o755 } else { 0o700 })?;
        let empty = fs::read_dir(&path)
            .map_err(|e| Error::file("read", &path, e))?
            .next()
            .is_none();
        if !self.is_ours() {
            if !empty {
                return Err(Error::new(
                    Kind::Permission,
                    format!("{} is there, and rb-bench did not make it", path.display()),
                )
                .remedy("take another directory with --cluster-dir"));
            }
            let tag = path.join(TAG);
            fs::write(&tag, TAG_TEXT).map_err(|e| Error::file("write", &tag, e))?;
        }
        let socket = path.join("socket");
        create(&socket, 0o700)?;
        account.own(&socket)
    }

    /// Deletes the directory with everything in it. The lock must be held, the server gone.
    pub(crate) fn delete(&self) -> Result<()> {
        let path = self.path();
        if !self.is_ours() {
            return Err(Error::internal(format!(
                "asked to delete {}, which rb-bench did not make",
                path.display()
            )));
        }
        // The mark goes last, so that a deletion that was interrupted can be taken up again.
        for entry in fs::read_dir(&path)
            .map_err(|e| Error::file("read", &path, e))?
            .flatten()
            .filter(|entry| entry.file_name() != TAG)
        {
            let entry = entry.path();
            let deleted = if entry.is_dir() && !entry.is_symlink() {
                fs::remove_dir_all(&entry)
            } else {
                fs::remove_file(&entry)
            };
            deleted.map_err(|e| Error::file("delete", &entry, e))?;
        }
        fs::remove_dir_all(&path).map_err(|e| Error::file("delete", &path, e))
    }

    /// Bytes on disk of everything in the directory.
    pub(crate) fn bytes(&self) -> u64 {
        bytes_below(&self.path())
    }
}

/// Writes one of our files anew, for the server's account alone, and returns it for appending.
pub(crate) fn write_anew(path: &Path, text: &str, account: &Account) -> Result<fs::File> {
    // A new file each time: an old one may belong to another account, and be open.
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::file("replace", path, e));
        }
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::file("create", path, e))?;
    account.own(path)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::file("write", path, e))?;
    Ok(file)
}

fn bytes_below(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else {
        return 0;
    };
    // st_blocks counts units of 512 bytes whatever the file system's block size.
    let own = found.blocks() * 512;
    if !found.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| bytes_below(&entry.path())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::super::directory::Home;
    use super::*;

    #[test]
    fn a_directory_of_somebody_else_is_neither_used_nor_deleted() {
        let base = tempfile::tempdir().unwrap();
        let place = Home::resolve(Some(base.path())).unwrap().place(15);
        fs::create_dir(place.path()).unwrap();
        fs::write(place.path().join("precious"), "x").unwrap();
        let error = place.create(&Account::Ourselves).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} is there, and rb-bench did not make it\n  what to do: take another directory with --cluster-dir",
                place.path().display()
            )
        );
        assert!(place.delete().is_err());
        assert!(place.path().join("precious").exists());
    }

    #[test]
    fn a_directory_of_ours_is_found_and_goes_away_whole() {
        let base = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(base.path())).unwrap();
        for major in [16, 9] {
            home.place(major).create(&Account::Ourselves).unwrap();
        }
        let majors: Vec<u32> = home.places().iter().map(|p| p.major).collect();
        assert_eq!(majors, [9, 16]);
        assert!(home.place(16).bytes() > 0);
        home.place(16).delete().unwrap();
        assert!(!home.place(16).path().exists());
    }

    #[test]
    fn a_directory_in_the_place_of_our_file_is_not_replaced() {
        let base = tempfile::tempdir().unwrap();
        let error = write_anew(base.path(), "x", &Account::Ourselves).unwrap_err();
        let start = format!("cannot replace {}: ", base.path().display());
        assert!(error.message().starts_with(&start), "{error}");
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_not_used() {
        let long = Home::resolve(Some(Path::new(&format!("/tmp/{}", "x".repeat(100))))).unwrap();
        assert_eq!(long.place(15).socket(5432), None);
        let short = Home::resolve(Some(Path::new("/tmp/x"))).unwrap();
        assert!(short.place(15).socket(5432).is_some());
    }
}
