//! `rb-bench schema`: the JSON Schema of what is saved, and of documents for editors.

use crate::bench::{artifact, profile, tune};
use crate::cli::{Schema, SchemaArgs};
use crate::config::json_schema;
use crate::error::{Error, Result};

/// Prints the schema.
pub(super) fn run(args: &SchemaArgs) -> Result<u8> {
    let schema = match args.document {
        Schema::Run => artifact::schema().to_value(),
        Schema::Tune => tune::artifact::schema().to_value(),
        Schema::Pipeline => json_schema::pipeline(),
        Schema::Profile => profile::schema(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|e| Error::internal(format!("serializing a schema: {e}")))?;
    super::print_line(&text)?;
    Ok(0)
}
