//! What is measured and on which databases, as it was typed: the same for every command that measures.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ClusterOptions;

/// What is measured, and on which databases.
#[derive(Debug, Clone, Args)]
pub struct SubjectFlags {
    /// Profile to run: a shipped one (`rb-bench profiles`) or a YAML file; medium when omitted
    #[arg(long, short, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Rows of the dataset; the profile's when omitted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rows: Option<u64>,
    /// Take this pipeline document, on its own databases
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source_url", "profile", "rows"])]
    pub pipeline: Option<PathBuf>,
    /// Read from this database instead of the managed one
    #[arg(long, value_name = "URL", requires = "dest_url")]
    pub source_url: Option<String>,
    /// Write to this database instead of the managed one
    #[arg(long, value_name = "URL", requires = "source_url")]
    pub dest_url: Option<String>,
    /// Write into the named tables, which must be empty, instead of copies beside them
    #[arg(long)]
    pub in_place: bool,
    /// The managed server.
    #[command(flatten)]
    pub cluster: ClusterOptions,
}

impl SubjectFlags {
    /// The profile that was typed, or the one that stands for none.
    #[must_use]
    pub fn profile_name(&self) -> &str {
        self.profile.as_deref().unwrap_or("medium")
    }
}

/// What is done about a machine that is not quiet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum GuardChoice {
    /// Tell it and keep it in the artifact.
    #[default]
    Warn,
    /// Wait for it, ten minutes at most, then exit with 6.
    Wait,
    /// Exit with 6.
    Fail,
    /// Do not look.
    Off,
}
