//! What a destination knows, as it was asked for: `runs`, `marks`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

/// Whose state is asked for: what `runs` and `marks` share.
#[derive(Debug, Args)]
pub struct DestinationFlags {
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
    /// Whose runs.
    #[command(flatten)]
    pub at: DestinationFlags,
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
    /// Whose marks.
    #[command(flatten)]
    pub at: DestinationFlags,
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
