//! `cdc drop`: takes away what setup made, whatever of it is there.

use super::ends::Ends;
use super::slot::{self, Slot};
use super::state;
use crate::config::types::Pipeline;
use crate::error::Result;

/// What belongs to a pipeline, or what was dropped of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Parts {
    /// The name that slot and publication share.
    pub name: String,
    /// The slot.
    pub slot: bool,
    /// The publication.
    pub publication: bool,
    /// What the destination knows.
    pub state: bool,
}

impl Parts {
    /// Whether there is nothing of it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !(self.slot || self.publication || self.state)
    }

    /// What there is, as a person names it.
    #[must_use]
    pub fn named(&self) -> Vec<String> {
        [
            (self.slot, format!("slot {}", self.name)),
            (self.publication, format!("publication {}", self.name)),
            (self.state, "its state in the destination".to_owned()),
        ]
        .into_iter()
        .filter_map(|(there, what)| there.then_some(what))
        .collect()
    }
}

/// Finds what belongs to a pipeline.
pub(super) async fn parts(ends: &Ends, pipeline: &Pipeline) -> Result<Parts> {
    let record = state::find(&ends.dest, &pipeline.pipeline).await?;
    let state = record.is_some();
    // a slot of another source is not ours to drop here
    let name = record
        .filter(|record| record.source == ends.source_place)
        .map_or_else(|| ends.slot_name(pipeline), |record| record.slot);
    Ok(Parts {
        slot: Slot::find(&ends.source, &name).await?.is_some(),
        publication: slot::published(&ends.source, &name).await?.is_some(),
        state,
        name,
    })
}

/// Drops all that belongs to a pipeline; what was dropped.
pub(super) async fn remove(ends: &Ends, pipeline: &Pipeline) -> Result<Parts> {
    let parts = parts(ends, pipeline).await?;
    // the state goes last: until then, the same command finds the rest again
    Ok(Parts {
        slot: slot::drop_slot(&ends.source, &parts.name).await?,
        publication: slot::drop_publication(&ends.source, &parts.name).await?,
        state: state::forget(&ends.dest, &pipeline.pipeline).await?,
        name: parts.name,
    })
}
