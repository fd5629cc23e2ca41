//! `rb-bench profiles`: what can be benchmarked, and making one's own.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::print_line;
use crate::bench::profile::{Profile, new_document, shown_document};
use crate::cli::{Format, ProfilesAction, ProfilesArgs};
use crate::error::{Error, Kind, Result};
use crate::report::{Paper, profiles};

/// Lists the shipped profiles, or does what was asked with one.
pub(super) fn run(args: &ProfilesArgs) -> Result<u8> {
    let json = args.format == Format::Json;
    let told = match &args.action {
        None => {
            let shipped = Profile::shipped()?;
            if json {
                format!("{:#}", profiles::json(&shipped))
            } else {
                profiles::text(&shipped, Paper::stdout())
            }
        }
        Some(ProfilesAction::Show { profile }) if json => {
            format!("{:#}", profiles::whole(&Profile::find(profile)?)?)
        }
        Some(ProfilesAction::Show { profile }) => shown_document(profile)?.trim_end().to_owned(),
        Some(ProfilesAction::Validate { file }) => {
            let profile = Profile::find(&path_of(file))?;
            if json {
                format!("{:#}", profiles::whole(&profile)?)
            } else {
                profiles::valid(&profile)
            }
        }
        Some(ProfilesAction::New { name, from }) => {
            let file = make(name, from.as_deref())?;
            if json {
                serde_json::json!({ "profile": name, "file": file }).to_string()
            } else {
                format!(
                    "made {0}; run it with: rb-bench --profile {0}",
                    file.display()
                )
            }
        }
    };
    print_line(&told)?;
    Ok(0)
}

/// A file by its path also where a shipped profile has that name.
fn path_of(file: &Path) -> String {
    if file.is_relative() {
        Path::new(".").join(file).display().to_string()
    } else {
        file.display().to_string()
    }
}

/// Writes the document of a new profile to `NAME.yaml`; a file that is there stays as it is.
fn make(name: &str, from: Option<&str>) -> Result<PathBuf> {
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(accepted) {
        return Err(Error::new(
            Kind::Usage,
            format!("`{name}` is no name for a profile; accepted: letters, digits, - and _"),
        ));
    }
    let text = new_document(name, from)?;
    let file = PathBuf::from(format!("{name}.yaml"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut open| open.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(file),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Error::new(
            Kind::Incompatible,
            format!("{} is there already", file.display()),
        )
        .remedy("choose another name, or remove the file: nothing is overwritten")),
        Err(e) => Err(Error::file("write", &file, e)),
    }
}
