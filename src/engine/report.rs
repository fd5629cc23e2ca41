//! From counters to the run's result.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::result::{PipelineResult, ShardMetrics};
use super::worker::Measured;
use crate::config::types::Pipeline;
use crate::parallelism::Resolved;
use crate::telemetry::counters::{Shard, Telemetry};
use crate::telemetry::sampler;
use crate::units::Hex;

/// A digest of the document: the same digest means the same work. Secrets do not enter it.
#[must_use]
pub fn digest(pipeline: &Pipeline) -> String {
    let json = serde_json::to_string(pipeline).unwrap_or_default();
    Hex(&Sha256::digest(json.as_bytes())).to_string()
}

/// The result as far as the counters know it; [`finish`] adds time and CPU.
#[must_use]
pub fn result(resolved: &Resolved, telemetry: &Telemetry, measured: &[Measured]) -> PipelineResult {
    let shards = telemetry.shards();
    let totals = telemetry.totals();
    let mut by_worker: BTreeMap<u32, Vec<&Arc<Shard>>> = BTreeMap::new();
    for shard in &shards {
        by_worker.entry(shard.worker).or_default().push(shard);
    }
    let sum = |shards: &[&Arc<Shard>], field: fn(&Shard) -> &AtomicU64| -> u64 {
        shards.iter().map(|shard| field(shard).load(Relaxed)).sum()
    };
    let worst = |field: fn(&Shard) -> &AtomicU64| {
        by_worker
            .values()
            .map(|shards| sum(shards, field))
            .max()
            .unwrap_or(0) as f64
            / 1e9
    };
    let longest = |field: fn(&Measured) -> Duration| {
        measured
            .iter()
            .map(field)
            .max()
            .unwrap_or_default()
            .as_secs_f64()
    };
    // a worker that got no chunk has no shard; it moved no rows all the same
    let idle = measured.len().saturating_sub(by_worker.len());
    let mut rows: Vec<u64> = by_worker
        .values()
        .map(|shards| sum(shards, |s| &s.rows_written))
        .collect();
    rows.extend(std::iter::repeat_n(0, idle));
    let (min, max) = (
        rows.iter().min().copied().unwrap_or(0),
        rows.iter().max().copied().unwrap_or(0),
    );
    PipelineResult {
        records_read: totals.rows_read,
        records_written: totals.rows_written,
        bytes_read: totals.bytes_read,
        bytes_written: totals.bytes_written,
        parallelism: resolved.effective,
        resolved: resolved.fields(),
        available_cores: resolved.inputs.available_cores,
        source_connect_secs: longest(|m| m.source_connect),
        source_query_secs: worst(|s| &s.query_ns),
        source_fetch_secs: worst(|s| &s.source_wait_ns),
        dest_connect_secs: longest(|m| m.dest_connect),
        dest_flush_secs: worst(|s| &s.dest_wait_ns),
        worker_records_min: min,
        worker_records_max: max,
        worker_records_skew_ratio: if max == 0 {
            1.0
        } else {
            min as f64 / max as f64
        },
        worker_dest_active_secs: longest(|m| m.dest_active),
        worker_dest_wait_secs: worst(|s| &s.dest_wait_ns),
        stream_metrics: stream_metrics(&shards),
        ..PipelineResult::default()
    }
}

fn stream_metrics(shards: &[Arc<Shard>]) -> Vec<ShardMetrics> {
    let mut streams: Vec<&str> = Vec::new();
    for shard in shards {
        if !streams.contains(&shard.stream.as_str()) {
            streams.push(&shard.stream);
        }
    }
    let mut metrics = Vec::with_capacity(shards.len());
    for stream in streams {
        let mut mine: Vec<&Arc<Shard>> = shards
            .iter()
            .filter(|shard| shard.stream == stream && shard.chunks.load(Relaxed) > 0)
            .collect();
        mine.sort_by_key(|shard| shard.worker);
        let count = mine.len() as u32;
        metrics.extend(
            (0u32..)
                .zip(mine)
                .map(|(index, shard)| shard_metrics(shard, index, count)),
        );
    }
    metrics
}

/// The metrics of a shard, for the result.
fn shard_metrics(shard: &Shard, index: u32, count: u32) -> ShardMetrics {
    let seconds = |ns: &AtomicU64| ns.load(Relaxed) as f64 / 1e9;
    let sharded = count > 1;
    ShardMetrics {
        stream_name: shard.stream.clone(),
        partition_index: sharded.then_some(index),
        partition_count: sharded.then_some(count),
        records_read: shard.rows_read.load(Relaxed),
        records_written: shard.rows_written.load(Relaxed),
        bytes_read: shard.bytes_read.load(Relaxed),
        bytes_written: shard.bytes_written.load(Relaxed),
        chunks: shard.chunks.load(Relaxed),
        source_duration_secs: seconds(&shard.source_wait_ns),
        dest_duration_secs: seconds(&shard.dest_wait_ns),
        first_byte_secs: seconds(&shard.first_byte_ns),
        last_chunk_secs: seconds(&shard.last_chunk_ns),
    }
}

/// Adds the time since the run started, and the CPU used since.
pub fn finish(result: &mut PipelineResult, started: Instant, cpu_before: f64, cores: u32) {
    result.duration_secs = started.elapsed().as_secs_f64();
    result.process_cpu_secs = (sampler::own_cpu_secs() - cpu_before).max(0.0);
    let share = if result.duration_secs > 0.0 {
        result.process_cpu_secs / result.duration_secs
    } else {
        0.0
    };
    result.process_cpu_pct_one_core = share * 100.0;
    result.process_cpu_pct_available_cores = share * 100.0 / f64::from(cores.max(1));
}
