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
        CdcAction::Drop {
            document,
            yes,
            format,
        } => drop(&document, yes, format).await,
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

async fn drop(document: &Path, yes: bool, format: Format) -> Result<u8> {
    let pipeline = parser::load_pipeline(document)?;
    let cancel = interrupt::token()?;
    let there = cdc::parts(&pipeline, &cancel).await?;
    let what = there.named().join(", ");
    let asked = || confirm::asked(&format!("drop {what}"));
    let (dropped, why_none) = if there.is_nothing() {
        (None, "there is nothing to drop")
    } else if yes || asked()? {
        (Some(cdc::drop(&pipeline, &cancel).await?), "")
    } else {
        (None, "nothing was dropped")
    };
    match (format, &dropped) {
        (Format::Json, _) => {
            super::print_line(&serde_json::json!({ "dropped": dropped }).to_string())?;
        }
        (Format::Text, None) => super::print_line(why_none)?,
        (Format::Text, Some(parts)) => {
            for part in parts.named() {
                super::print_line(&format!("dropped {part}"))?;
            }
        }
    }
    Ok(0)
}
