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
//!   noise/                   what `rb-bench calibrate` measured, a session a profile
//! ```
//!
//! Nothing may be created outside it.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::place::Place;
use crate::error::{Error, Kind, Result};

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
pub(super) fn create(path: &Path, mode: u32) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_configuration_cannot_hold_is_refused() {
        let error = Home::resolve(Some(Path::new("/nowhere/a\nb"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the path /nowhere/a\nb cannot be written into a Postgres configuration\n  what to do: take another \
             directory with --cluster-dir"
        );
    }
}
