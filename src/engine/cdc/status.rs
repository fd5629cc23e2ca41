//! `cdc status`: the slot, and what the destination knows of it. Reads only.

use super::ends::Ends;
use super::slot::{self, Slot};
use super::state::{self, Table};
use crate::config::types::Pipeline;
use crate::error::Result;

/// How a pipeline's change data capture stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The pipeline.
    pub pipeline: String,
    /// The name that slot and publication share.
    pub name: String,
    /// The slot; none where it is not there.
    pub slot: Option<Slot>,
    /// The tables of the publication; none where it is not there.
    pub published: Option<Vec<String>>,
    /// What the destination knows; none before setup.
    pub state: Option<Known>,
}

/// What the destination knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Known {
    /// Up to where changes are in the targets.
    pub applied: String,
    /// `upsert` or `append`.
    pub write_mode: String,
    /// The snapshot of the initial copy; none where there was none yet, or there is to be none.
    pub initial_copy: Option<String>,
    /// What is captured, and where it goes.
    pub tables: Vec<Table>,
}

/// Reads how it stands.
pub(super) async fn status(ends: &Ends, pipeline: &Pipeline) -> Result<Status> {
    let record = state::find(&ends.dest, &pipeline.pipeline).await?;
    let name = record
        .as_ref()
        .map_or_else(|| ends.slot_name(pipeline), |record| record.slot.clone());
    Ok(Status {
        pipeline: pipeline.pipeline.clone(),
        slot: Slot::find(&ends.source, &name).await?,
        published: slot::published(&ends.source, &name)
            .await?
            .map(|tables| tables.iter().map(ToString::to_string).collect()),
        name,
        state: record.map(|record| Known {
            applied: record.applied.to_string(),
            write_mode: record.write_mode,
            initial_copy: record.copied.map(|copied| copied.snapshot),
            tables: record.tables,
        }),
    })
}
