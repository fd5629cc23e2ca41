//! `rb-bench repeat ARTIFACT`: the command of a saved session, run again in place of this one.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Parser as _;

use crate::bench::archive;
use crate::cli::{Cli, RepeatArgs};
use crate::config::{holds_masked, without_masked};
use crate::error::{Error, Kind, Result};

/// Becomes the command; returns only where that failed, or where it was to be printed.
pub(super) fn run(args: &RepeatArgs) -> Result<u8> {
    let (session, _) = archive::named(&args.artifact, &args.out)?;
    let arguments = session.repeating_arguments();
    // an artifact may come from anywhere: it repeats a benchmark and nothing else
    let words = std::iter::once("rb-bench".to_owned()).chain(arguments.iter().cloned());
    let is_benchmark = Cli::try_parse_from(words).is_ok_and(|cli| cli.command.is_none());
    // what is told is what is run; where nothing is, what the file says
    let command = if is_benchmark {
        session.command_of_arguments()
    } else {
        session.repeating_command()
    };
    if args.print {
        super::print_line(&command)?;
        return Ok(0);
    }
    let masked = arguments.iter().any(|argument| holds_masked(argument));
    if masked && !gives_passwords() {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "session {} was measured with a password on its command line, and no artifact keeps passwords",
                session.id
            ),
        )
        .remedy("give it by PGPASSWORD, PGPASSFILE or ~/.pgpass and repeat it again"));
    }
    if !is_benchmark {
        return Err(Error::new(
            Kind::Data,
            format!(
                "session {} holds a command that is no benchmark",
                session.id
            ),
        )
        .remedy("look at it with --print"));
    }
    super::print_error(&command);
    let program = std::env::current_exe()
        .map_err(|e| Error::new(Kind::Io, format!("cannot find this program: {e}")))?;
    let failed = Command::new(&program)
        .args(arguments.iter().map(|argument| without_masked(argument)))
        .exec();
    Err(Error::file("run", &program, failed))
}

/// Whether there is a place that passwords can come from.
fn gives_passwords() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    set("PGPASSWORD") || set("PGPASSFILE") || home.is_some_and(|h| h.join(".pgpass").is_file())
}
