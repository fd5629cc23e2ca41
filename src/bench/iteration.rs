//! One iteration: reset, run the engine, verify, record.
//!
//! Only the engine's run is timed. What is read before and after it is read outside the clock, and an
//! iteration whose rows did not arrive as they left is recorded as such, whatever its speed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::artifact::{
    CpuRecord, Document, Iteration, IterationPhase, Series, ServerActivity, ShardRecord,
    VerifyRecord,
};
use super::binary::Binary;
use super::disturbance::{Used, flags};
use super::host::{self, HostClock};
use super::order::Arm;
use super::progress::{Progress, Upcoming};
use super::sampler::{Sampler, Seen, backend_cpu};
use super::server::Counters;
use super::session::Planned;
use super::target::{Targets, WritesTo};
use crate::config::types::{Pipeline, SourceConnector};
use crate::engine::result::PipelineResult;
use crate::engine::{self, FinishedRun, KnownSums, RunOptions, RunRequest, StreamVerification};
use crate::error::{Error, Kind, Result};
use crate::parallelism::available_cores;
use crate::postgres::Session;
use crate::telemetry::counters::{Phase, Telemetry};
use crate::telemetry::histogram::encode;
use crate::telemetry::sampler::{own_context_switches, own_cpu_secs};

/// How long a server may take to count a checkpoint that is done.
const COUNTED: Duration = Duration::from_secs(1);
/// How long a verification that was interrupted may take to let go of its connections.
const LETTING_GO: Duration = Duration::from_secs(2);

/// What iterations are measured with.
pub(super) struct Apparatus {
    /// A session on the source; none where rows are made in the process.
    pub(super) source: Option<Arc<Session>>,
    /// A session on the destination; none for `dest-null`.
    pub(super) destination: Option<Arc<Session>>,
    /// Sessions by which to see who else is there, one a server.
    pub(super) watches: Vec<Arc<Session>>,
    /// Where the session writes to.
    pub(super) writes_to: WritesTo,
    /// Who is told.
    pub(super) progress: Arc<dyn Progress>,
    /// Stops everything.
    pub(super) cancel: CancellationToken,
    /// Other programs that run arms in place of this one.
    pub(super) binaries: BTreeMap<Arm, Binary>,
    /// Whether this role may CHECKPOINT; found out by the first.
    pub(super) may_checkpoint: bool,
}

/// An iteration, and what its run said beside.
pub(super) struct Done {
    pub(super) iteration: Iteration,
    /// The source's sums, to be kept.
    pub(super) source_sums: KnownSums,
    pub(super) notes: Vec<String>,
}

/// The clocks before the engine ran.
struct Before {
    switches: (u64, u64),
    cpu: f64,
    host: HostClock,
    counters: Counters,
    peak_is_ours: bool,
}

impl Apparatus {
    /// Runs one iteration.
    ///
    /// # Errors
    /// Whatever the engine or a server reports, `Kind::Interrupted` when cancelled. Rows that differ
    /// are no error here: they are in the record.
    pub(super) async fn run(
        &mut self,
        planned: Planned,
        upcoming: Upcoming,
        pipeline: &Arc<Pipeline>,
        targets: &mut Targets,
        known: &KnownSums,
    ) -> Result<Done> {
        self.progress.iteration_began(&upcoming);
        let cancel = self.cancel.clone();
        let interrupted = || Error::new(Kind::Interrupted, "interrupted");
        cancel
            .run_until_cancelled(self.reset(targets))
            .await
            .ok_or_else(interrupted)??;

        let telemetry = Telemetry::new();
        let request = RunRequest {
            pipeline: Arc::clone(pipeline),
            available_cores: available_cores(),
            options: RunOptions::default(),
            telemetry: Arc::clone(&telemetry),
            cancel: cancel.clone(),
        };
        let other = match self.binaries.get(&planned.arm) {
            Some(binary) => Some((binary, engine::witness(&request).await?)),
            None => None,
        };
        self.progress.engine_starts(&upcoming, &telemetry);
        let before = self.read_clocks().await;
        let sampler = Sampler::start(
            Arc::clone(&telemetry),
            self.watches.clone(),
            Arc::clone(&self.progress),
            upcoming.clone(),
        );
        let started_at = jiff::Timestamp::now().to_string();
        let clock = Instant::now();
        let outcome = match other {
            None => engine::run(request)
                .await
                .map(|finished| (finished, clock.elapsed())),
            Some((binary, witness)) => by_other(binary, witness, pipeline, &cancel).await,
        };
        let ended = Instant::now();
        let peak = host::peak_memory().filter(|_| before.peak_is_ours);
        let mut seen = sampler.stop().await;
        let (mut finished, duration) = outcome?;

        let mut after = self.read_use(&before, &telemetry, &seen, peak).await;
        if self.binaries.contains_key(&planned.arm) {
            after.of_other(&finished.result);
            seen.series = Series::default();
        }
        if let Some(destination) = &self.destination {
            targets
                .remember(destination, finished.result.records_written)
                .await?;
        }
        self.progress.verifying(&upcoming);
        let verification = cancel
            .run_until_cancelled(self.verify(&mut finished, known, pipeline, targets))
            .await;
        let Some(verification) = verification else {
            let _late = tokio::time::timeout(LETTING_GO, finished.close()).await;
            return Err(interrupted());
        };
        let (verify, source_sums) = verification?;

        let flags = flags(&after, &seen, &finished.result, duration);
        let iteration = Iteration {
            idx: upcoming.number - 1,
            arm: planned.arm,
            pair: planned.pair,
            phase: if planned.warmup {
                IterationPhase::Warmup
            } else {
                IterationPhase::Measure
            },
            started_at,
            duration_s: duration.as_secs_f64(),
            phases: phases(&telemetry.phases(), ended),
            rows: finished.result.records_written,
            bytes: finished.result.bytes_written,
            rows_per_s: crate::units::RowRate::over(finished.result.records_written, duration).0,
            mb_per_s: crate::units::ByteRate::over(finished.result.bytes_written, duration).0 / 1e6,
            verify,
            cpu: after.cpu,
            rss_peak: after.rss_peak,
            pg: after.pg,
            result: Document::of(&finished.result)?,
            plan: Document::of(&finished.plan)?,
            shards: shards(&finished.result),
            skew_ratio: finished.result.worker_records_skew_ratio,
            series: seen.series,
            hdr: distributions(&finished)?,
            flags,
        };
        let notes = std::mem::take(&mut finished.notes);
        finished.close().await;
        self.progress.iteration_ended(&upcoming, &iteration);
        Ok(Done {
            iteration,
            source_sums,
            notes,
        })
    }

    /// Empties the targets and flushes what that left to write.
    async fn reset(&mut self, targets: &mut Targets) -> Result<()> {
        let Some(destination) = &self.destination else {
            return Ok(());
        };
        targets.reset(destination).await?;
        if self.may_checkpoint {
            let before = Counters::read(destination).await;
            match destination
                .execute("CHECKPOINT", "checkpoint before the clock starts")
                .await
            {
                Err(error) if error.sqlstate() == Some("42501") => self.may_checkpoint = false,
                outcome => {
                    outcome?;
                    wait_until_counted(destination, before).await;
                }
            }
        }
        Ok(())
    }

    async fn read_clocks(&self) -> Before {
        let counters = match &self.destination {
            Some(session) => Counters::read(session).await,
            None => Counters::default(),
        };
        Before {
            counters,
            peak_is_ours: host::forget_peak_memory(),
            switches: own_context_switches(),
            host: HostClock::now(),
            cpu: own_cpu_secs(),
        }
    }

    async fn read_use(
        &self,
        before: &Before,
        telemetry: &Telemetry,
        seen: &Seen,
        rss_peak: Option<u64>,
    ) -> Used {
        let cpu_now = own_cpu_secs();
        let host = HostClock::now().since(&before.host);
        let switches = own_context_switches();
        // a backend that left without telling is gone from /proc: then what was seen last counts
        let backends = backend_cpu(telemetry).at_least(&seen.cpu);
        let pg = match &self.destination {
            Some(session) => Counters::read(session).await.since(before.counters),
            None => ServerActivity::default(),
        };
        Used {
            cpu: CpuRecord {
                rb_bench_s: (cpu_now - before.cpu).max(0.0),
                source_s: backends.source,
                destination_s: backends.destination,
                host_busy_per_core: host.busy_per_core.clone(),
                voluntary_switches: switches.0.saturating_sub(before.switches.0),
                involuntary_switches: switches.1.saturating_sub(before.switches.1),
            },
            host,
            rss_peak,
            pg,
            is_whole: true,
        }
    }

    async fn verify(
        &self,
        finished: &mut FinishedRun,
        known: &KnownSums,
        pipeline: &Pipeline,
        targets: &Targets,
    ) -> Result<(VerifyRecord, KnownSums)> {
        if self.writes_to == WritesTo::Nowhere {
            let nothing = VerifyRecord {
                row_count_ok: None,
                checksum_ok: None,
                differences: Vec::new(),
            };
            return Ok((nothing, KnownSums::new()));
        }
        if let (SourceConnector::Generate(generate), Some(session)) =
            (&pipeline.source.connector, &self.destination)
        {
            // no server holds these rows beside: they can be counted, and no more
            let made = generate.rows * pipeline.source.streams.len() as u64;
            let counted = counted(made, targets.rows(session).await?);
            return Ok((counted, KnownSums::new()));
        }
        let streams = finished.verify(known).await?;
        let record = verdict(&streams, finished.plan.streams.len());
        let sums = streams.into_iter().map(|s| (s.stream, s.source)).collect();
        Ok((record, sums))
    }
}

/// A run by another program, at the snapshot that the witness holds.
async fn by_other(
    binary: &Binary,
    mut witness: FinishedRun,
    pipeline: &Pipeline,
    cancel: &CancellationToken,
) -> Result<(FinishedRun, Duration)> {
    match binary.run(pipeline, witness.snapshot(), cancel).await {
        Ok(ran) => {
            witness.result = ran.result;
            Ok((witness, ran.duration))
        }
        Err(error) => {
            witness.close().await;
            Err(error)
        }
    }
}

/// The error that an iteration ends a session with whose rows did not arrive as they left.
pub(super) fn invalid(iteration: &str, verify: &VerifyRecord) -> Error {
    Error::new(
        Kind::Verification,
        format!(
            "{iteration}: rows did not arrive as they left: {}",
            verify.differences.join("; ")
        ),
    )
    .remedy("the iteration is INVALID; please report this with the artifact")
}

/// The checkpointer tells its counters a moment after a CHECKPOINT has returned; until then ours
/// would be taken for one that disturbed the run.
async fn wait_until_counted(session: &Session, before: Counters) {
    let until = Instant::now() + COUNTED;
    while Instant::now() < until {
        match Counters::read(session)
            .await
            .since(before)
            .checkpoints_requested
        {
            Some(0) => tokio::time::sleep(Duration::from_millis(5)).await,
            _ => return,
        }
    }
}

/// The destination's word on rows that were made in the process.
fn counted(made: u64, there: u64) -> VerifyRecord {
    let differs = made != there;
    VerifyRecord {
        row_count_ok: Some(!differs),
        checksum_ok: None,
        differences: differs
            .then(|| format!("{made} rows were made, {there} are in the destination"))
            .into_iter()
            .collect(),
    }
}

/// Both servers' word, of every stream that was planned: a stream nobody compared is not verified.
fn verdict(streams: &[StreamVerification], planned: usize) -> VerifyRecord {
    let mut differences: Vec<String> = streams
        .iter()
        .filter(|s| !(s.row_count_ok() && s.checksum_ok()))
        .map(|s| {
            if s.row_count_ok() {
                format!("{}: the rows' sums differ", s.stream)
            } else {
                format!(
                    "{}: {} rows in the source, {} in the destination",
                    s.stream, s.source.rows, s.destination.rows
                )
            }
        })
        .collect();
    if streams.len() < planned {
        differences.push(format!(
            "{} of {planned} streams were compared",
            streams.len()
        ));
    }
    let all =
        |ok: fn(&StreamVerification) -> bool| streams.len() >= planned && streams.iter().all(ok);
    VerifyRecord {
        row_count_ok: Some(all(StreamVerification::row_count_ok)),
        checksum_ok: Some(all(StreamVerification::checksum_ok)),
        differences,
    }
}

/// Wall time of each phase, seconds; a phase that a retry entered again counts both times.
fn phases(entered: &[(Phase, Instant)], ended: Instant) -> BTreeMap<String, f64> {
    let mut spans = BTreeMap::new();
    for (n, (phase, at)) in entered.iter().enumerate() {
        let until = entered
            .get(n + 1)
            .map_or(ended, |(_, next)| *next)
            .min(ended);
        let span = until.saturating_duration_since(*at).as_secs_f64();
        if !matches!(phase, Phase::Idle | Phase::Done | Phase::Verifying) {
            *spans.entry(phase.name().to_owned()).or_insert(0.0) += span;
        }
    }
    spans
}

fn shards(result: &PipelineResult) -> Vec<ShardRecord> {
    result
        .stream_metrics
        .iter()
        .map(|shard| ShardRecord {
            stream: shard.stream_name.clone(),
            partition_index: shard.partition_index,
            partition_count: shard.partition_count,
            rows: shard.records_written,
            bytes: shard.bytes_written,
            chunks: shard.chunks,
            source_wait_s: shard.source_duration_secs,
            destination_wait_s: shard.dest_duration_secs,
            first_byte_s: shard.first_byte_secs,
            last_chunk_s: Some(shard.last_chunk_secs),
        })
        .collect()
}

fn distributions(finished: &FinishedRun) -> Result<BTreeMap<String, String>> {
    finished
        .histograms
        .named()
        .into_iter()
        .map(|(name, histogram)| Ok((name.to_owned(), encode(histogram)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Sums;

    fn compared(source: i64, destination: i64, sum: &str) -> StreamVerification {
        let sums = |rows, sum0: &str| Sums {
            rows,
            sum0: sum0.into(),
            sum1: "1".into(),
        };
        StreamVerification {
            stream: "public.t".into(),
            source: sums(source, "5"),
            destination: sums(destination, sum),
        }
    }

    #[test]
    fn a_difference_is_told_in_words() {
        assert!(verdict(&[compared(3, 3, "5")], 1).is_ok());
        let counts = verdict(&[compared(3, 2, "4")], 1);
        assert_eq!(
            counts.differences,
            ["public.t: 3 rows in the source, 2 in the destination"]
        );
        let sums = verdict(&[compared(3, 3, "6")], 1);
        assert_eq!(
            (sums.row_count_ok, sums.checksum_ok),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn rows_that_were_made_are_counted() {
        assert!(counted(3, 3).is_ok());
        assert_eq!(counted(3, 3).checksum_ok, None);
        assert!(!counted(3, 2).is_ok());
    }

    #[test]
    fn a_stream_that_nobody_compared_is_not_verified() {
        assert!(!verdict(&[], 1).is_ok());
        assert!(!verdict(&[compared(3, 3, "5")], 2).is_ok());
    }

    #[test]
    fn phases_last_until_the_next_and_the_last_until_the_end() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let spans = phases(
            &[
                (Phase::Connecting, at(0)),
                (Phase::Moving, at(100)),
                (Phase::Connecting, at(400)),
                (Phase::Moving, at(500)),
                (Phase::Done, at(900)),
            ],
            at(1000),
        );
        assert!((spans["connecting"] - 0.2).abs() < 1e-9);
        assert!((spans["copying"] - 0.7).abs() < 1e-9);
        assert_eq!(spans.len(), 2);
    }
}
