//! The short way from a pipeline document to a [`Pipeline`], ready to run.
//!
//! It adds nothing to [`Document`]; whoever changes a document before using it (overrides, a part of a
//! profile) works with that.

use std::path::Path;

use super::document::Document;
use super::environment::{Lookup, process_environment};
use super::pipeline_shape::Connections;
use super::types::Pipeline;
use crate::error::Result;

/// Reads, fills, checks and judges a pipeline document; variables come from the process's environment.
/// One error tells every problem of the document, a line each.
pub fn load_pipeline(path: &Path) -> Result<Pipeline> {
    Document::load(path, &process_environment)?.pipeline(Connections::Required)
}

/// The same for a text; `origin` is its name in messages.
pub fn parse_pipeline(text: &str, origin: &str, environment: &Lookup<'_>) -> Result<Pipeline> {
    Document::read(text, origin, environment)?.pipeline(Connections::Required)
}

#[cfg(test)]
mod tests;
