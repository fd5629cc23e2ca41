//! `rb-bench cdc`: setting up change data capture, looking at it, dropping it.

use std::path::Path;

use super::{confirm, interrupt};
use crate::cli::{CdcAction, CdcArgs, Format};
use crate::config::parser;
use crate::engine::cdc;
use crate::error::Result;
use crate::report;

/// Does what was asked for.
pub(super) async fn run(args: CdcArgs) -> Result<u8> {
    match args.action {
        CdcAction::Setup { document, format } => setup(&document, format).await,
        CdcAction::Status { document, format } => status(&document, format).await,
        CdcAction::Drop { document, yes } => drop(&document, yes).await,
    }
}

async fn setup(document: &Path, format: Format) -> Result<u8> {
    let pipeline = parser::load_pipeline(document)?;
    let done = cdc::setup(&pipeline, &interrupt::token()?).await?;
    match format {
        Format::Json => super::print_line(&serde_json::json!(done).to_string())?,
        Format::Text => super::print_line(report::cdc::set_up(&pipeline, &done).trim_end())?,
    }
    Ok(0)
}

async fn status(document: &Path, format: Format) -> Result<u8> {
    let pipeline = parser::load_pipeline(document)?;
    let status = cdc::status(&pipeline, &interrupt::token()?).await?;
    match format {
        Format::Json => super::print_line(&serde_json::json!(status).to_string())?,
        Format::Text => super::print_line(report::cdc::status(&status).trim_end())?,
    }
    Ok(0)
}

async fn drop(document: &Path, yes: bool) -> Result<u8> {
    let pipeline = parser::load_pipeline(document)?;
    let cancel = interrupt::token()?;
    let parts = cdc::parts(&pipeline, &cancel).await?;
    if parts.is_nothing() {
        super::print_line("there is nothing to drop")?;
        return Ok(0);
    }
    let what = parts.named().join(", ");
    if !yes && !confirm::asked(&format!("drop {what}"))? {
        super::print_line("nothing was dropped")?;
        return Ok(0);
    }
    let dropped = cdc::drop(&pipeline, &cancel).await?;
    for part in dropped.named() {
        super::print_line(&format!("dropped {part}"))?;
    }
    Ok(0)
}
