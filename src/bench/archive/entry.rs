//! What an archive knows of one file without reading it again.

use serde::{Deserialize, Serialize};

use crate::bench::artifact::{Artifact, Status};
use crate::bench::conditions::Conditions;
use crate::bench::order::Arm;
use crate::bench::stats::Spread;

/// A saved session in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The file's name in its directory.
    pub file: String,
    /// The session's id.
    pub id: String,
    /// When it began, UTC.
    pub created_at: String,
    /// The user's name for it.
    pub label: Option<String>,
    /// The profile that was measured.
    pub profile: String,
    /// A digest of the conditions that it was measured under: the same digest, the same conditions.
    pub conditions: String,
    /// The after arm's overrides, `parallelism=4`, joined by spaces.
    pub settings: String,
    /// rb-bench's version.
    pub version: String,
    /// How it ended.
    pub status: Status,
    /// Measured iterations of the after arm.
    pub iterations: u32,
    /// Wall time of the after arm, seconds; null where nothing was measured.
    pub duration_s: Option<Spread>,
    /// Throughput of the after arm, megabytes a second.
    pub mb_per_s: Option<Spread>,
    /// Its own verdict, where it has two arms.
    pub verdict: Option<String>,
}

impl Entry {
    /// The short form of a session that is kept in this file.
    #[must_use]
    pub fn of(file: &str, session: &Artifact) -> Self {
        let after = session.summary.arms.get(&Arm::After);
        let settings: Vec<String> = session
            .protocol
            .after
            .iter()
            .map(|(key, value)| format!("{}={value}", key.rsplit('.').next().unwrap_or(key)))
            .collect();
        Self {
            file: file.to_owned(),
            id: session.id.clone(),
            created_at: session.created_at.clone(),
            label: session.label.clone(),
            profile: session.profile.name.clone(),
            conditions: Conditions::of(session).digest(),
            settings: settings.join(" "),
            version: session.tool.version.clone(),
            status: session.summary.status,
            iterations: after.map_or(0, |arm| arm.iterations),
            duration_s: after.map(|arm| arm.duration_s),
            mb_per_s: after.map(|arm| arm.mb_per_s),
            verdict: session
                .summary
                .comparison
                .as_ref()
                .map(|comparison| comparison.verdict.clone()),
        }
    }
}
