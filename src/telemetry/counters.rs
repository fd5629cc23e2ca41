//! Per-shard counters, the run's phase and its rare events, shared between a run and its viewers.
//!
//! Frequent values are relaxed atomics: a reader may see one shard's rows before another's, never
//! a torn number. Rare events go through a bounded queue that drops (and counts) rather than
//! waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Events kept for a viewer that has not looked yet.
const EVENT_CAPACITY: usize = 1024;

/// What a run is doing as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Phase {
    /// Not started.
    #[default]
    Idle,
    /// Connecting, locking, taking the snapshot.
    Connecting,
    /// Reading catalogs, cutting chunks.
    Planning,
    /// Making the destination ready.
    Preparing,
    /// Copying.
    Moving,
    /// Building keys and indexes of tables that were missing.
    Indexing,
    /// Making the run visible.
    Committing,
    /// Comparing both sides.
    Verifying,
    /// Ended.
    Done,
}

impl Phase {
    const ALL: [Self; 9] = [
        Self::Idle,
        Self::Connecting,
        Self::Planning,
        Self::Preparing,
        Self::Moving,
        Self::Indexing,
        Self::Committing,
        Self::Verifying,
        Self::Done,
    ];

    /// The phase as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Planning => "planning",
            Self::Preparing => "preparing",
            Self::Moving => "copying",
            Self::Indexing => "building keys",
            Self::Committing => "committing",
            Self::Verifying => "verifying",
            Self::Done => "done",
        }
    }
}

/// The counters of one shard: a stream on a worker.
#[derive(Debug)]
pub struct Shard {
    /// The stream, with its schema.
    pub stream: String,
    /// The worker's number in the run.
    pub worker: u32,
    /// Rows received from the source.
    pub rows_read: AtomicU64,
    /// Rows the destination confirmed, chunk by chunk.
    pub rows_written: AtomicU64,
    /// COPY bytes received.
    pub bytes_read: AtomicU64,
    /// COPY bytes sent.
    pub bytes_written: AtomicU64,
    /// Chunks moved.
    pub chunks: AtomicU64,
    /// Nanoseconds spent waiting for the source.
    pub source_wait_ns: AtomicU64,
    /// Nanoseconds spent waiting for the destination.
    pub dest_wait_ns: AtomicU64,
    /// Nanoseconds from a chunk's query to its first bytes, all chunks.
    pub query_ns: AtomicU64,
    /// Nanoseconds from the run's start to the first byte; 0 before it.
    pub first_byte_ns: AtomicU64,
    /// Nanoseconds from the run's start to the end of the last chunk that the destination took; 0
    /// before the first.
    pub last_chunk_ns: AtomicU64,
}

impl Shard {
    fn new(stream: String, worker: u32) -> Self {
        Self {
            stream,
            worker,
            rows_read: AtomicU64::new(0),
            rows_written: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            chunks: AtomicU64::new(0),
            source_wait_ns: AtomicU64::new(0),
            dest_wait_ns: AtomicU64::new(0),
            query_ns: AtomicU64::new(0),
            first_byte_ns: AtomicU64::new(0),
            last_chunk_ns: AtomicU64::new(0),
        }
    }

    /// Back to zero: the worker's transaction was undone, what it moved does not count.
    pub fn reset(&self) {
        for counter in [
            &self.rows_read,
            &self.rows_written,
            &self.bytes_read,
            &self.bytes_written,
            &self.chunks,
            &self.source_wait_ns,
            &self.dest_wait_ns,
            &self.query_ns,
        ] {
            counter.store(0, Relaxed);
        }
    }
}

/// Which side of the copy a server process works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The source database.
    Source,
    /// The destination database.
    Destination,
}

/// A server process that works for this run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backend {
    /// Which side it is on.
    pub side: Side,
    /// Its process id on its host.
    pub pid: i32,
    /// Whether that host is this one.
    pub local: bool,
    /// CPU seconds it had used when its connection was about to close.
    pub final_cpu_secs: Option<f64>,
}

/// Something worth a line in a log: a retry, a lost connection, a decision.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// What, as a sentence.
    pub text: String,
}

/// Everything a run shows while it runs. Shared between the engine and its viewers.
#[derive(Debug, Default)]
pub struct Telemetry {
    phase: AtomicU8,
    phases: Mutex<Vec<(Phase, Instant)>>,
    attempt: AtomicU32,
    chunks_total: AtomicU64,
    bytes_expected: AtomicU64,
    shards: Mutex<Vec<Arc<Shard>>>,
    backends: Mutex<Vec<Backend>>,
    events: Mutex<VecDeque<Event>>,
    events_dropped: AtomicU64,
}

/// Totals over all shards at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Rows received.
    pub rows_read: u64,
    /// Rows confirmed by the destination.
    pub rows_written: u64,
    /// COPY bytes received.
    pub bytes_read: u64,
    /// COPY bytes sent.
    pub bytes_written: u64,
    /// Chunks moved.
    pub chunks: u64,
    /// Chunks of the whole run; 0 before planning.
    pub chunks_total: u64,
    /// Bytes the catalogs promise, TOAST included; an estimate for progress only.
    pub bytes_expected: u64,
    /// Waiting for the source, summed over workers.
    pub source_wait: Duration,
    /// Waiting for the destination, summed over workers.
    pub dest_wait: Duration,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // a panicking holder leaves counters readable: they are numbers, not invariants
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Telemetry {
    /// An empty telemetry, ready for a run.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The run's phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::ALL
            .get(usize::from(self.phase.load(Relaxed)))
            .copied()
            .unwrap_or_default()
    }

    /// Moves the run to a phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        locked(&self.phases).push((phase, Instant::now()));
    }

    /// Every phase that was entered and when, in order; a retry enters them again.
    #[must_use]
    pub fn phases(&self) -> Vec<(Phase, Instant)> {
        locked(&self.phases).clone()
    }

    /// The attempt under way, from 0.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt.load(Relaxed)
    }

    /// Starts an attempt: shards and backends of the last one are forgotten.
    pub fn begin_attempt(&self, attempt: u32) {
        self.attempt.store(attempt, Relaxed);
        self.chunks_total.store(0, Relaxed);
        self.bytes_expected.store(0, Relaxed);
        locked(&self.shards).clear();
    }

    /// Says how much the plan holds.
    pub fn plan(&self, chunks: u64, bytes: u64) {
        self.chunks_total.store(chunks, Relaxed);
        self.bytes_expected.store(bytes, Relaxed);
    }

    /// The shard of this stream on this worker; made on first use.
    pub fn shard(&self, stream: &str, worker: u32) -> Arc<Shard> {
        let mut shards = locked(&self.shards);
        if let Some(shard) = shards
            .iter()
            .find(|s| s.worker == worker && s.stream == stream)
        {
            return Arc::clone(shard);
        }
        let shard = Arc::new(Shard::new(stream.to_owned(), worker));
        shards.push(Arc::clone(&shard));
        shard
    }

    /// All shards so far, in order of their first chunk.
    #[must_use]
    pub fn shards(&self) -> Vec<Arc<Shard>> {
        locked(&self.shards).clone()
    }

    /// Totals over all shards.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            chunks_total: self.chunks_total.load(Relaxed),
            bytes_expected: self.bytes_expected.load(Relaxed),
            ..Totals::default()
        };
        for shard in locked(&self.shards).iter() {
            totals.rows_read += shard.rows_read.load(Relaxed);
            totals.rows_written += shard.rows_written.load(Relaxed);
            totals.bytes_read += shard.bytes_read.load(Relaxed);
            totals.bytes_written += shard.bytes_written.load(Relaxed);
            totals.chunks += shard.chunks.load(Relaxed);
            totals.source_wait += Duration::from_nanos(shard.source_wait_ns.load(Relaxed));
            totals.dest_wait += Duration::from_nanos(shard.dest_wait_ns.load(Relaxed));
        }
        totals
    }

    /// Registers a server process that works for the run.
    pub fn backend_arrived(&self, side: Side, pid: i32, local: bool) {
        locked(&self.backends).push(Backend {
            side,
            pid,
            local,
            final_cpu_secs: None,
        });
    }

    /// Notes a server process' CPU time just before its connection closes.
    pub fn backend_leaves(&self, pid: i32, cpu_secs: Option<f64>) {
        if let Some(backend) = locked(&self.backends).iter_mut().rfind(|b| b.pid == pid) {
            backend.final_cpu_secs = cpu_secs;
        }
    }

    /// Every server process that worked for the run, over all attempts.
    #[must_use]
    pub fn backends(&self) -> Vec<Backend> {
        locked(&self.backends).clone()
    }

    /// Adds an event; the oldest is dropped and counted when nobody reads.
    pub fn event(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!("{text}");
        let mut events = locked(&self.events);
        if events.len() == EVENT_CAPACITY {
            events.pop_front();
            self.events_dropped.fetch_add(1, Relaxed);
        }
        events.push_back(Event {
            at: Instant::now(),
            text,
        });
    }

    /// Takes the events that came since the last call.
    pub fn take_events(&self) -> Vec<Event> {
        locked(&self.events).drain(..).collect()
    }

    /// Events that were dropped because nobody read them.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        self.events_dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_shards_and_forget_a_reset_one() {
        let telemetry = Telemetry::new();
        let (a, b) = (
            telemetry.shard("public.t", 0),
            telemetry.shard("public.t", 1),
        );
        a.rows_read.fetch_add(3, Relaxed);
        b.rows_read.fetch_add(4, Relaxed);
        assert_eq!(telemetry.totals().rows_read, 7);
        b.reset();
        assert_eq!(telemetry.totals().rows_read, 3);
        assert_eq!(telemetry.shards().len(), 2);
    }

    #[test]
    fn phases_are_kept_in_the_order_they_were_entered() {
        let telemetry = Telemetry::new();
        telemetry.enter(Phase::Connecting);
        telemetry.enter(Phase::Moving);
        let phases: Vec<Phase> = telemetry.phases().into_iter().map(|(p, _)| p).collect();
        assert_eq!(phases, [Phase::Connecting, Phase::Moving]);
        assert_eq!(telemetry.phase(), Phase::Moving);
    }

    #[test]
    fn unread_events_are_dropped_and_counted() {
        let telemetry = Telemetry::new();
        for i in 0..EVENT_CAPACITY + 5 {
            telemetry.event(format!("{i}"));
        }
        assert_eq!(telemetry.events_dropped(), 5);
        assert_eq!(telemetry.take_events().len(), EVENT_CAPACITY);
        assert!(telemetry.take_events().is_empty());
    }
}
