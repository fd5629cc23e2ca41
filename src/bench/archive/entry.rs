//! What an archive knows of one file without reading it again.

use serde::{Deserialize, Serialize};

use crate::bench::artifact::{Artifact, Status};
use crate::bench::conditions::Conditions;
use crate::bench::order::Arm;
use crate::bench::stats::Spread;
use crate::bench::tune::artifact::TuneArtifact;

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

/// Which side limits, where both were measured alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// `source` or `destination`; null where neither is shown to.
    pub side: Option<String>,
}

/// A saved tuning in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuningEntry {
    /// The file's name in its directory.
    pub file: String,
    /// The tuning's id.
    pub id: String,
    /// When it began, UTC.
    pub created_at: String,
    /// The user's name for it.
    pub label: Option<String>,
    /// The profile that was tuned.
    pub profile: String,
    /// The key that was tuned; null where the sides were measured alone.
    pub knob: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Iterations that are kept in it.
    pub iterations: u32,
    /// The value to use, once that is known.
    pub choice: Option<String>,
    /// What the reference loses against it, a share of wall time; null before that was measured.
    pub regret: Option<f64>,
    /// The confirmation's verdict.
    pub verdict: Option<String>,
    /// Where the sides were measured alone: whether one is shown to limit.
    pub limit: Option<Limit>,
}

impl TuningEntry {
    /// The short form of a tuning that is kept in this file.
    #[must_use]
    pub fn of(file: &str, tuning: &TuneArtifact) -> Self {
        let summary = &tuning.summary;
        let confirmation = summary.confirmation.as_ref();
        Self {
            file: file.to_owned(),
            id: tuning.id.clone(),
            created_at: tuning.created_at.clone(),
            label: tuning.label.clone(),
            profile: tuning.profile.name.clone(),
            knob: tuning.protocol.knob.clone(),
            status: summary.status,
            iterations: tuning.iterations.len() as u32,
            choice: summary.choice.as_ref().map(|choice| choice.setting.clone()),
            regret: confirmation.and_then(|c| c.regret),
            verdict: confirmation.map(|c| c.verdict.clone()),
            limit: summary.limit.as_ref().map(|limit| Limit {
                side: limit.side.clone(),
            }),
        }
    }
}
