//! A worker at work: one source connection, one destination connection, one destination
//! transaction.
//!
//! It takes units from the queue until all are loaded, says so, and then does what the leader
//! orders: prepare, commit, or nothing. It never commits on its own.
//!
//! A worker that loses a connection before that has lost its transaction: once its old backend is
//! gone from the destination, everything it took or loaded goes back to the queue, and it begins a
//! new life.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::dest::{ChunkDestination, CopyDestination, InsertDestination, NullDestination};
use super::fail_point::{Point, reach};
use super::moving::Loaded;
use super::plan::CopyFormat;
use super::sequences;
use super::snapshot;
use super::source::{ChunkSource, GenerateSource, PostgresSource};
use super::whereabouts::{self, Whereabouts};
use super::worker::{Measured, Order, ReadFrom, Ready, Report, Shared, WriteTo};
use super::{backend, drift, settings};
use crate::config::types::LoadMethod;
use crate::error::{CommitState, Error, Kind, Result};
use crate::postgres::Session;
use crate::postgres::session::Canceller;
use crate::telemetry::counters::Side;
use crate::telemetry::sampler;

/// Lives a worker may have: the first, and one after each lost connection.
const MAX_LIVES: u32 = 4;

/// How long a server may take to say who served a worker that has done its part.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
pub(super) struct Hand {
    pub(super) number: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) reports: UnboundedSender<(u32, Report)>,
    pub(super) measured: Measured,
    /// A COMMIT was sent: what becomes of it is the server's word.
    pub(super) committing: bool,
}

impl Hand {
    pub(super) fn run(mut self, mut orders: UnboundedReceiver<Order>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::new(Kind::Io, format!("cannot start a runtime: {e}")))?;
        runtime.block_on(async {
            let cancellers = Mutex::new(Vec::new());
            let cancel = self.shared.cancel.clone();
            let outcome = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(unheard()),
                outcome = self.lives(&mut orders, &cancellers) => outcome,
            };
            // what it has reported is done: the end of the attempt, which may follow at once, is no reason to
            // leave without a word
            let outcome = match outcome {
                Ok(sessions) => {
                    let leaving = sessions.into_iter().map(|session| self.leave(session));
                    futures_util::future::join_all(leaving).await;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            let outcome = outcome.map_err(|error| {
                if self.committing && matches!(error.kind(), Kind::Connection | Kind::Interrupted) {
                    error.at_commit_state(CommitState::AfterCommitUnknown)
                } else {
                    error
                }
            });
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

    /// Does its part, again after a lost connection; the sessions that are to be closed.
    async fn lives(
        &mut self,
        orders: &mut UnboundedReceiver<Order>,
        cancellers: &Mutex<Vec<Canceller>>,
    ) -> Result<Vec<Session>> {
        let mut life = 1;
        loop {
            let outcome = self.life(orders, cancellers).await;
            match outcome {
                Ok(sessions) => return Ok(sessions),
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
                if let Some(left) = &self.shared.rows_left {
                    left.fetch_add(shard.rows_written.load(Relaxed), Relaxed);
                }
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
    ) -> Result<Vec<Session>, End> {
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
        reach(Point::WorkerBegun).await?;
        let loaded = self
            .load(source.as_mut(), dest.as_mut())
            .await
            .map_err(drift::explain_refusal)
            .map_err(lost)?;
        let ready = self
            .finish_loading(dest.as_ref(), identity.clone(), loaded)
            .await
            .map_err(lost)?;
        reach(Point::Loaded).await?;
        let _ = self
            .reports
            .send((self.number, Report::Ready(Box::new(ready))));
        self.obey(dest.as_ref(), orders).await?;
        let sessions = [source.into_session(), dest.into_session()];
        Ok(sessions.into_iter().flatten().collect())
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
                place,
                standby,
            } => {
                let session = server
                    .connect(&format!("rb-bench read {}", self.number))
                    .await?;
                // the user's own queries see the role's own search_path in either format
                let streams = &self.shared.plan.streams;
                let transforms = streams.iter().any(|stream| stream.transform.is_some());
                let begin = settings::begin_source(
                    *version,
                    Some(snapshot),
                    self.has_text() && !transforms,
                );
                if let Err(error) = session.begin(&begin, "importing the run's snapshot").await {
                    return Err(snapshot::explain_import(error, &session, place).await);
                }
                self.announce(&session, Side::Source, place).await?;
                for stream in &self.shared.plan.streams {
                    snapshot::hold(&session, &stream.source, true).await?;
                }
                Box::new(PostgresSource::new(session, *standby))
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
            place,
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
            .begin(&begin, "beginning the worker's transaction")
            .await?;
        let arrival = self.announce(&session, Side::Destination, place).await?;
        let identity = arrival.identity(server)?;
        for sql in first {
            session.execute(sql, "making the target ready").await?;
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

    /// Sees that a session is on the server of all others, and tells who serves it.
    async fn announce(
        &self,
        session: &Session,
        side: Side,
        place: &Whereabouts,
    ) -> Result<backend::Arrival> {
        let server = session.server();
        let arrival = backend::Arrival::of(session).await?;
        whereabouts::require_same_place(server, place, &arrival.place)?;
        self.shared
            .telemetry
            .backend_arrived(side, arrival.pid, server.is_local());
        Ok(arrival)
    }

    async fn finish_loading(
        &mut self,
        dest: &dyn ChunkDestination,
        backend: Option<backend::Identity>,
        loaded: Loaded,
    ) -> Result<Ready> {
        let mut ready = Ready {
            backend,
            rows: loaded.rows,
            merged: loaded.merged,
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
            for sequence in sequences::sequences(session, table, columns).await? {
                if let Some(value) = sequence.extreme(session).await? {
                    sequence.advance(session, &value).await?;
                }
            }
        }
        for sequence in sequences {
            ready.extremes.push(sequence.extreme(session).await?);
        }
        let xid = "SELECT pg_catalog.txid_current()";
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
        let order = orders.recv().await.ok_or_else(unheard)?;
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
                session
                    .execute(&sql, "preparing the worker's transaction")
                    .await
                    .map_err(explain_prepare)?;
                reach(Point::WorkerPrepared).await?;
                let _ = self.reports.send((self.number, Report::Prepared));
            }
            Order::Commit(statements) => {
                for sql in statements {
                    session
                        .execute(&sql, "finishing the worker's transaction")
                        .await?;
                }
                self.committing = true;
                session.execute("COMMIT", "committing").await?;
                reach(Point::WorkerCommitted)
                    .await
                    .map_err(|e| e.at_commit_state(CommitState::AfterCommitConfirmed))?;
                let _ = self.reports.send((self.number, Report::Committed));
            }
        }
        Ok(())
    }

    /// Closes a session, after its backend's CPU time was noted: then it is still there to be asked.
    async fn leave(&self, session: Session) {
        if session.server().is_local() {
            // it is a figure for reports, and no reason to wait for a server that is gone
            let asking = tokio::time::timeout(LAST_WORDS, backend::pid(&session));
            if let Ok(Ok(Some(pid))) = asking.await {
                let cpu = sampler::cpu_secs_of(&[pid]).first().map(|(_, secs)| *secs);
                self.shared.telemetry.backend_leaves(pid, cpu);
            }
        }
        session.close().await;
    }
}

/// What keeps a transaction from being prepared.
fn explain_prepare(error: Error) -> Error {
    if error.sqlstate() == Some("0A000") {
        return error.remedy(
            "something in this transaction (a trigger's temporary table?) cannot be prepared; use commit: ledger",
        );
    }
    error
}

/// The end of a worker that nobody listens to any more: whoever cancelled it knows why.
fn unheard() -> Error {
    Error::new(Kind::Interrupted, "cancelled")
}
