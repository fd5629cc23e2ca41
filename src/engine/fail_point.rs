//! Named points of a run at which a test makes it fail, wait or die.
//!
//! They exist only with the feature `fail-points`, which no release is built with: without it
//! reaching one does nothing. `RB_BENCH_FAIL_POINTS` names points and what happens there:
//! `POINT[@HIT]=ACTION[;...]`, where HIT is the how-manieth arrival it happens at (1 when omitted)
//! and ACTION one of `error`, `kill` (SIGKILL to this process), `delay:MILLISECONDS`,
//! `note:DIRECTORY`, which leaves a file of the point's name there, and `hold:DIRECTORY`, which
//! does the same and waits until the file is deleted.

#[cfg(not(feature = "fail-points"))]
use crate::error::Result;

/// Where a test can take hold of a run, in the order a run comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Both sides are connected; the source is locked and its snapshot taken.
    Connected,
    /// The plan is made; nothing is written yet.
    Planned,
    /// The destination is prepared; no worker has started.
    Prepared,
    /// A worker has both of its connections.
    WorkerBegun,
    /// A worker has sent a block of a chunk, or a change of a batch.
    ChunkUnderWay,
    /// A worker has finished a chunk.
    ChunkMoved,
    /// A worker has everything in, and has not said so yet.
    Loaded,
    /// Every worker is ready.
    Ready,
    /// A worker's transaction is prepared, and it has not said so yet.
    WorkerPrepared,
    /// A worker has committed, and has not said so yet.
    WorkerCommitted,
    /// Hidden tables have their keys and are about to take their place.
    Indexed,
    /// Everything of a run, or of a batch of changes, is written; the deciding COMMIT is next.
    Deciding,
    /// The deciding COMMIT is done.
    Decided,
    /// One prepared transaction of the decided run is committed.
    HalfFinished,
    /// All that the run commits is committed; the report is next.
    Committed,
}

impl Point {
    /// Every point, in the order a run comes by.
    pub const ALL: [Self; 15] = [
        Self::Connected,
        Self::Planned,
        Self::Prepared,
        Self::WorkerBegun,
        Self::ChunkUnderWay,
        Self::ChunkMoved,
        Self::Loaded,
        Self::Ready,
        Self::WorkerPrepared,
        Self::WorkerCommitted,
        Self::Indexed,
        Self::Deciding,
        Self::Decided,
        Self::HalfFinished,
        Self::Committed,
    ];

    /// The name that tests and tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Planned => "planned",
            Self::Prepared => "prepared",
            Self::WorkerBegun => "worker_begun",
            Self::ChunkUnderWay => "chunk_under_way",
            Self::ChunkMoved => "chunk_moved",
            Self::Loaded => "loaded",
            Self::Ready => "ready",
            Self::WorkerPrepared => "worker_prepared",
            Self::WorkerCommitted => "worker_committed",
            Self::Indexed => "indexed",
            Self::Deciding => "deciding",
            Self::Decided => "decided",
            Self::HalfFinished => "half_finished",
            Self::Committed => "committed",
        }
    }
}

/// Arrives at a point: whatever a test wants to happen there, happens.
#[cfg(not(feature = "fail-points"))]
pub(in crate::engine) async fn reach(_point: Point) -> Result<()> {
    Ok(())
}

#[cfg(feature = "fail-points")]
pub(in crate::engine) use armed::reach;

#[cfg(feature = "fail-points")]
mod armed {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::Point;
    use crate::error::{Error, Kind, Result};

    enum Action {
        Error,
        Kill,
        Delay(Duration),
        Note(PathBuf),
        Hold(PathBuf),
    }

    struct Trap {
        point: Point,
        hit: u32,
        arrivals: AtomicU32,
        action: Action,
    }

    /// Arrives at a point: whatever the test wants to happen there, happens.
    pub(in crate::engine) async fn reach(point: Point) -> Result<()> {
        static TRAPS: OnceLock<Vec<Trap>> = OnceLock::new();
        let traps = TRAPS.get_or_init(|| {
            let text = std::env::var("RB_BENCH_FAIL_POINTS").unwrap_or_default();
            let traps = text.split(';').filter(|trap| !trap.is_empty());
            traps
                .map(|trap| parse(trap).unwrap_or_else(|| panic!("fail point `{trap}`")))
                .collect()
        });
        for trap in traps.iter().filter(|trap| trap.point == point) {
            if trap.arrivals.fetch_add(1, Ordering::SeqCst) + 1 == trap.hit {
                spring(point, &trap.action).await?;
            }
        }
        Ok(())
    }

    fn parse(trap: &str) -> Option<Trap> {
        let (place, action) = trap.split_once('=')?;
        let (name, hit) = place.split_once('@').unwrap_or((place, "1"));
        let action = match action.split_once(':') {
            None if action == "error" => Action::Error,
            None if action == "kill" => Action::Kill,
            Some(("delay", ms)) => Action::Delay(Duration::from_millis(ms.parse().ok()?)),
            Some(("note", directory)) => Action::Note(directory.into()),
            Some(("hold", directory)) => Action::Hold(directory.into()),
            _ => return None,
        };
        Some(Trap {
            point: Point::ALL.into_iter().find(|point| point.name() == name)?,
            hit: hit.parse().ok()?,
            arrivals: AtomicU32::new(0),
            action,
        })
    }

    async fn spring(point: Point, action: &Action) -> Result<()> {
        match action {
            Action::Error => Err(Error::new(
                Kind::Internal,
                format!("a test made the run fail at `{}`", point.name()),
            )),
            Action::Kill => {
                let own = nix::unistd::Pid::this();
                let _never_returns = nix::sys::signal::kill(own, nix::sys::signal::SIGKILL);
                std::future::pending().await
            }
            Action::Delay(time) => {
                tokio::time::sleep(*time).await;
                Ok(())
            }
            Action::Note(directory) => note(&directory.join(point.name())),
            Action::Hold(directory) => {
                let file = directory.join(point.name());
                note(&file)?;
                while file.exists() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Ok(())
            }
        }
    }

    fn note(file: &Path) -> Result<()> {
        std::fs::write(file, "").map_err(|e| Error::new(Kind::Io, format!("fail point: {e}")))
    }
}
