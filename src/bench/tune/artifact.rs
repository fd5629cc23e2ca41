//! The saved form of a tuning, `rb-bench.tune.v1`: what later versions and other programs read, and what
//! an interrupted tuning goes on from.
//!
//! It shares its records with `rb-bench.run.v1`; the same promise holds: a field may be added, none may
//! change its name or meaning within a major version. Nothing here may hold a password.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::usl::Fit;
use crate::bench::artifact::{
    HostRecord, Invocation, Iteration, PostgresRecord, ProfileRecord, ScreenRecord, Status, Tool,
    schema_of,
};
use crate::bench::stats::Spread;

/// The format's name and major version.
pub const SCHEMA: &str = "rb-bench.tune.v1";

/// The JSON Schema of what is written, as a benchmark's artifact has one.
#[must_use]
pub fn schema() -> schemars::Schema {
    schema_of::<TuneArtifact>()
}

/// One tuning: everything measured, and what it says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TuneArtifact {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its id, eight hex digits.
    pub id: String,
    /// When it began, UTC.
    pub created_at: String,
    /// When it was resumed, UTC; empty where it was measured in one go.
    pub resumed_at: Vec<String>,
    /// The user's name for it.
    pub label: Option<String>,
    /// True until it has ended as planned.
    pub partial: bool,
    /// What measured.
    pub tool: Tool,
    /// How it was called.
    pub invocation: Invocation,
    /// What was measured.
    pub profile: ProfileRecord,
    /// Where it ran.
    pub host: HostRecord,
    /// Both servers.
    pub postgres: PostgresRecord,
    /// How it was measured.
    pub protocol: TuneProtocol,
    /// What the screen cost that showed it; null for a tuning without one.
    #[serde(default)]
    pub ui: Option<ScreenRecord>,
    /// Every iteration, in the order they ran.
    pub iterations: Vec<TuneIteration>,
    /// What they say together.
    pub summary: TuneSummary,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
}

/// How a tuning measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuneProtocol {
    /// The key that is tuned; null where the sides are measured alone.
    pub knob: Option<String>,
    /// Its values, in the order of preference.
    pub values: Vec<String>,
    /// Values that resolve to what another does, by that other: they are not measured again.
    pub same: BTreeMap<String, Vec<String>>,
    /// What the choice is confirmed against: `auto`, or `as written`; null where there is no choice.
    pub reference: Option<String>,
    /// Workers it resolved to; null before it was asked.
    pub reference_workers: Option<u32>,
    /// The value it resolves to what it does, where it is one of those that were measured.
    pub reference_same_as: Option<String>,
    /// Iterations of each value.
    pub rounds: u32,
    /// Warm-up iterations before the first round.
    pub warmup: u32,
    /// Pairs of the confirmation.
    pub pairs: u32,
    /// The seed of every order and of the resampling.
    pub seed: u64,
    /// `existing` or `missing`: the target before the clock starts.
    pub target: String,
    /// Where rows are written: `managed`, `copies`, `in_place`, or `nowhere` (dest-null).
    pub writes_to: String,
    /// Whose databases: `managed`, `given` on the command line, or `of_document`.
    pub databases: String,
    /// What is done before each iteration, in order.
    pub resets: Vec<String>,
    /// The smallest difference that counts, percent.
    pub noise_threshold_pct: f64,
}

/// What an iteration is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It runs and is never counted.
    Warmup,
    /// A value in a round.
    Sweep,
    /// Half of a pair of the confirmation.
    Confirm,
    /// Half of a pair whose other half was never measured; not counted.
    Abandoned,
}

/// An iteration of a tuning: those of a session, with what ran in it. `pair` is the round, or the pair of
/// the confirmation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TuneIteration {
    /// What it is for.
    pub stage: Stage,
    /// The value that ran.
    pub setting: String,
    /// The iteration.
    #[serde(flatten)]
    pub iteration: Iteration,
}

/// What a tuning says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuneSummary {
    /// How it ended.
    pub status: Status,
    /// What ended it, where it did not end as planned.
    pub error: Option<String>,
    /// Each value that was measured, in the order of preference.
    pub settings: Vec<SettingSummary>,
    /// The Universal Scalability Law fitted to them; null where it cannot be, or explains nothing.
    pub fit: Option<Fit>,
    /// What the fit says, or why there is none, in words.
    pub fit_text: Option<String>,
    /// The value to use.
    pub choice: Option<ChoiceRecord>,
    /// The reference against the choice; null before it was measured.
    pub confirmation: Option<ConfirmationRecord>,
    /// Which side limits; null where the sides were not measured alone.
    pub limit: Option<LimitRecord>,
}

/// Which side limits the whole: the destination alone against the source alone, by rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitRecord {
    /// `source` or `destination`; null where neither is shown to.
    pub side: Option<String>,
    /// Rounds compared.
    pub rounds: u32,
    /// Throughput of the destination alone over that of the source alone; null with too few rounds.
    pub ratio: Option<f64>,
    /// Lower end of its interval.
    pub ci_low: Option<f64>,
    /// Upper end of its interval.
    pub ci_high: Option<f64>,
    /// The destination's verdict against the source: `IMPROVED` means that it is faster.
    pub verdict: String,
    /// All of it in words.
    pub text: String,
}

impl TuneSummary {
    /// Before anything was measured.
    #[must_use]
    pub fn blank() -> Self {
        Self {
            status: Status::Partial,
            error: None,
            settings: Vec::new(),
            fit: None,
            fit_text: None,
            choice: None,
            confirmation: None,
            limit: None,
        }
    }
}

/// A value over its rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SettingSummary {
    /// The value.
    pub setting: String,
    /// Other values that resolve to the same, and were not measured again.
    pub same_as: Vec<String>,
    /// Workers it resolved to.
    pub workers: u32,
    /// Iterations that count.
    pub rounds: u32,
    /// Wall time, seconds.
    pub duration_s: Spread,
    /// Megabytes a second.
    pub mb_per_s: Spread,
    /// Rows a second.
    pub rows_per_s: Spread,
}

/// The value to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChoiceRecord {
    /// The first that is not worse than the best by more than the threshold.
    pub setting: String,
    /// The one of the greatest median throughput.
    pub best: String,
    /// The lines that a document needs for it.
    pub yaml: String,
}

/// The reference against the choice, in fresh pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmationRecord {
    /// `auto`, or `as written`.
    pub reference: String,
    /// Workers it resolved to.
    pub reference_workers: u32,
    /// Whether it resolves to what the choice does: then there is nothing to measure.
    pub same_plan: bool,
    /// Pairs compared.
    pub pairs: u32,
    /// How much longer the reference takes: 0.05 for 5 %; null with too few pairs.
    pub regret: Option<f64>,
    /// Lower end of its interval.
    pub ci_low: Option<f64>,
    /// Upper end of its interval.
    pub ci_high: Option<f64>,
    /// The reference's verdict against the choice: `IMPROVED`, `REGRESSED`, `EQUIVALENT`,
    /// `INCONCLUSIVE`, `INSUFFICIENT DATA` or `INVALID`.
    pub verdict: String,
    /// All of it in words.
    pub text: String,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_schema_is_that_of_what_is_written() {
        let published = include_str!("../../../docs/schema/rb-bench.tune.v1.json");
        let written = serde_json::to_string_pretty(&super::schema()).unwrap();
        assert_eq!(
            published.trim_end(),
            written,
            "the artifact has changed: rb-bench schema tune > docs/schema/rb-bench.tune.v1.json"
        );
    }
}
