//! The managed server as it was typed, by hand and as an option of a benchmark.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

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

/// What an attendant runs; nobody types this.
#[derive(Debug, Args)]
pub struct AttendArgs {
    /// The program
    pub program: std::ffi::OsString,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<std::ffi::OsString>,
}
