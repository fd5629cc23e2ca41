//! The engine as it stands at one moment, five times a second: what the Run screen draws.
//!
//! Made by the feed from counters that are read without waiting; the workbench only ever reads it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::bench::artifact::Iteration;
use crate::bench::order::Arm;
use crate::bench::progress::Upcoming;
use crate::bench::server_work::BackendWork;
use crate::bench::stats::Spread;
use crate::bench::summary::distribution;
use crate::engine::result::PipelineResult;
use crate::telemetry::counters::{Phase, Totals};

/// Rates that are kept: 30 s at 5 Hz.
pub const KEPT: usize = 150;

/// Everything that changes while an iteration runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The iteration under way; none before the first and between sessions.
    pub upcoming: Option<Upcoming>,
    /// What the engine does.
    pub phase: Phase,
    /// Seconds since the engine was started on this iteration.
    pub at_s: f64,
    /// Rows of a dataset that were made, of how many; none when nothing is being seeded.
    pub seeding: Option<(u64, u64)>,
    /// The attempt under way, from 0.
    pub attempt: u32,
    /// Sums over all shards.
    pub totals: Totals,
    /// Megabytes a second now.
    pub mb_per_s: f64,
    /// Rows a second now.
    pub rows_per_s: f64,
    /// Megabytes a second, oldest first.
    pub rates: VecDeque<f64>,
    /// One a stream and worker.
    pub shards: Vec<ShardRow>,
    /// Who uses the processors.
    pub cpu: CpuNow,
    /// Worker time by what it goes to, since the last sample.
    pub waits: Waits,
    /// What the servers say.
    pub server: ServerNow,
}

impl Snapshot {
    /// The same when nothing moves any more: what was moved stays to be seen.
    #[must_use]
    pub fn ended(&self) -> Self {
        let shards = self.shards.iter().map(|shard| ShardRow {
            mb_per_s: 0.0,
            source_backend: None,
            dest_backend: None,
            ..shard.clone()
        });
        Self {
            upcoming: None,
            phase: Phase::Done,
            seeding: None,
            mb_per_s: 0.0,
            rows_per_s: 0.0,
            shards: shards.collect(),
            waits: Waits::default(),
            cpu: CpuNow::default(),
            ..self.clone()
        }
    }
}

/// One shard.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShardRow {
    /// The stream, with its schema.
    pub stream: String,
    /// The worker.
    pub worker: u32,
    /// Rows received.
    pub rows: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Megabytes a second now.
    pub mb_per_s: f64,
    /// Megabytes a second, oldest first.
    pub rates: VecDeque<f64>,
    /// Chunks moved.
    pub chunks: u64,
    /// Share of the time since the last sample that it waited for the source.
    pub source_wait: f64,
    /// The same for the destination.
    pub dest_wait: f64,
    /// What its source backend is doing, as its server says.
    pub source_backend: Option<BackendWork>,
    /// The same of its destination backend.
    pub dest_backend: Option<BackendWork>,
}

impl ShardRow {
    /// What it is doing, in a word.
    #[must_use]
    pub fn state(&self, phase: Phase) -> &'static str {
        match phase {
            Phase::Moving if self.mb_per_s > 0.0 => "copying",
            Phase::Moving if self.dest_wait >= self.source_wait && self.dest_wait > 0.5 => {
                "dest wait"
            }
            Phase::Moving if self.source_wait > 0.5 => "src wait",
            Phase::Moving => "no chunk",
            other => other.name(),
        }
    }
}

/// Who uses the processors, in cores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuNow {
    /// Busy share of each core, 0 to 1; empty where the system does not tell.
    pub cores: Vec<f64>,
    /// rb-bench itself.
    pub rb_bench: f64,
    /// The source's backends; none for a server elsewhere.
    pub source: Option<f64>,
    /// The destination's backends.
    pub destination: Option<f64>,
}

/// Where worker time goes, shares from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Waits {
    /// Waiting for the source.
    pub source: f64,
    /// Waiting for the destination.
    pub destination: f64,
    /// Preparing and committing.
    pub commit: f64,
}

/// What the servers say of themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerNow {
    /// Megabytes of log a second at the destination.
    pub wal_mb_per_s: Option<f64>,
    /// Checkpoints at the destination since the iteration began.
    pub checkpoints: Option<u64>,
    /// Whether a server would not say what its backends wait for.
    pub is_hidden: bool,
}

/// A finished iteration, as the table shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct IterationRow {
    /// Which it was.
    pub upcoming: Upcoming,
    /// Wall time of the engine's run, seconds.
    pub wall_s: f64,
    /// Megabytes a second.
    pub mb_per_s: f64,
    /// CPU of rb-bench and of both servers as far as known, percent of one core.
    pub cpu_pct: f64,
    /// 99th percentile of a chunk, microseconds.
    pub p99_chunk_us: Option<u64>,
    /// Repeated attempts.
    pub retries: u32,
    /// `ok`, `counted`, `none` or `INVALID`.
    pub verify: &'static str,
    /// What may have disturbed it.
    pub flags: Vec<String>,
    /// What its plan says: one for all rows that have the same.
    pub plan: Arc<PlanNote>,
}

/// What a plan says.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct PlanNote {
    /// Of each stream.
    pub streams: Vec<StreamNote>,
    /// How rows become visible.
    pub commit: String,
    /// Why that way.
    pub commit_reason: String,
}

/// What a plan says of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct StreamNote {
    /// The relation, with its schema.
    pub stream: String,
    /// Workers that may be in it at once.
    pub workers: u32,
    /// Why it is one, where it is.
    pub why_one_worker: Option<String>,
    /// `binary` or `text`.
    pub format: String,
    /// Why text, where it is.
    pub why_text: Option<String>,
    /// Chunks it is cut into.
    pub chunks: u64,
}

impl IterationRow {
    /// The row of a recorded iteration.
    #[must_use]
    pub fn of(upcoming: &Upcoming, iteration: &Iteration) -> Self {
        let verify = &iteration.verify;
        let result: Option<PipelineResult> = iteration.result.read();
        let cpu = &iteration.cpu;
        let cores = cpu.rb_bench_s + cpu.source_s.unwrap_or(0.0) + cpu.destination_s.unwrap_or(0.0);
        Self {
            upcoming: upcoming.clone(),
            wall_s: iteration.duration_s,
            mb_per_s: iteration.mb_per_s,
            cpu_pct: 100.0 * cores / iteration.duration_s.max(1e-9),
            p99_chunk_us: distribution(iteration, "chunk_us")
                .filter(|histogram| !histogram.is_empty())
                .map(|histogram| histogram.value_at_quantile(0.99)),
            retries: result.map_or(0, |result| result.retry_count),
            verify: match (verify.is_ok(), verify.row_count_ok, verify.checksum_ok) {
                (false, _, _) => "INVALID",
                (true, _, Some(_)) => "ok",
                (true, Some(_), None) => "counted",
                (true, None, None) => "none",
            },
            flags: iteration.flags.iter().map(|f| f.kind.clone()).collect(),
            plan: Arc::new(iteration.plan.read().unwrap_or_default()),
        }
    }

    /// The same, with the plan of the row before where it is no other.
    #[must_use]
    pub fn after(mut self, before: Option<&Self>) -> Self {
        if let Some(before) = before.filter(|before| before.plan == self.plan) {
            self.plan = Arc::clone(&before.plan);
        }
        self
    }
}

/// The other half of the pair of an iteration, where both were measured: how much faster the after arm was.
#[must_use]
pub fn ratio_of_pair(rows: &[IterationRow], of: usize) -> Option<f64> {
    let row = rows.get(of)?;
    let pair = row.upcoming.pair?;
    let mut before = rows[..of].iter();
    let other = before.rfind(|o| o.upcoming.pair == Some(pair) && !o.upcoming.warmup)?;
    if [row, other].iter().any(|r| r.verify == "INVALID") {
        return None;
    }
    let (slow, fast) = match row.upcoming.arm {
        Arm::After => (other, row),
        Arm::Before => (row, other),
    };
    (fast.wall_s > 0.0).then(|| slow.wall_s / fast.wall_s)
}

/// The median throughput of an arm's measured iterations, megabytes a second.
#[must_use]
pub fn median_rate(rows: &[IterationRow], arm: Arm) -> Option<f64> {
    let rates: Vec<f64> = rows
        .iter()
        .filter(|row| row.upcoming.arm == arm && !row.upcoming.warmup && row.verify != "INVALID")
        .map(|row| row.mb_per_s)
        .collect();
    Spread::of(&rates).map(|spread| spread.median)
}

/// The median over pairs of how much faster the after arm was.
#[must_use]
pub fn median_ratio(rows: &[IterationRow]) -> Option<f64> {
    let ratios: Vec<f64> = (0..rows.len())
        .filter_map(|n| ratio_of_pair(rows, n))
        .collect();
    Spread::of(&ratios).map(|spread| spread.median)
}

/// A snapshot that a reader may keep.
pub type Shared = Arc<Snapshot>;
