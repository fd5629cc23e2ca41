//! The workbench as it was typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Arms, GuardChoice, SubjectFlags};

/// `rb-bench tui`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench tui                              choose and change a profile, run it, compare
  rb-bench tui --profile large              starts the large profile at once
  rb-bench tui --pipeline pipeline.yaml     a document of yours, on its own databases
  rb-bench tui --profile small --after resources.parallelism=4

Without --profile, --pipeline or databases it opens on the profile that was run last. `?` shows the keys.")]
pub struct TuiArgs {
    /// What is measured, and on which databases.
    #[command(flatten)]
    pub subject: SubjectFlags,
    /// Pairs to measure (iterations with --arms one); the profile's when omitted
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub iters: Option<u32>,
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
    /// Directory for the artifacts
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
    /// A name for the sessions, kept in their artifacts
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Seed of the order of arms; random when omitted
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Smallest change that counts, percent of wall time
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = super::bench::percent)]
    pub noise_threshold: f64,
    /// What is done about a machine that is not quiet
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub guard: GuardChoice,
    /// Colours: unless NO_COLOR says otherwise, in any case, in no case
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// Unless NO_COLOR says otherwise.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}
