//! A worker as the leader sees it: what it is given, what it is ordered, what it reports.
//!
//! Each runs on a thread of its own with a runtime of its own, so that its two connections and its
//! copying never wake another thread. What it does there is in `hand`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::Sums;
use super::backend;
use super::hand::Hand;
use super::plan::Plan;
use super::queue::SharedQueue;
use super::sequences::Sequence;
use super::source::Pace;
use super::whereabouts::Whereabouts;
use crate::config::types::{Generate, LoadMethod};
use crate::error::{Error, Kind, Result};
use crate::postgres::Server;
use crate::postgres::catalog::Name;
use crate::telemetry::counters::Telemetry;
use crate::telemetry::histogram::Histograms;

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
        /// Which server it is.
        place: Whereabouts,
        /// Whether it is a standby.
        standby: bool,
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
        /// Which server it is.
        place: Box<Whereabouts>,
        /// COPY or INSERT.
        method: LoadMethod,
        /// SQL at the beginning of the worker's transaction (tables a single writer makes).
        first: Vec<String>,
        /// SQL once all rows are in (their keys).
        last: Vec<String>,
        /// Tables whose sequences the worker moves itself, with their copied columns: all of a
        /// single writer's, for nobody else sees what it made.
        own_tables: Vec<(Name, Vec<String>)>,
        /// What the names of staging tables begin with, and where they are made.
        staging: Name,
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
    /// `txid_current()`, with its epoch; none for dest-null.
    pub xid: Option<String>,
    /// Its destination backend.
    pub backend: Option<backend::Identity>,
    /// Rows it wrote to each target.
    pub rows: Vec<(Name, u64)>,
    /// Sums of what it upserted, by stream, where the run is going to be verified.
    pub merged: Vec<(usize, Sums)>,
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
                        committing: false,
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
