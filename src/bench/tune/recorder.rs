//! A tuning's artifact while it grows: what ran is kept at once, and summed up.

use std::path::PathBuf;
use std::sync::Arc;

use super::artifact::{SCHEMA, Stage, TuneArtifact, TuneIteration, TuneProtocol, TuneSummary};
use super::summary;
use crate::bench::artifact::{Invocation, Iteration, ProfileRecord, Status};
use crate::bench::control::Control;
use crate::bench::host;
use crate::bench::iteration::invalid;
use crate::bench::order::Arm;
use crate::bench::progress::{self, Progress, Upcoming};
use crate::bench::rig::Rig;
use crate::bench::runner::tool;
use crate::bench::session::{Databases, Plan, Planned};
use crate::bench::store::Output;
use crate::config::types::Pipeline;
use crate::error::{Error, Result};

/// How a tuning ended.
#[derive(Debug)]
pub struct Outcome {
    /// What was measured.
    pub artifact: TuneArtifact,
    /// Where it is kept; none where no iteration was completed.
    pub path: Option<PathBuf>,
    /// Why it did not end as planned.
    pub error: Option<Error>,
}

/// What can run in an iteration.
pub(super) struct Work {
    /// The value, or the side.
    pub(super) name: String,
    pub(super) pipeline: Arc<Pipeline>,
}

/// An iteration that is to run.
pub(super) struct Job {
    pub(super) stage: Stage,
    pub(super) arm: Arm,
    /// The round, or the pair of the confirmation, from 0.
    pub(super) pair: u32,
    /// The same in words.
    pub(super) what: String,
}

/// What is asked of a tuning, beside its session.
pub(super) struct Asked {
    pub(super) knob: Option<&'static str>,
    pub(super) values: Vec<String>,
    pub(super) reference: Option<&'static str>,
    pub(super) rounds: u32,
}

/// The artifact before anything was measured.
pub(super) async fn blank(
    session: &Plan,
    asked: Asked,
    rig: &Rig,
    profile: ProfileRecord,
    created_at: String,
) -> Result<TuneArtifact> {
    Ok(TuneArtifact {
        schema: SCHEMA.into(),
        id: session.id.clone(),
        created_at,
        resumed_at: Vec::new(),
        label: session.label.clone(),
        partial: true,
        tool: tool(),
        invocation: Invocation::headless(session.arguments.clone(), session.seed),
        profile,
        host: host::describe(),
        postgres: rig.servers().await?,
        protocol: TuneProtocol {
            knob: asked.knob.map(str::to_owned),
            values: asked.values,
            same: std::collections::BTreeMap::new(),
            reference: asked.reference.map(str::to_owned),
            reference_workers: None,
            reference_same_as: None,
            rounds: asked.rounds,
            warmup: session.warmup,
            pairs: session.pairs,
            seed: session.seed,
            target: session.profile.target.name().into(),
            writes_to: session.writes_to()?.name().into(),
            databases: match session.databases {
                Databases::Managed(_) => "managed",
                Databases::Given { .. } => "given",
                Databases::OfDocument => "of_document",
            }
            .into(),
            resets: Vec::new(),
            noise_threshold_pct: session.rules.threshold() * 100.0,
        },
        ui: None,
        iterations: Vec::new(),
        summary: TuneSummary::blank(),
        warnings: Vec::new(),
    })
}

/// An artifact under way.
pub(super) struct Recorder<'a> {
    pub(super) artifact: TuneArtifact,
    /// Iterations that are still to run, about.
    pub(super) left: usize,
    output: &'a Output,
    progress: Arc<dyn Progress>,
    control: Control,
    /// The stage and pair that ran last.
    last: Option<(Stage, u32)>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        mut artifact: TuneArtifact,
        output: &'a Output,
        progress: &Arc<dyn Progress>,
        control: &Control,
    ) -> Self {
        artifact.invocation.ui = progress::mode(progress).into();
        Self {
            artifact,
            left: 0,
            output,
            progress: Arc::clone(progress),
            control: control.clone(),
            last: None,
        }
    }

    /// Runs one iteration and keeps it; one whose rows differ is an error.
    pub(super) async fn run(&mut self, rig: &mut Rig, job: Job, work: &Work) -> Result<()> {
        let number = self.artifact.iterations.len() as u32 + 1;
        let Job {
            stage,
            arm,
            pair,
            what,
        } = job;
        let halves = stage == Stage::Confirm && self.last == Some((stage, pair));
        if self.last.is_some() && !halves {
            self.control.between_pairs(&self.progress).await?;
        }
        self.last = Some((stage, pair));
        let upcoming = Upcoming {
            arm,
            warmup: false,
            number,
            of: number - 1 + self.left as u32,
            pair: None,
            setting: Some(what.as_str().into()),
        };
        let planned = Planned {
            arm,
            warmup: stage == Stage::Warmup,
            pair,
        };
        let done = rig
            .run(planned, upcoming, &work.pipeline)
            .await
            .map_err(|error| error.context(format!("iteration {number}, {what}")))?;
        self.left = self.left.saturating_sub(1);
        self.note(done.notes);
        self.artifact.protocol.resets = rig.resets();
        self.keep(stage, &work.name, done.iteration)
    }

    /// Adds what a reader should know, each once.
    pub(super) fn note(&mut self, notes: Vec<String>) {
        for note in notes {
            if !self.artifact.warnings.contains(&note) {
                self.artifact.warnings.push(note);
            }
        }
    }

    fn keep(&mut self, stage: Stage, setting: &str, mut iteration: Iteration) -> Result<()> {
        let last = self.artifact.iterations.last();
        iteration.compact(last.map(|last| &last.iteration));
        let verify = iteration.verify.clone();
        self.artifact.iterations.push(TuneIteration {
            stage,
            setting: setting.to_owned(),
            iteration,
        });
        if !verify.is_ok() {
            let number = self.artifact.iterations.len();
            return Err(invalid(&format!("iteration {number}, {setting}"), &verify));
        }
        self.artifact.ui = self.progress.screen();
        self.artifact.summary = summary::of(&self.artifact, Status::Partial, None);
        self.output.save(&self.artifact)?;
        self.progress.tuned(&self.artifact);
        Ok(())
    }

    /// Sums up for the last time.
    pub(super) fn finish(mut self, error: Option<Error>) -> Result<Outcome> {
        let status = Status::of(error.as_ref());
        self.artifact.ui = self.progress.screen();
        self.artifact.partial = status != Status::Complete;
        let text = error.as_ref().map(ToString::to_string);
        self.artifact.summary = summary::of(&self.artifact, status, text);
        let path = if self.artifact.iterations.is_empty() {
            None
        } else {
            Some(self.output.save(&self.artifact)?)
        };
        Ok(Outcome {
            artifact: self.artifact,
            path,
            error,
        })
    }
}
