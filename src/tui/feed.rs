//! From a session to the workbench: what its [`Progress`] is told, made into snapshots and events.
//!
//! Called from the session's own tasks, so nothing here waits: a snapshot replaces the last one, and an
//! event that finds no room is dropped and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::cost::Cost;
use super::message::Told;
use super::snapshot::{CpuNow, IterationRow, KEPT, ShardRow, Shared, Snapshot, Waits};
use crate::bench::artifact::{Iteration, ScreenRecord};
use crate::bench::progress::{Progress, Sample, Upcoming};
use crate::bench::server_work::{BackendWork, ServerWork};
use crate::bench::tune::artifact::TuneArtifact;
use crate::telemetry::counters::{Phase, Shard, Side, Telemetry};

/// Feeds a workbench with what a session does.
pub struct Feed {
    snapshots: watch::Sender<Shared>,
    events: SyncSender<Told>,
    dropped: Arc<AtomicU64>,
    cost: Arc<Cost>,
    inner: Mutex<Inner>,
}

/// What is needed from one sample to the next.
#[derive(Default)]
struct Inner {
    telemetry: Option<Arc<Telemetry>>,
    last: Snapshot,
    last_waits: Vec<(u64, u64)>,
    backends: Vec<BackendWork>,
    wal: Option<(f64, u64)>,
    first_checkpoints: Option<u64>,
    told_hidden: bool,
}

impl Feed {
    /// A feed into these channels; `dropped` counts events that found no room.
    #[must_use]
    pub fn new(
        snapshots: watch::Sender<Shared>,
        events: SyncSender<Told>,
        dropped: Arc<AtomicU64>,
        cost: Arc<Cost>,
    ) -> Self {
        Self {
            snapshots,
            events,
            dropped,
            cost,
            inner: Mutex::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, told: Told) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(told) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    fn line(&self, text: impl Into<String>) {
        self.tell(Told::Line {
            at: wall_clock(),
            text: text.into(),
        });
    }

    fn publish(&self, inner: &Inner) {
        self.snapshots.send_replace(Arc::new(inner.last.clone()));
    }

    fn take_events(&self, telemetry: &Telemetry) {
        for event in telemetry.take_events() {
            self.line(event.text);
        }
    }
}

/// Local wall time, `12:04:31`.
pub fn wall_clock() -> String {
    jiff::ZonedDateTime::now().strftime("%H:%M:%S").to_string()
}

impl Progress for Feed {
    fn step(&self, text: &str) {
        self.line(text);
    }

    fn seeded(&self, done: u64, total: u64) {
        let mut inner = self.locked();
        inner.last.seeding = (done < total).then_some((done, total));
        self.publish(&inner);
    }

    fn iteration_began(&self, upcoming: &Upcoming) {
        let mut inner = self.locked();
        inner.last = Snapshot {
            upcoming: Some(upcoming.clone()),
            rates: std::mem::take(&mut inner.last.rates),
            ..Snapshot::default()
        };
        inner.last_waits.clear();
        inner.backends.clear();
        (inner.wal, inner.first_checkpoints) = (None, None);
        self.publish(&inner);
    }

    fn engine_starts(&self, _upcoming: &Upcoming, telemetry: &Arc<Telemetry>) {
        self.locked().telemetry = Some(Arc::clone(telemetry));
    }

    fn sampled(&self, upcoming: &Upcoming, sample: &Sample) {
        let mut inner = self.locked();
        let Some(telemetry) = inner.telemetry.clone() else {
            return;
        };
        self.take_events(&telemetry);
        inner.take(upcoming, sample, &telemetry);
        self.publish(&inner);
    }

    fn tuned(&self, tuning: &TuneArtifact) {
        self.tell(Told::Tuning(Arc::new(tuning.clone())));
    }

    fn verifying(&self, _upcoming: &Upcoming) {
        let mut inner = self.locked();
        inner.last.phase = Phase::Verifying;
        inner.last.mb_per_s = 0.0;
        inner.last.rows_per_s = 0.0;
        inner.last.waits = Waits::default();
        for shard in &mut inner.last.shards {
            shard.mb_per_s = 0.0;
        }
        self.publish(&inner);
    }

    fn iteration_ended(&self, upcoming: &Upcoming, iteration: &Iteration) {
        if let Some(telemetry) = self.locked().telemetry.take() {
            self.take_events(&telemetry);
        }
        for flag in &iteration.flags {
            self.line(format!("iteration {}: {}", upcoming.number, flag.text));
        }
        self.tell(Told::Iteration(IterationRow::of(upcoming, iteration)));
    }

    fn wants_server_work(&self) -> bool {
        true
    }

    fn server_works(&self, work: &ServerWork) {
        let mut inner = self.locked();
        let hidden = work.backends.is_none();
        inner.last.server.is_hidden |= hidden;
        if hidden && !inner.told_hidden {
            inner.told_hidden = true;
            self.line(
                "a server does not show what its backends wait for (it takes pg_read_all_stats)",
            );
        }
        for backend in work.backends.iter().flatten() {
            let same =
                |other: &BackendWork| (other.side, other.worker) != (backend.side, backend.worker);
            inner.backends.retain(same);
            inner.backends.push(backend.clone());
        }
        if let Some(bytes) = work.wal_bytes {
            let at = inner.last.at_s;
            if let Some((then, before)) = inner.wal
                && at > then
            {
                let written = bytes.saturating_sub(before) as f64;
                inner.last.server.wal_mb_per_s = Some(written / (at - then) / 1e6);
            }
            inner.wal = Some((at, bytes));
        }
        if let Some(count) = work.checkpoints {
            let first = *inner.first_checkpoints.get_or_insert(count);
            inner.last.server.checkpoints = Some(count.saturating_sub(first));
        }
    }

    fn screen(&self) -> Option<ScreenRecord> {
        Some(self.cost.record(self.dropped.load(Relaxed)))
    }
}

impl Inner {
    /// Makes the next snapshot.
    fn take(&mut self, upcoming: &Upcoming, sample: &Sample, telemetry: &Telemetry) {
        let span = (sample.at_s - self.last.at_s).max(1e-9);
        let shards = telemetry.shards();
        let mut rows = Vec::with_capacity(shards.len());
        let mut waits = Vec::with_capacity(shards.len());
        for (n, shard) in shards.iter().enumerate() {
            let last = self
                .last
                .shards
                .get(n)
                .filter(|last| last.stream == shard.stream && last.worker == shard.worker);
            let then = last.and_then(|_| self.last_waits.get(n)).copied();
            let (row, now) = row(shard, last, then, span, &self.backends);
            rows.push(row);
            waits.push(now);
        }
        self.last_waits = waits;
        let busy = rows.len().max(1) as f64;
        let phase = sample.phase;
        self.last.waits = Waits {
            source: rows.iter().map(|row| row.source_wait).sum::<f64>() / busy,
            destination: rows.iter().map(|row| row.dest_wait).sum::<f64>() / busy,
            commit: f64::from(u8::from(matches!(
                phase,
                Phase::Committing | Phase::Indexing | Phase::Preparing
            ))),
        };
        keep(&mut self.last.rates, sample.mb_per_s);
        self.last.upcoming = Some(upcoming.clone());
        self.last.phase = phase;
        self.last.at_s = sample.at_s;
        self.last.seeding = None;
        self.last.attempt = telemetry.attempt();
        self.last.totals = sample.totals;
        self.last.mb_per_s = sample.mb_per_s;
        self.last.rows_per_s = sample.rows_per_s;
        self.last.shards = rows;
        self.last.cpu = CpuNow {
            cores: sample.busy_per_core.clone(),
            rb_bench: sample.cpu_rb_bench,
            source: sample.cpu_source,
            destination: sample.cpu_destination,
        };
    }
}

/// A shard's row, and how long it has waited for each side, nanoseconds.
fn row(
    shard: &Shard,
    last: Option<&ShardRow>,
    then: Option<(u64, u64)>,
    span: f64,
    backends: &[BackendWork],
) -> (ShardRow, (u64, u64)) {
    let bytes = shard.bytes_written.load(Relaxed);
    let waited = (
        shard.source_wait_ns.load(Relaxed),
        shard.dest_wait_ns.load(Relaxed),
    );
    // counters go back to zero when a worker's transaction was undone
    let since = |now: u64, then: u64| now.saturating_sub(then) as f64 / 1e9 / span;
    let (source, dest) = then.unwrap_or_default();
    let moved = bytes.saturating_sub(last.map_or(0, |last| last.bytes));
    let mb_per_s = moved as f64 / span / 1e6;
    let mut rates = last.map(|last| last.rates.clone()).unwrap_or_default();
    keep(&mut rates, mb_per_s);
    let backend = |side: Side| {
        let mut mine = backends.iter();
        mine.find(|b| b.side == side && b.worker == shard.worker)
            .cloned()
    };
    let row = ShardRow {
        stream: shard.stream.clone(),
        worker: shard.worker,
        rows: shard.rows_read.load(Relaxed),
        bytes,
        mb_per_s,
        rates,
        chunks: shard.chunks.load(Relaxed),
        source_wait: since(waited.0, source).clamp(0.0, 1.0),
        dest_wait: since(waited.1, dest).clamp(0.0, 1.0),
        source_backend: backend(Side::Source),
        dest_backend: backend(Side::Destination),
    };
    (row, waited)
}

fn keep(rates: &mut VecDeque<f64>, rate: f64) {
    if rates.len() == KEPT {
        rates.pop_front();
    }
    rates.push_back(rate);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::bench::order::Arm;

    fn upcoming() -> Upcoming {
        Upcoming {
            arm: Arm::After,
            warmup: false,
            number: 1,
            of: 2,
            pair: Some(1),
            setting: None,
        }
    }

    fn sample(at_s: f64) -> Sample {
        Sample {
            at_s,
            phase: Phase::Moving,
            ..Sample::default()
        }
    }

    #[test]
    fn a_shard_has_rates_of_its_own_between_two_samples() {
        let telemetry = Telemetry::new();
        let mut inner = Inner::default();
        let shard = telemetry.shard("public.t", 1);
        inner.take(&upcoming(), &sample(1.0), &telemetry);
        shard.bytes_written.fetch_add(4_000_000, Relaxed);
        shard.dest_wait_ns.fetch_add(1_000_000_000, Relaxed);
        inner.take(&upcoming(), &sample(3.0), &telemetry);
        let row = &inner.last.shards[0];
        assert!((row.mb_per_s - 2.0).abs() < 1e-9 && (row.dest_wait - 0.5).abs() < 1e-9);
        assert_eq!(row.rates.len(), 2);
        assert!((inner.last.waits.destination - 0.5).abs() < 1e-9);
        // undone: nothing is negative
        shard.reset();
        inner.take(&upcoming(), &sample(4.0), &telemetry);
        assert!(inner.last.shards[0].mb_per_s.abs() < 1e-9);
    }

    #[test]
    fn an_event_without_room_is_dropped_and_counted_and_nobody_waits() {
        let (events, received) = sync_channel(2);
        let dropped = Arc::new(AtomicU64::new(0));
        let snapshots = watch::Sender::default();
        let feed = Feed::new(snapshots, events, Arc::clone(&dropped), Arc::default());
        for n in 0..5 {
            feed.step(&format!("{n}"));
        }
        assert_eq!(dropped.load(Relaxed), 3);
        assert_eq!(received.try_iter().count(), 2);
        assert_eq!(feed.screen().unwrap().events_dropped, 3);
    }
}
