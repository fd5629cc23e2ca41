//! A profile's document in the user's own editor, with the terminal lent to it.
//!
//! A shipped profile is never changed: what is edited is a copy in a file of the user's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::foreground::{self, Outcome};
use super::state::profile::Edited;
use super::terminal::Guard;
use crate::bench::profile;
use crate::bench::subject::What;
use crate::error::Result;

/// Lets the user edit the document.
///
/// # Errors
/// Only where the terminal is gone.
pub fn edit(what: &What, terminal: &mut Guard) -> Result<Edited> {
    let (path, copy) = match file_of(what) {
        Ok(found) => found,
        Err(why) => return Ok(Edited::Failed(why)),
    };
    let before = fs::read(&path).unwrap_or_default();
    let status = terminal.lend(|| {
        // through a shell, for $EDITOR may have arguments
        let mut shell = Command::new("sh");
        shell.args(["-c", "${VISUAL:-${EDITOR:-vi}} \"$1\"", "sh"]);
        foreground::run(shell.arg(&path))
    })?;
    let failed = match status {
        Ok(Outcome::Exited(0)) => None,
        Ok(Outcome::Exited(code)) => Some(format!("the editor failed: exit code {code}")),
        Ok(Outcome::Killed(signal)) => Some(format!("the editor was ended by {signal}")),
        Err(error) => Some(format!("cannot run an editor: {error}")),
    };
    let is_changed = fs::read(&path).is_ok_and(|after| after != before);
    if !is_changed && copy {
        // nobody asked for a copy of what is compiled in
        let _kept = fs::remove_file(&path);
    }
    Ok(match failed {
        Some(why) => Edited::Failed(why),
        None if is_changed => Edited::Changed(path.display().to_string()),
        None => Edited::Unchanged,
    })
}

/// The file to edit, and whether it is a copy that was made for it.
fn file_of(what: &What) -> std::result::Result<(PathBuf, bool), String> {
    let name = match what {
        What::Pipeline(path) => return Ok((path.clone(), false)),
        What::Profile(name) => name,
    };
    if Path::new(name).is_file() {
        return Ok((PathBuf::from(name), false));
    }
    let text = profile::shown_document(name).map_err(|error| error.to_string())?;
    let mut path = PathBuf::from(format!("{name}.yaml"));
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = PathBuf::from(format!("{name}-{number}.yaml"));
    }
    fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok((path, true))
}
