//! The question before something is deleted: asked on a terminal, refused without one.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::error::{Error, Kind, Result};

/// Asks whether to do this; only `y` and `yes` are a yes.
///
/// # Errors
/// `Kind::Usage` where there is no terminal: `--yes` has to say it.
pub(super) fn asked(what: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(
            Kind::Usage,
            format!("this would {what}, and there is no terminal to ask on"),
        )
        .remedy("say --yes to do it"));
    }
    eprint!("{what}? [y/N] ");
    let failed = |e| Error::new(Kind::Io, format!("cannot ask on the terminal: {e}"));
    io::stderr().flush().map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
