//! Change data capture as it was typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

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
        /// Text for a person, or one JSON document
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}
