//! A command of rb-bench, run by another process of the same program with the terminal lent to it.

use std::io::Write as _;
use std::process::Command;

use super::foreground::{self, Outcome};
use super::message::Note;
use super::terminal::Guard;
use crate::config::mask_secrets;
use crate::error::Result;

/// Runs it; how it ended, in a line for the user.
///
/// # Errors
/// Only where the terminal is gone.
pub fn run(words: &[String], terminal: &mut Guard) -> Result<Note> {
    let line = shown(words);
    terminal.lend(|| {
        // a terminal that is gone is found when it is taken again
        let _gone = writeln!(std::io::stdout(), "$ {line}");
        let ended = std::env::current_exe()
            .and_then(|program| foreground::run(Command::new(program).args(words)));
        let (is_error, how) = match ended {
            Ok(Outcome::Exited(0)) => (false, "done".to_owned()),
            Ok(Outcome::Exited(code)) => (true, format!("exit code {code}")),
            Ok(Outcome::Killed(signal)) => (true, format!("ended by {signal}")),
            Err(error) => (true, format!("cannot run this program: {error}")),
        };
        foreground::wait_for_enter(&how);
        Note {
            is_error,
            text: format!("{how}: {line}"),
        }
    })
}

/// The words as a shell reads them, secrets masked.
fn shown(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| mask_secrets(word)).collect();
    let all = || std::iter::once("rb-bench").chain(words.iter().map(String::as_str));
    // only a NUL cannot be quoted, and no key types one
    shlex::try_join(all()).unwrap_or_else(|_| all().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_with_the_command() {
        let words = ["copy", "postgres://me:hunter2@a/x", "a b"].map(str::to_owned);
        let line = shown(&words);
        assert!(
            !line.contains("hunter2") && line.ends_with("'a b'"),
            "{line}"
        );
    }
}
