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
    Artifact, Invocation, PostgresRecord, ProfileRecord, Protocol, SCHEMA, ServerRecord, Status,
    Tool,
};
use super::host;
use super::iteration::{Apparatus, Done};
use super::order::Arm;
use super::progress::{Progress, Upcoming};
use super::seed;
use super::server::{self, APPLICATION};
use super::session::{self, Open, Plan};
use super::store::Output;
use super::summary;
use super::target::{Leftovers, Targets, Wanted, WritesTo};
use super::traces::Traces;
use crate::config::types::Pipeline;
use crate::engine::KnownSums;
use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session};

/// How long leaving the databases as they were found may take.
const CLEANING: std::time::Duration = std::time::Duration::from_secs(15);

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
    cancel: &CancellationToken,
    leftovers: &Leftovers,
) -> Result<Outcome> {
    let created_at = jiff::Timestamp::now();
    let open = session::open(plan, progress, cancel).await?;
    let mut bench = Bench::set_up(plan, open, created_at, progress, cancel, leftovers).await?;
    // the copies must go whatever happens, a defect of ours included
    let outcome = AssertUnwindSafe(bench.measure(plan, output))
        .catch_unwind()
        .await;
    bench.clean_up().await;
    let error = match outcome {
        Ok(outcome) => outcome.err(),
        Err(panic) => std::panic::resume_unwind(panic),
    };
    bench.finish(output, error)
}

/// A session under way.
struct Bench {
    open: Open,
    apparatus: Apparatus,
    targets: Targets,
    /// The engine's traces on a user's destination; none elsewhere.
    traces: Option<Traces>,
    known: BTreeMap<Arm, KnownSums>,
    artifact: Artifact,
    threshold: f64,
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
        let source = connect(open.source.as_ref()).await?;
        let destination = connect(open.destination.as_ref()).await?;
        let managed = open.cluster.is_some();
        let describe = async |session: &Option<Arc<Session>>| -> Result<Option<ServerRecord>> {
            match session {
                Some(session) => server::describe(session, managed).await.map(Some),
                None => Ok(None),
            }
        };
        let postgres = PostgresRecord {
            source: describe(&source).await?,
            destination: describe(&destination).await?,
        };
        let mut known = BTreeMap::new();
        if let (Some(seeded), Some(source)) = (&open.seeded, &source) {
            for arm in plan.arms() {
                let sums =
                    seed::known_sums(source, &seeded.digest, &open.query_digest(*arm)?).await?;
                known.insert(*arm, sums);
            }
        }
        let watches = if managed {
            destination.iter().cloned().collect()
        } else {
            source.iter().chain(&destination).cloned().collect()
        };
        let writes_to = plan.writes_to()?;
        let warnings = std::mem::take(&mut open.warnings);
        Ok(Self {
            artifact: blank(plan, &open, postgres, created_at, warnings)?,
            apparatus: Apparatus {
                source,
                destination,
                watches,
                writes_to,
                progress: Arc::clone(progress),
                cancel: cancel.clone(),
                may_checkpoint: true,
            },
            targets: Targets::new(writes_to, leftovers),
            traces: None,
            known,
            open,
            threshold: plan.threshold,
        })
    }

    /// Runs every planned iteration, saving after each.
    async fn measure(&mut self, plan: &Plan, output: &Output) -> Result<()> {
        self.traces = self.look_for_traces(plan).await?;
        self.prepare_targets(plan).await?;
        let mut pipelines: BTreeMap<Arm, Arc<Pipeline>> = BTreeMap::new();
        for (arm, pipeline) in &self.open.pipelines {
            let mut pipeline = pipeline.clone();
            self.targets.apply(&mut pipeline);
            if let Some(traces) = &self.traces {
                traces.pipeline().clone_into(&mut pipeline.pipeline);
            }
            pipelines.insert(*arm, Arc::new(pipeline));
        }
        self.artifact.warnings.append(&mut self.targets.notes);
        let planned = plan.iterations();
        let of = planned.len() as u32;
        for (n, planned) in planned.into_iter().enumerate() {
            let upcoming = Upcoming {
                arm: planned.arm,
                warmup: planned.warmup,
                number: n as u32 + 1,
                of,
                pair: (plan.both_arms && !planned.warmup).then_some(planned.pair + 1),
            };
            let pipeline = pipelines
                .get(&planned.arm)
                .ok_or_else(|| Error::internal("an arm without a pipeline was planned"))?;
            let known = self.known.entry(planned.arm).or_default();
            let done = self
                .apparatus
                .run(planned, upcoming, pipeline, &mut self.targets, known)
                .await
                .map_err(|error| error.context(format!("iteration {}, {}", n + 1, planned.arm)))?;
            self.record(done, output).await?;
        }
        Ok(())
    }

    async fn look_for_traces(&self, plan: &Plan) -> Result<Option<Traces>> {
        let pipeline = self.open.pipelines.get(&Arm::After);
        match (&self.apparatus.destination, pipeline) {
            (Some(session), Some(pipeline)) if self.open.cluster.is_none() => {
                Traces::before(session, &plan.id, &pipeline.pipeline)
                    .await
                    .map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn prepare_targets(&mut self, plan: &Plan) -> Result<()> {
        let (Some(session), Some(pipeline)) = (
            &self.apparatus.destination,
            self.open.pipelines.get(&Arm::After),
        ) else {
            return Ok(());
        };
        let wanted = Wanted {
            id: &plan.id,
            pipeline,
            dataset: plan.profile.dataset.as_ref(),
            state: plan.profile.target,
        };
        self.targets.prepare(session, &wanted).await
    }

    /// Keeps an iteration; one whose rows differ ends the session.
    async fn record(&mut self, done: Done, output: &Output) -> Result<()> {
        let Done {
            iteration,
            source_sums,
            notes,
        } = done;
        for note in notes {
            if !self.artifact.warnings.contains(&note) {
                self.artifact.warnings.push(note);
            }
        }
        let arm = iteration.arm;
        let verify = iteration.verify.clone();
        self.artifact.protocol.resets = self.resets();
        self.artifact.iterations.push(iteration);
        if verify.is_ok() {
            self.artifact.summary = summary::of(
                &self.artifact.iterations,
                self.threshold,
                Status::Partial,
                None,
            );
            output.save(&self.artifact)?;
            return self.keep_sums(arm, source_sums).await;
        }
        Err(Error::new(
            Kind::Verification,
            format!(
                "iteration {}, {arm}: rows did not arrive as they left: {}",
                self.artifact.iterations.len(),
                verify.differences.join("; ")
            ),
        )
        .remedy("the iteration is INVALID; please report this with the artifact"))
    }

    fn resets(&self) -> Vec<String> {
        let mut resets = self.targets.resets();
        if self.apparatus.destination.is_some() {
            resets.push(if self.apparatus.may_checkpoint {
                "CHECKPOINT on the destination".into()
            } else {
                "no CHECKPOINT: the role may not".into()
            });
        }
        resets
    }

    /// Keeps the source's sums, so that they are computed once for each dataset.
    async fn keep_sums(&mut self, arm: Arm, sums: KnownSums) -> Result<()> {
        let (Some(seeded), Some(source)) = (&self.open.seeded, &self.apparatus.source) else {
            return Ok(());
        };
        let known = self.known.entry(arm).or_default();
        if known.is_empty() {
            let query = self.open.query_digest(arm)?;
            seed::remember_sums(source, &seeded.digest, &query, &sums).await?;
            *known = sums;
        }
        Ok(())
    }

    /// Leaves the databases as they were found; what could not be done becomes a warning.
    async fn clean_up(&mut self) {
        let Some(server) = &self.open.destination else {
            return;
        };
        let (targets, traces) = (&mut self.targets, &self.traces);
        // a session of its own: the other may be in the middle of something that was cancelled
        let cleaning = async {
            let session = server.connect(APPLICATION).await?;
            let mut failures = targets.clean_up(&session).await;
            if let Some(traces) = traces
                && let Err(error) = traces.remove(&session).await
            {
                failures.push(error.to_string());
            }
            session.close().await;
            Ok::<_, Error>(failures)
        };
        let failures = match tokio::time::timeout(CLEANING, cleaning).await {
            Ok(Ok(failures)) => failures,
            Ok(Err(error)) => vec![error.to_string()],
            Err(_) => vec![format!("no answer within {} s", CLEANING.as_secs())],
        };
        // on the managed server the next session drops what is left
        if self.apparatus.writes_to != WritesTo::Managed {
            let told = failures
                .into_iter()
                .map(|failure| format!("not cleaned up: {failure}"));
            self.artifact.warnings.extend(told);
        }
    }

    fn finish(mut self, output: &Output, error: Option<Error>) -> Result<Outcome> {
        let status = match error.as_ref().map(Error::kind) {
            None => Status::Complete,
            Some(Kind::Interrupted) => Status::Partial,
            Some(Kind::Verification) => Status::Invalid,
            Some(_) => Status::Failed,
        };
        self.artifact.partial = status != Status::Complete;
        let text = error.as_ref().map(ToString::to_string);
        self.artifact.summary =
            summary::of(&self.artifact.iterations, self.threshold, status, text);
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

async fn connect(server: Option<&Server>) -> Result<Option<Arc<Session>>> {
    match server {
        Some(server) => Ok(Some(Arc::new(server.connect(APPLICATION).await?))),
        None => Ok(None),
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
    let dataset = profile.dataset.as_ref().filter(|_| open.seeded.is_some());
    let streams = open
        .pipelines
        .get(&Arm::After)
        .map_or_else(Vec::new, |pipeline| {
            pipeline
                .source
                .streams
                .iter()
                .map(|s| s.name.clone())
                .collect()
        });
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
        created_at: created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        label: plan.label.clone(),
        partial: true,
        tool: Tool {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .into(),
        },
        invocation: Invocation {
            args: plan.arguments.clone(),
            ui: "headless".into(),
        },
        profile: ProfileRecord {
            name: profile.name.clone(),
            origin: profile.origin.name().to_owned(),
            description: profile.description.clone(),
            data_digest: open.seeded.as_ref().map(|s| s.digest.to_string()),
            pipeline_digest: profile.pipeline_digest()?,
            streams,
            rows: dataset.map(|d| d.rows),
        },
        host: host::describe(),
        postgres,
        protocol: Protocol {
            arms: if plan.both_arms { "both" } else { "one" }.into(),
            before: settings(Arm::Before),
            after: settings(Arm::After),
            warmup: plan.warmup,
            pairs: plan.pairs,
            order: plan.order(),
            seed: plan.seed,
            target: profile.target.name().into(),
            writes_to: plan.writes_to()?.name().into(),
            resets: Vec::new(),
            cache_state: cache_state(plan, open).into(),
            gate_metric: "duration_s".into(),
            noise_threshold_pct: plan.threshold * 100.0,
            guard: None,
        },
        iterations: Vec::new(),
        summary: summary::of(&[], plan.threshold, Status::Partial, None),
        warnings,
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
