//! The command line as it was typed: clap types, no I/O, no decisions.
//!
//! Commands turn these into library values in `commands/`. Every command has examples.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
  rb-bench copy postgres://app@db1/shop postgres://app@db2/shop --table 'public.*'
  rb-bench run pipeline.yaml --verify        one run on your own databases
  rb-bench check pipeline.yaml               what that run would do, and why

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
    /// List the profiles that can be benchmarked
    Profiles(ProfilesArgs),
    /// Manage the throw-away Postgres
    Cluster(ClusterArgs),
    /// Wait for the end of standard input, then stop the server (used by rb-bench itself)
    #[command(name = "__supervise", hide = true)]
    Supervise(SuperviseArgs),
}

/// Which arms a benchmark measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Arms {
    /// Before and after, in pairs.
    #[default]
    Both,
    /// The after arm alone.
    One,
}

/// `rb-bench [--profile P] ...`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Profile to run: a shipped one (`rb-bench profiles`) or a YAML file
    #[arg(long, short, default_value = "medium", value_name = "PROFILE")]
    pub profile: String,
    /// Pairs to measure (iterations with --arms one); the profile's when omitted
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub iters: Option<u32>,
    /// Rows of the dataset; the profile's when omitted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rows: Option<u64>,
    /// Warm-up iterations of each arm, never counted; the profile's when omitted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub warmup: Option<u32>,
    /// Setting of the before arm, dotted (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub before: Vec<String>,
    /// Setting of the after arm, dotted (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub after: Vec<String>,
    /// Measure both arms in pairs, or the after arm alone
    #[arg(long, value_enum, default_value_t)]
    pub arms: Arms,
    /// Read from this database instead of the managed one
    #[arg(long, value_name = "URL", requires = "dest_url")]
    pub source_url: Option<String>,
    /// Write to this database instead of the managed one
    #[arg(long, value_name = "URL", requires = "source_url")]
    pub dest_url: Option<String>,
    /// Measure this pipeline document on its own databases
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source_url", "profile", "rows"])]
    pub pipeline: Option<PathBuf>,
    /// Write into the named tables, which must be empty, instead of copies beside them
    #[arg(long)]
    pub in_place: bool,
    /// Directory for the artifact
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
    /// A name for this session, kept in the artifact
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Seed of the order of arms; random when omitted
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Smallest change that counts, percent of wall time
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = percent)]
    pub noise_threshold: f64,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The managed server.
    #[command(flatten)]
    pub cluster: ClusterOptions,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("not a percentage from 0 to 100".into()),
    }
}

/// Where the managed Postgres comes from and lives.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterOptions {
    /// Directory with the Postgres programs (initdb, postgres)
    #[arg(long, value_name = "DIR", env = "RB_BENCH_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
    /// Directory of the managed server, instead of the one in the cache directory
    #[arg(long, value_name = "DIR", env = "RB_BENCH_CLUSTER_DIR")]
    pub cluster_dir: Option<PathBuf>,
}

/// `rb-bench run PIPELINE.yaml`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench run orders.yaml                    copy what the document says
  rb-bench run orders.yaml --verify           and compare both sides by count and sums
  rb-bench run orders.yaml --dry-run          plan, explain and read; write nothing
  rb-bench run orders.yaml --run-id 2026-11   repeatable: the same id again copies nothing

The last line of standard output is @@BENCH_JSON@@{...}, the run's result.")]
pub struct RunArgs {
    /// The pipeline document
    #[arg(value_name = "PIPELINE.yaml")]
    pub document: PathBuf,
    /// What the run may do
    #[command(flatten)]
    pub options: RunFlags,
}

/// Flags that `run` and `copy` share.
#[derive(Debug, Clone, Default, Args)]
pub struct RunFlags {
    /// Plan, explain and read; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Copy at most N rows, over the whole run
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Make the run repeatable: the same id again prints the recorded result and copies nothing
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
    /// Read the source at this exported snapshot
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// Compare source and destination by count and sums afterwards
    #[arg(long)]
    pub verify: bool,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rb-bench copy SRC_URL DST_URL --table PATTERN...`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench copy postgres://app@db1/shop postgres://app@db2/shop --table orders
  rb-bench copy SRC DST --table 'public.*' --exclude 'public.tmp_*' --verify
  rb-bench copy SRC DST --table orders --parallelism 1 --target-schema raw

Tables that are missing in the destination are created, with their keys and indexes.
Passwords come from PGPASSWORD, PGPASSFILE or ~/.pgpass; those in a URL are seen by other users of this machine.")]
pub struct CopyArgs {
    /// Database to read
    #[arg(value_name = "SRC_URL")]
    pub source_url: String,
    /// Database to write
    #[arg(value_name = "DST_URL")]
    pub dest_url: String,
    /// Tables to copy: `table`, `schema.table`, with `*` and `?` (repeatable)
    #[arg(long = "table", short = 't', value_name = "PATTERN", required = true, num_args = 1..)]
    pub tables: Vec<String>,
    /// Tables to leave out (repeatable)
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub exclude: Vec<String>,
    /// Schema to write into; each table's own when omitted
    #[arg(long, value_name = "SCHEMA")]
    pub target_schema: Option<String>,
    /// Workers: `auto` or a number
    #[arg(long, short = 'j', value_name = "N|auto", default_value = "auto")]
    pub parallelism: crate::config::types::PipelineParallelism,
    /// What the run may do
    #[command(flatten)]
    pub options: RunFlags,
}

/// `rb-bench check PIPELINE.yaml`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench check orders.yaml
  rb-bench check orders.yaml --format json | jq .streams")]
pub struct CheckArgs {
    /// The pipeline document
    #[arg(value_name = "PIPELINE.yaml")]
    pub document: PathBuf,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rb-bench runs`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench runs --dest-url postgres://app@db2/shop       the runs that this destination knows of
  rb-bench runs --pipeline orders.yaml --format json
  rb-bench runs resolve 2026-11 --pipeline orders.yaml   settle a run that died, without a new one

What became of a dead run is settled by every run before it begins, where it can be proved. Where it cannot, the run
is refused and says what to repair; `rb-bench runs resolve ID --forget` then takes the dead run off the ledger.")]
pub struct RunsArgs {
    /// What to do; list them when omitted
    #[command(subcommand)]
    pub action: Option<RunsAction>,
    /// The destination
    #[arg(long, global = true, value_name = "URL", conflicts_with = "pipeline")]
    pub dest_url: Option<String>,
    /// The document that names the destination
    #[arg(long, global = true, value_name = "FILE")]
    pub pipeline: Option<PathBuf>,
    /// Text for a person, or one JSON document
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
}

/// What `rb-bench runs` can do beside listing.
#[derive(Debug, Subcommand)]
pub enum RunsAction {
    /// Settle a run that died, as the next run would
    Resolve {
        /// The run
        #[arg(value_name = "ID")]
        id: String,
        /// Take it off the ledger: its rows were put in order by hand
        #[arg(long)]
        forget: bool,
        /// Forget without asking
        #[arg(long, short, requires = "forget")]
        yes: bool,
    },
}

/// `rb-bench marks`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench marks --dest-url postgres://app@db2/shop      how far each incremental stream has been copied
  rb-bench marks reset orders_copy --pipeline orders.yaml
  rb-bench marks reset orders_copy --stream public.orders --pipeline orders.yaml --yes

The next run of a stream without a mark copies it from the beginning.")]
pub struct MarksArgs {
    /// What to do; list them when omitted
    #[command(subcommand)]
    pub action: Option<MarksAction>,
    /// The destination
    #[arg(long, global = true, value_name = "URL", conflicts_with = "pipeline")]
    pub dest_url: Option<String>,
    /// The document that names the destination
    #[arg(long, global = true, value_name = "FILE")]
    pub pipeline: Option<PathBuf>,
    /// Text for a person, or one JSON document
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
}

/// What `rb-bench marks` can do beside listing.
#[derive(Debug, Subcommand)]
pub enum MarksAction {
    /// Delete marks: the next run copies from the beginning
    Reset {
        /// The pipeline, as its document names it
        #[arg(value_name = "NAME")]
        name: String,
        /// One stream of it alone, with its schema
        #[arg(long, value_name = "SCHEMA.TABLE")]
        stream: Option<String>,
        /// Without asking
        #[arg(long, short)]
        yes: bool,
    },
}

/// `rb-bench cdc ...`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench cdc setup orders.yaml          publication and slot; all that speaks against it at once
  rb-bench run orders.yaml                the first run copies the tables, each later one applies changes
  rb-bench cdc status orders.yaml         how far it is, and what the source keeps for it
  rb-bench cdc drop orders.yaml --yes     slot, publication and state; the tables stay")]
pub struct CdcArgs {
    /// What to do
    #[command(subcommand)]
    pub action: CdcAction,
}

/// What `rb-bench cdc` can do.
#[derive(Debug, Subcommand)]
pub enum CdcAction {
    /// Make publication and slot in the source, or find them made
    Setup {
        /// The pipeline document
        #[arg(value_name = "PIPELINE.yaml")]
        document: PathBuf,
        /// Text for a person, or one JSON document
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show the slot, what the source keeps for it, and how far the destination is
    Status {
        /// The pipeline document
        #[arg(value_name = "PIPELINE.yaml")]
        document: PathBuf,
        /// Text for a person, or one JSON document
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Drop slot, publication and state; tables stay as they are
    Drop {
        /// The pipeline document
        #[arg(value_name = "PIPELINE.yaml")]
        document: PathBuf,
        /// Drop without asking
        #[arg(long, short)]
        yes: bool,
    },
}

/// `rb-bench profiles`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench profiles
  rb-bench profiles --format json")]
pub struct ProfilesArgs {
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rb-bench cluster ...`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench cluster status                 is it there, is it running, what does it hold
  rb-bench cluster psql -- -d source      a psql on the managed server
  rb-bench cluster stop                   stop a server that was left behind
  rb-bench cluster reset --yes            delete it with its seeded data")]
pub struct ClusterArgs {
    /// What to do
    #[command(subcommand)]
    pub action: ClusterAction,
    // Not `ClusterOptions`: here the flags may stand after the action as well.
    /// Directory with the Postgres programs (initdb, postgres)
    #[arg(long, global = true, value_name = "DIR", env = "RB_BENCH_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
    /// Directory of the managed server, instead of the one in the cache directory
    #[arg(long, global = true, value_name = "DIR", env = "RB_BENCH_CLUSTER_DIR")]
    pub cluster_dir: Option<PathBuf>,
}

/// What `rb-bench cluster` can do.
#[derive(Debug, Subcommand)]
pub enum ClusterAction {
    /// Show the programs, the directory, and whether a server is running
    Status {
        /// Text for a person, or one JSON document
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Stop the server, if one is running
    Stop,
    /// Stop the server and delete its data
    Reset {
        /// Delete without asking
        #[arg(long, short)]
        yes: bool,
    },
    /// Start the server, run psql on it, stop the server again
    Psql {
        /// Arguments for psql
        #[arg(last = true)]
        args: Vec<String>,
    },
}

/// What the supervisor is told; nobody types this.
#[derive(Debug, Args)]
pub struct SuperviseArgs {
    /// Directory of the Postgres programs
    #[arg(long)]
    pub pg_bin: PathBuf,
    /// The server's data directory
    #[arg(long)]
    pub data: PathBuf,
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
