//! Finding the Postgres programs: `--pg-bin`, PATH, `pg_config`, then the usual places.
//!
//! A directory counts when it holds `postgres` and `initdb` of version 14 or newer. Finding must
//! never start a server or write anything; it only runs `postgres --version` and
//! `pg_config --bindir`.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// What a program prints for one flag, when it runs and succeeds.
fn printed(program: &Path, flag: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(flag)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What the search looks at, as values, so that it can be tested without another machine.
struct Machine {
    path: OsString,
    places: Vec<PathBuf>,
    os_release: String,
    system: &'static str,
    root: bool,
}

impl Machine {
    fn this() -> Self {
        Self {
            path: std::env::var_os("PATH").unwrap_or_default(),
            places: usual_places(Path::new("/")),
            os_release: fs::read_to_string("/etc/os-release")
                .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
                .unwrap_or_default(),
            system: std::env::consts::OS,
            root: nix::unistd::Uid::effective().is_root(),
        }
    }

    /// Directories to look into, in order, each named once where it is a link to another.
    fn candidates(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        let on_path: Vec<PathBuf> = std::env::split_paths(&self.path)
            .filter(|directory| directory.is_absolute())
            .collect();
        found.extend(on_path.iter().cloned());
        for directory in &on_path {
            if let Some(bindir) = printed(&directory.join("pg_config"), "--bindir") {
                found.push(PathBuf::from(bindir.trim()));
            }
        }
        found.extend(self.places.iter().cloned());
        found
    }

    /// The command that installs a server on this system.
    fn install_command(&self) -> String {
        let families = families(&self.os_release);
        let known = |names: &[&str]| {
            families
                .iter()
                .any(|family| names.contains(&family.as_str()))
        };
        let (needs_root, command) = match self.system {
            "macos" => (false, "brew install postgresql@17"),
            "freebsd" => (true, "pkg install postgresql17-server"),
            _ if known(&["debian", "ubuntu"]) => (true, "apt-get install postgresql"),
            _ if known(&["fedora", "rhel", "centos"]) => (true, "dnf install postgresql-server"),
            _ if known(&["alpine"]) => (true, "apk add postgresql"),
            _ if known(&["arch"]) => (true, "pacman -S postgresql"),
            _ if known(&["suse", "opensuse"]) => (true, "zypper install postgresql-server"),
            _ if known(&["nixos"]) => (false, "nix-shell -p postgresql"),
            _ => return "the packages of https://www.postgresql.org/download/".to_owned(),
        };
        if needs_root && !self.root {
            format!("sudo {command}")
        } else {
            command.to_owned()
        }
    }
}

/// `ID` and `ID_LIKE` of an os-release file.
fn families(os_release: &str) -> Vec<String> {
    os_release
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| matches!(*key, "ID" | "ID_LIKE"))
        .flat_map(|(_, value)| {
            value
                .trim_matches(['"', '\''])
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Where packages put the programs, below `root`; newest version first.
fn usual_places(root: &Path) -> Vec<PathBuf> {
    // Parent directory, what stands before the version in the name, what follows it.
    const NUMBERED: [(&str, &str, &str); 9] = [
        ("usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
        ("usr", "pgsql-", "bin"),                   // PostgreSQL's own RPMs
        ("usr/lib", "postgresql", "bin"),           // SUSE
        ("usr/libexec", "postgresql", ""),          // Alpine
        ("usr/lib", "postgresql-", "bin"),          // Gentoo
        ("usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
        ("opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
        ("Library/PostgreSQL", "", "bin"),          // EDB's installer
        ("Applications/Postgres.app/Contents/Versions", "", "bin"),
    ];
    let mut numbered: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, rest) in NUMBERED {
        let Ok(entries) = fs::read_dir(root.join(parent)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|n| n.strip_prefix(prefix));
            if let Some(major) = version.and_then(|v| v.parse().ok()) {
                numbered.push((major, entry.path().join(rest)));
            }
        }
    }
    numbered.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let plain = [
        "usr/local/pgsql/bin",
        "opt/homebrew/bin",
        "usr/local/bin",
        "usr/bin",
    ];
    numbered
        .into_iter()
        .map(|(_, directory)| directory)
        .chain(plain.iter().map(|p| root.join(p)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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

    #[test]
    fn every_family_of_systems_has_its_command() {
        let root = tempfile::tempdir().unwrap();
        for (os_release, command) in [
            ("ID=debian", "sudo apt-get install postgresql"),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"",
                "sudo dnf install postgresql-server",
            ),
            ("ID=alpine", "sudo apk add postgresql"),
            ("ID=manjaro\nID_LIKE=arch", "sudo pacman -S postgresql"),
            (
                "ID=plan9",
                "the packages of https://www.postgresql.org/download/",
            ),
        ] {
            let machine = Machine {
                os_release: os_release.into(),
                ..machine(root.path(), "")
            };
            assert_eq!(machine.install_command(), command);
        }
    }
}
