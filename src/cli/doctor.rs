//! `rb-bench doctor` as it was typed.

use std::path::PathBuf;

use clap::Args;

use super::{ClusterOptions, Format};

/// `rb-bench doctor`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench doctor                                        this machine, and a benchmark's own Postgres
  rb-bench doctor --source-url postgres://app@db1/shop   that server too, and what the role may do there
  rb-bench doctor --format json | jq '.findings[] | select(.state != \"ok\")'

It exits with 0 where a benchmark can run, with 1 where not. It starts, makes and changes nothing.")]
pub struct DoctorArgs {
    /// Connect to this source too, and look what the role may do there
    #[arg(long, value_name = "URL")]
    pub source_url: Option<String>,
    /// Connect to this destination too
    #[arg(long, value_name = "URL")]
    pub dest_url: Option<String>,
    /// The managed server.
    #[command(flatten)]
    pub cluster: ClusterOptions,
    /// Directory of the artifacts
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
