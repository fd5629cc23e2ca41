//! Parse, dispatch, exit code; nothing else.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    rb_bench::commands::dispatch(rb_bench::cli::Cli::parse())
}
