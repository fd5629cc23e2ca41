//! One file per command: from what was typed to the library to what is printed.
//!
//! [`dispatch`] is the one place that maps results to exit codes and errors to stderr.

mod cluster;
mod supervise;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::error::{Error, Result};

/// Runs the command that was typed and returns its exit code.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    let outcome: Result<u8> = match cli.command {
        Some(Command::Cluster(args)) => cluster::run(args),
        Some(Command::Supervise(args)) => supervise::run(&args),
        Some(Command::Profiles(_)) | None => Err(Error::internal("not connected yet")),
        Some(Command::Run(_) | Command::Copy(_) | Command::Check(_)) => {
            Err(Error::internal("not connected yet"))
        }
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("rb-bench: error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
