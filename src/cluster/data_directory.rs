//! Making the data directory: `initdb`, once, and the password that goes with it.
//!
//! `initdb` works under another name, so that a directory called `data` is always a complete one.
//! The password must never stand on a command line.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::process::Command;

use rand::distr::{Alphanumeric, SampleString as _};

use super::account::Account;
use super::lock::DirectoryLock;
use super::place::{Place, write_anew};
use super::programs::Programs;
use super::settings::Settings;
use super::{SUPERUSER, clean_environment};
use crate::error::{Error, Kind, Result};

const PASSWORD_LENGTH: usize = 32;

/// Makes the data directory of `place` unless it is there, and returns the superuser's password.
pub(crate) fn ensure(
    place: &Place,
    programs: &Programs,
    account: &Account,
    lock: &DirectoryLock,
    settings: &Settings,
) -> Result<String> {
    let path = place.password();
    if place.data().exists() {
        return read_password(place);
    }
    let password = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH);
    write_anew(&path, &password, account)?;
    // Newest first: C.UTF-8 sorts and compares like C, but knows what a letter is.
    let mut refused = String::new();
    for locale in ["C.UTF-8", "C"] {
        match initdb(place, programs, account, lock, settings, locale)? {
            Ok(()) => {
                let (from, to) = (place.unfinished_data(), place.data());
                fs::rename(&from, &to).map_err(|e| Error::file("rename", &from, e))?;
                return Ok(password);
            }
            Err(output) => refused = output,
        }
        if !refused.contains("locale") {
            break;
        }
    }
    discard_unfinished(place)?;
    let kind = if refused.contains("No space left on device") {
        Kind::Space
    } else {
        Kind::Io
    };
    Err(Error::new(
        kind,
        format!(
            "{} could not make a data directory in {}: {}",
            programs.program("initdb").display(),
            place.path().display(),
            refused.trim()
        ),
    ))
}

/// The password of the server in `place`.
pub(crate) fn read_password(place: &Place) -> Result<String> {
    let path = place.password();
    fs::read_to_string(&path)
        .map(|text| text.trim().to_owned())
        .map_err(|e| {
            Error::file("read the password in", &path, e).remedy(
                "`rb-bench cluster reset` makes a new server; the seeded data is made again",
            )
        })
}

fn discard_unfinished(place: &Place) -> Result<()> {
    let path = place.unfinished_data();
    match fs::remove_dir_all(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file("delete", &path, e)),
        _ => Ok(()),
    }
}

/// One attempt; the inner error is what `initdb` said.
fn initdb(
    place: &Place,
    programs: &Programs,
    account: &Account,
    lock: &DirectoryLock,
    settings: &Settings,
    locale: &str,
) -> Result<Result<(), String>> {
    discard_unfinished(place)?;
    let data = place.unfinished_data();
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&data)
        .and_then(|()| fs::set_permissions(&data, fs::Permissions::from_mode(0o700)))
        .map_err(|e| Error::file("create", &data, e))?;
    account.own(&data)?;
    let program = programs.program("initdb");
    let mut command = Command::new(&program);
    command
        .args(["--username", SUPERUSER, "--auth", "scram-sha-256"])
        .args(["--encoding", "UTF8", "--locale", locale])
        .arg("--no-instructions")
        .arg("--pwfile")
        .arg(place.password())
        .arg("--pgdata")
        .arg(&data)
        .env_clear()
        .envs(clean_environment())
        .current_dir(place.path())
        // initdb reads nothing; it keeps the lock, should we be killed before it is done.
        .stdin(lock.share()?);
    if settings.get("fsync").is_some_and(|value| value == "off") {
        command.arg("--no-sync");
    }
    let output = account
        .applied_to(&mut command)
        .output()
        .map_err(|e| Error::file("run", &program, e))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.trim().is_empty() {
        said = format!("it ended with {}", output.status);
    }
    Ok(Err(said))
}
