//! Running a session: databases, targets, every iteration of the plan, and the artifact after each.
//!
//! Whatever happens, three things hold at the end: tables that were made on a user's database are
//! dropped or named, what was measured is saved, and a session with an iteration that did not deliver
//! its rows does not succeed.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::artifact::{
    Artifact, Invocation, Look, PostgresRecord, ProfileRecord, Protocol, SCHEMA, Status, Tool,
};
use super::control::Control;
use super::dataset::Dataset;
use super::guard::{Guard, Readings};
use super::host;
use super::iteration::{Done, invalid};
use super::metric::Metric;
use super::noise::Known;
use super::order::Arm;
use super::progress::{self, Progress, Upcoming};
use super::rig::Rig;
use super::rules::Rules;
use super::session::{self, Databases, Open, Plan, Planned};
use super::store::Output;
use super::summary;
use super::target::Leftovers;
use crate::cluster;
use crate::config::types::Pipeline;
use crate::error::{Error, Result};

/// How a session ended.
#[derive(Debug)]
pub struct Outcome {
    /// What was measured.
    pub artifact: Artifact,
    /// Where it is kept; none where no iteration was completed.
    pub path: Option<PathBuf>,
    /// Why it did not end as planned.
    pub error: Option<Error>,
}

/// Runs a plan.
///
/// # Errors
/// What kept the first iteration from starting. What happens later is in the outcome, beside what was
/// measured until then.
pub async fn run(
    plan: &Plan,
    output: &Output,
    progress: &Arc<dyn Progress>,
    control: &Control,
    leftovers: &Leftovers,
) -> Result<Outcome> {
    let cancel = control.cancel();
    let mut guard = guard(plan, progress, cancel)?;
    guard.machine().await?;
    let created_at = jiff::Timestamp::now();
    let open = session::open(plan, progress, cancel).await?;
    let mut bench = Bench::set_up(plan, open, created_at, progress, cancel, leftovers).await?;
    bench.artifact.invocation.ui = progress::mode(progress).into();
    guard
        .servers(async || Readings::of_servers(bench.rig.foreign_backends().await))
        .await?;
    bench.artifact.protocol.guard = Some(guard.record());
    // the copies must go whatever happens, a defect of ours included
    let outcome = AssertUnwindSafe(bench.measure(plan, output, progress, control))
        .catch_unwind()
        .await;
    let failures = bench.rig.clean_up().await;
    bench.artifact.warnings.extend(failures);
    let error = match outcome {
        Ok(outcome) => outcome.err(),
        Err(panic) => std::panic::resume_unwind(panic),
    };
    bench.artifact.ui = progress.screen();
    bench.finish(output, error)
}

/// The guard of a session; of the managed server it knows how much room it takes.
fn guard(plan: &Plan, progress: &Arc<dyn Progress>, cancel: &CancellationToken) -> Result<Guard> {
    let guard = Guard::new(plan.guard, progress, cancel);
    let dataset = plan.profile.dataset.as_ref();
    Ok(match (&plan.databases, dataset) {
        (Databases::Managed(options), Some(dataset)) => {
            let bytes = dataset.row_bytes().unwrap_or(0) * dataset.rows();
            guard.with_disk(&cluster::home(options)?, bytes)
        }
        _ => guard,
    })
}

/// A session under way.
struct Bench {
    rig: Rig,
    artifact: Artifact,
    rules: Rules,
}

impl Bench {
    async fn set_up(
        plan: &Plan,
        mut open: Open,
        created_at: jiff::Timestamp,
        progress: &Arc<dyn Progress>,
        cancel: &CancellationToken,
        leftovers: &Leftovers,
    ) -> Result<Self> {
        let warnings = std::mem::take(&mut open.warnings);
        let rig = Rig::set_up(open, plan.writes_to()?, progress, cancel, leftovers)
            .await?
            .with_binaries(&plan.binaries);
        let servers = rig.servers().await?;
        let mut bench = Self {
            artifact: blank(plan, &rig.open, servers, created_at, warnings)?,
            rig,
            rules: plan.rules.clone(),
        };
        if let Some(floors) = &plan.floors {
            bench.heed(floors.of(&bench.artifact));
        }
        Ok(bench)
    }

    /// Lets no change count that is smaller than the measured noise.
    fn heed(&mut self, noise: Known) {
        match noise {
            Known::Unmeasured => {}
            Known::Expired(why) => {
                let why: Vec<String> = why.iter().map(ToString::to_string).collect();
                self.artifact.warnings.push(format!(
                    "the noise that was measured here no longer counts ({}); `rb-bench calibrate` measures it again",
                    why.join("; ")
                ));
            }
            Known::Floor { floor, by_metric } => {
                let protocol = &mut self.artifact.protocol;
                protocol.noise_threshold_pct = protocol.noise_threshold_pct.max(floor.percent);
                protocol.noise_floor = Some(floor);
                self.rules = self.rules.clone().with_floors(by_metric);
            }
        }
    }

    /// Runs every planned iteration, saving after each.
    async fn measure(
        &mut self,
        plan: &Plan,
        output: &Output,
        progress: &Arc<dyn Progress>,
        control: &Control,
    ) -> Result<()> {
        let (dataset, state) = (plan.profile.dataset.as_ref(), plan.profile.target);
        self.rig.make_ready(&plan.id, dataset, state).await?;
        let mut pipelines: BTreeMap<Arm, Arc<Pipeline>> = BTreeMap::new();
        for arm in plan.arms() {
            pipelines.insert(*arm, Arc::new(self.rig.pipeline(*arm)?));
        }
        self.artifact.warnings.append(&mut self.rig.targets.notes);
        let planned = plan.iterations();
        let of = planned.len() as u32;
        let mut last: Option<Planned> = None;
        for (n, planned) in planned.into_iter().enumerate() {
            if last.is_some_and(|last| last.is_of_other_pair(planned)) {
                control.between_pairs(progress).await?;
            }
            last = Some(planned);
            let upcoming = Upcoming {
                arm: planned.arm,
                warmup: planned.warmup,
                number: n as u32 + 1,
                of,
                pair: (plan.both_arms && !planned.warmup).then_some(planned.pair + 1),
                setting: None,
            };
            let done = self
                .rig
                .run(planned, upcoming, &pipelines[&planned.arm])
                .await
                .map_err(|error| error.context(format!("iteration {}, {}", n + 1, planned.arm)))?;
            self.artifact.ui = progress.screen();
            self.record(done, output)?;
            if self.may_end(progress) {
                break;
            }
        }
        Ok(())
    }

    /// Looks at the session where that is due; whether it may end.
    fn may_end(&mut self, progress: &Arc<dyn Progress>) -> bool {
        let iterations = &self.artifact.iterations;
        let pairs = summary::pairs(iterations).len();
        let mut looks = self.artifact.protocol.looks.iter_mut();
        let due = looks.find(|look| look.pairs as usize == pairs && look.verdicts.is_empty());
        let Some(look) = due else {
            return false;
        };
        let compared = summary::comparisons(iterations, &self.rules);
        look.verdicts = compared.iter().map(ToString::to_string).collect();
        for verdict in &look.verdicts {
            let told = format!("looked at {pairs} pairs: {verdict}");
            progress.step(&told);
        }
        compared.iter().all(|c| c.verdict.is_resolved())
    }

    /// Keeps an iteration; one whose rows differ ends the session.
    fn record(&mut self, done: Done, output: &Output) -> Result<()> {
        let Done {
            mut iteration,
            notes,
            ..
        } = done;
        iteration.compact(self.artifact.iterations.last());
        for note in notes {
            if !self.artifact.warnings.contains(&note) {
                self.artifact.warnings.push(note);
            }
        }
        let arm = iteration.arm;
        let verify = iteration.verify.clone();
        self.artifact.protocol.resets = self.rig.resets();
        self.artifact.iterations.push(iteration);
        if verify.is_ok() {
            self.artifact.summary = summary::of(
                &self.artifact.iterations,
                &self.rules,
                Status::Partial,
                None,
            );
            output.save(&self.artifact)?;
            return Ok(());
        }
        let number = self.artifact.iterations.len();
        Err(invalid(&format!("iteration {number}, {arm}"), &verify))
    }

    fn finish(mut self, output: &Output, error: Option<Error>) -> Result<Outcome> {
        let status = Status::of(error.as_ref());
        self.artifact.partial = status != Status::Complete;
        let text = error.as_ref().map(ToString::to_string);
        self.artifact.summary = summary::of(&self.artifact.iterations, &self.rules, status, text);
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

/// The artifact before anything was measured.
fn blank(
    plan: &Plan,
    open: &Open,
    postgres: PostgresRecord,
    created_at: jiff::Timestamp,
    warnings: Vec<String>,
) -> Result<Artifact> {
    let profile = &plan.profile;
    let settings = |arm| {
        let measured = plan.arms().contains(&arm);
        if measured {
            profile.settings(arm)
        } else {
            BTreeMap::new()
        }
    };
    Ok(Artifact {
        schema: SCHEMA.into(),
        id: plan.id.clone(),
        created_at: stamp(created_at),
        label: plan.label.clone(),
        partial: true,
        tool: tool(),
        invocation: Invocation::headless(plan.arguments.clone(), plan.seed),
        profile: profile_record(plan, open)?,
        host: host::describe(),
        postgres,
        protocol: Protocol {
            arms: if plan.both_arms { "both" } else { "one" }.into(),
            before: settings(Arm::Before),
            after: settings(Arm::After),
            binaries: plan
                .binaries
                .iter()
                .map(|(arm, binary)| (*arm, binary.record()))
                .collect(),
            warmup: plan.warmup,
            pairs: plan.pairs,
            order: plan.order(),
            seed: plan.seed,
            target: profile.target.name().into(),
            writes_to: plan.writes_to()?.name().into(),
            resets: Vec::new(),
            cache_state: cache_state(plan, open).into(),
            gate_metric: Metric::DurationS.name().into(),
            gates: plan.rules.metrics()[1..]
                .iter()
                .map(|metric| metric.name().to_owned())
                .collect(),
            looks: plan
                .rules
                .looks()
                .iter()
                .map(|pairs| Look {
                    pairs: *pairs,
                    verdicts: Vec::new(),
                })
                .collect(),
            noise_threshold_pct: plan.rules.threshold() * 100.0,
            noise_floor: None,
            guard: None,
        },
        ui: None,
        iterations: Vec::new(),
        summary: summary::of(&[], &plan.rules, Status::Partial, None),
        warnings,
    })
}

/// This program, as artifacts describe it.
pub(super) fn tool() -> Tool {
    Tool {
        name: env!("CARGO_PKG_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        build: if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        }
        .into(),
    }
}

/// A moment, as artifacts write it: to the microsecond, for sessions of one second have an order too.
pub(super) fn stamp(moment: jiff::Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// What is measured, as artifacts describe it.
pub(super) fn profile_record(plan: &Plan, open: &Open) -> Result<ProfileRecord> {
    let profile = &plan.profile;
    let dataset = profile.dataset.as_ref().filter(|_| open.seeded.is_some());
    let streams = open
        .pipelines
        .get(&Arm::After)
        .map_or_else(Vec::new, |pipeline| {
            let streams = pipeline.source.streams.iter();
            streams.map(|s| s.name.clone()).collect()
        });
    Ok(ProfileRecord {
        name: profile.name.clone(),
        origin: profile.origin.name().to_owned(),
        description: profile.description.clone(),
        data_digest: open.seeded.as_ref().map(|s| s.digest.to_string()),
        pipeline_digest: profile.pipeline_digest()?,
        streams,
        rows: dataset.map(Dataset::rows),
    })
}

/// What is declared, not enforced: nothing is ever evicted.
fn cache_state(plan: &Plan, open: &Open) -> &'static str {
    if plan.warmup > 0 {
        "warm: every iteration reads the source, warm-ups first; nothing is evicted"
    } else if open.seeded.as_ref().is_some_and(|seeded| seeded.fresh) {
        "warm: the source was seeded just before; nothing is evicted"
    } else {
        "as found for the first iteration, warm afterwards; nothing is evicted"
    }
}
