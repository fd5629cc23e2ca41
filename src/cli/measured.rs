//! How a benchmark is measured and judged, as it was typed: the same with a screen and without.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{GuardChoice, SubjectFlags};

/// Which arms a benchmark measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Arms {
    /// Before and after, in pairs.
    #[default]
    Both,
    /// The after arm alone.
    One,
}

/// What is measured, how often, how it is judged, and where it is kept.
#[derive(Debug, Args)]
pub struct MeasuredFlags {
    /// What is measured, and on which databases.
    #[command(flatten)]
    pub subject: SubjectFlags,
    /// Pairs to measure (iterations with --arms one); the profile's when omitted, and with a gate at
    /// least those that a verdict needs
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
    /// A name for what is measured, kept in its artifact
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Seed of the order of arms; random when omitted
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Smallest change that counts, percent of wall time
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = percent)]
    pub noise_threshold: f64,
    /// Look at 8, 12 and 20 pairs, in intervals of 98.3 % (wider with gates), and end when the verdict is clear
    #[arg(long, conflicts_with = "iters")]
    pub until_resolved: bool,
    /// What a verdict does.
    #[command(flatten)]
    pub gates: GateFlags,
    /// Another rb-bench that runs the before arm, with the after arm's settings and --before on top
    #[arg(long, value_name = "PATH")]
    pub before_bin: Option<PathBuf>,
    /// Another rb-bench that runs the after arm
    #[arg(long, value_name = "PATH")]
    pub after_bin: Option<PathBuf>,
    /// What is done about a machine that is not quiet
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub guard: GuardChoice,
}

/// What a verdict does to the exit code, and what gets one.
#[derive(Debug, Clone, Default, Args)]
pub struct GateFlags {
    /// Exit with 3 where a verdict is REGRESSED
    #[arg(long)]
    pub fail_on_regression: bool,
    /// Exit with 4 where a verdict is INCONCLUSIVE or there are too few data for one
    #[arg(long)]
    pub require_conclusive: bool,
    /// Give this a verdict too, beside wall time (repeatable): cpu_rb_bench_s, cpu_source_s,
    /// cpu_destination_s, rss_peak, wal_bytes, chunk_p50_us, chunk_p99_us
    #[arg(long = "gate", value_name = "METRIC")]
    pub metrics: Vec<String>,
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("not a percentage from 0 to 100".into()),
    }
}
