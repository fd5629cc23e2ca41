//! Whether a managed server could be made here, asked without making or starting anything.

use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::ClusterOptions;
use super::account::Account;
use super::directory::Home;
use super::programs::Programs;
use crate::error::{Error, Kind, Result};

/// The account that a server would run as.
///
/// # Errors
/// Where Postgres has no account to run as, or that account cannot run the programs or enter the
/// directory.
pub fn account(options: &ClusterOptions, programs: &Programs) -> Result<String> {
    let home = Home::resolve(options.cluster_dir.as_deref())?;
    let account = Account::for_server(&home.place(programs.version.major).data())?;
    account.require_access(&programs.program("initdb"), nearest(home.path()))?;
    Ok(match account {
        Account::Other { name, .. } => name,
        Account::Ourselves => nix::unistd::User::from_uid(nix::unistd::Uid::effective())
            .ok()
            .flatten()
            .map_or_else(|| nix::unistd::Uid::effective().to_string(), |u| u.name),
    })
}

/// Whether `directory` may be written to, or made where it is not there yet.
///
/// # Errors
/// `Kind::Permission` with what stands in the way.
pub fn may_write(directory: &Path) -> Result<()> {
    let directory =
        std::path::absolute(directory).map_err(|e| Error::file("find", directory, e))?;
    let there = nearest(&directory);
    access(there, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|cause| {
        Error::new(
            Kind::Permission,
            format!("{} cannot be written to: {}", there.display(), cause.desc()),
        )
    })?;
    if there.is_dir() {
        Ok(())
    } else {
        Err(Error::new(
            Kind::Io,
            format!("{} is not a directory", there.display()),
        ))
    }
}

/// The part of the way to `directory` that is there.
fn nearest(directory: &Path) -> &Path {
    directory
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_going_to_be_there_may_be_written_to() {
        let place = tempfile::tempdir().unwrap();
        may_write(place.path()).unwrap();
        may_write(&place.path().join("not/yet/there")).unwrap();
        may_write(Path::new("not-there-either")).unwrap();
        assert!(!place.path().join("not").exists());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = may_write(&file.join("below")).unwrap_err();
        assert_eq!(
            error.message(),
            format!("{} cannot be written to: Permission denied", file.display())
        );
        let program = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&file, program).unwrap();
        let error = may_write(&file.join("below")).unwrap_err();
        assert_eq!(
            error.message(),
            format!("{} is not a directory", file.display())
        );
    }
}
