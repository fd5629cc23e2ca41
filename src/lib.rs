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
