//! Runs on the user's own databases as they were typed: `run`, `copy`, `check`.

use std::path::PathBuf;

use clap::Args;

use super::Format;

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
