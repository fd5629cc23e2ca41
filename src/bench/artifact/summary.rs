//! What the iterations say together, in the saved form: each arm, the comparison, how it ended.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bench::order::Arm;
use crate::bench::stats::Spread;
use crate::error::{Error, Kind};

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is under way, or was interrupted.
    Partial,
    /// Everything planned was measured.
    Complete,
    /// Rows did not arrive as they left.
    Invalid,
    /// The engine failed.
    Failed,
}

impl Status {
    /// How a session ended that this error ended.
    #[must_use]
    pub fn of(error: Option<&Error>) -> Self {
        match error.map(Error::kind) {
            None => Self::Complete,
            Some(Kind::Interrupted) => Self::Partial,
            Some(Kind::Verification) => Self::Invalid,
            Some(_) => Self::Failed,
        }
    }
}

/// What the measured iterations say together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// How the session ended.
    pub status: Status,
    /// What ended it, where it did not end as planned.
    pub error: Option<String>,
    /// Each arm that was measured.
    pub arms: BTreeMap<Arm, ArmSummary>,
    /// Both arms compared in wall time; null with one arm.
    pub comparison: Option<ComparisonRecord>,
    /// And in each further metric that was gated.
    #[serde(default)]
    pub gates: Vec<ComparisonRecord>,
}

/// One arm over its measured iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmSummary {
    /// Measured iterations.
    pub iterations: u32,
    /// Those whose rows arrived as they left, by both servers' word.
    pub verified: u32,
    /// Wall time, seconds.
    pub duration_s: Spread,
    /// Megabytes a second.
    pub mb_per_s: Spread,
    /// Rows a second.
    pub rows_per_s: Spread,
    /// Rows of an iteration.
    pub rows: u64,
    /// COPY bytes of an iteration.
    pub bytes: u64,
    /// CPU seconds of rb-bench, median.
    pub cpu_rb_bench_s: f64,
    /// CPU seconds of the source's backends, median.
    pub cpu_source_s: Option<f64>,
    /// CPU seconds of the destination's backends, median.
    pub cpu_destination_s: Option<f64>,
    /// Highest peak of resident memory, bytes.
    pub rss_peak: Option<u64>,
    /// Median of a chunk's time over all iterations, microseconds.
    pub chunk_p50_us: Option<u64>,
    /// 99th percentile of a chunk's time, microseconds.
    pub chunk_p99_us: Option<u64>,
    /// Whole-run retries, all iterations.
    pub retries: u64,
    /// Worker time spent waiting for the source, share of workers x wall time, median.
    pub source_wait_share: f64,
    /// Worker time spent waiting for the destination, likewise.
    pub destination_wait_share: f64,
    /// Wall time spent preparing and committing, likewise.
    pub commit_share: f64,
    /// Workers the run resolved to.
    pub parallelism_effective: u32,
    /// `auto` or `manual`.
    pub parallelism_mode: String,
    /// Why that many.
    pub parallelism_reason: String,
}

impl Summary {
    /// Every comparison that gives a verdict, wall time first; none with one arm.
    pub fn verdicts(&self) -> impl Iterator<Item = &ComparisonRecord> {
        self.comparison.iter().chain(&self.gates)
    }
}

/// Both arms compared in one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonRecord {
    /// What was compared, as `--gate` names it.
    #[serde(default = "wall_time")]
    pub metric: String,
    /// Pairs compared.
    pub pairs: u32,
    /// before / after over the pairs: above 1 the after arm takes less.
    pub ratio: Option<Spread>,
    /// The Hodges-Lehmann ratio; null with too few pairs.
    pub estimate: Option<f64>,
    /// Lower end of its interval.
    pub ci_low: Option<f64>,
    /// Upper end of its interval.
    pub ci_high: Option<f64>,
    /// How often such intervals hold the truth, at least.
    pub confidence: Option<f64>,
    /// The smallest change that counts, percent.
    pub threshold_pct: f64,
    /// `IMPROVED`, `REGRESSED`, `EQUIVALENT`, `INCONCLUSIVE`, `INSUFFICIENT DATA`, `NOT COMPARABLE`
    /// or `INVALID`.
    pub verdict: String,
    /// The verdict as the summary prints it.
    pub text: String,
}

/// What sessions compared before there were gates.
fn wall_time() -> String {
    "duration_s".into()
}
