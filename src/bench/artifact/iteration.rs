//! One iteration in the saved form: what ran, how long, by whom, and whether its rows arrived.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Document;
use crate::bench::order::Arm;

/// Whether an iteration counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IterationPhase {
    /// It runs and is never counted.
    Warmup,
    /// It counts.
    Measure,
}

/// One run of the engine and everything seen around it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Iteration {
    /// Its number in the session, from 0.
    pub idx: u32,
    /// Which setting ran.
    pub arm: Arm,
    /// Which pair it belongs to, from 0; warm-ups count on their own.
    pub pair: u32,
    /// Whether it counts.
    pub phase: IterationPhase,
    /// When its clock started, UTC.
    pub started_at: String,
    /// Wall time of the engine's run, seconds.
    pub duration_s: f64,
    /// Wall time of each of its phases, seconds.
    pub phases: BTreeMap<String, f64>,
    /// Rows the destination confirmed.
    pub rows: u64,
    /// COPY bytes sent to the destination.
    pub bytes: u64,
    /// Rows a second of wall time.
    pub rows_per_s: f64,
    /// Megabytes (1,000,000 bytes) a second of wall time.
    pub mb_per_s: f64,
    /// Whether the rows arrived as they left.
    pub verify: VerifyRecord,
    /// CPU time, and by whom.
    pub cpu: CpuRecord,
    /// Peak resident memory of rb-bench during the iteration, bytes; null where the system does
    /// not tell.
    pub rss_peak: Option<u64>,
    /// What the destination server did.
    pub pg: ServerActivity,
    /// The engine's own result, as `@@BENCH_JSON@@` has it.
    pub result: Document,
    /// The engine's plan.
    pub plan: Document,
    /// What each shard did.
    pub shards: Vec<ShardRecord>,
    /// Rows of the worker with the fewest over rows of the worker with the most: 1 is even.
    pub skew_ratio: f64,
    /// The course of the iteration.
    pub series: Series,
    /// Latency distributions by name: base64 of HdrHistogram V2 deflate, microseconds.
    pub hdr: BTreeMap<String, String>,
    /// What may have disturbed it.
    pub flags: Vec<Flag>,
}

impl Iteration {
    /// Lets go of what it need not keep for itself, beside the iteration that came before.
    pub fn compact(&mut self, before: Option<&Self>) {
        self.series.shrink();
        if let Some(before) = before {
            self.result.share(&before.result);
            self.plan.share(&before.plan);
        }
    }

    /// Whether it counts and its rows arrived.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.phase == IterationPhase::Measure && self.verify.is_ok()
    }
}

/// Both servers' word on the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyRecord {
    /// Row counts agree, for every stream; null where the destination keeps no rows.
    pub row_count_ok: Option<bool>,
    /// Hash sums agree, for every stream; null where the destination keeps no rows.
    pub checksum_ok: Option<bool>,
    /// What differs, in words.
    pub differences: Vec<String>,
}

impl VerifyRecord {
    /// Whether nothing is known to be wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.row_count_ok != Some(false) && self.checksum_ok != Some(false)
    }
}

/// CPU time, seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuRecord {
    /// Of rb-bench.
    pub rb_bench_s: f64,
    /// Of the source's backends; null where they are on another host.
    pub source_s: Option<f64>,
    /// Of the destination's backends; null where they are on another host.
    pub destination_s: Option<f64>,
    /// Busy share of each core of this host, 0 to 1; empty where the system does not tell.
    pub host_busy_per_core: Vec<f64>,
    /// Times rb-bench gave its core up.
    pub voluntary_switches: u64,
    /// Times its core was taken.
    pub involuntary_switches: u64,
}

/// What a server did during an iteration; null where it does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerActivity {
    /// Write-ahead log written, by everybody on that server.
    pub wal_bytes: Option<u64>,
    /// Checkpoints by the clock.
    pub checkpoints_timed: Option<u64>,
    /// Checkpoints asked for, by a command or by the volume of the log.
    pub checkpoints_requested: Option<u64>,
    /// Temporary files written in the destination database.
    pub temp_bytes: Option<u64>,
}

/// What one shard did: a stream on a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardRecord {
    /// The stream, with its schema.
    pub stream: String,
    /// The shard's number, from 0; null where the stream was not sharded.
    pub partition_index: Option<u32>,
    /// Shards of the stream; null where it was not sharded.
    pub partition_count: Option<u32>,
    /// Rows.
    pub rows: u64,
    /// COPY bytes sent.
    pub bytes: u64,
    /// Chunks moved.
    pub chunks: u64,
    /// Waiting for the source, seconds.
    pub source_wait_s: f64,
    /// Waiting for the destination, seconds.
    pub destination_wait_s: f64,
    /// From the run's start to its first byte, seconds.
    pub first_byte_s: f64,
    /// From the run's start to the end of its last chunk, seconds; null in artifacts of versions
    /// that did not tell.
    #[serde(default)]
    pub last_chunk_s: Option<f64>,
}

/// The course of an iteration: one entry a sample in every list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Samples a second that were asked for.
    pub hz: f64,
    /// Seconds since the clock started.
    pub t_s: Vec<f64>,
    /// Rows a second since the last sample.
    pub rows_per_s: Vec<f64>,
    /// Megabytes a second since the last sample.
    pub mb_per_s: Vec<f64>,
    /// Cores that rb-bench kept busy.
    pub cpu_rb_bench: Vec<f64>,
    /// Cores that the source's backends kept busy; null where they are on another host.
    pub cpu_source: Vec<Option<f64>>,
    /// Cores that the destination's backends kept busy; null where they are on another host.
    pub cpu_destination: Vec<Option<f64>>,
    /// Busy share of the host, 0 to 1; null where the system does not tell.
    pub host_busy: Vec<Option<f64>>,
}

impl Series {
    /// Gives room back that no sample took.
    fn shrink(&mut self) {
        for numbers in [
            &mut self.t_s,
            &mut self.rows_per_s,
            &mut self.mb_per_s,
            &mut self.cpu_rb_bench,
        ] {
            numbers.shrink_to_fit();
        }
        for numbers in [
            &mut self.cpu_source,
            &mut self.cpu_destination,
            &mut self.host_busy,
        ] {
            numbers.shrink_to_fit();
        }
    }
}

/// Something that may have disturbed an iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Flag {
    /// A word for programs: `checkpoint_requested`, `cpu_steal`, ...
    pub kind: String,
    /// A sentence for people, with the cause where it is known.
    pub text: String,
}
