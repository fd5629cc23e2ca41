//! Running a tuning: every value in randomized blocks, the choice, and fresh pairs against it.
//!
//! What was measured is saved after every iteration; a tuning that is resumed measures what is missing
//! and nothing else, under the conditions that the file names.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom as _;
use tokio_util::sync::CancellationToken;

use super::artifact::{Stage, TuneArtifact, TuneIteration};
use super::knob::Knob;
use super::recorder::{Asked, Job, Outcome, Recorder, Work, blank};
use super::summary;
use crate::bench::control::Control;
use crate::bench::order::{Arm, balanced};
use crate::bench::progress::Progress;
use crate::bench::rig::Rig;
use crate::bench::runner::{profile_record, stamp};
use crate::bench::session::{self, Plan};
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
    control: &Control,
    leftovers: &Leftovers,
) -> Result<Outcome> {
    let cancel = control.cancel();
    let now = stamp(jiff::Timestamp::now());
    let mut open = session::open(&plan.session, progress, cancel).await?;
    let warnings = std::mem::take(&mut open.warnings);
    let profile = profile_record(&plan.session, &open)?;
    let writes_to = plan.session.writes_to()?;
    let rig = Rig::set_up(open, writes_to, progress, cancel, leftovers).await?;
    let asked = Asked {
        knob: Some(plan.knob.key()),
        values: plan.values.clone(),
        reference: Some(plan.reference()),
        rounds: plan.rounds,
    };
    let mut fresh = blank(&plan.session, asked, &rig, profile, now).await?;
    fresh.warnings = warnings;
    let artifact = match resumed {
        None => fresh,
        Some(resumed) => continued(resumed, &fresh)?,
    };
    let mut tuning = Tuning {
        rig,
        recorder: Recorder::new(artifact, output, progress, control),
        progress: Arc::clone(progress),
        cancel: cancel.clone(),
    };
    // the copies must go whatever happens, a defect of ours included
    let outcome = AssertUnwindSafe(tuning.measure(plan)).catch_unwind().await;
    let failures = tuning.rig.clean_up().await;
    tuning.recorder.artifact.warnings.extend(failures);
    match outcome {
        Ok(outcome) => tuning.recorder.finish(outcome.err()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
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

/// A value, and what it resolves to on these databases.
struct Setting {
    work: Work,
    plan: PlanSummary,
}

/// A tuning under way.
struct Tuning<'a> {
    rig: Rig,
    recorder: Recorder<'a>,
    progress: Arc<dyn Progress>,
    cancel: CancellationToken,
}

impl Tuning<'_> {
    async fn measure(&mut self, plan: &TunePlan) -> Result<()> {
        let session = &plan.session;
        let (dataset, state) = (session.profile.dataset.as_ref(), session.profile.target);
        self.rig.make_ready(&session.id, dataset, state).await?;
        self.recorder
            .note(std::mem::take(&mut self.rig.targets.notes));
        let (settings, reference) = self.settle(plan).await?;
        let done: BTreeSet<(Stage, String, u32)> = self
            .recorder
            .artifact
            .iterations
            .iter()
            .map(|i| (i.stage, i.setting.clone(), i.iteration.pair))
            .collect();
        let there = |stage, name: &str, pair| done.contains(&(stage, name.to_owned(), pair));
        let mut sweep: Vec<(usize, u32)> = blocks(settings.len(), plan.rounds, session.seed);
        sweep.retain(|(n, round)| !there(Stage::Sweep, &settings[*n].work.name, *round));
        let pairs: Vec<(u32, [Arm; 2])> = (0..)
            .zip(balanced(&[session.pairs], session.seed))
            .filter(|(pair, _)| !there(Stage::Confirm, &reference.work.name, *pair))
            .collect();
        self.recorder.left = session.warmup as usize + sweep.len() + 2 * pairs.len();
        // the widest reads and writes as much as any
        if let Some(widest) = settings.iter().max_by_key(|setting| setting.plan.workers) {
            for n in 0..session.warmup {
                self.run(Stage::Warmup, Arm::After, n, widest, "warm-up".to_owned())
                    .await?;
            }
        }
        for (n, round) in sweep {
            let setting = &settings[n];
            let what = format!("round {}, {} {}", round + 1, plan.knob, setting.work.name);
            self.run(Stage::Sweep, Arm::After, round, setting, what)
                .await?;
        }
        let measured = summary::settings(&self.recorder.artifact);
        let choice = summary::choice(&self.recorder.artifact, &measured, plan.knob)
            .ok_or_else(|| Error::internal("a sweep that ended has no choice"))?;
        let chosen = settings
            .iter()
            .find(|setting| setting.work.name == choice.setting)
            .ok_or_else(|| Error::internal("a value was chosen that was not measured"))?;
        self.progress.step(&format!(
            "the choice is {} {}; the best was {}",
            plan.knob, choice.setting, choice.best
        ));
        let protocol = &self.recorder.artifact.protocol;
        if protocol.reference_same_as.as_ref() == Some(&choice.setting) {
            return Ok(());
        }
        for (pair, order) in pairs {
            for arm in order {
                let setting = match arm {
                    Arm::Before => chosen,
                    Arm::After => &reference,
                };
                let what = format!("pair {}, {} {}", pair + 1, plan.knob, setting.work.name);
                self.run(Stage::Confirm, arm, pair, setting, what).await?;
            }
        }
        Ok(())
    }

    async fn run(
        &mut self,
        stage: Stage,
        arm: Arm,
        pair: u32,
        setting: &Setting,
        what: String,
    ) -> Result<()> {
        let job = Job {
            stage,
            arm,
            pair,
            what,
        };
        self.recorder.run(&mut self.rig, job, &setting.work).await
    }

    /// What each value resolves to on these databases: those that resolve to the same are measured once.
    async fn settle(&mut self, plan: &TunePlan) -> Result<(Vec<Setting>, Setting)> {
        let base = self.rig.pipeline(Arm::After)?;
        let mut settings: Vec<Setting> = Vec::new();
        let protocol = &mut self.recorder.artifact.protocol;
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
                    let others = protocol.same.entry(other.work.name.clone()).or_default();
                    others.push(setting.work.name);
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
        let reference = resolved(plan.reference(), pipeline, &self.cancel).await?;
        protocol.reference_workers = Some(reference.plan.workers);
        protocol.reference_same_as = settings
            .iter()
            .find(|setting| same(plan.knob, setting, &reference))
            .map(|setting| setting.work.name.clone());
        Ok((settings, reference))
    }
}

/// Rounds in which every value runs once, each in an order of its own.
pub(super) fn blocks(values: usize, rounds: u32, seed: u64) -> Vec<(usize, u32)> {
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
        work: Work {
            name: name.to_owned(),
            pipeline,
        },
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
        Knob::BufferBytes | Knob::LoadMethod | Knob::ToastCompression | Knob::SynchronousCommit => {
            one.work.pipeline == other.work.pipeline
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;

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

    #[test]
    fn a_pair_that_lost_a_half_is_abandoned_and_nothing_is_lost() {
        let measured = examples::session().iterations.split_off(2);
        let mut iterations: Vec<TuneIteration> = measured
            .into_iter()
            .map(|iteration| TuneIteration {
                stage: Stage::Confirm,
                setting: "2".into(),
                iteration,
            })
            .collect();
        iterations.pop();
        abandon_half_pairs(&mut iterations);
        let stages: Vec<Stage> = iterations.iter().map(|i| i.stage).collect();
        assert_eq!(stages, [Stage::Confirm, Stage::Confirm, Stage::Abandoned]);
    }
}
