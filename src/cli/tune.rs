//! A tuning as it was typed.

use std::path::PathBuf;

use clap::Args;

use super::measured::percent;
use super::{Format, SubjectFlags};

/// `rb-bench tune`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench tune                                    which parallelism for the medium profile, here
  rb-bench tune --pipeline orders.yaml --write orders.yaml
                                                   for your own databases, and put it into the document
  rb-bench tune --sweep 1,2,4 --rounds 5           other values, more rounds
  rb-bench tune --fail-on-regret 5%                fails where auto is shown to lose more than 5 %
  rb-bench tune --knob chunk_bytes=1048576,8388608,33554432
  rb-bench tune --isolate                          which side limits: source or destination
  rb-bench tune --resume latest                    go on with the one that was interrupted

Every value runs once in each round, in shuffled order; the choice is the smallest one that is not worse than the
best by more than the threshold, and fresh pairs then say what `auto` loses against it. Values that resolve to the
same number of workers are measured once. Arms of a profile play no part: its pipeline is tuned as it is written.")]
pub struct TuneArgs {
    /// What is tuned, and on which databases.
    #[command(flatten)]
    pub subject: SubjectFlags,
    /// Values of parallelism to try
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values = ["1", "2", "3", "4", "6", "8", "12", "16"])]
    pub sweep: Vec<String>,
    /// Tune another key, with the values to try: parallelism, chunk_bytes, buffer_bytes, load_method,
    /// toast_compression or synchronous_commit
    #[arg(long, value_name = "NAME=A,B,...", conflicts_with = "sweep")]
    pub knob: Option<String>,
    /// Set the source alone and the destination alone beside the whole, and say which limits
    #[arg(long, conflicts_with_all = ["sweep", "knob", "pairs", "fail_on_regret", "write", "resume"])]
    pub isolate: bool,
    /// Iterations of each value, at least 3: 3 when omitted, 6 with --isolate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=1_000))]
    pub rounds: Option<u32>,
    /// Pairs that confirm the choice; six are the least that can carry a verdict
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub pairs: u32,
    /// Warm-up iterations before the first round, never counted; the profile's when omitted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub warmup: Option<u32>,
    /// Smallest difference that counts, percent of wall time
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = percent)]
    pub noise_threshold: f64,
    /// Exit with 3 where auto is shown to lose more than this against the choice
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub fail_on_regret: Option<f64>,
    /// Put the choice into this pipeline document or profile; comments and layout stay
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Go on with an interrupted tuning: its file, or `latest` in --out
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "pipeline", "rows", "sweep", "knob", "rounds", "pairs", "warmup", "noise_threshold", "seed", "label", "in_place"])]
    pub resume: Option<String>,
    /// Directory for the artifact
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
    /// A name for this tuning, kept in the artifact
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Seed of the orders and of the resampling; random when omitted
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
