//! A worker: one source connection, one destination connection, one destination transaction.
//!
//! Each runs on a thread of its own with a runtime of its own, so that its two connections and its
//! copying never wake another thread. It takes units from the queue until all are loaded, says so,
//! and then does what the leader orders: prepare, commit, or nothing.
//!
//! A worker that loses a connection before that has lost its transaction: once its old backend is
//! gone from the destination, everything it took or loaded goes back to the queue, and it begins a
//! new life. It never commits on its own.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

use super::dest::{ChunkDestination, CopyDestination, InsertDestination, NullDestination};
use super::plan::{Chunk, CopyFormat, Plan, StreamSpec};
use super::queue::SharedQueue;
use super::snapshot;
use super::source::{ChunkSource, GenerateSource, Pace, PostgresSource};
use super::targets::{self, Sequence};
use super::{backend, settings};
use crate::config::types::{Generate, LoadMethod};
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::Name;
use crate::postgres::connect::Canceller;
use crate::postgres::copy::{Block, Piece};
use crate::postgres::{Server, Session};
use crate::telemetry::counters::{Shard, Side, Telemetry};
use crate::telemetry::histogram::{Histograms, record};
use crate::telemetry::sampler;

/// Lives a worker may have: the first, and one after each lost connection.
const MAX_LIVES: u32 = 4;

/// Where a worker reads.
#[derive(Debug, Clone)]
pub enum ReadFrom {
    /// A Postgres server, at an exported snapshot.
    Postgres {
        /// The server.
        server: Server,
        /// The snapshot's id.
        snapshot: String,
        /// The server's version number.
        version: u32,
    },
    /// The process itself.
    Generate {
        /// What rows to make.
        settings: Generate,
        /// How fast, over all workers.
        pace: Arc<Pace>,
    },
}

/// Where a worker writes.
#[derive(Debug, Clone)]
pub enum WriteTo {
    /// A Postgres server.
    Postgres {
        /// The server.
        server: Server,
        /// The server's version number.
        version: u32,
        /// COPY or INSERT.
        method: LoadMethod,
        /// SQL at the beginning of the worker's transaction (tables a single writer makes).
        first: Vec<String>,
        /// SQL once all rows are in (their keys).
        last: Vec<String>,
        /// Tables whose sequences the worker moves itself, with their copied columns: all of a
        /// single writer's, for nobody else sees what it made.
        own_tables: Vec<(Name, Vec<String>)>,
        /// Sequences of existing targets, whose columns' extremes the leader needs.
        sequences: Vec<Sequence>,
    },
    /// Nowhere.
    Null,
}

/// Everything the workers of an attempt share.
pub struct Shared {
    /// What is to be done.
    pub plan: Plan,
    /// What of it is left.
    pub queue: SharedQueue,
    /// Where rows come from.
    pub from: ReadFrom,
    /// Where rows go.
    pub to: WriteTo,
    /// Rows the run may still take (`--limit`).
    pub rows_left: Option<AtomicU64>,
    /// Payload bytes of a block.
    pub buffer_bytes: usize,
    /// When the run started.
    pub started: Instant,
    /// What the run tells.
    pub telemetry: Arc<Telemetry>,
    /// Stops the attempt.
    pub cancel: CancellationToken,
}

/// What the leader can order a worker that is ready.
#[derive(Debug)]
pub enum Order {
    /// PREPARE TRANSACTION under this name.
    Prepare(String),
    /// Run this SQL in the transaction, then COMMIT.
    Commit(Vec<String>),
}

/// What a worker tells the leader.
#[derive(Debug)]
pub enum Report {
    /// A destination backend works for it now.
    Writing(backend::Identity),
    /// Everything is loaded; it waits for orders.
    Ready(Box<Ready>),
    /// It has prepared its transaction.
    Prepared,
    /// It has committed.
    Committed,
    /// It has failed; nothing more will come from it.
    Failed(Error),
}

/// What a worker that has loaded its share says of its transaction.
#[derive(Debug, Clone, Default)]
pub struct Ready {
    /// `pg_current_xact_id()`; none for dest-null.
    pub xid: Option<String>,
    /// Its destination backend.
    pub backend: Option<backend::Identity>,
    /// Rows it wrote to each target.
    pub rows: Vec<(Name, u64)>,
    /// For each of the run's sequences, the extreme value among the rows it can see.
    pub extremes: Vec<Option<String>>,
    /// What it measured.
    pub measured: Measured,
}

/// What a worker measured over all its lives.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Latencies.
    pub histograms: Histograms,
    /// Time spent connecting to the source.
    pub source_connect: Duration,
    /// Time spent connecting to the destination.
    pub dest_connect: Duration,
    /// Time spent in calls of the destination.
    pub dest_active: Duration,
}

/// A worker as the leader holds it.
pub struct Worker {
    thread: std::thread::JoinHandle<()>,
    orders: UnboundedSender<Order>,
}

impl Worker {
    /// Starts a worker; `reports` gets its reports, with its number.
    pub fn start(
        number: u32,
        shared: &Arc<Shared>,
        reports: UnboundedSender<(u32, Report)>,
    ) -> Result<Self> {
        let (orders, inbox) = tokio::sync::mpsc::unbounded_channel();
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name(format!("worker {number}"))
            .spawn(move || {
                let run = AssertUnwindSafe(|| {
                    Hand {
                        number,
                        shared,
                        reports: reports.clone(),
                        measured: Measured::default(),
                    }
                    .run(inbox)
                });
                let outcome = std::panic::catch_unwind(run)
                    .unwrap_or_else(|_| Err(Error::internal(format!("worker {number} panicked"))));
                if let Err(error) = outcome {
                    // a leader that no longer listens has ended the attempt already
                    let _ = reports.send((number, Report::Failed(error)));
                }
            })
            .map_err(|e| Error::new(Kind::Io, format!("cannot start a thread: {e}")))?;
        Ok(Self { thread, orders })
    }

    /// Gives an order. A worker that cannot take it any more has reported why.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Waits until its thread has ended; its connections are closed then.
    pub async fn ended(self) {
        drop(self.orders);
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// How a life ended before its time.
enum End {
    /// A connection was lost while copying: the transaction is undone.
    Lost(Error, Option<backend::Identity>),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The worker as it works.
struct Hand {
    number: u32,
    shared: Arc<Shared>,
    reports: UnboundedSender<(u32, Report)>,
    measured: Measured,
}

impl Hand {
    fn run(mut self, mut orders: UnboundedReceiver<Order>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::new(Kind::Io, format!("cannot start a runtime: {e}")))?;
        runtime.block_on(async {
            let cancellers = Mutex::new(Vec::new());
            let cancel = self.shared.cancel.clone();
            let outcome = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Error::new(Kind::Interrupted, "cancelled")),
                outcome = self.lives(&mut orders, &cancellers) => outcome,
            };
            if outcome.is_err() {
                // the sockets are closed by now, but a server that is busy looks up only when told
                let cancellers = cancellers
                    .into_inner()
                    .unwrap_or_else(PoisonError::into_inner);
                futures_util::future::join_all(cancellers.iter().map(Canceller::cancel)).await;
            }
            outcome
        })
    }

    async fn lives(
        &mut self,
        orders: &mut UnboundedReceiver<Order>,
        cancellers: &Mutex<Vec<Canceller>>,
    ) -> Result<()> {
        let mut life = 1;
        loop {
            let outcome = self.life(orders, cancellers).await;
            match outcome {
                Ok(()) => return Ok(()),
                Err(End::Failed(error)) => return Err(error),
                Err(End::Lost(error, _)) if life == MAX_LIVES => {
                    return Err(error.context(format!(
                        "worker {} lost its connection {life} times",
                        self.number
                    )));
                }
                Err(End::Lost(error, old)) => {
                    life += 1;
                    self.mourn(&error, old).await?;
                }
            }
        }
    }

    /// After a lost connection: the old transaction must be gone before its chunks are handed out.
    async fn mourn(&mut self, error: &Error, old: Option<backend::Identity>) -> Result<()> {
        if let (WriteTo::Postgres { server, .. }, Some(old)) = (&self.shared.to, old) {
            backend::await_gone(server, &[old]).await?;
        }
        for shard in self.shared.telemetry.shards() {
            if shard.worker == self.number {
                shard.reset();
            }
        }
        let units = self.shared.queue.requeue(self.number);
        self.shared.telemetry.event(format!(
            "worker {} lost its connection ({}); {units} chunks requeued",
            self.number,
            error.message()
        ));
        Ok(())
    }

    async fn life(
        &mut self,
        orders: &mut UnboundedReceiver<Order>,
        cancellers: &Mutex<Vec<Canceller>>,
    ) -> Result<(), End> {
        let (source, dest) = tokio::join!(self.connect_source(), self.connect_destination());
        let (mut source, took) = source?;
        self.measured.source_connect += took;
        let (mut dest, identity, took) = dest?;
        self.measured.dest_connect += took;
        let sessions = source.session().into_iter().chain(dest.session());
        *cancellers.lock().unwrap_or_else(PoisonError::into_inner) =
            sessions.map(Session::canceller).collect();
        if let Some(identity) = &identity {
            let _ = self
                .reports
                .send((self.number, Report::Writing(identity.clone())));
        }
        let lost = |error: Error| match error.kind() {
            Kind::Connection => End::Lost(error, identity.clone()),
            _ => End::Failed(error),
        };
        let rows = self
            .load(source.as_mut(), dest.as_mut())
            .await
            .map_err(lost)?;
        let ready = self
            .finish_loading(dest.as_ref(), identity.clone(), rows)
            .await
            .map_err(lost)?;
        let _ = self
            .reports
            .send((self.number, Report::Ready(Box::new(ready))));
        self.obey(dest.as_ref(), orders).await?;
        self.note_cpu(source.session()).await;
        self.note_cpu(dest.session()).await;
        Ok(())
    }

    async fn connect_source(&self) -> Result<(Box<dyn ChunkSource>, Duration)> {
        let since = Instant::now();
        let source: Box<dyn ChunkSource> = match &self.shared.from {
            ReadFrom::Generate { settings, pace } => {
                Box::new(GenerateSource::new(settings.clone(), Arc::clone(pace)))
            }
            ReadFrom::Postgres {
                server,
                snapshot,
                version,
            } => {
                let session = server
                    .connect(&format!("rb-bench read {}", self.number))
                    .await?;
                let begin = settings::begin_source(*version, Some(snapshot), self.has_text());
                session
                    .execute(&begin, "importing the run's snapshot")
                    .await?;
                self.announce(&session, Side::Source).await?;
                for stream in &self.shared.plan.streams {
                    snapshot::hold(&session, &stream.source, true).await?;
                }
                Box::new(PostgresSource::new(session))
            }
        };
        Ok((source, since.elapsed()))
    }

    async fn connect_destination(
        &self,
    ) -> Result<(
        Box<dyn ChunkDestination>,
        Option<backend::Identity>,
        Duration,
    )> {
        let since = Instant::now();
        let WriteTo::Postgres {
            server,
            version,
            method,
            first,
            ..
        } = &self.shared.to
        else {
            return Ok((Box::new(NullDestination::default()), None, Duration::ZERO));
        };
        let session = server
            .connect(&format!("rb-bench write {}", self.number))
            .await?;
        let begin = settings::begin_destination(*version, self.has_text());
        session
            .execute(&begin, "beginning the worker's transaction")
            .await?;
        let identity = self.announce(&session, Side::Destination).await?;
        for sql in first {
            session.execute(sql, "making the target table").await?;
        }
        let dest: Box<dyn ChunkDestination> = match method {
            LoadMethod::Copy => Box::new(CopyDestination::new(session)),
            LoadMethod::Insert => Box::new(InsertDestination::new(session)),
        };
        Ok((dest, Some(identity), since.elapsed()))
    }

    /// Whether a stream travels as text: then names are read and printed qualified on both sides.
    fn has_text(&self) -> bool {
        self.shared
            .plan
            .streams
            .iter()
            .any(|stream| stream.format == CopyFormat::Text)
    }

    async fn announce(&self, session: &Session, side: Side) -> Result<backend::Identity> {
        let identity = backend::identity(session).await?;
        self.shared
            .telemetry
            .backend_arrived(side, identity.pid, session.server().is_local());
        Ok(identity)
    }

    /// Moves units until all of the run are loaded; returns the rows written to each target.
    async fn load(
        &mut self,
        source: &mut dyn ChunkSource,
        dest: &mut dyn ChunkDestination,
    ) -> Result<Vec<(Name, u64)>> {
        let shared = Arc::clone(&self.shared);
        let mut block = Block::new(shared.buffer_bytes);
        let mut rows: Vec<(Name, u64)> = Vec::new();
        while let Some(unit) = shared.queue.take(self.number).await {
            for chunk in &unit.chunks {
                let stream = &shared.plan.streams[chunk.stream];
                let doing = || describe(stream, chunk);
                block.clear();
                let written = self
                    .move_chunk(source, dest, &mut block, stream, chunk)
                    .await
                    .map_err(|e| e.context(doing()))?;
                if let Some(target) = &stream.target {
                    match rows.iter_mut().find(|(name, _)| name == target) {
                        Some((_, sum)) => *sum += written,
                        None => rows.push((target.clone(), written)),
                    }
                }
            }
            shared.queue.loaded(self.number, unit.id);
        }
        Ok(rows)
    }

    /// Moves one chunk: one COPY on each side. Rows on the wire must be what both sides counted.
    async fn move_chunk(
        &mut self,
        source: &mut dyn ChunkSource,
        dest: &mut dyn ChunkDestination,
        block: &mut Block,
        stream: &StreamSpec,
        chunk: &Chunk,
    ) -> Result<u64> {
        let shard = self
            .shared
            .telemetry
            .shard(&stream.source.to_string(), self.number);
        let begun = Instant::now();
        let limit = self
            .shared
            .rows_left
            .as_ref()
            .map(|left| left.load(Relaxed));
        tokio::try_join!(source.open(stream, chunk, limit), dest.open(stream))?;
        shard
            .query_ns
            .fetch_add(begun.elapsed().as_nanos() as u64, Relaxed);
        let (mut fetched, mut flushed, mut counted) = (Duration::ZERO, Duration::ZERO, 0);
        let (messages, rows) = loop {
            let piece = source.fill(block).await?;
            if shard.first_byte_ns.load(Relaxed) == 0 {
                shard
                    .first_byte_ns
                    .store(self.shared.started.elapsed().as_nanos() as u64, Relaxed);
            }
            note_wait(
                &mut fetched,
                source.waited(),
                &shard.source_wait_ns,
                &mut self.measured.histograms.fetch,
            );
            shard
                .rows_read
                .fetch_add(source.messages() - counted, Relaxed);
            counted = source.messages();
            let bytes = block.payload().len() as u64;
            shard.bytes_read.fetch_add(bytes, Relaxed);
            let since = Instant::now();
            dest.write(block).await?;
            self.measured.dest_active += since.elapsed();
            note_wait(
                &mut flushed,
                dest.waited(),
                &shard.dest_wait_ns,
                &mut self.measured.histograms.flush,
            );
            shard.bytes_written.fetch_add(bytes, Relaxed);
            if let Piece::End { messages, rows } = piece {
                break (messages, rows);
            }
        };
        let since = Instant::now();
        let written = dest.finish().await?;
        self.measured.dest_active += since.elapsed();
        note_wait(
            &mut flushed,
            dest.waited(),
            &shard.dest_wait_ns,
            &mut self.measured.histograms.flush,
        );
        record(&mut self.measured.histograms.chunk, begun.elapsed());
        check_rows(stream.format, messages, rows, written)?;
        if let Some(left) = &self.shared.rows_left {
            left.fetch_sub(rows, Relaxed);
        }
        // the trailer was counted as a row while it went by
        shard.rows_read.fetch_sub(counted - rows, Relaxed);
        shard.rows_written.fetch_add(written, Relaxed);
        shard.chunks.fetch_add(1, Relaxed);
        Ok(written)
    }

    async fn finish_loading(
        &mut self,
        dest: &dyn ChunkDestination,
        backend: Option<backend::Identity>,
        rows: Vec<(Name, u64)>,
    ) -> Result<Ready> {
        let mut ready = Ready {
            backend,
            rows,
            measured: self.measured.clone(),
            ..Ready::default()
        };
        let (
            Some(session),
            WriteTo::Postgres {
                last,
                own_tables,
                sequences,
                ..
            },
        ) = (dest.session(), &self.shared.to)
        else {
            return Ok(ready);
        };
        for sql in last {
            session.execute(sql, "building keys and indexes").await?;
        }
        for (table, columns) in own_tables {
            for sequence in targets::sequences(session, table, columns).await? {
                if let Some(value) = sequence.extreme(session).await? {
                    sequence.advance(session, &value).await?;
                }
            }
        }
        for sequence in sequences {
            ready.extremes.push(sequence.extreme(session).await?);
        }
        let xid = "SELECT pg_catalog.pg_current_xact_id()";
        ready.xid = session
            .value(xid, "asking for the transaction's id")
            .await?;
        Ok(ready)
    }

    /// Does what the leader orders, until the transaction is out of our hands.
    async fn obey(
        &mut self,
        dest: &dyn ChunkDestination,
        orders: &mut UnboundedReceiver<Order>,
    ) -> Result<()> {
        let order = orders
            .recv()
            .await
            .ok_or_else(|| Error::new(Kind::Interrupted, "the leader is gone"))?;
        let Some(session) = dest.session() else {
            let _ = self.reports.send((self.number, Report::Committed));
            return Ok(());
        };
        match order {
            Order::Prepare(gid) => {
                let sql = format!(
                    "PREPARE TRANSACTION {}",
                    crate::postgres::quote_literal(&gid)
                );
                session.execute(&sql, "preparing the worker's transaction").await.map_err(|error| {
                    if error.sqlstate() == Some("0A000") {
                        error.remedy("something in this transaction (a trigger's temporary table?) cannot be prepared; use commit: ledger")
                    } else {
                        error
                    }
                })?;
                let _ = self.reports.send((self.number, Report::Prepared));
            }
            Order::Commit(statements) => {
                for sql in statements {
                    session
                        .execute(&sql, "finishing the worker's transaction")
                        .await?;
                }
                session
                    .execute("COMMIT", "committing")
                    .await
                    .map_err(|error| match error.kind() {
                        Kind::Connection => {
                            error.at_commit_state(crate::error::CommitState::AfterCommitUnknown)
                        }
                        _ => error,
                    })?;
                let _ = self.reports.send((self.number, Report::Committed));
            }
        }
        Ok(())
    }

    /// Notes the backend's CPU time while it is still there to be asked.
    async fn note_cpu(&self, session: Option<&Session>) {
        let Some(session) = session.filter(|session| session.server().is_local()) else {
            return;
        };
        if let Ok(identity) = backend::identity(session).await {
            let cpu = sampler::cpu_secs_of(&[identity.pid])
                .first()
                .map(|(_, secs)| *secs);
            self.shared.telemetry.backend_leaves(identity.pid, cpu);
        }
    }
}

fn describe(stream: &StreamSpec, chunk: &Chunk) -> String {
    match (&chunk.heap, chunk.from_block, chunk.to_block) {
        (Some(heap), from, to) if from.is_some() || to.is_some() => {
            let from = from.unwrap_or(0);
            let to = to.map_or("end".to_owned(), |block| block.to_string());
            format!("copying {heap} (blocks {from} to {to})")
        }
        _ => format!("copying {}", stream.source),
    }
}

/// Adds what a side has made us wait since the last look.
fn note_wait(
    seen: &mut Duration,
    now: Duration,
    counter: &AtomicU64,
    histogram: &mut hdrhistogram::Histogram<u64>,
) {
    let wait = now.saturating_sub(*seen);
    if !wait.is_zero() {
        counter.fetch_add(wait.as_nanos() as u64, Relaxed);
        record(histogram, wait);
        *seen = now;
    }
}

/// Rows by messages on the wire, by the source's tag and by the destination's must be one number.
fn check_rows(format: CopyFormat, messages: u64, tag: u64, written: u64) -> Result<()> {
    let on_wire = match format {
        CopyFormat::Binary => messages.saturating_sub(1),
        CopyFormat::Text => messages,
    };
    if on_wire == tag && tag == written {
        return Ok(());
    }
    Err(Error::new(
        Kind::Verification,
        format!("{on_wire} rows on the wire, {tag} by the source's count, {written} by the destination's"),
    )
    .remedy(
        "a trigger or rule of the target that drops or redirects rows does this; if there is none, report it. \
         Nothing was committed",
    ))
}

/// The metrics of a shard, for the result.
#[must_use]
pub fn shard_metrics(shard: &Shard, index: u32, count: u32) -> super::result::ShardMetrics {
    let seconds = |ns: &AtomicU64| ns.load(Relaxed) as f64 / 1e9;
    let sharded = count > 1;
    super::result::ShardMetrics {
        stream_name: shard.stream.clone(),
        partition_index: sharded.then_some(index),
        partition_count: sharded.then_some(count),
        records_read: shard.rows_read.load(Relaxed),
        records_written: shard.rows_written.load(Relaxed),
        bytes_read: shard.bytes_read.load(Relaxed),
        bytes_written: shard.bytes_written.load(Relaxed),
        chunks: shard.chunks.load(Relaxed),
        source_duration_secs: seconds(&shard.source_wait_ns),
        dest_duration_secs: seconds(&shard.dest_wait_ns),
        first_byte_secs: seconds(&shard.first_byte_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_counted_alike_everywhere_is_an_error() {
        assert!(check_rows(CopyFormat::Binary, 11, 10, 10).is_ok());
        assert!(check_rows(CopyFormat::Text, 10, 10, 10).is_ok());
        for (messages, tag, written) in [(10, 10, 10), (11, 10, 9), (11, 9, 10)] {
            let error = check_rows(CopyFormat::Binary, messages, tag, written).unwrap_err();
            assert_eq!(error.kind(), Kind::Verification);
        }
    }
}
