//! A run from its request to its report: attempts, each of them step by step.
//!
//! An attempt locks and takes the snapshot, plans, prepares, moves, commits. It ends with every
//! connection of its workers closed and their transactions gone; only then may another begin.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::commit::{Aside, Commit};
use super::crew::{Crew, interrupted};
use super::leader::{Leader, LedgerHead, ledger_sql};
use super::plan::{self, CommitForm, CommitInputs, Origin, Plan, StreamSpec};
use super::queue::{Queue, SharedQueue};
use super::result::PipelineResult;
use super::snapshot::{Found, Snapshot};
use super::source::Pace;
use super::state::{self, Details, RunId, RunState};
use super::targets::{self, Matched, Sequence, Target};
use super::worker::{ReadFrom, Shared, WriteTo};
use super::{
    FinishedRun, Held, PlanSummary, RunRequest, StreamPlan, backend, recovery, report, retry,
    verify,
};
use crate::config::types::{
    CommitChoice, DestinationConnector, Pipeline, PostgresDestination, SourceConnector,
};
use crate::error::{CommitState, Error, Kind, Result};
use crate::parallelism::{self, HEURISTIC_TAG, Resolved, ineligible_by_document};
use crate::postgres::{Server, Session};
use crate::telemetry::counters::Phase;
use crate::telemetry::sampler;

/// Runs the pipeline.
pub async fn run(request: RunRequest) -> Result<FinishedRun> {
    let resolved = parallelism::resolve_pipeline(&request.pipeline, request.available_cores);
    announce(&request.pipeline, &resolved);
    let run = match &request.options.run_id {
        Some(id) => RunId::parse(id)?,
        None => RunId::fresh(),
    };
    let (started, cpu) = (Instant::now(), sampler::own_cpu_secs());
    let mut one_worker = false;
    let mut number = 0;
    loop {
        request.telemetry.begin_attempt(number);
        let attempt = Attempt {
            request: &request,
            resolved: &resolved,
            run: &run,
            started,
            cpu,
            number,
            one_worker,
        };
        let error = match attempt.run().await {
            Ok(finished) => {
                request.telemetry.enter(Phase::Done);
                return Ok(finished);
            }
            Err(error) => error,
        };
        let verdict = retry::judge(&error);
        if request.cancel.is_cancelled() && error.commit_state() == CommitState::BeforeCommit {
            return Err(interrupted());
        }
        if !verdict.allows_retry() || number >= request.pipeline.resources.max_retries {
            return Err(if number > 0 {
                error.context(format!("after {} attempts", number + 1))
            } else {
                error
            });
        }
        one_worker |= error.kind() == Kind::SiblingBlocked;
        let pause = verdict.pause(number);
        request.telemetry.event(format!(
            "attempt {} failed: {}; trying again in {} ms{}",
            number + 1,
            error.message(),
            pause.as_millis(),
            if one_worker { " with one worker" } else { "" }
        ));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = request.cancel.cancelled() => return Err(interrupted()),
        }
        number += 1;
    }
}

fn announce(pipeline: &Pipeline, resolved: &Resolved) {
    tracing::info!(
        pipeline = pipeline.pipeline,
        mode = resolved.mode(),
        effective = resolved.effective,
        cap = resolved.cap,
        cores = resolved.inputs.available_cores,
        eligible_streams = resolved.inputs.eligible_streams,
        transform_count = resolved.inputs.transform_count,
        heuristic = HEURISTIC_TAG,
        "parallelism resolved"
    );
}

/// Plans the pipeline without moving a row or writing anything.
pub async fn explain(request: &RunRequest) -> Result<PlanSummary> {
    let resolved = parallelism::resolve_pipeline(&request.pipeline, request.available_cores);
    announce(&request.pipeline, &resolved);
    let run = RunId::fresh();
    let attempt = Attempt {
        request,
        resolved: &resolved,
        run: &run,
        started: Instant::now(),
        cpu: 0.0,
        number: 0,
        one_worker: false,
    };
    let leader = match attempt.destination() {
        Some(destination) => {
            Some(Leader::connect(&Server::from_endpoint(&destination.endpoint)?).await?)
        }
        None => None,
    };
    let source = attempt.open_source().await?;
    let planned = attempt.plan(leader.as_ref(), &source).await;
    if let Some(snapshot) = source.snapshot {
        snapshot.release().await;
    }
    if let Some(leader) = leader {
        leader.leave().await;
    }
    Ok(planned?.summary)
}

/// The source's side of an attempt.
struct OpenSource {
    snapshot: Option<Snapshot>,
    found: Vec<Found>,
    from: ReadFrom,
}

/// An attempt's plan with all that was learned on the way.
struct Planned {
    plan: Plan,
    form: CommitForm,
    deferred: bool,
    matched: Vec<Matched>,
    summary: PlanSummary,
}

struct Attempt<'a> {
    request: &'a RunRequest,
    resolved: &'a Resolved,
    run: &'a RunId,
    started: Instant,
    cpu: f64,
    number: u32,
    one_worker: bool,
}

impl Attempt<'_> {
    fn pipeline(&self) -> &Pipeline {
        &self.request.pipeline
    }

    /// The Postgres destination, where there is one.
    fn destination(&self) -> Option<&PostgresDestination> {
        match &self.pipeline().destination.connector {
            DestinationConnector::Postgres(destination) => Some(destination),
            DestinationConnector::Null => None,
        }
    }

    fn writes(&self) -> bool {
        self.destination().is_some() && !self.request.options.dry_run
    }

    async fn run(&self) -> Result<FinishedRun> {
        let telemetry = &self.request.telemetry;
        telemetry.enter(Phase::Connecting);
        let mut leader = None;
        if let Some(destination) = self.destination() {
            let server = Server::from_endpoint(&destination.endpoint)?;
            let connected = Leader::connect(&server).await?;
            if self.writes() {
                for sentence in recovery::settle(&connected.control, &server).await? {
                    telemetry.event(sentence);
                }
                connected.claim(self.run).await?;
                if let Some(finished) = self.replay(&connected).await? {
                    connected.leave().await;
                    return Ok(finished);
                }
            }
            leader = Some(connected);
        }
        let mut source = self.open_source().await?;
        telemetry.enter(Phase::Planning);
        let planned = self.plan(leader.as_ref(), &source).await?;
        telemetry.plan(planned.plan.units.len() as u64, planned.plan.bytes);
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
            .remedy("look into rb_bench.runs; delete the row to run it again")
        })?;
        Ok(Some(FinishedRun::replayed(result, self.run.as_str())))
    }

    async fn open_source(&self) -> Result<OpenSource> {
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
                let snapshot =
                    Snapshot::take(&server, self.pipeline(), &endpoint.schema, given).await?;
                Ok(OpenSource {
                    found: snapshot.found.clone(),
                    from: ReadFrom::Postgres {
                        server,
                        snapshot: snapshot.id.clone(),
                        version: snapshot.version,
                    },
                    snapshot: Some(snapshot),
                })
            }
        }
    }

    async fn plan(&self, leader: Option<&Leader>, source: &OpenSource) -> Result<Planned> {
        let (matched, references, room) = match (self.destination(), leader) {
            (Some(destination), Some(leader)) => {
                let session = &leader.decision;
                let snapshot = source.snapshot.as_ref();
                let matched =
                    targets::match_targets(session, snapshot, &source.found, destination).await?;
                let references = targets::references(session, &matched).await?;
                (matched, references, Some(targets::room(session).await?))
            }
            _ => (targets::match_nowhere(&source.found)?, Vec::new(), None),
        };
        let refused = |text: String| {
            Error::new(Kind::Incompatible, text)
                .remedy("see `rb-bench check` for the plan; nothing was copied")
        };
        let groups = plan::group_by_references(matched.len(), &references).map_err(refused)?;
        let deferred = groups.iter().any(|(_, deferred)| *deferred);
        let groups: Vec<Vec<usize>> = groups.into_iter().map(|(group, _)| group).collect();
        let streams: Vec<StreamSpec> = matched
            .iter()
            .enumerate()
            .map(|(i, one)| self.stream_spec(one, groups.iter().find(|group| group.contains(&i))))
            .collect();
        let most = if self.one_worker || self.request.options.limit.is_some() {
            1
        } else {
            self.resolved.effective
        };
        let chunk_bytes = self.pipeline().resources.chunk_bytes;
        let mut plan = plan::lay_out(streams.clone(), &groups, most, chunk_bytes);
        let (form, reason) = match room {
            Some(room) if self.writes() || leader.is_some() => plan::choose_commit(CommitInputs {
                choice: self.commit_choice(),
                workers: plan.workers,
                existing: matched
                    .iter()
                    .filter(|one| matches!(one.target, Target::Existing(_)))
                    .count(),
                missing: matched
                    .iter()
                    .filter(|one| matches!(one.target, Target::Missing(_)))
                    .count(),
                prepared_slots: room.prepared.clamp(0, i64::from(u32::MAX)) as u32,
            })
            .map_err(refused)?,
            _ => (CommitForm::None, "nothing is written".to_owned()),
        };
        if form == CommitForm::SingleWriter && plan.workers > 1 {
            plan = plan::lay_out(streams, &groups, 1, chunk_bytes);
        }
        if let Some(room) = room.filter(|_| self.writes()) {
            targets::check_room(room, plan.workers, "destination")?;
        }
        if let Some(snapshot) = &source.snapshot {
            targets::check_room(
                targets::room(snapshot.reader()).await?,
                plan.workers,
                "source",
            )?;
        }
        for (i, stream) in plan.streams.iter_mut().enumerate() {
            let aside =
                form == CommitForm::BuiltAside && matches!(matched[i].target, Target::Missing(_));
            stream.load_into = if aside {
                Some(self.run.aside(i))
            } else {
                stream.target.clone()
            };
        }
        let summary = self.summarize(&plan, &matched, form, reason);
        Ok(Planned {
            plan,
            form,
            deferred,
            matched,
            summary,
        })
    }

    /// A retry after workers blocked each other has one worker, whatever the document asks for.
    fn commit_choice(&self) -> CommitChoice {
        if self.one_worker {
            CommitChoice::SingleWriter
        } else {
            self.pipeline().destination.commit
        }
    }

    fn stream_spec(&self, one: &Matched, group: Option<&Vec<usize>>) -> StreamSpec {
        let by_relation = match &one.origin {
            Origin::Relation(relation) => plan::ineligible_relation(relation),
            Origin::Generated => None,
        };
        let by_target = || match (&one.origin, &one.target) {
            (Origin::Relation(source), Target::Existing(target)) => {
                plan::meeting_key(source, &one.fit.columns, target)
            }
            _ => None,
        };
        let by_references = || {
            group.map(|group| match group.len() {
                1 => "the target refers to itself by a foreign key".to_owned(),
                _ => "foreign keys tie the target to other targets of the run: one worker, parents first".to_owned(),
            })
        };
        let why = ineligible_by_document(self.pipeline(), &one.stream)
            .map(str::to_owned)
            .or(by_relation)
            .or_else(by_target)
            .or_else(by_references);
        StreamSpec {
            source: one.source.clone(),
            target: one.target_name.clone(),
            load_into: None,
            columns: one.fit.columns.clone(),
            origin: one.origin.clone(),
            format: one.fit.format,
            why_text: one.fit.why_text.clone(),
            fan_out: self.resolved.fan_out(why.is_none()),
            why_one_worker: why,
        }
    }

    fn summarize(
        &self,
        plan: &Plan,
        matched: &[Matched],
        form: CommitForm,
        reason: String,
    ) -> PlanSummary {
        let mut notes: Vec<String> = matched.iter().filter_map(targets::text_note).collect();
        for one in matched {
            if let Target::Missing(blueprint) = &one.target {
                notes.extend(blueprint.notes.iter().cloned());
            }
        }
        match form {
            CommitForm::Ledger => {
                notes.push("readers may see a part of the rows while the workers commit".to_owned())
            }
            CommitForm::TwoPhase => {
                notes.push(
                    "readers may see a part of the rows for the moment between two COMMIT PREPARED"
                        .to_owned(),
                );
            }
            _ => {}
        }
        let streams = plan
            .streams
            .iter()
            .zip(matched)
            .enumerate()
            .map(|(i, (stream, one))| {
                let chunks = plan
                    .units
                    .iter()
                    .flat_map(|unit| &unit.chunks)
                    .filter(|chunk| chunk.stream == i);
                let chunk_count = chunks.clone().count() as u64;
                StreamPlan {
                    stream: stream.source.to_string(),
                    target: stream
                        .target
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    workers: u64::from(stream.fan_out.min(plan.workers))
                        .min(chunk_count)
                        .max(1) as u32,
                    why_one_worker: stream.why_one_worker.clone(),
                    format: stream.format.name().to_owned(),
                    why_text: stream.why_text.clone(),
                    chunks: chunk_count,
                    bytes: chunks.map(|chunk| chunk.bytes).sum(),
                    creates: match &one.target {
                        Target::Missing(blueprint) => blueprint.statements(),
                        _ => Vec::new(),
                    },
                }
            });
        PlanSummary {
            streams: streams.collect(),
            workers: plan.workers,
            commit: form.name().to_owned(),
            commit_reason: reason,
            parallelism_reason: self.resolved.reason(),
            notes,
        }
    }

    async fn copy(
        &self,
        planned: Planned,
        leader: Option<&Leader>,
        source: &mut OpenSource,
    ) -> Result<FinishedRun> {
        let telemetry = &self.request.telemetry;
        telemetry.enter(Phase::Preparing);
        let Planned {
            plan,
            form,
            deferred,
            matched,
            summary,
        } = planned;
        let form = if self.writes() {
            form
        } else {
            CommitForm::None
        };
        let mut baselines = vec![None; matched.len()];
        let (mut aside, mut sequences) = (Vec::new(), Vec::new());
        let head = LedgerHead {
            run: self.run.clone(),
            pipeline: self.pipeline().pipeline.clone(),
            digest: report::digest(self.pipeline()),
            form: form.name(),
        };
        if let (true, Some(leader)) = (self.writes(), leader) {
            (aside, sequences) = self.prepare(leader, &plan, &matched, &head, form).await?;
            if self.request.options.verify {
                for (baseline, one) in baselines.iter_mut().zip(&matched) {
                    *baseline = verify::baseline(&leader.decision, one).await?;
                }
            }
        }
        let to = match (self.destination(), leader) {
            (Some(destination), Some(leader)) if self.writes() => self.write_to(
                destination,
                leader,
                &plan,
                &matched,
                form,
                deferred,
                &sequences,
            ),
            _ => WriteTo::Null,
        };
        let fan_out = plan.streams.iter().map(|stream| stream.fan_out).collect();
        let shared = Arc::new(Shared {
            queue: SharedQueue::new(Queue::new(plan.units.clone(), fan_out)),
            plan,
            from: source.from.clone(),
            to,
            rows_left: self.request.options.limit.map(AtomicU64::new),
            buffer_bytes: self.pipeline().resources.buffer_bytes as usize,
            started: self.started,
            telemetry: Arc::clone(telemetry),
            cancel: CancellationToken::new(),
        });
        telemetry.enter(Phase::Moving);
        let mut crew = Crew::start(Arc::clone(&shared))?;
        let watcher = leader.filter(|_| self.writes());
        let moved = crew
            .until_ready(source.snapshot.as_mut(), watcher, &self.request.cancel)
            .await;
        let outcome = match moved {
            Ok(()) => {
                let result = self.result(&crew);
                let commit_began = Instant::now();
                let committed = match leader {
                    Some(leader) if self.writes() => {
                        let commit = Commit {
                            leader,
                            form,
                            head,
                            keep_result: self.request.options.run_id.is_some(),
                            aside: &aside,
                            sequences: &sequences,
                            result: &result,
                            telemetry,
                        };
                        commit.commit(&mut crew).await
                    }
                    _ => crew.release().await,
                };
                committed.map(|()| {
                    (
                        commit_began.elapsed(),
                        self.result(&crew),
                        crew.histograms(),
                    )
                })
            }
            Err(error) => Err(error),
        };
        let backends = crew.disband().await;
        let (commit_took, mut result, histograms) = match outcome {
            Ok(parts) => parts,
            Err(error) => {
                if let (true, Some(leader)) = (self.writes(), leader)
                    && let Err(left) = backend::await_gone(&leader.server, &backends).await
                {
                    telemetry.event(format!(
                        "old backends could not be looked for: {}",
                        left.message()
                    ));
                }
                return Err(error);
            }
        };
        let mut histograms = histograms?;
        result.dest_commit_secs = commit_took.as_secs_f64();
        crate::telemetry::histogram::record(&mut histograms.commit, commit_took);
        report::finish(
            &mut result,
            self.started,
            self.cpu,
            self.resolved.inputs.available_cores,
        );
        let notes = summary.notes.clone();
        let server = leader
            .map(|leader| leader.server.clone())
            .filter(|_| self.writes());
        Ok(FinishedRun {
            result,
            plan: summary,
            histograms,
            notes,
            replayed: false,
            held: Some(Held {
                snapshot: None,
                destination: server,
                matched,
                baselines,
            }),
        })
    }

    /// Locks existing targets, makes hidden ones, and finds the sequences to move.
    async fn prepare(
        &self,
        leader: &Leader,
        plan: &Plan,
        matched: &[Matched],
        head: &LedgerHead,
        form: CommitForm,
    ) -> Result<(Vec<Aside>, Vec<Sequence>)> {
        let mut aside = Vec::new();
        for (stream, one) in plan.streams.iter().zip(matched) {
            match (&one.target, &stream.load_into) {
                (Target::Existing(relation), _) => leader.hold(&relation.name).await?,
                (Target::Missing(blueprint), Some(hidden)) if form == CommitForm::BuiltAside => {
                    aside.push(Aside {
                        hidden: hidden.clone(),
                        blueprint: (**blueprint).clone(),
                        columns: stream.columns.clone(),
                    })
                }
                _ => {}
            }
        }
        if form != CommitForm::SingleWriter || self.request.options.run_id.is_some() {
            state::ensure(&leader.control).await?;
        }
        if !aside.is_empty() {
            let names: Vec<_> = aside.iter().map(|a| a.hidden.clone()).collect();
            let details = Details {
                aside: &names,
                ..Details::default()
            };
            let row = ledger_sql(head, RunState::Building, &details);
            let tables: Vec<_> = aside
                .iter()
                .map(|a| (a.hidden.clone(), &a.blueprint))
                .collect();
            leader.make_aside(self.run, &tables, &row).await?;
        }
        let mut sequences = Vec::new();
        if matches!(form, CommitForm::TwoPhase | CommitForm::Ledger) {
            for (stream, one) in plan.streams.iter().zip(matched) {
                if let Target::Existing(relation) = &one.target {
                    sequences.extend(
                        targets::sequences(&leader.decision, &relation.name, &stream.columns)
                            .await?,
                    );
                }
            }
        }
        Ok((aside, sequences))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one message, gathered where they are known"
    )]
    fn write_to(
        &self,
        destination: &PostgresDestination,
        leader: &Leader,
        plan: &Plan,
        matched: &[Matched],
        form: CommitForm,
        deferred: bool,
        sequences: &[Sequence],
    ) -> WriteTo {
        let (mut first, mut last, mut own_tables) = (Vec::new(), Vec::new(), Vec::new());
        if deferred {
            first.push("SET CONSTRAINTS ALL DEFERRED".to_owned());
        }
        if form == CommitForm::SingleWriter {
            for (stream, one) in plan.streams.iter().zip(matched) {
                if let (Target::Missing(blueprint), Some(name)) = (&one.target, &stream.load_into) {
                    first.extend(blueprint.create(name));
                    last.extend(blueprint.build_keys(name));
                }
                own_tables.extend(
                    stream
                        .load_into
                        .iter()
                        .map(|name| (name.clone(), stream.columns.clone())),
                );
            }
        }
        WriteTo::Postgres {
            server: leader.server.clone(),
            version: leader.version,
            method: destination.load_method,
            first,
            last,
            own_tables,
            sequences: sequences.to_vec(),
        }
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
            leader
                .decision
                .execute("ROLLBACK", "giving up the attempt")
                .await?;
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
