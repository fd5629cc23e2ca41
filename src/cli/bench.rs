//! A benchmark as it was typed, and what can be benchmarked.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, GuardChoice, MeasuredFlags, SubjectFlags};

/// `rb-bench [--profile P] ...`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What is measured, how often, and how it is judged.
    #[command(flatten)]
    pub measured: MeasuredFlags,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rb-bench calibrate`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench calibrate                       the noise of the medium profile on this machine
  rb-bench calibrate --profile large --guard wait
  rb-bench calibrate --after resources.parallelism=1
  rb-bench calibrate --list                what is known, and nothing is measured

Both arms are the profile's after arm with --after on top, so that whatever differs is noise. Later benchmarks of that profile on
this machine call no smaller change than the larger end of the interval; it counts until the kernel,
Postgres or the machine changes.")]
pub struct CalibrateArgs {
    /// What is measured, and on which databases.
    #[command(flatten)]
    pub subject: SubjectFlags,
    /// Pairs to measure, at least six
    #[arg(long, short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(6..=1_000))]
    pub iters: u32,
    /// Warm-up iterations of each arm, never counted; the profile's when omitted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub warmup: Option<u32>,
    /// Setting of both arms, dotted (repeatable), beside the profile's after arm
    #[arg(long, value_name = "KEY=VALUE")]
    pub after: Vec<String>,
    /// Seed of the order of arms; random when omitted
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What is done about a machine that is not quiet
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub guard: GuardChoice,
    /// List what is known, and measure nothing
    #[arg(long)]
    pub list: bool,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rb-bench selftest`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench selftest
  rb-bench selftest --format json | jq '.gates[] | select(.passed | not)'

It exits with 1 where a promise is not kept.")]
pub struct SelftestArgs {
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rb-bench profiles`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench profiles
  rb-bench profiles show medium               its document, comments included
  rb-bench profiles new mine                  writes mine.yaml, every key with a word on it
  rb-bench profiles new mine --from medium    the same from a shipped profile
  rb-bench profiles validate mine.yaml        tells all that is wrong with it
  rb-bench profiles --format json")]
pub struct ProfilesArgs {
    /// What to do; list the shipped ones when omitted
    #[command(subcommand)]
    pub action: Option<ProfilesAction>,
    /// Text for a person, or one JSON document
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
}

/// What `rb-bench profiles` can do beside listing.
#[derive(Debug, Subcommand)]
pub enum ProfilesAction {
    /// Print a profile's document
    Show {
        /// A shipped profile, or a file
        #[arg(value_name = "NAME|FILE")]
        profile: String,
    },
    /// Check a profile file; nothing is started
    Validate {
        /// The profile file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write the document of a new profile to NAME.yaml
    New {
        /// Its name: letters, digits, - and _
        #[arg(value_name = "NAME")]
        name: String,
        /// Begin with this profile instead of a template
        #[arg(long, value_name = "NAME|FILE")]
        from: Option<String>,
    },
}
