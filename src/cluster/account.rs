//! The operating-system account that the managed server runs as.
//!
//! Postgres refuses to run as root. When rb-bench is root, its server runs as an ordinary account:
//! the owner of the data that is already there, else `postgres`, else `nobody`. When rb-bench is
//! not root, the server runs as the same user. Root must never write through a directory that the
//! ordinary account owns; it only creates such directories, hands them over, and deletes them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};

use crate::error::{Error, Kind, Result};

/// Who the server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user that runs rb-bench, who is not root.
    Ourselves,
    /// An ordinary account, because rb-bench is root.
    Other {
        /// Its name, for messages.
        name: String,
        /// Its user id, never 0.
        uid: Uid,
        /// Its primary group.
        gid: Gid,
    },
}

impl Account {
    /// The account for a server whose data lies, or will lie, in `data`.
    pub(crate) fn for_server(data: &Path) -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self::Ourselves);
        }
        if let Ok(existing) = fs::metadata(data)
            && existing.uid() != 0
        {
            return Self::by_uid(existing.uid(), existing.gid());
        }
        for name in ["postgres", "nobody"] {
            if let Ok(Some(user)) = User::from_name(name)
                && !user.uid.is_root()
            {
                return Ok(Self::Other {
                    name: user.name,
                    uid: user.uid,
                    gid: user.gid,
                });
            }
        }
        Err(Error::new(
            Kind::NotFound,
            "Postgres does not run as root, and this system has neither an account `postgres` nor `nobody`",
        )
        .remedy("create an account named postgres, or run rb-bench as an ordinary user"))
    }

    fn by_uid(uid: u32, gid: u32) -> Result<Self> {
        let uid = Uid::from_raw(uid);
        let known = User::from_uid(uid).map_err(|cause| {
            Error::new(Kind::Io, format!("cannot look up account {uid}: {cause}"))
        })?;
        Ok(Self::Other {
            name: known
                .as_ref()
                .map_or_else(|| uid.to_string(), |u| u.name.clone()),
            uid,
            gid: known.map_or_else(|| Gid::from_raw(gid), |u| u.gid),
        })
    }

    /// Becomes the owner of `data` for good, when this process is root.
    pub(crate) fn become_owner_of(data: &Path) -> Result<()> {
        if !Uid::effective().is_root() {
            return Ok(());
        }
        let owner = fs::metadata(data).map_err(|e| Error::file("read", data, e))?;
        if owner.uid() == 0 {
            return Err(Error::new(
                Kind::Permission,
                format!(
                    "{} belongs to root, as which Postgres does not run",
                    data.display()
                ),
            ));
        }
        let Self::Other { name, uid, gid } = Self::by_uid(owner.uid(), owner.gid())? else {
            return Ok(());
        };
        // Apple's kernel keeps supplementary groups elsewhere; nix offers no setgroups there.
        #[cfg(not(target_vendor = "apple"))]
        let groups = nix::unistd::setgroups(&[gid]);
        #[cfg(target_vendor = "apple")]
        let groups: nix::Result<()> = Ok(());
        groups
            .and_then(|()| nix::unistd::setgid(gid))
            .and_then(|()| nix::unistd::setuid(uid))
            .map_err(|cause| {
                Error::new(
                    Kind::Permission,
                    format!("cannot become {name} (uid {uid}): {cause}"),
                )
            })
    }

    /// Makes `command` run as this account. The standard library drops root's other groups too.
    pub(crate) fn applied_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Self::Other { uid, gid, .. } = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    /// Hands a file or directory, which must not be a symbolic link, to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        if let Self::Other { uid, gid, .. } = self {
            std::os::unix::fs::lchown(path, Some(uid.as_raw()), Some(gid.as_raw()))
                .map_err(|e| Error::file("change the owner of", path, e))?;
        }
        Ok(())
    }

    /// Checks that this account can run `program` and enter `directory`; the error names what
    /// stands in the way.
    pub(crate) fn require_access(&self, program: &Path, directory: &Path) -> Result<()> {
        let Self::Other { name, uid, gid } = self else {
            return Ok(());
        };
        let runs_in = |place: &Path| {
            self.applied_to(
                Command::new(program)
                    .arg("--version")
                    .current_dir(place)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null()),
            )
            .status()
            .is_ok_and(|status| status.success())
        };
        if runs_in(directory) {
            return Ok(());
        }
        if !runs_in(Path::new("/")) {
            let place = program.parent().unwrap_or(program);
            let barrier = barrier(place, *uid, *gid).unwrap_or(place);
            return Err(Error::new(
                Kind::Permission,
                format!(
                    "the account {name}, as which the server runs, cannot run {}: it may not enter {}",
                    program.display(),
                    barrier.display()
                ),
            )
            .remedy("install Postgres where every account can read it, or run rb-bench as an ordinary user"));
        }
        let barrier = barrier(directory, *uid, *gid).unwrap_or(directory);
        Err(Error::new(
            Kind::Permission,
            format!(
                "the account {name}, as which the server runs, cannot use {}: it may not enter {}",
                directory.display(),
                barrier.display()
            ),
        )
        .remedy(format!(
            "`chmod o+x {}`, or take a directory outside it with --cluster-dir",
            barrier.display()
        )))
    }
}

/// The first directory on the way to `path` that an account may not enter, by its mode bits.
fn barrier(path: &Path, uid: Uid, gid: Gid) -> Option<&Path> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    way.into_iter().find(|step| {
        fs::metadata(step).is_ok_and(|found| {
            let mode = found.permissions().mode();
            let bit = if found.uid() == uid.as_raw() {
                0o100
            } else if found.gid() == gid.as_raw() {
                0o010
            } else {
                0o001
            };
            mode & bit == 0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_barrier_is_the_first_directory_that_others_may_not_enter() {
        let base = tempfile::tempdir().unwrap();
        let closed = base.path().join("closed");
        let inside = closed.join("inside");
        fs::create_dir_all(&inside).unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = (Uid::from_raw(54_321), Gid::from_raw(54_321));
        assert_eq!(
            barrier(&inside, stranger.0, stranger.1),
            Some(closed.as_path())
        );
        let owner = fs::metadata(&closed).unwrap();
        let owner = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
        assert_eq!(barrier(&inside, owner.0, owner.1), None);
    }

    #[test]
    fn a_file_that_cannot_be_handed_over_is_named() {
        let base = tempfile::tempdir().unwrap();
        let missing = base.path().join("missing");
        let account = Account::Other {
            name: "ours".to_owned(),
            uid: Uid::effective(),
            gid: Gid::effective(),
        };
        let error = account.own(&missing).unwrap_err();
        let start = format!("cannot change the owner of {}: ", missing.display());
        assert!(error.message().starts_with(&start), "{error}");
    }

    #[test]
    fn as_root_what_an_account_may_not_have_is_named() {
        if !Uid::effective().is_root() {
            return;
        }
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let error = Account::become_owner_of(base.path()).unwrap_err();
        assert_eq!(
            error.message(),
            format!(
                "{} belongs to root, as which Postgres does not run",
                base.path().display()
            )
        );
        let program = base.path().join("true");
        fs::copy("/bin/true", &program).unwrap();
        let nobody = Account::by_uid(65_534, 65_534).unwrap();
        let error = nobody.require_access(&program, Path::new("/")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the account nobody, as which the server runs, cannot run {}: it may not enter {}\n  what to do: install \
                 Postgres where every account can read it, or run rb-bench as an ordinary user",
                program.display(),
                base.path().display()
            )
        );
    }
}
