//! Where the managed server lives on disk.
//!
//! ```text
//! /var/cache/rb-bench        as root; else $XDG_CACHE_HOME/rb-bench or ~/.cache/rb-bench
//!   pg15.lock                held by the rb-bench that uses pg15, and by its supervisor
//!   pg15/
//!     CACHEDIR.TAG           marks the directory as ours, and as not worth a backup
//!     password               0600: the superuser's
//!     postgresql.conf        written at each start
//!     server.log             of the last start
//!     data/  socket/         0700: owned by the account the server runs as
//! ```
//!
//! Nothing is created outside, and nothing is deleted that does not carry our mark.

use std::fs::{self, DirBuilder, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::account::Account;
use crate::error::{Error, Kind, Result};

const TAG: &str = "CACHEDIR.TAG";
// https://bford.info/cachedir/
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55
# A throw-away Postgres server of rb-bench; `rb-bench cluster reset` deletes it.
";
/// The longest path of a Unix socket, less the terminating zero.
const LONGEST_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The directory that holds one server per major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `wanted`, else this user's cache directory. Absolute; need not exist.
    pub(crate) fn resolve(wanted: Option<&Path>) -> Result<Self> {
        let path = match wanted {
            Some(path) => path.to_owned(),
            None => default_home()?,
        };
        let path = std::path::absolute(&path).map_err(|e| Error::file("find", &path, e))?;
        // The server reports its directory without links; ours must read the same.
        let path = path.canonicalize().unwrap_or(path);
        if path.to_str().is_none_or(|p| p.contains(['\n', '\r'])) {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the path {} cannot be written into a Postgres configuration",
                    path.display()
                ),
            )
            .remedy("take another directory with --cluster-dir"));
        }
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The place of the server of one major version.
    pub(crate) fn place(&self, major: u32) -> Place {
        Place {
            home: self.0.clone(),
            major,
        }
    }

    /// The servers that are there, oldest version first.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = fs::read_dir(&self.0)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("pg")?.parse().ok())
            .map(|major| self.place(major))
            .filter(Place::is_ours)
            .collect();
        places.sort_by_key(|place| place.major);
        places
    }

    /// Creates the directory, open to others when we are root, for the server must pass it.
    pub(crate) fn create(&self) -> Result<Self> {
        create_way_to(&self.0)?;
        Self::resolve(Some(&self.0))
    }
}

fn create_way_to(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_way_to(parent)?;
    }
    create(
        path,
        if Uid::effective().is_root() {
            0o755
        } else {
            0o700
        },
    )
}

/// Creates a directory with this mode whatever the umask; one that is there keeps its own.
fn create(path: &Path, mode: u32) -> Result<()> {
    let refused = |e| {
        Error::file("create", path, e).remedy("take a directory of your own with --cluster-dir")
    };
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)).map_err(refused),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(refused(e)),
    }
}

fn default_home() -> Result<PathBuf> {
    if Uid::effective().is_root() {
        return Ok(PathBuf::from("/var/cache/rb-bench"));
    }
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .or_else(|| {
            let user = User::from_uid(Uid::effective()).ok()??;
            Some(user.dir.join(".cache"))
        })
        .map(|cache| cache.join("rb-bench"))
        .ok_or_else(|| {
            Error::new(Kind::NotFound, "this user has no home directory")
                .remedy("say where the managed server may live with --cluster-dir")
        })
}

/// The place of one server: `<home>/pg<major>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    home: PathBuf,
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
    use super::*;

    #[test]
    fn a_directory_of_somebody_else_is_neither_used_nor_deleted() {
        let base = tempfile::tempdir().unwrap();
        let place = Home::resolve(Some(base.path())).unwrap().place(15);
        fs::create_dir(place.path()).unwrap();
        fs::write(place.path().join("precious"), "x").unwrap();
        let error = place.create(&Account::Ourselves).unwrap_err();
        assert!(error.message().contains("did not make it"), "{error}");
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
    fn a_socket_path_that_is_too_long_is_not_used() {
        let long = Home(PathBuf::from(format!("/tmp/{}", "x".repeat(100))));
        assert_eq!(long.place(15).socket(5432), None);
        let short = Home(PathBuf::from("/tmp/x"));
        assert!(short.place(15).socket(5432).is_some());
    }
}
