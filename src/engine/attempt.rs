//! One attempt, step by step: connect, lock, snapshot, plan, prepare, move, commit, report.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::cdc;
use super::commit::Commit;
use super::crew::Crew;
use super::cursors;
use super::fail_point::{Point, reach};
use super::leader::Leader;
use super::plan::CommitForm;
use super::planning::Planned;
use super::preparing::Prepared;
use super::queue::{Queue, SharedQueue};
use super::result::PipelineResult;
use super::snapshot::{Found, Snapshot};
use super::source::Pace;
use super::state::RunId;
use super::stop::unless_stopped;
use super::targets;
use super::worker::{ReadFrom, Shared, WriteTo};
use super::{FinishedRun, Held, RunRequest, Sums, backend, recovery, report, verify};
use crate::config::types::{DestinationConnector, Pipeline, PostgresDestination, SourceConnector};
use crate::error::{CommitState, Error, Kind, Result};
use crate::parallelism::Resolved;
use crate::postgres::{Server, Session};
use crate::telemetry::counters::Phase;
use crate::telemetry::histogram::Histograms;

/// The source's side of an attempt.
pub(super) struct OpenSource {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) found: Vec<Found>,
    pub(super) from: ReadFrom,
}

/// What connecting to the destination led to.
enum Reached {
    /// The leader's end of the run.
    Leader(Box<Leader>),
    /// Nothing: dest-null.
    Nowhere,
    /// `--run-id` names a run that was done earlier.
    Done(Box<FinishedRun>),
}

pub(super) struct Attempt<'a> {
    pub(super) request: &'a RunRequest,
    pub(super) resolved: &'a Resolved,
    pub(super) run: &'a RunId,
    pub(super) started: Instant,
    pub(super) cpu: f64,
    pub(super) number: u32,
    pub(super) one_worker: bool,
}

impl Attempt<'_> {
    pub(super) fn pipeline(&self) -> &Pipeline {
        &self.request.pipeline
    }

    /// The Postgres destination, where there is one.
    pub(super) fn destination(&self) -> Option<&PostgresDestination> {
        match &self.pipeline().destination.connector {
            DestinationConnector::Postgres(destination) => Some(destination),
            DestinationConnector::Null => None,
        }
    }

    pub(super) fn writes(&self) -> bool {
        self.destination().is_some() && !self.request.options.dry_run
    }

    pub(super) async fn run(&self) -> Result<FinishedRun> {
        let (telemetry, cancel) = (&self.request.telemetry, &self.request.cancel);
        telemetry.enter(Phase::Connecting);
        let (reached, mut source) = if self.request.options.run_id.is_some() {
            // a run that was done already needs no source
            match self.reach_destination().await? {
                Reached::Done(finished) => return Ok(*finished),
                reached => (reached, self.open_source().await?),
            }
        } else {
            tokio::try_join!(self.reach_destination(), self.open_source())?
        };
        let leader = match reached {
            Reached::Leader(leader) => Some(*leader),
            Reached::Nowhere => None,
            Reached::Done(finished) => return Ok(*finished),
        };
        reach(Point::Connected).await?;
        telemetry.enter(Phase::Planning);
        let mut sessions: Vec<_> = leader.iter().flat_map(Leader::cancellers).collect();
        sessions.extend(source.snapshot.as_ref().map(|s| s.reader().canceller()));
        let planned = self.plan(leader.as_ref(), &source);
        let planned = unless_stopped(cancel, &sessions, planned).await?;
        telemetry.plan(planned.plan.units.len() as u64, planned.plan.bytes);
        reach(Point::Planned).await?;
        let outcome = self.copy(planned, leader.as_ref(), &mut source).await;
        if outcome.is_err()
            && self.writes()
            && let Some(leader) = &leader
        {
            self.clean_up(leader).await;
        }
        if let Some(leader) = leader {
            leader.leave().await;
        }
        let mut finished = outcome?;
        if let (Some(held), Some(snapshot)) = (&mut finished.held, source.snapshot) {
            held.snapshot = Some(snapshot);
        }
        Ok(finished)
    }

    /// Settles what died earlier and takes the run; its result, where it is done already.
    async fn claim(&self, leader: &Leader) -> Result<Option<FinishedRun>> {
        let pipeline = &self.pipeline().pipeline;
        if self.is_incremental() {
            cursors::claim(leader, pipeline).await?;
        }
        for sentence in recovery::settle(&leader.control, &leader.server).await? {
            self.request.telemetry.event(sentence);
        }
        if self.is_incremental() {
            cursors::require_settled(&leader.control, pipeline).await?;
        }
        leader.claim(self.run).await?;
        self.replay(leader).await
    }

    /// Connects to the destination, settles what died there, and claims the run.
    async fn reach_destination(&self) -> Result<Reached> {
        let Some(destination) = self.destination() else {
            return Ok(Reached::Nowhere);
        };
        let cancel = &self.request.cancel;
        let server = Server::from_endpoint(&destination.endpoint)?;
        let leader = unless_stopped(cancel, &[], Leader::connect(&server)).await?;
        if self.writes() {
            let done = unless_stopped(cancel, &leader.cancellers(), self.claim(&leader)).await?;
            if let Some(finished) = done {
                leader.leave().await;
                return Ok(Reached::Done(Box::new(finished)));
            }
        }
        leader.try_storing(destination).await?;
        Ok(Reached::Leader(Box::new(leader)))
    }

    /// The recorded result, where `--run-id` names a run that is done.
    async fn replay(&self, leader: &Leader) -> Result<Option<FinishedRun>> {
        if self.request.options.run_id.is_none() {
            return Ok(None);
        }
        let Some(row) = leader.ledger_row(self.run).await? else {
            return Ok(None);
        };
        if row.digest != report::digest(self.pipeline()) {
            return Err(Error::new(
                Kind::Config,
                format!("run `{}` was done with another document", self.run.as_str()),
            )
            .remedy("give this one another --run-id"));
        }
        let result = row.result.ok_or_else(|| {
            Error::new(
                Kind::Conflict,
                format!(
                    "run `{}` is in the ledger as {} and has no result",
                    self.run.as_str(),
                    row.state
                ),
            )
            .remedy("see in rb_bench.runs and in the target what is there; another --run-id copies again")
        })?;
        Ok(Some(FinishedRun::replayed(result, self.run.as_str())))
    }

    pub(super) async fn open_source(&self) -> Result<OpenSource> {
        match &self.pipeline().source.connector {
            SourceConnector::Generate(settings) => Ok(OpenSource {
                snapshot: None,
                found: targets::generated_streams(self.pipeline()),
                from: ReadFrom::Generate {
                    settings: settings.clone(),
                    pace: Pace::new(settings.rows_per_second),
                },
            }),
            SourceConnector::Postgres(endpoint) => {
                let server = Server::from_endpoint(endpoint)?;
                let given = self.request.options.snapshot.as_deref();
                let snapshot = Snapshot::take(
                    &server,
                    self.pipeline(),
                    &endpoint.schema,
                    given,
                    &self.request.cancel,
                )
                .await?;
                Ok(OpenSource {
                    found: snapshot.found.clone(),
                    from: ReadFrom::Postgres {
                        server,
                        snapshot: snapshot.id.clone(),
                        version: snapshot.version,
                        place: snapshot.place.clone(),
                        standby: snapshot.standby.is_some(),
                    },
                    snapshot: Some(snapshot),
                })
            }
        }
    }

    async fn copy(
        &self,
        mut planned: Planned,
        leader: Option<&Leader>,
        source: &mut OpenSource,
    ) -> Result<FinishedRun> {
        let telemetry = &self.request.telemetry;
        telemetry.enter(Phase::Preparing);
        let writer = match self.destination() {
            Some(destination) if self.writes() => leader.map(|leader| (leader, destination)),
            _ => None,
        };
        let mut baselines = vec![None; planned.matched.len()];
        let (mut prepared, mut to) = (Prepared::default(), WriteTo::Null);
        if let Some((leader, destination)) = writer {
            let preparing = async {
                prepared = self.prepare(leader, &planned).await?;
                if self.request.options.verify {
                    for (baseline, one) in baselines.iter_mut().zip(&planned.matched) {
                        *baseline = verify::baseline(&leader.decision, one).await?;
                    }
                }
                Ok(())
            };
            unless_stopped(&self.request.cancel, &leader.cancellers(), preparing).await?;
            to = self.write_to(&planned, destination, leader, &prepared.sequences);
        } else {
            if let Some(leader) = leader {
                self.foresee(leader, &planned).await?;
            }
            planned.form = CommitForm::None;
        }
        reach(Point::Prepared).await?;
        let fan_out = planned
            .plan
            .streams
            .iter()
            .map(|stream| stream.fan_out)
            .collect();
        let shared = Arc::new(Shared {
            queue: SharedQueue::new(Queue::new(planned.plan.units.clone(), fan_out)),
            plan: planned.plan.clone(),
            from: source.from.clone(),
            to,
            rows_left: self.request.options.limit.map(AtomicU64::new),
            buffer_bytes: self.pipeline().resources.buffer_bytes as usize,
            started: self.started,
            telemetry: Arc::clone(telemetry),
            cancel: self.request.cancel.child_token(),
        });
        telemetry.enter(Phase::Moving);
        let mut crew = Crew::start(Arc::clone(&shared))?;
        let writer = writer.map(|(leader, _)| leader);
        let outcome = self
            .move_and_commit(&mut crew, &planned, &prepared, writer, source)
            .await;
        let backends = crew.disband().await;
        if let (Err(_), Some(leader)) = (&outcome, writer)
            && let Err(left) = backend::await_gone(&leader.server, &backends).await
        {
            telemetry.event(format!(
                "old backends could not be looked for: {}",
                left.message()
            ));
        }
        let (mut result, histograms, merged) = outcome?;
        report::finish(
            &mut result,
            self.started,
            self.cpu,
            self.resolved.inputs.available_cores,
        );
        Ok(FinishedRun {
            result,
            notes: planned.summary.notes.clone(),
            plan: planned.summary,
            histograms,
            replayed: false,
            changes: None,
            held: Some(Held {
                snapshot: None,
                destination: writer.map(|leader| leader.server.clone()),
                matched: planned.matched,
                baselines,
                merged,
                cancel: self.request.cancel.clone(),
            }),
        })
    }

    /// What commits with the rows, beside the ledger.
    async fn committed_along(&self, source: &OpenSource) -> Result<Vec<String>> {
        match &source.snapshot {
            Some(snapshot) if cdc::captures(self.pipeline()) => Ok(vec![
                cdc::committed_along(snapshot.reader(), self.pipeline()).await?,
            ]),
            _ => Ok(Vec::new()),
        }
    }

    /// Lets the workers load, then makes the run visible.
    async fn move_and_commit(
        &self,
        crew: &mut Crew,
        planned: &Planned,
        prepared: &Prepared,
        writer: Option<&Leader>,
        source: &mut OpenSource,
    ) -> Result<(PipelineResult, Histograms, Vec<Option<Sums>>)> {
        crew.until_ready(source.snapshot.as_mut(), writer, &self.request.cancel)
            .await?;
        reach(Point::Ready).await?;
        let began = Instant::now();
        match writer {
            None => crew.release().await?,
            Some(leader) => {
                let along = self.committed_along(source).await?;
                let commit = Commit {
                    leader,
                    along: &along,
                    form: planned.form,
                    head: self.ledger_head(planned.form),
                    keep_result: self.request.options.run_id.is_some(),
                    aside: &prepared.aside,
                    replacements: &prepared.replacements,
                    took: self.started.elapsed(),
                    sequences: &prepared.sequences,
                    marks: &planned.marks(),
                    result: &self.result(crew),
                    telemetry: &self.request.telemetry,
                    cancel: &self.request.cancel,
                };
                commit.commit(crew).await?;
            }
        }
        reach(Point::Committed)
            .await
            .map_err(|e| e.at_commit_state(CommitState::AfterCommitConfirmed))?;
        let mut histograms = crew.histograms()?;
        crate::telemetry::histogram::record(&mut histograms.commit, began.elapsed());
        let mut result = self.result(crew);
        result.dest_commit_secs = began.elapsed().as_secs_f64();
        Ok((result, histograms, crew.merged()?))
    }

    fn result(&self, crew: &Crew) -> PipelineResult {
        let mut result = report::result(self.resolved, &self.request.telemetry, &crew.measured());
        result.retry_count = self.number;
        report::finish(
            &mut result,
            self.started,
            self.cpu,
            self.resolved.inputs.available_cores,
        );
        result
    }

    /// After a failed attempt: nothing of it may stay. What cannot be cleaned now, the next run's
    /// recovery cleans.
    async fn clean_up(&self, leader: &Leader) {
        let outcome = async {
            // the lock says the run is alive; recovery waits for it
            let server = &leader.server;
            if leader.decision.is_closed() || leader.control.is_closed() {
                let again = Leader::connect(server).await?;
                let done = recovery::settle(&again.control, server).await;
                again.leave().await;
                return done;
            }
            // either may be in the middle of what failed
            for session in [&leader.decision, &leader.control] {
                session.execute("ROLLBACK", "giving up the attempt").await?;
            }
            recovery::settle(&leader.control, server).await
        };
        if let Err(error) = outcome.await {
            self.request.telemetry.event(format!(
                "could not clean up, the next run will: {}",
                error.message()
            ));
        }
    }
}

/// The session of a fresh connection whose transaction verifies at the destination.
pub async fn verifying_session(server: &Server) -> Result<Session> {
    let session = server.connect("rb-bench verify").await?;
    let version = crate::postgres::catalog::version(&session).await?;
    session
        .execute(
            &super::settings::begin_destination(version, true),
            "beginning to verify",
        )
        .await?;
    Ok(session)
}
