//! How many shard workers a run uses: a pure function from what is known to a number and its
//! reason.
//!
//! The same inputs always give the same answer, and every input is reported beside it. Nothing
//! here looks at a database: eligibility rules 1 to 3 come from the document and decide the
//! number; rules 4 to 8, which need a connection, live in `engine::plan` and can only take a
//! stream down to one worker.

use serde::{Deserialize, Serialize};

use crate::config::types::{
    Pipeline, PipelineParallelism, SourceConnector, Stream, SyncMode, WriteMode,
};

/// Names this heuristic in logs.
pub const HEURISTIC_TAG: &str = "static_heuristic_v1";
/// The most workers `auto` ever uses.
pub const MAX_AUTO_CAP: u32 = 16;
/// The most shards `auto` gives one stream.
pub const MAX_SHARD_DEPTH: u32 = 4;
/// How much each transform takes off: the factor is 1 / (1 + slope * transforms).
pub const TRANSFORM_PENALTY_SLOPE: f64 = 0.15;
/// The least that transforms leave of the target.
pub const MIN_TRANSFORM_FACTOR: f64 = 0.6;

/// Everything the resolved number depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// What the document asks for.
    pub configured: PipelineParallelism,
    /// Cores the process may use, affinity and cgroup quota respected.
    pub available_cores: u32,
    /// Streams that the document allows to be sharded (rules 1 to 3).
    pub eligible_streams: u32,
    /// Transforms in the document.
    pub transform_count: u32,
}

/// The resolved parallelism, with the steps that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What it was resolved from.
    pub inputs: Inputs,
    /// `min(available_cores, MAX_AUTO_CAP)`.
    pub cap: u32,
    /// Shards that `auto` gives each eligible stream.
    pub per_stream_target: u32,
    /// Workers the run may use.
    pub effective: u32,
}

/// The six telemetry fields, and the reason beside them, as results and artifacts carry them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParallelismFields {
    /// `auto` or `manual`.
    pub parallelism_mode: String,
    /// Workers the run may use.
    pub parallelism_effective: u32,
    /// `min(available_cores, 16)`.
    pub parallelism_cap: u32,
    /// Cores the process may use.
    pub parallelism_available_cores: u32,
    /// Streams that the document allows to be sharded.
    pub parallelism_eligible_streams: u32,
    /// Transforms in the document.
    pub parallelism_transform_count: u32,
    /// The steps as a person would say them.
    pub parallelism_reason: String,
}

/// Resolves the parallelism of a run.
#[must_use]
pub fn resolve(inputs: Inputs) -> Resolved {
    let cap = inputs.available_cores.clamp(1, MAX_AUTO_CAP);
    let eligible = inputs.eligible_streams;
    let per_stream_target = cap
        .checked_div(eligible)
        .unwrap_or(1)
        .clamp(1, MAX_SHARD_DEPTH);
    let effective = match inputs.configured {
        PipelineParallelism::Manual(n) => n.max(1),
        PipelineParallelism::Auto => {
            let target = base_target(cap, eligible, per_stream_target);
            let scaled = f64::from(target) * transform_factor(inputs.transform_count);
            // f64::round takes halves away from zero, as the specification has it
            (scaled.round() as u32).clamp(1, cap)
        }
    };
    Resolved {
        inputs,
        cap,
        per_stream_target,
        effective,
    }
}

fn base_target(cap: u32, eligible: u32, per_stream_target: u32) -> u32 {
    if eligible == 0 {
        1
    } else {
        cap.min(eligible.saturating_mul(per_stream_target))
    }
}

fn transform_factor(transforms: u32) -> f64 {
    if transforms == 0 {
        return 1.0;
    }
    (1.0 / (1.0 + TRANSFORM_PENALTY_SLOPE * f64::from(transforms))).max(MIN_TRANSFORM_FACTOR)
}

/// Resolves the parallelism of this document on `available_cores` cores.
///
/// A stream entry counts once, also when its name is a pattern: how many tables a pattern finds
/// is the state of a database, which the number must not depend on.
#[must_use]
pub fn resolve_pipeline(pipeline: &Pipeline, available_cores: u32) -> Resolved {
    let eligible = pipeline
        .source
        .streams
        .iter()
        .filter(|stream| ineligible_by_document(pipeline, stream).is_none())
        .count();
    resolve(Inputs {
        configured: pipeline.resources.parallelism,
        available_cores,
        eligible_streams: eligible as u32,
        transform_count: pipeline.transforms.len() as u32,
    })
}

/// Why the document alone keeps this stream from being sharded (rules 1 to 3), if it does.
#[must_use]
pub fn ineligible_by_document(pipeline: &Pipeline, stream: &Stream) -> Option<&'static str> {
    if !matches!(pipeline.source.connector, SourceConnector::Postgres(_)) {
        return Some("the source is not source-postgres");
    }
    match stream.sync_mode {
        SyncMode::FullRefresh => {}
        SyncMode::Incremental => return Some("incremental streams are read in one piece"),
        SyncMode::Cdc => return Some("cdc streams are applied in commit order"),
    }
    if pipeline.destination.write_mode == WriteMode::Replace {
        return Some("write_mode replace loads each table in one piece");
    }
    None
}

impl Resolved {
    /// Workers that may be in one stream at once.
    #[must_use]
    pub fn fan_out(&self, eligible: bool) -> u32 {
        if !eligible {
            return 1;
        }
        match self.inputs.configured {
            PipelineParallelism::Manual(_) => self.effective,
            PipelineParallelism::Auto => self.per_stream_target.min(self.effective),
        }
    }

    /// `auto` or `manual`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self.inputs.configured {
            PipelineParallelism::Auto => "auto",
            PipelineParallelism::Manual(_) => "manual",
        }
    }

    /// The steps as a person would say them; one text for the terminal, the TUI and the JSON.
    #[must_use]
    pub fn reason(&self) -> String {
        let Inputs {
            configured,
            available_cores,
            eligible_streams,
            transform_count,
        } = self.inputs;
        let cores = count(available_cores, "core");
        if let PipelineParallelism::Manual(n) = configured {
            return format!(
                "set to {n} by hand; {cores}, cap {} not applied; effective {}",
                self.cap, self.effective
            );
        }
        let streams = if eligible_streams == 0 {
            "no eligible stream, base 1".to_owned()
        } else {
            let product = eligible_streams.saturating_mul(self.per_stream_target);
            let capped = if product > self.cap {
                format!(", capped at {}", self.cap)
            } else {
                String::new()
            };
            format!(
                "{} x {} = {product}{capped}",
                count(eligible_streams, "eligible stream"),
                count(self.per_stream_target, "shard"),
            )
        };
        let transforms = if transform_count == 0 {
            "no transforms".to_owned()
        } else {
            format!(
                "{} x {:.2}",
                count(transform_count, "transform"),
                transform_factor(transform_count)
            )
        };
        format!(
            "{cores}, cap {}; {streams}; {transforms}; effective {}",
            self.cap, self.effective
        )
    }

    /// The six fields and the reason.
    #[must_use]
    pub fn fields(&self) -> ParallelismFields {
        ParallelismFields {
            parallelism_mode: self.mode().to_owned(),
            parallelism_effective: self.effective,
            parallelism_cap: self.cap,
            parallelism_available_cores: self.inputs.available_cores,
            parallelism_eligible_streams: self.inputs.eligible_streams,
            parallelism_transform_count: self.inputs.transform_count,
            parallelism_reason: self.reason(),
        }
    }
}

fn count(n: u32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Cores this process may use: affinity and cgroup quota respected, at least 1.
#[must_use]
pub fn available_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn auto(cores: u32, eligible: u32, transforms: u32) -> Resolved {
        resolve(Inputs {
            configured: PipelineParallelism::Auto,
            available_cores: cores,
            eligible_streams: eligible,
            transform_count: transforms,
        })
    }

    #[test]
    fn auto_parallelism_gives_the_worked_values() {
        let table = [
            (1, 1, 0, 1),
            (2, 1, 0, 2),
            (8, 0, 0, 1),
            (8, 1, 0, 4),
            (8, 3, 0, 6),
            (32, 1, 0, 4),
            (32, 4, 0, 16),
            (32, 40, 0, 16),
            (16, 4, 1, 14),
            (16, 4, 2, 12),
            (16, 4, 4, 10),
            (16, 4, 100, 10),
            (4, 1, 2, 3),
            (4, 1, 4, 3),
        ];
        for (cores, eligible, transforms, effective) in table {
            assert_eq!(
                auto(cores, eligible, transforms).effective,
                effective,
                "{cores} cores, {eligible} eligible, {transforms} transforms"
            );
        }
    }

    #[test]
    fn auto_parallelism_without_eligible_streams_is_one() {
        assert_eq!(auto(64, 0, 0).effective, 1);
        assert_eq!(auto(64, 0, 0).fan_out(false), 1);
    }

    #[test]
    fn auto_parallelism_explains_its_steps() {
        assert_eq!(
            auto(2, 1, 0).reason(),
            "2 cores, cap 2; 1 eligible stream x 2 shards = 2; no transforms; effective 2"
        );
        assert_eq!(
            auto(32, 40, 2).reason(),
            "32 cores, cap 16; 40 eligible streams x 1 shard = 40, capped at 16; 2 transforms x 0.77; effective 12"
        );
        assert_eq!(
            auto(8, 0, 0).reason(),
            "8 cores, cap 8; no eligible stream, base 1; no transforms; effective 1"
        );
    }

    #[test]
    fn auto_parallelism_fan_out_is_bounded_per_stream_and_manual_is_not() {
        let resolved = auto(8, 3, 0);
        assert_eq!(
            (
                resolved.effective,
                resolved.fan_out(true),
                resolved.fan_out(false)
            ),
            (6, 2, 1)
        );
        let manual = resolve(Inputs {
            configured: PipelineParallelism::Manual(9),
            ..resolved.inputs
        });
        assert_eq!(
            (
                manual.effective,
                manual.fan_out(true),
                manual.fan_out(false)
            ),
            (9, 9, 1)
        );
    }

    proptest! {
        #[test]
        fn auto_parallelism_stays_within_its_cap(cores in 0u32..200, eligible in 0u32..5000, transforms in 0u32..200) {
            let resolved = auto(cores, eligible, transforms);
            prop_assert!((1..=resolved.cap).contains(&resolved.effective));
            prop_assert!(resolved.cap <= MAX_AUTO_CAP);
        }

        #[test]
        fn auto_parallelism_never_falls_when_cores_grow(cores in 0u32..200, eligible in 0u32..100, transforms in 0u32..50) {
            prop_assert!(auto(cores + 1, eligible, transforms).effective >= auto(cores, eligible, transforms).effective);
        }

        #[test]
        fn auto_parallelism_never_rises_with_transforms(cores in 0u32..200, eligible in 0u32..100, transforms in 0u32..200) {
            prop_assert!(auto(cores, eligible, transforms + 1).effective <= auto(cores, eligible, transforms).effective);
        }

        #[test]
        fn auto_parallelism_leaves_manual_values_alone(n in 1u32.., cores in 0u32..200, eligible in 0u32..100) {
            let inputs = Inputs {
                configured: PipelineParallelism::Manual(n),
                available_cores: cores,
                eligible_streams: eligible,
                transform_count: 3,
            };
            prop_assert_eq!(resolve(inputs).effective, n);
        }
    }
}
