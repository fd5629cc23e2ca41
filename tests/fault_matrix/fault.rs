//! What goes wrong, by real means, while a run stands at a point.

use crate::stage::Side;

/// One kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The engine itself fails there.
    Error,
    /// kill -9 of rb-bench.
    KillRun,
    /// Its sessions on the source are terminated.
    SourceSessions,
    /// Its sessions on the destination are terminated.
    DestSessions,
    /// kill -9 of a backend at the source.
    SourceBackend,
    /// kill -9 of a backend at the destination.
    DestBackend,
    /// Immediate shutdown of the source.
    SourceServer,
    /// Immediate shutdown of the destination.
    DestServer,
    /// The network to the source is cut in the middle of a message.
    SourceNetwork,
    /// The network to the destination is cut in the middle of a message.
    DestNetwork,
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::Error,
        Self::KillRun,
        Self::SourceSessions,
        Self::DestSessions,
        Self::SourceBackend,
        Self::DestBackend,
        Self::SourceServer,
        Self::DestServer,
        Self::SourceNetwork,
        Self::DestNetwork,
    ];

    /// The heading of its column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::KillRun => "kill -9 rb-bench",
            Self::SourceSessions => "source sessions ended",
            Self::DestSessions => "dest sessions ended",
            Self::SourceBackend => "kill -9 source backend",
            Self::DestBackend => "kill -9 dest backend",
            Self::SourceServer => "source shut down",
            Self::DestServer => "dest shut down",
            Self::SourceNetwork => "source network cut",
            Self::DestNetwork => "dest network cut",
        }
    }

    /// What the engine does to itself at the point; none where the test does it from outside.
    pub(crate) fn action(self) -> Option<&'static str> {
        match self {
            Self::Error => Some("error"),
            Self::KillRun => Some("kill"),
            _ => None,
        }
    }

    /// Brings it about, from outside.
    pub(crate) fn strike(self, source: &mut Side, dest: &mut Side, database: &str) {
        match self {
            Self::Error | Self::KillRun => {}
            Self::SourceSessions => source.terminate(database),
            Self::DestSessions => dest.terminate(database),
            Self::SourceBackend => source.kill_backend(database),
            Self::DestBackend => dest.kill_backend(database),
            Self::SourceServer => source.crash(),
            Self::DestServer => dest.crash(),
            Self::SourceNetwork => source.cut(),
            Self::DestNetwork => dest.cut(),
        }
    }
}
