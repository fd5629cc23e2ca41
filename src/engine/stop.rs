//! The user's wish to stop, while the leader waits for a server.

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};
use crate::postgres::session::Canceller;

/// Does this work, unless the user stops the run first: then what these sessions are doing is
/// cancelled at their servers too, which look up only when told.
pub async fn unless_stopped<T>(
    stop: &CancellationToken,
    sessions: &[Canceller],
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        () = stop.cancelled() => {
            futures_util::future::join_all(sessions.iter().map(Canceller::cancel)).await;
            Err(interrupted())
        }
    }
}

/// The error of a run that the user stopped.
#[must_use]
pub fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted; nothing was committed")
}
