//! A run of a pipeline that captures changes: the initial copy once, the changes ever after.
//!
//! A batch is one transaction of the destination: its changes, and how far they reach. Only then
//! is the slot advanced. Whatever dies in between, the next run reads the same changes again and
//! knows by their position which of them are in.

use std::time::Instant;

use super::applier::{self, Applier, Changes, Work};
use super::changes::Peek;
use super::ends::Ends;
use super::initial;
use super::log;
use super::seen::Seen;
use super::setup::require_same;
use super::slot::{self, Slot};
use super::state::{self, Record};
use super::tables::Captured;
use crate::config::types::{Pipeline, WriteMode};
use crate::engine::fail_point::{Point, reach};
use crate::engine::stop::{interrupted, unless_stopped};
use crate::engine::{FinishedRun, PlanSummary, RunRequest, orchestrator, report, retry};
use crate::error::{CommitState, Error, Kind, Result};
use crate::parallelism;
use crate::postgres::catalog;
use crate::postgres::lsn::Lsn;
use crate::telemetry::counters::Phase;
use crate::telemetry::sampler;
use crate::units::Bytes;

/// Runs a pipeline that captures changes.
pub(in crate::engine) async fn run(request: RunRequest) -> Result<FinishedRun> {
    refuse_options(&request)?;
    let mut run = Run {
        started: Instant::now(),
        cpu: sampler::own_cpu_secs(),
        copying: false,
        careful: false,
        changes: Changes::default(),
        request: &request,
    };
    let mut number = 0;
    loop {
        request.telemetry.begin_attempt(number);
        let error = match run.attempt(number).await {
            Ok(finished) => {
                request.telemetry.enter(Phase::Done);
                return Ok(finished);
            }
            Err(error) => error,
        };
        if run.copying {
            return Err(error);
        }
        if request.cancel.is_cancelled() {
            return Err(interrupted_between(&run.changes));
        }
        if !run.careful && error.server().is_some() && !retry::judge(&error).retryable {
            // what failed is somewhere among the statements of one round trip
            run.careful = true;
            request
                .telemetry
                .event(format!("{}; looking for the change", error.message()));
            continue;
        }
        // a batch whose COMMIT was not answered is safe too: the state says whether it is in
        let verdict = retry::judge(&error);
        if !verdict.retryable || number >= request.pipeline.resources.max_retries {
            return Err(error);
        }
        let pause = verdict.pause(number);
        request.telemetry.event(format!(
            "attempt {} failed: {}; trying again in {} ms",
            number + 1,
            error.message(),
            pause.as_millis()
        ));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = request.cancel.cancelled() => return Err(interrupted_between(&run.changes)),
        }
        number += 1;
    }
}

/// Options that mean nothing where changes are read.
fn refuse_options(request: &RunRequest) -> Result<()> {
    let options = &request.options;
    let given = [
        ("--limit", options.limit.is_some()),
        ("--snapshot", options.snapshot.is_some()),
        ("--run-id", options.run_id.is_some()),
        ("--dry-run", options.dry_run),
    ];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => Err(Error::new(
            Kind::Usage,
            format!(
                "{name} does not go with sync_mode cdc: a run goes on where the last one ended"
            ),
        )
        .remedy("leave it out; `rb-bench cdc status` says what a run would find")),
    }
}

fn interrupted_between(changes: &Changes) -> Error {
    if changes.transactions == 0 {
        return interrupted();
    }
    Error::new(
        Kind::Interrupted,
        format!(
            "interrupted; {} transactions are applied, and the next run goes on after them",
            changes.transactions
        ),
    )
    .at_commit_state(CommitState::AfterCommitConfirmed)
}

/// The error of a run before `cdc setup`.
fn not_set_up(pipeline: &Pipeline) -> Error {
    Error::new(
        Kind::NotFound,
        format!(
            "no changes are kept for pipeline `{}` yet",
            pipeline.pipeline
        ),
    )
    .remedy("run `rb-bench cdc setup` with this document first")
}

/// A run over all its attempts.
struct Run<'a> {
    request: &'a RunRequest,
    started: Instant,
    cpu: f64,
    /// The initial copy is under way.
    copying: bool,
    /// One change at a time: an attempt before has failed on one of them.
    careful: bool,
    /// What is committed.
    changes: Changes,
}

impl Run<'_> {
    async fn attempt(&mut self, number: u32) -> Result<FinishedRun> {
        let (request, cancel) = (self.request, &self.request.cancel);
        let pipeline = &request.pipeline;
        request.telemetry.enter(Phase::Connecting);
        let mut ends = unless_stopped(cancel, &[], Ends::connect(pipeline)).await?;
        let sessions = ends.cancellers();
        reach(Point::Connected).await?;
        request.telemetry.enter(Phase::Planning);
        unless_stopped(cancel, &sessions, ends.claim(&pipeline.pipeline)).await?;
        let opening = async {
            let record = state::find(&ends.dest, &pipeline.pipeline)
                .await?
                .ok_or_else(|| not_set_up(pipeline))?;
            let captured = ends.captured(pipeline).await?;
            let (slot, upto) = require_same(&record, &ends, pipeline, &captured).await?;
            Ok((record, captured, slot, upto))
        };
        let (record, captured, slot, upto) = unless_stopped(cancel, &sessions, opening).await?;
        if pipeline.destination.write_mode != WriteMode::Append && record.copied.is_none() {
            unless_stopped(
                cancel,
                &sessions,
                initial::require_room(&ends, pipeline, &captured),
            )
            .await?;
            // it has attempts of its own; the sessions stay, for theirs is the lock
            self.copying = true;
            let mut finished = orchestrator::run(request.clone()).await?;
            finished.notes.push(
                "the initial copy; what has changed since is applied by the next run".to_owned(),
            );
            ends.close().await;
            return Ok(finished);
        }
        if request.options.verify {
            return Err(Error::new(
                Kind::Usage,
                "--verify compares whole tables at one instant, and this run applies changes",
            )
            .remedy("leave it out"));
        }
        reach(Point::Planned).await?;
        request.telemetry.enter(Phase::Moving);
        let mut position = record.applied;
        let streaming = async {
            if pipeline.destination.write_mode == WriteMode::Append {
                make_logs(&ends, &captured).await?;
            }
            while !self
                .batch(&ends, &record, &captured, &slot, upto, &mut position)
                .await?
            {}
            Slot::find(&ends.source, &slot.name).await
        };
        let slot = unless_stopped(cancel, &sessions, streaming).await?;
        ends.close().await;
        Ok(self.finished(number, slot.as_ref()))
    }

    /// Applies what the slot holds, up to a bound, in one transaction; whether it was the last.
    async fn batch(
        &mut self,
        ends: &Ends,
        record: &Record,
        captured: &[Captured],
        slot: &Slot,
        upto: Lsn,
        position: &mut Lsn,
    ) -> Result<bool> {
        let pipeline = &self.request.pipeline;
        let seen = match &record.copied {
            Some(copied) => Some((Seen::parse(&copied.snapshot)?, copied.lsn)),
            None => None,
        };
        let buffer = pipeline.resources.buffer_bytes as usize;
        let (source, dest) = (&ends.source, &ends.dest);
        let mut peek = Peek::start(source, ends.source_version, slot, upto, buffer).await?;
        let begin = applier::begin(ends.dest_version, &pipeline.pipeline);
        dest.execute(&begin, "beginning a batch").await?;
        let mut applier = Applier::new(Work {
            dest,
            source,
            mode: pipeline.destination.write_mode,
            primary_key: &pipeline.destination.primary_key,
            captured,
            applied: *position,
            seen: seen.as_ref().map(|(seen, lsn)| (seen, *lsn)),
            careful: self.careful,
            telemetry: &self.request.telemetry,
        });
        while let Some((message, bytes)) = peek.next().await? {
            applier.take(message, bytes).await?;
            reach(Point::ChunkUnderWay).await?;
        }
        applier.send().await?;
        let last = peek.finish(source).await?;
        // all that begins its commit before `upto` was there, so the slot may go as far
        let reached = if last { upto } else { Lsn::default() };
        let to = (*position)
            .max(reached)
            .max(applier.reached.unwrap_or_default());
        if to > *position {
            state::move_applied(dest, &pipeline.pipeline, *position, to).await?;
            self.request.telemetry.enter(Phase::Committing);
            reach(Point::Deciding).await?;
            dest.execute("COMMIT", "committing a batch").await?;
            reach(Point::Decided).await?;
            *position = to;
        } else {
            dest.execute("ROLLBACK", "ending an empty batch").await?;
        }
        self.changes.add(applier.changes);
        let behind = Slot::find(source, &slot.name).await?;
        if behind.is_some_and(|slot| slot.confirmed().is_ok_and(|at| at < to)) {
            slot::advance(source, &slot.name, to).await?;
        }
        reach(Point::Committed).await?;
        Ok(last)
    }

    fn finished(&self, number: u32, slot: Option<&Slot>) -> FinishedRun {
        let pipeline = &self.request.pipeline;
        let resolved = parallelism::resolve_pipeline(pipeline, self.request.available_cores);
        let mut result = report::result(&resolved, &self.request.telemetry, &[]);
        result.retry_count = number;
        result.records_read = self.changes.total();
        result.records_written = self.changes.total();
        report::finish(
            &mut result,
            self.started,
            self.cpu,
            resolved.inputs.available_cores,
        );
        let mut notes = self.changes.notes();
        if let Some(slot) = slot {
            notes.push(format!(
                "slot {} keeps {} of the source's log",
                slot.name,
                Bytes(slot.wal_retained_bytes.unwrap_or(0))
            ));
        }
        FinishedRun {
            plan: PlanSummary {
                streams: Vec::new(),
                workers: 1,
                commit: "single_writer".to_owned(),
                commit_reason: "changes are applied in commit order, each batch with its position"
                    .to_owned(),
                parallelism_reason: resolved.reason(),
                notes: Vec::new(),
            },
            result,
            histograms: crate::telemetry::histogram::Histograms::default(),
            notes,
            replayed: false,
            changes: Some(self.changes.clone()),
            held: None,
        }
    }
}

/// Makes the tables of change logs that are missing.
async fn make_logs(ends: &Ends, captured: &[Captured]) -> Result<()> {
    for one in captured {
        if catalog::relation(&ends.dest, &one.target).await?.is_none() {
            log::create(&ends.dest, one).await?;
        }
    }
    Ok(())
}
