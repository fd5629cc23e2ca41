//! `rb-bench schema`: the JSON Schema of what is saved.

use crate::bench::{artifact, tune};
use crate::cli::{Schema, SchemaArgs};
use crate::error::{Error, Result};

/// Prints the schema.
pub(super) fn run(args: &SchemaArgs) -> Result<u8> {
    let schema = match args.document {
        Schema::Run => artifact::schema(),
        Schema::Tune => tune::artifact::schema(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|e| Error::internal(format!("serializing a schema: {e}")))?;
    super::print_line(&text)?;
    Ok(0)
}
