//! What a run tells about itself while it runs: per-shard counters, latency histograms, events,
//! and samples of the processes involved.
//!
//! The engine writes and never waits; whoever shows or records reads snapshots.

pub mod counters;
pub mod histogram;
pub mod sampler;
