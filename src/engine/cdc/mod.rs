//! Change data capture: a slot at the source keeps every change until it is in the destination.
//!
//! [`setup`] makes publication and slot; a run copies the tables once and then applies what the
//! slot holds, in commit order; [`drop`] takes it all away. What it guarantees: every change is in
//! the targets exactly once, or is still in the slot.

mod applier;
mod changes;
mod ends;
mod initial;
mod log;
mod removal;
mod route;
mod run;
mod seen;
mod setup;
mod slot;
mod state;
mod statements;
mod status;
mod tables;

pub use applier::Changes;
pub use removal::Parts;
pub use setup::SetUp;
pub use slot::Slot;
pub use state::Table;
pub use status::{Known, Status};

pub(super) use initial::{committed_along, plan};
pub(super) use run::run;

use tokio_util::sync::CancellationToken;

use super::stop::unless_stopped;
use crate::config::types::{Pipeline, SyncMode};
use crate::error::{Error, Kind, Result};
use ends::Ends;

/// Whether a pipeline captures changes; the validator sees that all its streams do, or none.
#[must_use]
pub fn captures(pipeline: &Pipeline) -> bool {
    pipeline
        .source
        .streams
        .iter()
        .any(|stream| stream.sync_mode == SyncMode::Cdc)
}

/// Makes publication and slot for a pipeline, or finds them made.
///
/// # Errors
/// All that speaks against it, at once, before anything is made.
pub async fn setup(pipeline: &Pipeline, cancel: &CancellationToken) -> Result<SetUp> {
    let ends = claimed(pipeline, cancel).await?;
    let done = unless_stopped(cancel, &ends.cancellers(), setup::set_up(&ends, pipeline)).await;
    ends.close().await;
    done
}

/// How a pipeline's change data capture stands.
pub async fn status(pipeline: &Pipeline, cancel: &CancellationToken) -> Result<Status> {
    let ends = connect(pipeline, cancel).await?;
    let done = unless_stopped(cancel, &ends.cancellers(), status::status(&ends, pipeline)).await;
    ends.close().await;
    done
}

/// What [`drop`] would drop.
pub async fn parts(pipeline: &Pipeline, cancel: &CancellationToken) -> Result<Parts> {
    let ends = connect(pipeline, cancel).await?;
    let done = unless_stopped(cancel, &ends.cancellers(), removal::parts(&ends, pipeline)).await;
    ends.close().await;
    done
}

/// Drops slot, publication and state of a pipeline, whatever of it is there.
pub async fn drop(pipeline: &Pipeline, cancel: &CancellationToken) -> Result<Parts> {
    let ends = claimed(pipeline, cancel).await?;
    let done = unless_stopped(cancel, &ends.cancellers(), removal::remove(&ends, pipeline)).await;
    ends.close().await;
    done
}

async fn claimed(pipeline: &Pipeline, cancel: &CancellationToken) -> Result<Ends> {
    let mut ends = connect(pipeline, cancel).await?;
    let sessions = ends.cancellers();
    unless_stopped(cancel, &sessions, ends.claim(&pipeline.pipeline)).await?;
    Ok(ends)
}

async fn connect(pipeline: &Pipeline, cancel: &CancellationToken) -> Result<Ends> {
    if !captures(pipeline) {
        return Err(Error::new(
            Kind::Config,
            format!("pipeline `{}` captures no changes", pipeline.pipeline),
        )
        .remedy("its streams need `sync_mode: cdc`"));
    }
    unless_stopped(cancel, &[], Ends::connect(pipeline)).await
}
