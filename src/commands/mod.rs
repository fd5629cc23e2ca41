//! One file per command: from what was typed to the library to what is printed.
//!
//! [`dispatch`] is the one place that maps results to exit codes and errors to stderr.

mod attend;
mod bench;
mod calibrate;
mod cdc;
mod check;
mod cluster;
mod compare;
mod completions;
mod confirm;
mod doctor;
mod export;
mod gates;
mod grammar;
mod history;
mod interrupt;
mod man;
mod marks;
mod profiles;
mod repeat;
mod report;
mod run;
mod runs;
mod schema;
mod selftest;
mod subject;
mod supervise;
mod tui;
mod tune;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use crate::cli::{CdcAction, Cli, ClusterAction, Command, CompareFormat, Format};
use crate::error::{Error, Kind, Result};

/// Runs the command that was typed and returns its exit code.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    // what is written to the workbench's own terminal would tear its screen
    let is_screen = matches!(cli.command, Some(Command::Tui(_))) && std::io::stderr().is_terminal();
    if !is_screen {
        log_to_stderr();
    }
    let json = wants_json(&cli);
    let outcome: Result<u8> = match cli.command {
        Some(Command::Cluster(args)) => cluster::run(args),
        Some(Command::Supervise(args)) => supervise::run(&args),
        Some(Command::Run(args)) => in_runtime(run::run(args)),
        Some(Command::Copy(args)) => in_runtime(run::copy(args)),
        Some(Command::Check(args)) => in_runtime(check::run(args)),
        Some(Command::Runs(args)) => in_runtime(runs::run(args)),
        Some(Command::Marks(args)) => in_runtime(marks::run(args)),
        Some(Command::Cdc(args)) => in_runtime(cdc::run(args)),
        Some(Command::Profiles(args)) => profiles::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::History(args)) => history::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Repeat(args)) => repeat::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Schema(args)) => schema::run(&args),
        Some(Command::Doctor(args)) => in_runtime(doctor::run(args)),
        Some(Command::Completions(args)) => completions::run(args.shell),
        Some(Command::Man(args)) => man::run(args.out.as_deref()),
        Some(Command::Tui(args)) => tui::run(&args),
        Some(Command::Tune(args)) => in_runtime(tune::run(args)),
        Some(Command::Calibrate(args)) => in_runtime(calibrate::run(args)),
        Some(Command::Selftest(args)) => selftest::run(&args),
        Some(Command::Attend(args)) => in_runtime(attend::run(args)),
        None => in_runtime(bench::run(cli.bench)),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if json {
                // a reader that went away does not need to be told
                let _ = print_line(&error.to_json().to_string());
            }
            print_error(&format!("rb-bench: error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn wants_json(cli: &Cli) -> bool {
    let format = match &cli.command {
        None => cli.bench.format,
        Some(Command::Run(args)) => args.options.format,
        Some(Command::Copy(args)) => args.options.format,
        Some(Command::Check(args)) => args.format,
        Some(Command::Runs(args)) => args.at.format,
        Some(Command::Marks(args)) => args.at.format,
        Some(Command::Profiles(args)) => args.format,
        Some(Command::Tune(args)) => args.format,
        Some(Command::Calibrate(args)) => args.format,
        Some(Command::Selftest(args)) => args.format,
        Some(Command::Cdc(args)) => match args.action {
            CdcAction::Setup { format, .. } | CdcAction::Status { format, .. } => format,
            CdcAction::Drop { .. } => Format::Text,
        },
        Some(Command::Cluster(args)) => match args.action {
            ClusterAction::Status { format } => format,
            _ => Format::Text,
        },
        Some(Command::Compare(args)) => match args.format {
            CompareFormat::Json => Format::Json,
            _ => Format::Text,
        },
        Some(Command::History(args)) => args.format,
        Some(Command::Report(args)) => args.format,
        Some(Command::Doctor(args)) => args.format,
        Some(
            Command::Export(_)
            | Command::Repeat(_)
            | Command::Schema(_)
            | Command::Completions(_)
            | Command::Man(_)
            | Command::Supervise(_)
            | Command::Tui(_)
            | Command::Attend(_),
        ) => Format::Text,
    };
    format == Format::Json
}

/// Log events go to stderr; RB_BENCH_LOG says which (`info`, `rb_bench=debug`).
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("RB_BENCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Runs an asynchronous command to its end.
fn in_runtime(command: impl Future<Output = Result<u8>>) -> Result<u8> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::new(Kind::Io, format!("cannot start a runtime: {e}")))?
        .block_on(command)
}

/// Prints a line on standard error, if anybody is there to read it.
fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a line on standard output. A reader that has gone away is no error of ours.
fn print_line(text: &str) -> Result<()> {
    print_bytes(format!("{text}\n").as_bytes())
}

/// The same of what has its own line ends.
fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome
            .map_err(|e| Error::new(Kind::Io, format!("cannot write to standard output: {e}"))),
    }
}
