//! The command line as it was typed: clap types, no I/O, no decisions.
//!
//! Commands turn these into library values in `commands/`. Every command has examples. One file a
//! group of commands.

mod bench;
mod cdc;
mod cluster;
mod destination;
mod doctor;
mod measured;
mod papers;
mod run;
mod saved;
mod subject;
mod tui;
mod tune;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::bench::{BenchArgs, CalibrateArgs, ProfilesAction, ProfilesArgs, SelftestArgs};
pub use self::cdc::{CdcAction, CdcArgs};
pub use self::cluster::{AttendArgs, ClusterAction, ClusterArgs, ClusterOptions, SuperviseArgs};
pub use self::destination::{DestinationFlags, MarksAction, MarksArgs, RunsAction, RunsArgs};
pub use self::doctor::DoctorArgs;
pub use self::measured::{Arms, GateFlags, MeasuredFlags};
pub use self::papers::{CompletionsArgs, ManArgs, Shell};
pub use self::run::{CheckArgs, CopyArgs, RunArgs, RunFlags};
pub use self::saved::{
    CompareArgs, CompareFormat, ComparedArm, ExportArgs, HistoryAction, HistoryArgs, HistoryFilter,
    RepeatArgs, ReportArgs, Schema, SchemaArgs,
};
pub use self::subject::{GuardChoice, SubjectFlags};
pub use self::tui::{ColorChoice, TuiArgs};
pub use self::tune::TuneArgs;

/// How output is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// One JSON document on stdout and nothing else.
    Json,
}

/// rb-bench: copy Postgres tables with a sharded engine, and measure it.
#[derive(Debug, Parser)]
#[command(
    name = "rb-bench",
    version,
    about = "Copy tables from Postgres to Postgres with a sharded engine, and measure and tune that engine while it runs",
    long_about = "Copy tables from Postgres to Postgres with a sharded engine, and measure and tune that engine \
while it runs.\n\nWithout a command, rb-bench runs a benchmark: it starts a throw-away Postgres of its own, seeds \
it, copies a table before (parallelism 1) and after (parallelism auto), checks every row by the servers' own \
word, prints what it found and keeps it in bench-results/.",
    after_help = "EXAMPLES:
  rb-bench                                   the medium profile, before and after, three pairs
  rb-bench --profile large --iters 3         the large profile
  rb-bench --profile small --rows 500000     more rows
  rb-bench --after resources.parallelism=4   another setting against parallelism 1
  rb-bench --until-resolved --fail-on-regression   as many pairs as a verdict takes; exit 3 if it is slower
  rb-bench copy postgres://app@db1/shop postgres://app@db2/shop --table 'public.*'
  rb-bench run pipeline.yaml --verify        one run on your own databases
  rb-bench check pipeline.yaml               what that run would do, and why
  rb-bench doctor                            what is here, what is missing, how to get it

EXIT CODES:
  0 ok   1 error   2 usage   3 regression   4 inconclusive   5 not comparable   6 guard refused   130 interrupted",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// The command; a benchmark when there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The benchmark's flags.
    #[command(flatten)]
    pub bench: BenchArgs,
}

/// Everything rb-bench does beside a benchmark.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a pipeline document once, on your own databases
    Run(RunArgs),
    /// Copy tables from one database to another, without a document
    Copy(CopyArgs),
    /// Validate a pipeline document, connect, and explain what a run would do
    Check(CheckArgs),
    /// List the runs that a destination knows of, and settle those that died
    Runs(RunsArgs),
    /// List how far incremental streams have been copied, and begin them anew
    Marks(MarksArgs),
    /// Capture changes: make what a pipeline with sync_mode cdc needs, look at it, drop it
    Cdc(CdcArgs),
    /// The workbench: choose a profile, watch it run, change a setting, compare
    Tui(TuiArgs),
    /// Find the parallelism for these databases, and what `auto` loses against it
    Tune(TuneArgs),
    /// List the profiles that can be benchmarked; show, check and make one
    Profiles(ProfilesArgs),
    /// Compare two saved sessions, or the two arms of one
    Compare(CompareArgs),
    /// List saved sessions, their course, and where it changed
    History(HistoryArgs),
    /// Print a saved session in another program's format
    Export(ExportArgs),
    /// Show saved sessions and tunings: a page with plots, tables in a document, pages of profiles
    Report(ReportArgs),
    /// Run the command again that measured a saved session
    Repeat(RepeatArgs),
    /// Print the JSON Schema of what is saved, or of a document
    Schema(SchemaArgs),
    /// Measure the noise of this machine: a profile against itself
    Calibrate(CalibrateArgs),
    /// Try the statistics on simulated sessions whose truth is known
    Selftest(SelftestArgs),
    /// Manage the throw-away Postgres
    Cluster(ClusterArgs),
    /// Tell what is here, what is missing, and how to get it
    Doctor(DoctorArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
    /// Wait for the end of standard input, then stop the server (used by rb-bench itself)
    #[command(name = "__supervise", hide = true)]
    Supervise(SuperviseArgs),
    /// Run a program until it or standard input ends (used by rb-bench itself)
    #[command(name = "__attend", hide = true)]
    Attend(AttendArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command()
            .get_subcommands()
            .filter(|c| !c.is_hide_set())
        {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("EXAMPLES:"),
                "{} has no examples",
                command.get_name()
            );
        }
    }
}
