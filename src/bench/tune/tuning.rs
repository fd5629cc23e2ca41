//! Running a tuning: every value in randomized blocks, the choice, and fresh pairs against it.
//!
//! What was measured is saved after every iteration; a tuning that is resumed measures what is missing
//! and nothing else, under the conditions that the file names.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom as _;
use tokio_util::sync::CancellationToken;

use super::artifact::{SCHEMA, Stage, TuneArtifact, TuneIteration, TuneProtocol, TuneSummary};
use super::knob::Knob;
use super::summary;
use crate::bench::artifact::{Invocation, ProfileRecord, Status};
use crate::bench::host;
use crate::bench::iteration::{Done, invalid};
use crate::bench::order::{Arm, balanced};
use crate::bench::progress::{Progress, Upcoming};
use crate::bench::rig::Rig;
use crate::bench::runner::{profile_record, stamp, tool};
use crate::bench::session::{self, Databases, Plan, Planned};
use crate::bench::store::Output;
use crate::bench::target::Leftovers;
use crate::config::types::Pipeline;
use crate::engine::{self, PlanSummary, RunOptions, RunRequest};
use crate::error::{Error, Kind, Result};
use crate::parallelism::available_cores;
use crate::telemetry::counters::Telemetry;

/// What a tuning is going to do.
#[derive(Debug, Clone)]
pub struct TunePlan {
    /// What is measured and where: its profile without arms, warm-ups before the first round, pairs of
    /// the confirmation, the seed, the threshold.
    pub session: Plan,
    /// What is tuned.
    pub knob: Knob,
    /// Its values, in the order of preference.
    pub values: Vec<String>,
    /// Iterations of each value.
    pub rounds: u32,
}

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

impl TunePlan {
    /// The pipeline of a value, without connections unless it is the user's own.
    pub fn pipeline(&self, value: &str) -> Result<Pipeline> {
        let change = self.knob.set(value)?;
        self.session.profile.pipeline_with(&[change])
    }

    /// What the choice is confirmed against.
    fn reference(&self) -> &'static str {
        match self.knob {
            Knob::Parallelism => "auto",
            _ => "as written",
        }
    }
}

/// Runs a plan, or what is missing of one that was interrupted.
///
/// # Errors
/// What kept the first iteration from starting, other conditions than the resumed file's among it. What
/// happens later is in the outcome, beside what was measured until then.
pub async fn run(
    plan: &TunePlan,
    resumed: Option<TuneArtifact>,
    output: &Output,
    progress: &Arc<dyn Progress>,
    cancel: &CancellationToken,
    leftovers: &Leftovers,
) -> Result<Outcome> {
    let now = stamp(jiff::Timestamp::now());
    let mut open = session::open(&plan.session, progress, cancel).await?;
    let warnings = std::mem::take(&mut open.warnings);
    let profile = profile_record(&plan.session, &open)?;
    let rig = Rig::set_up(&plan.session, open, progress, cancel, leftovers).await?;
    let mut fresh = blank(plan, &rig, profile, now).await?;
    fresh.warnings = warnings;
    let artifact = match resumed {
        None => fresh,
        Some(resumed) => continued(resumed, &fresh)?,
    };
    let mut tuning = Tuning {
        rig,
        artifact,
        progress: Arc::clone(progress),
        cancel: cancel.clone(),
    };
    // the copies must go whatever happens, a defect of ours included
    let outcome = AssertUnwindSafe(tuning.measure(plan, output))
        .catch_unwind()
        .await;
    let failures = tuning.rig.clean_up().await;
    tuning.artifact.warnings.extend(failures);
    match outcome {
        Ok(outcome) => tuning.finish(output, outcome.err()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The artifact before anything was measured.
async fn blank(
    plan: &TunePlan,
    rig: &Rig,
    profile: ProfileRecord,
    created_at: String,
) -> Result<TuneArtifact> {
    let session = &plan.session;
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
            knob: Some(plan.knob.key().into()),
            values: plan.values.clone(),
            same: BTreeMap::new(),
            reference: plan.reference().into(),
            reference_workers: None,
            reference_same_as: None,
            rounds: plan.rounds,
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
            noise_threshold_pct: session.threshold * 100.0,
        },
        iterations: Vec::new(),
        summary: TuneSummary::blank(),
        warnings: Vec::new(),
    })
}

/// The resumed artifact, ready to go on.
///
/// # Errors
/// `Kind::Incompatible` where it was measured under other conditions, each named.
fn continued(mut resumed: TuneArtifact, now: &TuneArtifact) -> Result<TuneArtifact> {
    let differ = [
        ("the profile or its data", resumed.profile != now.profile),
        ("the host", resumed.host != now.host),
        ("a server or its settings", resumed.postgres != now.postgres),
        ("the build of rb-bench", resumed.tool != now.tool),
        (
            "where rows are written",
            resumed.protocol.writes_to != now.protocol.writes_to,
        ),
    ];
    let differ: Vec<&str> = differ
        .into_iter()
        .filter_map(|(what, differs)| differs.then_some(what))
        .collect();
    if !differ.is_empty() {
        return Err(Error::new(
            Kind::Incompatible,
            format!(
                "the tuning {} was begun under other conditions: {} changed since",
                resumed.id,
                differ.join(", ")
            ),
        )
        .remedy("begin a new one: leave --resume out"));
    }
    resumed.resumed_at.push(now.created_at.clone());
    resumed.partial = true;
    for warning in now.warnings.iter().cloned().chain([
        "measured in more than one sitting: drift between them is not controlled".to_owned(),
    ]) {
        if !resumed.warnings.contains(&warning) {
            resumed.warnings.push(warning);
        }
    }
    abandon_half_pairs(&mut resumed.iterations);
    Ok(resumed)
}

/// A pair whose halves lie on both sides of an interruption would not be a pair.
fn abandon_half_pairs(iterations: &mut [TuneIteration]) {
    let halves: Vec<u32> = iterations
        .iter()
        .filter(|i| i.stage == Stage::Confirm)
        .map(|i| i.iteration.pair)
        .collect();
    for iteration in iterations.iter_mut().filter(|i| i.stage == Stage::Confirm) {
        let pair = iteration.iteration.pair;
        if halves.iter().filter(|half| **half == pair).count() == 1 {
            iteration.stage = Stage::Abandoned;
        }
    }
}

/// A value as it runs here.
struct Setting {
    name: String,
    pipeline: Arc<Pipeline>,
    plan: PlanSummary,
}

/// A tuning under way.
struct Tuning {
    rig: Rig,
    artifact: TuneArtifact,
    progress: Arc<dyn Progress>,
    cancel: CancellationToken,
}

impl Tuning {
    async fn measure(&mut self, plan: &TunePlan, output: &Output) -> Result<()> {
        self.rig.make_ready(&plan.session).await?;
        self.artifact.warnings.append(&mut self.rig.targets.notes);
        let (settings, reference) = self.settle(plan).await?;
        let done: BTreeSet<(Stage, String, u32)> = self
            .artifact
            .iterations
            .iter()
            .map(|i| (i.stage, i.setting.clone(), i.iteration.pair))
            .collect();
        let there = |stage, name: &str, pair| done.contains(&(stage, name.to_owned(), pair));
        let mut sweep: Vec<(usize, u32)> = blocks(settings.len(), plan.rounds, plan.session.seed);
        sweep.retain(|(n, round)| !there(Stage::Sweep, &settings[*n].name, *round));
        let pairs: Vec<(u32, [Arm; 2])> = (0..)
            .zip(balanced(plan.session.pairs, plan.session.seed))
            .filter(|(pair, _)| !there(Stage::Confirm, &reference.name, *pair))
            .collect();
        let mut left = plan.session.warmup as usize + sweep.len() + 2 * pairs.len();
        // the widest reads and writes as much as any
        if let Some(widest) = settings.iter().max_by_key(|setting| setting.plan.workers) {
            for n in 0..plan.session.warmup {
                let job = (Stage::Warmup, Arm::After, n);
                self.run(job, widest, "warm-up".to_owned(), &mut left, output)
                    .await?;
            }
        }
        for (n, round) in sweep {
            let what = format!("round {}, {} {}", round + 1, plan.knob, settings[n].name);
            let job = (Stage::Sweep, Arm::After, round);
            self.run(job, &settings[n], what, &mut left, output).await?;
        }
        let measured = summary::settings(&self.artifact);
        let choice = summary::choice(&self.artifact, &measured, plan.knob)
            .ok_or_else(|| Error::internal("a sweep that ended has no choice"))?;
        let chosen = settings
            .iter()
            .find(|setting| setting.name == choice.setting)
            .ok_or_else(|| Error::internal("a value was chosen that was not measured"))?;
        self.progress.step(&format!(
            "the choice is {} {}; the best was {}",
            plan.knob, choice.setting, choice.best
        ));
        if self.artifact.protocol.reference_same_as.as_ref() == Some(&choice.setting) {
            return Ok(());
        }
        for (pair, order) in pairs {
            for arm in order {
                let setting = match arm {
                    Arm::Before => chosen,
                    Arm::After => &reference,
                };
                let what = format!("pair {}, {} {}", pair + 1, plan.knob, setting.name);
                let job = (Stage::Confirm, arm, pair);
                self.run(job, setting, what, &mut left, output).await?;
            }
        }
        Ok(())
    }

    /// What each value resolves to on these databases: those that resolve to the same are measured once.
    async fn settle(&mut self, plan: &TunePlan) -> Result<(Vec<Setting>, Setting)> {
        let base = self.rig.pipeline(Arm::After)?;
        let mut settings: Vec<Setting> = Vec::new();
        let protocol = &mut self.artifact.protocol;
        protocol.same.clear();
        for value in &plan.values {
            let mut pipeline = base.clone();
            plan.knob.copy(&plan.pipeline(value)?, &mut pipeline);
            let setting = resolved(value, pipeline, &self.cancel).await?;
            match settings
                .iter()
                .find(|other| same(plan.knob, other, &setting))
            {
                None => settings.push(setting),
                Some(other) => {
                    let others = protocol.same.entry(other.name.clone()).or_default();
                    others.push(setting.name);
                }
            }
        }
        for (value, others) in &protocol.same {
            self.progress.step(&format!(
                "{} {} resolves to what {value} does: measured once",
                plan.knob,
                others.join(", ")
            ));
        }
        let mut pipeline = base;
        if plan.knob == Knob::Parallelism {
            let auto = plan.pipeline("auto")?;
            plan.knob.copy(&auto, &mut pipeline);
        }
        let reference = resolved(protocol.reference.as_str(), pipeline, &self.cancel).await?;
        protocol.reference_workers = Some(reference.plan.workers);
        protocol.reference_same_as = settings
            .iter()
            .find(|setting| same(plan.knob, setting, &reference))
            .map(|setting| setting.name.clone());
        Ok((settings, reference))
    }

    async fn run(
        &mut self,
        (stage, arm, pair): (Stage, Arm, u32),
        setting: &Setting,
        what: String,
        left: &mut usize,
        output: &Output,
    ) -> Result<()> {
        let number = self.artifact.iterations.len() as u32 + 1;
        let upcoming = Upcoming {
            arm,
            warmup: false,
            number,
            of: number - 1 + *left as u32,
            pair: None,
            setting: Some(what.as_str().into()),
        };
        let planned = Planned {
            arm,
            warmup: stage == Stage::Warmup,
            pair,
        };
        let done = self
            .rig
            .run(planned, upcoming, &setting.pipeline)
            .await
            .map_err(|error| error.context(format!("iteration {number}, {what}")))?;
        *left -= 1;
        self.record(stage, &setting.name, done, output)
    }

    /// Keeps an iteration; one whose rows differ ends the tuning.
    fn record(&mut self, stage: Stage, setting: &str, done: Done, output: &Output) -> Result<()> {
        for note in done.notes {
            if !self.artifact.warnings.contains(&note) {
                self.artifact.warnings.push(note);
            }
        }
        let iteration = done.iteration;
        let verify = iteration.verify.clone();
        self.artifact.protocol.resets = self.rig.resets();
        self.artifact.iterations.push(TuneIteration {
            stage,
            setting: setting.to_owned(),
            iteration,
        });
        if !verify.is_ok() {
            let number = self.artifact.iterations.len();
            return Err(invalid(&format!("iteration {number}, {setting}"), &verify));
        }
        self.artifact.summary = summary::of(&self.artifact, Status::Partial, None);
        output.save(&self.artifact)?;
        Ok(())
    }

    fn finish(mut self, output: &Output, error: Option<Error>) -> Result<Outcome> {
        let status = Status::of(error.as_ref());
        self.artifact.partial = status != Status::Complete;
        let text = error.as_ref().map(ToString::to_string);
        self.artifact.summary = summary::of(&self.artifact, status, text);
        let path = if self.artifact.iterations.is_empty() {
            None
        } else {
            Some(output.save(&self.artifact)?)
        };
        Ok(Outcome {
            artifact: self.artifact,
            path,
            error,
        })
    }
}

/// Rounds in which every value runs once, each in an order of its own.
fn blocks(values: usize, rounds: u32, seed: u64) -> Vec<(usize, u32)> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..values).collect();
    let mut planned = Vec::with_capacity(values * rounds as usize);
    for round in 0..rounds {
        order.sort_unstable();
        order.shuffle(&mut random);
        planned.extend(order.iter().map(|n| (*n, round)));
    }
    planned
}

async fn resolved(name: &str, pipeline: Pipeline, cancel: &CancellationToken) -> Result<Setting> {
    let pipeline = Arc::new(pipeline);
    let request = RunRequest {
        pipeline: Arc::clone(&pipeline),
        available_cores: available_cores(),
        options: RunOptions::default(),
        telemetry: Telemetry::new(),
        cancel: cancel.clone(),
    };
    let plan = cancel
        .run_until_cancelled(engine::explain(&request))
        .await
        .ok_or_else(|| Error::new(Kind::Interrupted, "interrupted"))?
        .map_err(|error| error.context(format!("planning with {name}")))?;
    Ok(Setting {
        name: name.to_owned(),
        pipeline,
        plan,
    })
}

/// Whether two values come to the same run: the same workers, in the same streams, with the same chunks.
fn same(knob: Knob, one: &Setting, other: &Setting) -> bool {
    let workers = |setting: &Setting| {
        let most = setting.plan.workers;
        let of = |stream: &engine::StreamPlan| stream.workers.min(most);
        let streams: Vec<u32> = setting.plan.streams.iter().map(of).collect();
        (most, streams)
    };
    let chunks =
        |setting: &Setting| -> Vec<u64> { setting.plan.streams.iter().map(|s| s.chunks).collect() };
    match knob {
        Knob::Parallelism => workers(one) == workers(other),
        Knob::ChunkBytes => chunks(one) == chunks(other),
        Knob::BufferBytes | Knob::LoadMethod => one.pipeline == other.pipeline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_value_once_in_an_order_of_its_own() {
        let planned = blocks(6, 4, 7);
        assert_eq!(planned, blocks(6, 4, 7));
        let rounds: Vec<Vec<usize>> = planned
            .chunks(6)
            .map(|round| round.iter().map(|(n, _)| *n).collect())
            .collect();
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        }
        assert!(rounds.windows(2).any(|two| two[0] != two[1]), "{rounds:?}");
    }
}
