//! One pipeline run: resolve, lock, plan, prepare, move, commit, report.
//!
//! [`run`] is the whole engine as its callers see it. What it guarantees: the destination holds
//! every row of the source's snapshot exactly once, or is as it was (an upsert that failed between
//! its commits may have written rows, which the next run writes again). It never prints, never
//! decides what to measure, and never sees bench, tui or clap.

mod attempt;
mod backend;
mod blueprint;
pub mod cdc;
mod commit;
mod crew;
pub mod cursors;
pub mod dest;
mod determinism;
mod drift;
mod eligibility;
mod expression;
pub mod fail_point;
mod fit;
mod hand;
mod increment;
mod key_ranges;
mod keys;
mod leader;
mod moving;
mod orchestrator;
pub mod plan;
mod planning;
mod preparing;
mod queue;
mod readable;
mod recovery;
mod replace;
mod report;
pub mod result;
mod retry;
mod row_wise;
pub mod runs;
mod schema;
mod sequences;
mod settings;
mod snapshot;
pub mod source;
mod staging;
mod standby;
pub mod state;
mod stop;
mod targets;
pub mod transform;
mod transformed;
pub mod upsert;
mod user_types;
mod verify;
mod whereabouts;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use snapshot::OLDEST_VERSION;
pub use targets::{Room, room};

use crate::config::types::Pipeline;
use crate::error::{CommitState, Error, Kind, Result};
use crate::postgres::{Server, Session};
use crate::telemetry::counters::Telemetry;
use crate::telemetry::histogram::Histograms;
use result::PipelineResult;
use snapshot::Snapshot;
use targets::Matched;

/// What a caller may ask of a run beside its document.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Makes the run repeatable: the same id again prints the recorded result and copies nothing.
    pub run_id: Option<String>,
    /// A snapshot exported by the caller, to read the source at.
    pub snapshot: Option<String>,
    /// At most this many rows over the whole run.
    pub limit: Option<u64>,
    /// Plan, explain and read; write nothing.
    pub dry_run: bool,
    /// The caller is going to verify: what is in the targets before is summed first.
    pub verify: bool,
}

/// One run to do.
#[derive(Clone)]
pub struct RunRequest {
    /// The validated document, connections filled in.
    pub pipeline: Arc<Pipeline>,
    /// Cores the process may use.
    pub available_cores: u32,
    /// What else the caller asks.
    pub options: RunOptions,
    /// Where the run tells what it does.
    pub telemetry: Arc<Telemetry>,
    /// Stops the run, here and at the servers.
    pub cancel: CancellationToken,
}

/// What the plan says of one stream, for `check`, summaries and artifacts.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StreamPlan {
    /// The source relation, with its schema.
    pub stream: String,
    /// The target table, with its schema; empty for `dest-null`.
    pub target: String,
    /// Workers that may be in it at once.
    pub workers: u32,
    /// Why it is one worker, where it is.
    pub why_one_worker: Option<String>,
    /// `binary` or `text`.
    pub format: String,
    /// Why text, where it is.
    pub why_text: Option<String>,
    /// Chunks it is cut into.
    pub chunks: u64,
    /// Bytes on the source, TOAST included.
    pub bytes: u64,
    /// What would be created in the destination, as SQL; empty where the target exists.
    pub creates: Vec<String>,
    /// What would be changed in a target that exists, as SQL.
    pub alters: Vec<String>,
}

/// What a run is going to do.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PlanSummary {
    /// Every stream, in document order.
    pub streams: Vec<StreamPlan>,
    /// Workers of the run.
    pub workers: u32,
    /// `single_writer`, `built_aside`, `two_phase`, `ledger`, or `none` (dest-null).
    pub commit: String,
    /// Why that form.
    pub commit_reason: String,
    /// The resolved parallelism, as a sentence.
    pub parallelism_reason: String,
    /// What the user should know before it runs.
    pub notes: Vec<String>,
}

/// Row count and row-hash sums of one relation, as a server computed them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sums {
    /// Rows.
    pub rows: i64,
    /// Sum over rows of `hashtextextended(row::text, 0)`, as text (it exceeds 64 bits).
    pub sum0: String,
    /// The same with seed 1.
    pub sum1: String,
}

impl Default for Sums {
    /// The sums of no row.
    fn default() -> Self {
        Self {
            rows: 0,
            sum0: "0".to_owned(),
            sum1: "0".to_owned(),
        }
    }
}

impl Sums {
    /// Adds the sums of other rows.
    ///
    /// # Errors
    /// `Kind::Internal` for sums that no server has computed.
    fn add(&mut self, other: &Self) -> Result<()> {
        // 64-bit hashes: an i128 holds the sum of 2^63 of them
        let number = |text: &str| {
            text.parse::<i128>()
                .map_err(|e| Error::internal(format!("`{text}` is no sum: {e}")))
        };
        self.rows += other.rows;
        self.sum0 = (number(&self.sum0)? + number(&other.sum0)?).to_string();
        self.sum1 = (number(&self.sum1)? + number(&other.sum1)?).to_string();
        Ok(())
    }
}

/// Both servers' sums of one stream.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StreamVerification {
    /// The stream, with its schema.
    pub stream: String,
    /// The source's sums under the run's snapshot.
    pub source: Sums,
    /// The sums of what arrived.
    pub destination: Sums,
}

impl StreamVerification {
    /// Whether the row counts agree.
    #[must_use]
    pub fn row_count_ok(&self) -> bool {
        self.source.rows == self.destination.rows
    }

    /// Whether the hash sums agree.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        (&self.source.sum0, &self.source.sum1) == (&self.destination.sum0, &self.destination.sum1)
    }
}

/// Source sums that are known already, by stream: the managed dataset's, once per digest.
pub type KnownSums = BTreeMap<String, Sums>;

/// A run that is committed. It still holds the snapshot it read, so that it can be verified.
pub struct FinishedRun {
    /// What the run did.
    pub result: PipelineResult,
    /// What it had planned.
    pub plan: PlanSummary,
    /// Its latency distributions.
    pub histograms: Histograms,
    /// What the user should know: text streams and why, omitted defaults, visibility.
    pub notes: Vec<String>,
    /// True where `--run-id` named a run that was done already; nothing was copied.
    pub replayed: bool,
    /// What changes were applied, by a run that captures changes and is past its initial copy.
    pub changes: Option<cdc::Changes>,
    held: Option<Held>,
}

/// What verification needs of a run.
struct Held {
    snapshot: Option<Snapshot>,
    destination: Option<Server>,
    matched: Vec<Matched>,
    baselines: Vec<verify::Baseline>,
    /// What upserts have merged, by stream; none where the target is summed up itself.
    merged: Vec<Option<Sums>>,
    cancel: CancellationToken,
}

/// Runs the pipeline: to a committed destination, or to an error that leaves it as it was.
///
/// # Errors
/// The root cause. `commit_state` says whether anything may have been committed.
pub async fn run(request: RunRequest) -> Result<FinishedRun> {
    if cdc::captures(&request.pipeline) {
        return cdc::run(request).await;
    }
    orchestrator::run(request).await
}

/// Plans the pipeline without moving a row: what `rb-bench check` prints.
pub async fn explain(request: &RunRequest) -> Result<PlanSummary> {
    if cdc::captures(&request.pipeline)
        && let Some(plan) = cdc::plan(&request.pipeline, request.available_cores).await?
    {
        return Ok(plan);
    }
    orchestrator::explain(request).await
}

/// Plans the pipeline and holds its snapshot, without moving a row: for whoever lets another program
/// run it at that snapshot, and verifies what that one did. Its result is blank.
pub async fn witness(request: &RunRequest) -> Result<FinishedRun> {
    orchestrator::witness(request).await
}

impl FinishedRun {
    /// The exported snapshot that the source was read at; none where no server holds its rows.
    #[must_use]
    pub fn snapshot(&self) -> Option<&str> {
        Some(&self.held.as_ref()?.snapshot.as_ref()?.id)
    }

    /// A run that was done earlier, as the ledger has it.
    fn replayed(result: PipelineResult, run: &str) -> Self {
        let plan = PlanSummary {
            streams: Vec::new(),
            workers: 0,
            commit: "none".to_owned(),
            commit_reason: format!("run `{run}` was done already"),
            parallelism_reason: result.resolved.parallelism_reason.clone(),
            notes: Vec::new(),
        };
        let notes = vec![format!("run `{run}` was done already; nothing was copied")];
        Self {
            result,
            plan,
            histograms: Histograms::default(),
            notes,
            replayed: true,
            changes: None,
            held: None,
        }
    }

    /// Compares source and destination by the servers' own count and sums, under the run's
    /// snapshot. `known` gives source sums, by stream, that need not be computed again.
    ///
    /// # Errors
    /// `Kind::Unsupported` where no server can say: generated rows, dest-null, a replayed run.
    /// `Kind::Interrupted` where the user stops it; the rows stay committed.
    /// A difference is not an error here: see [`require_match`].
    pub async fn verify(&self, known: &KnownSums) -> Result<Vec<StreamVerification>> {
        let cannot = |why: &str| {
            Error::new(
                Kind::Unsupported,
                format!("this run cannot be verified: {why}"),
            )
        };
        let held = self
            .held
            .as_ref()
            .ok_or_else(|| cannot("it was done earlier"))?;
        let snapshot = held
            .snapshot
            .as_ref()
            .ok_or_else(|| cannot("no server holds its source"))?;
        let server = held
            .destination
            .as_ref()
            .ok_or_else(|| cannot("nothing was written"))?;
        let session = attempt::verifying_session(server).await?;
        let sessions = [session.canceller(), snapshot.reader().canceller()];
        let comparing = Self::compare(held, snapshot, &session, known);
        let verifications = stop::unless_stopped(&held.cancel, &sessions, comparing)
            .await
            .map_err(|error| match error.kind() {
                Kind::Interrupted => Error::new(
                    error.kind(),
                    "interrupted; the rows are committed, and not verified",
                )
                .at_commit_state(CommitState::AfterCommitConfirmed),
                _ => error,
            })?;
        session.close().await;
        Ok(verifications)
    }

    async fn compare(
        held: &Held,
        snapshot: &Snapshot,
        session: &Session,
        known: &KnownSums,
    ) -> Result<Vec<StreamVerification>> {
        let mut verifications = Vec::with_capacity(held.matched.len());
        let before = held.baselines.iter().zip(&held.merged);
        for (one, (baseline, merged)) in held.matched.iter().zip(before) {
            let stream = one.source.to_string();
            let at_source = async {
                match known.get(&stream) {
                    Some(sums) => Ok(sums.clone()),
                    None => verify::source_sums(snapshot.reader(), one)
                        .await
                        .map_err(|error| snapshot.explain(error)),
                }
            };
            let at_destination = async {
                match merged {
                    Some(sums) => Ok(sums.clone()),
                    None => verify::target_sums(session, one, baseline).await,
                }
            };
            let (source, destination) = tokio::try_join!(at_source, at_destination)?;
            verifications.push(StreamVerification {
                stream,
                source,
                destination,
            });
        }
        Ok(verifications)
    }

    /// Lets go of the snapshot and closes the run's last connections.
    pub async fn close(self) {
        if let Some(snapshot) = self.held.and_then(|held| held.snapshot) {
            snapshot.release().await;
        }
    }
}

pub use verify::require_match;
