//! Finding the Postgres programs: `--pg-bin`, PATH, `pg_config`, then the usual places.
//!
//! A directory counts when it holds `postgres` and `initdb` of version 14 or newer. Finding must
//! never start a server or write anything; it only runs `postgres --version` and
//! `pg_config --bindir`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::machine::{Machine, printed};
use crate::error::{Error, Kind, Result};

/// The oldest major version that rb-bench manages.
pub const OLDEST_MAJOR: u32 = 14;

/// A Postgres version as the program states it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Version {
    /// The major version: 15 of `15.14`.
    pub major: u32,
    /// The version in full, without the packager's remarks: `15.14`, `18beta1`.
    pub text: String,
}

impl Version {
    /// Reads what `postgres --version` prints: `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
    fn parse(printed: &str) -> Option<Self> {
        let text = printed.split(')').nth(1)?.split_whitespace().next()?;
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        Some(Self {
            major: digits.parse().ok()?,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// The Postgres programs of one installation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Programs {
    /// The directory that holds them, absolute.
    pub directory: PathBuf,
    /// Their version.
    pub version: Version,
}

impl Programs {
    /// Finds the programs in `pg_bin`, if given, else on this machine.
    pub fn find(pg_bin: Option<&Path>) -> Result<Self> {
        match pg_bin {
            Some(directory) => Self::named(directory),
            None => Self::search(&Machine::this()),
        }
    }

    /// The path of one program, `psql` for example; its bare name, which leaves it to PATH, where
    /// this installation lacks it.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        if path.is_file() {
            path
        } else {
            PathBuf::from(name)
        }
    }

    fn named(directory: &Path) -> Result<Self> {
        let directory =
            std::path::absolute(directory).map_err(|e| Error::file("find", directory, e))?;
        match Self::at(&directory) {
            Some(found) if found.version.major >= OLDEST_MAJOR => Ok(found),
            Some(old) => Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{} holds PostgreSQL {}, and rb-bench needs {OLDEST_MAJOR} or newer",
                    directory.display(),
                    old.version
                ),
            )),
            None => Err(Error::new(
                Kind::NotFound,
                format!(
                    "{} does not hold the Postgres programs (postgres, initdb) that --pg-bin promises",
                    directory.display()
                ),
            )),
        }
    }

    fn search(machine: &Machine) -> Result<Self> {
        let mut too_old: Option<Self> = None;
        for directory in machine.candidates() {
            match Self::at(&directory) {
                Some(found) if found.version.major >= OLDEST_MAJOR => return Ok(found),
                Some(old) => too_old = too_old.or(Some(old)),
                None => {}
            }
        }
        let (kind, seen) = match too_old {
            Some(old) => (
                Kind::Unsupported,
                format!(
                    "the PostgreSQL on this machine is {} ({}), and rb-bench needs {OLDEST_MAJOR} or newer",
                    old.version,
                    old.directory.display()
                ),
            ),
            None => (
                Kind::NotFound,
                format!("there is no PostgreSQL server, {OLDEST_MAJOR} or newer, on this machine"),
            ),
        };
        Err(Error::new(
            kind,
            format!(
                "{seen}; install one with `{}`, or say where it is with --pg-bin DIR",
                machine.install_command()
            ),
        ))
    }

    /// The installation in `directory`, when it is one.
    fn at(directory: &Path) -> Option<Self> {
        let postgres = directory.join("postgres");
        // A link leads to the whole installation, of which a PATH often shows a part.
        let real = postgres.canonicalize().ok()?;
        let directory = [real.parent()?, directory]
            .into_iter()
            .find(|place| place.join("initdb").is_file())?;
        let version = Version::parse(&printed(&postgres, "--version")?)?;
        Some(Self {
            directory: directory.to_owned(),
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::machine::usual_places;
    use super::*;

    /// A directory with programs that claim to be this version.
    fn installation(directory: &Path, version: &str) {
        fs::create_dir_all(directory).unwrap();
        for name in ["postgres", "initdb"] {
            let path = directory.join(name);
            let script = format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n");
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn machine(root: &Path, path: &str) -> Machine {
        Machine {
            path: path.into(),
            places: usual_places(root),
            os_release: "ID=ubuntu\nID_LIKE=debian\n".into(),
            system: "linux",
            root: false,
        }
    }

    #[test]
    fn versions_are_read_as_programs_print_them() {
        let debian = Version::parse("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n");
        assert_eq!(debian.unwrap().text, "15.14");
        let beta = Version::parse("postgres (PostgreSQL) 18beta1").unwrap();
        assert_eq!((beta.major, beta.text.as_str()), (18, "18beta1"));
        assert_eq!(Version::parse("sh: not found"), None);
    }

    #[test]
    fn the_newest_of_the_usual_places_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for major in ["9", "14", "16"] {
            let place = root.path().join("usr/lib/postgresql").join(major);
            installation(&place.join("bin"), &format!("{major}.2"));
        }
        let found = Programs::search(&machine(root.path(), "")).unwrap();
        assert_eq!(found.version.text, "16.2");
    }

    #[test]
    fn the_path_comes_before_the_usual_places_unless_it_is_too_old() {
        let root = tempfile::tempdir().unwrap();
        installation(&root.path().join("usr/lib/postgresql/16/bin"), "16.2");
        let mine = root.path().join("mine");
        installation(&mine, "14.1");
        let path = mine.to_str().unwrap();
        let found = Programs::search(&machine(root.path(), path)).unwrap();
        assert_eq!(found.version.text, "14.1");
        installation(&mine, "13.9");
        let found = Programs::search(&machine(root.path(), path)).unwrap();
        assert_eq!(found.version.text, "16.2");
    }

    #[test]
    fn a_link_on_the_path_leads_to_the_whole_installation() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let whole = root.join("whole");
        installation(&whole, "16.2");
        let shown = root.join("shown");
        fs::create_dir(&shown).unwrap();
        std::os::unix::fs::symlink(whole.join("postgres"), shown.join("postgres")).unwrap();
        let found = Programs::search(&machine(&root, shown.to_str().unwrap())).unwrap();
        assert_eq!(found.directory, whole);
        assert_eq!(found.program("initdb"), whole.join("initdb"));
        assert_eq!(found.program("psql"), Path::new("psql"));
    }

    #[test]
    fn a_missing_postgres_is_one_sentence_with_the_install_command() {
        let root = tempfile::tempdir().unwrap();
        let error = Programs::search(&machine(root.path(), "")).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(
            error.to_string(),
            "there is no PostgreSQL server, 14 or newer, on this machine; install one with \
             `sudo apt-get install postgresql`, or say where it is with --pg-bin DIR"
        );
    }

    #[test]
    fn a_postgres_that_is_too_old_is_named() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("usr/lib/postgresql/13/bin");
        installation(&place, "13.20");
        let error = Programs::search(&machine(root.path(), "")).unwrap_err();
        assert!(error.message().contains("13.20"), "{error}");
        let error = Programs::named(&place).unwrap_err();
        assert!(error.message().contains("needs 14 or newer"), "{error}");
    }
}
