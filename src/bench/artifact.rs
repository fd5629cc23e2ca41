//! The saved form of a session, `rb-bench.run.v1`: what later versions and other programs read.
//!
//! These structs belong to the file format alone. They are not the command line's and not the
//! engine's: a field may be added, none may change its name or meaning within a major version. A
//! test pins the names. Nothing here may hold a password.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::order::Arm;
use super::stats::Spread;

/// The format's name and major version.
pub const SCHEMA: &str = "rb-bench.run.v1";

/// One session: everything measured, and under which conditions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Artifact {
    /// [`SCHEMA`].
    pub schema: String,
    /// The session's id, eight hex digits.
    pub id: String,
    /// When the session began, UTC.
    pub created_at: String,
    /// The user's name for it.
    pub label: Option<String>,
    /// True until the session has ended as planned.
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
    pub protocol: Protocol,
    /// Every iteration, warm-ups included, in the order they ran.
    pub iterations: Vec<Iteration>,
    /// What the measured iterations say together.
    pub summary: Summary,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
}

/// The program that measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `rb-bench`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `release` or `debug`.
    pub build: String,
}

/// How it was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// The arguments, secrets masked.
    pub args: Vec<String>,
    /// `headless` or `tui`: what else used the machine on rb-bench's behalf.
    pub ui: String,
}

/// The profile or document that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// Its name.
    pub name: String,
    /// `shipped`, or the file it was read from.
    pub origin: String,
    /// What it says of itself.
    pub description: Option<String>,
    /// SHA-256 of the dataset's definition; null where the data are the user's own.
    pub data_digest: Option<String>,
    /// SHA-256 of the pipeline without connections, before overrides.
    pub pipeline_digest: String,
    /// The tables read.
    pub streams: Vec<String>,
    /// Rows of the dataset; null where the data are the user's own.
    pub rows: Option<u64>,
}

/// The machine that rb-bench ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Its name.
    pub name: Option<String>,
    /// Operating system and version.
    pub os: Option<String>,
    /// Kernel version.
    pub kernel: Option<String>,
    /// CPU model.
    pub cpu: Option<String>,
    /// Logical cores.
    pub cores: u32,
    /// Cores that rb-bench may use.
    pub available_cores: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
}

/// Both servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresRecord {
    /// The source's; null where rows are made in the process.
    pub source: Option<ServerRecord>,
    /// The destination's; null for `dest-null`.
    pub destination: Option<ServerRecord>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// `user@host:port/database`, without the password; null for the managed server, whose port
    /// differs from run to run.
    pub endpoint: Option<String>,
    /// As the server prints it.
    pub version: String,
    /// As `server_version_num`.
    pub version_num: u32,
    /// Whether rb-bench runs it.
    pub managed: bool,
    /// Whether its processes are on this host and can be looked at.
    pub local: bool,
    /// Settings that differ from the built-in ones; paths, ports and secrets left out.
    pub settings: BTreeMap<String, String>,
}

/// How the session measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// `both` or `one`.
    pub arms: String,
    /// Overrides of the before arm.
    pub before: BTreeMap<String, String>,
    /// Overrides of the after arm.
    pub after: BTreeMap<String, String>,
    /// Warm-up iterations of each arm.
    pub warmup: u32,
    /// Measured pairs planned; measured iterations with one arm.
    pub pairs: u32,
    /// The arms of each pair, in the order they run.
    pub order: Vec<Vec<Arm>>,
    /// The seed of that order.
    pub seed: u64,
    /// `existing` or `missing`: the target before the clock starts.
    pub target: String,
    /// Where rows are written: `managed`, `copies`, `in_place`, or `nowhere` (dest-null).
    pub writes_to: String,
    /// What is done before each iteration, in order.
    pub resets: Vec<String>,
    /// What of the source is in memory when the clock starts.
    pub cache_state: String,
    /// The metric a verdict is about.
    pub gate_metric: String,
    /// The smallest change that counts, percent.
    pub noise_threshold_pct: f64,
    /// What was checked before measuring; null where nothing was.
    pub guard: Option<String>,
}

/// Whether an iteration counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IterationPhase {
    /// It runs and is never counted.
    Warmup,
    /// It counts.
    Measure,
}

/// One run of the engine and everything seen around it.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    pub result: serde_json::Value,
    /// The engine's plan.
    pub plan: serde_json::Value,
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
    /// Whether it counts and its rows arrived.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.phase == IterationPhase::Measure && self.verify.is_ok()
    }
}

/// Both servers' word on the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

/// The course of an iteration: one entry a sample in every list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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

/// Something that may have disturbed an iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flag {
    /// A word for programs: `checkpoint_requested`, `cpu_steal`, ...
    pub kind: String,
    /// A sentence for people, with the cause where it is known.
    pub text: String,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// What the measured iterations say together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How the session ended.
    pub status: Status,
    /// What ended it, where it did not end as planned.
    pub error: Option<String>,
    /// Each arm that was measured.
    pub arms: BTreeMap<Arm, ArmSummary>,
    /// Both arms compared; null with one arm.
    pub comparison: Option<ComparisonRecord>,
}

/// One arm over its measured iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// Both arms compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRecord {
    /// Pairs compared.
    pub pairs: u32,
    /// `t_before / t_after` over the pairs: above 1 the after arm is faster.
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
    /// `IMPROVED`, `REGRESSED`, `EQUIVALENT`, `INCONCLUSIVE`, `INSUFFICIENT DATA` or `INVALID`.
    pub verdict: String,
    /// The verdict as the summary prints it.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::super::examples;

    /// Every key of a document with the path to it; lists count as their first item.
    fn names(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    let path = format!("{path}.{key}");
                    found.push(path.trim_start_matches('.').to_owned());
                    names(value, &path, found);
                }
            }
            serde_json::Value::Array(items) => {
                if let Some(item) = items.first() {
                    names(item, &format!("{path}[]"), found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn the_names_that_others_rely_on_stay() {
        let mut value = serde_json::to_value(examples::session()).unwrap();
        // the engine's own contract is pinned where its result is
        value["iterations"][0]["result"] = serde_json::json!({});
        value["iterations"][0]["plan"] = serde_json::json!({});
        let mut found = Vec::new();
        names(&value, "", &mut found);
        insta::assert_snapshot!(found.join("\n"), @"
        created_at
        host
        host.available_cores
        host.cores
        host.cpu
        host.kernel
        host.memory_bytes
        host.name
        host.os
        id
        invocation
        invocation.args
        invocation.ui
        iterations
        iterations[].arm
        iterations[].bytes
        iterations[].cpu
        iterations[].cpu.destination_s
        iterations[].cpu.host_busy_per_core
        iterations[].cpu.involuntary_switches
        iterations[].cpu.rb_bench_s
        iterations[].cpu.source_s
        iterations[].cpu.voluntary_switches
        iterations[].duration_s
        iterations[].flags
        iterations[].hdr
        iterations[].hdr.chunk_us
        iterations[].hdr.commit_us
        iterations[].hdr.fetch_us
        iterations[].hdr.flush_us
        iterations[].idx
        iterations[].mb_per_s
        iterations[].pair
        iterations[].pg
        iterations[].pg.checkpoints_requested
        iterations[].pg.checkpoints_timed
        iterations[].pg.temp_bytes
        iterations[].pg.wal_bytes
        iterations[].phase
        iterations[].phases
        iterations[].phases.copying
        iterations[].plan
        iterations[].result
        iterations[].rows
        iterations[].rows_per_s
        iterations[].rss_peak
        iterations[].series
        iterations[].series.cpu_destination
        iterations[].series.cpu_rb_bench
        iterations[].series.cpu_source
        iterations[].series.host_busy
        iterations[].series.hz
        iterations[].series.mb_per_s
        iterations[].series.rows_per_s
        iterations[].series.t_s
        iterations[].shards
        iterations[].shards[].bytes
        iterations[].shards[].chunks
        iterations[].shards[].destination_wait_s
        iterations[].shards[].first_byte_s
        iterations[].shards[].partition_count
        iterations[].shards[].partition_index
        iterations[].shards[].rows
        iterations[].shards[].source_wait_s
        iterations[].shards[].stream
        iterations[].skew_ratio
        iterations[].started_at
        iterations[].verify
        iterations[].verify.checksum_ok
        iterations[].verify.differences
        iterations[].verify.row_count_ok
        label
        partial
        postgres
        postgres.destination
        postgres.destination.endpoint
        postgres.destination.local
        postgres.destination.managed
        postgres.destination.settings
        postgres.destination.settings.wal_level
        postgres.destination.version
        postgres.destination.version_num
        postgres.source
        postgres.source.endpoint
        postgres.source.local
        postgres.source.managed
        postgres.source.settings
        postgres.source.settings.wal_level
        postgres.source.version
        postgres.source.version_num
        profile
        profile.data_digest
        profile.description
        profile.name
        profile.origin
        profile.pipeline_digest
        profile.rows
        profile.streams
        protocol
        protocol.after
        protocol.after.resources.parallelism
        protocol.arms
        protocol.before
        protocol.before.resources.parallelism
        protocol.cache_state
        protocol.gate_metric
        protocol.guard
        protocol.noise_threshold_pct
        protocol.order
        protocol.pairs
        protocol.resets
        protocol.seed
        protocol.target
        protocol.warmup
        protocol.writes_to
        schema
        summary
        summary.arms
        summary.arms.after
        summary.arms.after.bytes
        summary.arms.after.chunk_p50_us
        summary.arms.after.chunk_p99_us
        summary.arms.after.commit_share
        summary.arms.after.cpu_destination_s
        summary.arms.after.cpu_rb_bench_s
        summary.arms.after.cpu_source_s
        summary.arms.after.destination_wait_share
        summary.arms.after.duration_s
        summary.arms.after.duration_s.max
        summary.arms.after.duration_s.median
        summary.arms.after.duration_s.min
        summary.arms.after.iterations
        summary.arms.after.mb_per_s
        summary.arms.after.mb_per_s.max
        summary.arms.after.mb_per_s.median
        summary.arms.after.mb_per_s.min
        summary.arms.after.parallelism_effective
        summary.arms.after.parallelism_mode
        summary.arms.after.parallelism_reason
        summary.arms.after.retries
        summary.arms.after.rows
        summary.arms.after.rows_per_s
        summary.arms.after.rows_per_s.max
        summary.arms.after.rows_per_s.median
        summary.arms.after.rows_per_s.min
        summary.arms.after.rss_peak
        summary.arms.after.source_wait_share
        summary.arms.after.verified
        summary.arms.before
        summary.arms.before.bytes
        summary.arms.before.chunk_p50_us
        summary.arms.before.chunk_p99_us
        summary.arms.before.commit_share
        summary.arms.before.cpu_destination_s
        summary.arms.before.cpu_rb_bench_s
        summary.arms.before.cpu_source_s
        summary.arms.before.destination_wait_share
        summary.arms.before.duration_s
        summary.arms.before.duration_s.max
        summary.arms.before.duration_s.median
        summary.arms.before.duration_s.min
        summary.arms.before.iterations
        summary.arms.before.mb_per_s
        summary.arms.before.mb_per_s.max
        summary.arms.before.mb_per_s.median
        summary.arms.before.mb_per_s.min
        summary.arms.before.parallelism_effective
        summary.arms.before.parallelism_mode
        summary.arms.before.parallelism_reason
        summary.arms.before.retries
        summary.arms.before.rows
        summary.arms.before.rows_per_s
        summary.arms.before.rows_per_s.max
        summary.arms.before.rows_per_s.median
        summary.arms.before.rows_per_s.min
        summary.arms.before.rss_peak
        summary.arms.before.source_wait_share
        summary.arms.before.verified
        summary.comparison
        summary.comparison.ci_high
        summary.comparison.ci_low
        summary.comparison.confidence
        summary.comparison.estimate
        summary.comparison.pairs
        summary.comparison.ratio
        summary.comparison.ratio.max
        summary.comparison.ratio.median
        summary.comparison.ratio.min
        summary.comparison.text
        summary.comparison.threshold_pct
        summary.comparison.verdict
        summary.error
        summary.status
        tool
        tool.build
        tool.name
        tool.version
        warnings
        ");
    }
}
