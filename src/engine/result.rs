//! The result of one run: one type for the `@@BENCH_JSON@@` line, the ledger and the artifacts.
//!
//! Field names are a contract with whoever reads that line; a test pins them.

use serde::{Deserialize, Serialize};

use crate::parallelism::ParallelismFields;

/// The prefix of the line that `rb-bench run` ends with.
pub const RESULT_LINE_PREFIX: &str = "@@BENCH_JSON@@";

/// What one run did. Seconds are wall time; phases that several workers go through are the
/// maximum over workers; bytes are COPY bytes. A field that another version does not have reads as
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PipelineResult {
    /// Rows received from the source.
    pub records_read: u64,
    /// Rows the destination confirmed.
    pub records_written: u64,
    /// COPY bytes received from the source.
    pub bytes_read: u64,
    /// COPY bytes sent to the destination.
    pub bytes_written: u64,
    /// From the first connection to the last commit, seconds.
    pub duration_secs: f64,
    /// Whole-run retries that were needed.
    pub retry_count: u32,
    /// The resolved parallelism (`parallelism_effective`).
    pub parallelism: u32,
    /// The six `parallelism_*` fields, and `parallelism_reason`.
    #[serde(flatten)]
    pub resolved: ParallelismFields,
    /// Connecting to the source.
    pub source_connect_secs: f64,
    /// From a chunk's query to its first byte.
    pub source_query_secs: f64,
    /// Waiting for bytes of the source.
    pub source_fetch_secs: f64,
    /// Connecting to the destination.
    pub dest_connect_secs: f64,
    /// Time the destination made us wait.
    pub dest_flush_secs: f64,
    /// Preparing and committing.
    pub dest_commit_secs: f64,
    /// CPU of this process during the run, user and system.
    pub process_cpu_secs: f64,
    /// That CPU as a percentage of one core over the run.
    pub process_cpu_pct_one_core: f64,
    /// That CPU as a percentage of the cores this process may use.
    pub process_cpu_pct_available_cores: f64,
    /// Cores this process may use.
    pub available_cores: u32,
    /// Rows of the worker with the fewest.
    pub worker_records_min: u64,
    /// Rows of the worker with the most.
    pub worker_records_max: u64,
    /// min / max: 1 is even; 1 where nobody moved a row.
    pub worker_records_skew_ratio: f64,
    /// Time a worker spent sending to the destination, at most over workers.
    pub worker_dest_active_secs: f64,
    /// Time a worker waited for the destination, at most over workers.
    pub worker_dest_wait_secs: f64,
    /// One entry a shard (a stream on a worker).
    pub stream_metrics: Vec<ShardMetrics>,
}

/// What one shard (a stream on a worker) did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardMetrics {
    /// The stream's name, with its schema.
    pub stream_name: String,
    /// The shard's number, from 0; null where the stream was not sharded.
    pub partition_index: Option<u32>,
    /// Shards of the stream; null where it was not sharded.
    pub partition_count: Option<u32>,
    /// Rows received from the source.
    pub records_read: u64,
    /// Rows the destination confirmed.
    pub records_written: u64,
    /// COPY bytes received.
    pub bytes_read: u64,
    /// COPY bytes sent.
    pub bytes_written: u64,
    /// Chunks moved.
    pub chunks: u64,
    /// Waiting for the source.
    pub source_duration_secs: f64,
    /// Waiting for the destination.
    pub dest_duration_secs: f64,
    /// From the run's start to the shard's first byte.
    pub first_byte_secs: f64,
    /// From the run's start to the end of the shard's last chunk; 0 in results of versions that did
    /// not tell.
    #[serde(default)]
    pub last_chunk_secs: f64,
}

impl PipelineResult {
    /// The line a program looks for: the prefix and one line of JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"));
        format!("{RESULT_LINE_PREFIX}{json}")
    }
}
