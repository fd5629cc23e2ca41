//! A run from its request to its report: attempts, one after the other.
//!
//! An attempt ends with every connection of its workers closed and their transactions gone; only
//! then may another begin, and only where nothing of the failed one can still commit.

use std::time::Instant;

use super::attempt::Attempt;
use super::leader::Leader;
use super::planning::Planned;
use super::result::PipelineResult;
use super::snapshot::Snapshot;
use super::state::RunId;
use super::stop::interrupted;
use super::{FinishedRun, Held, PlanSummary, RunRequest, retry};
use crate::config::types::{DestinationConnector, Pipeline};
use crate::error::{CommitState, Kind, Result};
use crate::parallelism::{self, HEURISTIC_TAG, Resolved};
use crate::postgres::Server;
use crate::telemetry::counters::Phase;
use crate::telemetry::histogram::Histograms;
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
    let mut first: Option<String> = None;
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
            let attempts = number + 1;
            return Err(match first {
                None => error,
                Some(first) if first == error.message() => {
                    error.context(format!("after {attempts} attempts"))
                }
                Some(first) => error.context(format!(
                    "after {attempts} attempts, the first of which failed with \"{first}\""
                )),
            });
        }
        first.get_or_insert_with(|| error.message().to_owned());
        // a deadlock that the server found first is most likely one of workers with each other
        one_worker |= error.kind() == Kind::SiblingBlocked || error.sqlstate() == Some("40P01");
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
    let (planned, snapshot) = look(request).await?;
    if let Some(snapshot) = snapshot {
        snapshot.release().await;
    }
    Ok(planned.summary)
}

/// Plans the pipeline, and holds what a verification of it needs while somebody else runs it.
pub async fn witness(request: &RunRequest) -> Result<FinishedRun> {
    let (planned, snapshot) = look(request).await?;
    let destination = match &request.pipeline.destination.connector {
        DestinationConnector::Postgres(postgres) => {
            Some(Server::from_endpoint(&postgres.endpoint)?)
        }
        DestinationConnector::Null => None,
    };
    let streams = planned.matched.len();
    Ok(FinishedRun {
        result: PipelineResult::default(),
        notes: planned.summary.notes.clone(),
        plan: planned.summary,
        histograms: Histograms::default(),
        replayed: false,
        changes: None,
        held: Some(Held {
            snapshot,
            destination,
            matched: planned.matched,
            baselines: vec![None; streams],
            merged: vec![None; streams],
            cancel: request.cancel.clone(),
        }),
    })
}

/// Everything a run finds out before it makes anything, and the snapshot it found it under.
async fn look(request: &RunRequest) -> Result<(Planned, Option<Snapshot>)> {
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
            let server = Server::from_endpoint(&destination.endpoint)?;
            let leader = Leader::connect(&server).await?;
            leader.try_storing(destination).await?;
            Some(leader)
        }
        None => None,
    };
    let source = attempt.open_source().await?;
    let looking = async {
        let planned = attempt.plan(leader.as_ref(), &source).await?;
        if let Some(leader) = &leader {
            attempt.foresee(leader, &planned).await?;
        }
        Ok(planned)
    };
    let planned = looking.await;
    if let Some(leader) = leader {
        leader.leave().await;
    }
    match planned {
        Ok(planned) => Ok((planned, source.snapshot)),
        Err(error) => {
            if let Some(snapshot) = source.snapshot {
                snapshot.release().await;
            }
            Err(error)
        }
    }
}
