//! Where this machine keeps Postgres, and how one would install it here.
//!
//! Everything the search depends on is a value, so that other machines can be tested on this one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the search looks at, as values, so that it can be tested without another machine.
pub(super) struct Machine {
    pub(super) path: OsString,
    pub(super) places: Vec<PathBuf>,
    pub(super) os_release: String,
    pub(super) system: &'static str,
    pub(super) root: bool,
}

impl Machine {
    pub(super) fn this() -> Self {
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
    pub(super) fn candidates(&self) -> Vec<PathBuf> {
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
    pub(super) fn install_command(&self) -> String {
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
pub(super) fn usual_places(root: &Path) -> Vec<PathBuf> {
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

/// What a program prints for one flag, when it runs and succeeds.
pub(super) fn printed(program: &Path, flag: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_of_systems_has_its_command() {
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
                path: OsString::new(),
                places: Vec::new(),
                system: "linux",
                root: false,
            };
            assert_eq!(machine.install_command(), command);
        }
    }
}
