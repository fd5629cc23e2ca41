//! `rb-bench check PIPELINE.yaml`: validates, connects, explains; moves and writes nothing.

use std::sync::Arc;

use super::interrupt;
use crate::cli::{CheckArgs, Format};
use crate::config::parser;
use crate::engine::{self, RunOptions, RunRequest};
use crate::error::Result;
use crate::parallelism;
use crate::report;
use crate::telemetry::counters::Telemetry;

/// Checks the document that was named.
pub(super) async fn run(args: CheckArgs) -> Result<u8> {
    let request = RunRequest {
        pipeline: Arc::new(parser::load_pipeline(&args.document)?),
        available_cores: parallelism::available_cores(),
        options: RunOptions::default(),
        telemetry: Telemetry::new(),
        cancel: interrupt::token()?,
    };
    let plan = engine::explain(&request).await?;
    match args.format {
        Format::Json => super::print_line(&serde_json::json!(plan).to_string())?,
        Format::Text => super::print_line(report::run::plan_text(&plan).trim_end())?,
    }
    Ok(0)
}
