//! rb-bench: copies tables from Postgres to Postgres with a sharded engine, and measures it.
//!
//! The rooms of the house, and the one direction in which they may import each other:
//!
//! ```text
//! main -> commands -> tui -> report -> bench -> {engine, cluster}
//!      -> {telemetry, postgres, parallelism} -> config -> {units, error}
//! ```
//!
//! The engine never sees bench, tui or clap. `tests/house.rs` enforces the rule.
//!
//! # A document, read and explained
//!
//! Nothing here connects: what a document says together with the number of cores decides how many workers
//! a run may have.
//!
//! ```
//! use rb_bench::config::parse_pipeline;
//! use rb_bench::parallelism::resolve_pipeline;
//!
//! let document = r#"
//! version: "1.0"
//! pipeline: orders_copy
//! source:
//!   use: source-postgres
//!   config: { url: "${SHOP_URL}", schema: public }
//!   streams: [{ name: orders }]
//! destination:
//!   use: dest-postgres
//!   config: { url: "postgres://app@db2/warehouse", schema: raw }
//! "#;
//! let environment = |name: &str| (name == "SHOP_URL").then(|| "postgres://app@db1/shop".to_owned());
//! let pipeline = parse_pipeline(document, "orders.yaml", &environment)?;
//! let resolved = resolve_pipeline(&pipeline, 8);
//! assert_eq!(resolved.effective, 4);
//! assert_eq!(
//!     resolved.reason(),
//!     "8 cores, cap 8; 1 eligible stream x 4 shards = 4; no transforms; effective 4"
//! );
//! # Ok::<(), rb_bench::Error>(())
//! ```
//!
//! # A run
//!
//! [`engine::run`] is one run, from the snapshot to the commit. What it returns still holds the snapshot, so
//! that both servers can be asked whether they have the same rows.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use rb_bench::config::load_pipeline;
//! use rb_bench::engine::{self, RunOptions, RunRequest};
//! use rb_bench::parallelism::available_cores;
//! use rb_bench::telemetry::counters::Telemetry;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn copy() -> rb_bench::Result<()> {
//! let request = RunRequest {
//!     pipeline: Arc::new(load_pipeline(Path::new("orders.yaml"))?),
//!     available_cores: available_cores(),
//!     options: RunOptions { run_id: Some("2026-11".into()), ..RunOptions::default() },
//!     telemetry: Telemetry::new(),
//!     cancel: CancellationToken::new(),
//! };
//! for stream in engine::explain(&request).await?.streams {
//!     println!("{}: {} workers, {} bytes", stream.stream, stream.workers, stream.bytes);
//! }
//! let finished = engine::run(request).await?;
//! println!("{} rows", finished.result.records_written);
//! finished.close().await;
//! # Ok(())
//! # }
//! ```

pub mod bench;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod engine;
pub mod error;
pub mod parallelism;
pub mod postgres;
pub mod report;
pub mod telemetry;
pub mod tui;
pub mod units;

pub use error::{Error, Kind, Result};
