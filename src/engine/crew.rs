//! The workers of one attempt, as the leader commands them.
//!
//! The first error is the root cause: it stops the others, and what they say about being stopped
//! is not heard. No attempt ends before every thread of it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Sums;
use super::backend;
use super::leader::{Blocked, Leader};
use super::snapshot::Snapshot;
use super::stop::interrupted;
use super::worker::{Measured, Order, Ready, Report, Shared, Worker};
use crate::error::{Error, Kind, Result};
use crate::telemetry::histogram::Histograms;

/// How often the destination is asked whether workers block each other; twice in a row is proof.
const WATCH_EVERY: Duration = Duration::from_millis(400);
/// How often the bytes written so far are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// COPY bytes after which the WAL writer is woken: a quarter of the largest default of wal_buffers.
const WAKE_EVERY: u64 = 4_000_000;
/// How long a blocked worker may take to say where it stood.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Questions in a row that may stay without an answer while no byte is written.
const SILENT_AT_MOST: u32 = 4;

/// How long the watch has had no answer. While the workers hold a pooler's connections there may be
/// none left for it, which is no harm as long as they get on.
#[derive(Debug, Default)]
struct Silence {
    /// Questions without an answer since then.
    questions: u32,
    /// Bytes written when the first of them went unanswered, or at the last that got on.
    written: u64,
}

impl Silence {
    /// What the watch has seen; none where there was no answer in time.
    ///
    /// # Errors
    /// Any other error; the missing answer where it is one of several, and nothing was written.
    fn heard<T>(&mut self, asked: Result<T>, written: u64) -> Result<Option<T>> {
        match asked {
            Ok(answer) => {
                *self = Self::default();
                Ok(Some(answer))
            }
            // what a server says of space comes with its SQLSTATE
            Err(late) if late.kind() == Kind::Space && late.sqlstate().is_none() => {
                if self.written != written {
                    *self = Self {
                        questions: 0,
                        written,
                    };
                }
                self.questions += 1;
                if self.questions >= SILENT_AT_MOST {
                    return Err(late);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The workers of one attempt.
pub struct Crew {
    shared: Arc<Shared>,
    workers: BTreeMap<u32, Worker>,
    sender: UnboundedSender<(u32, Report)>,
    reports: UnboundedReceiver<(u32, Report)>,
    /// Every destination backend that worked for the attempt, lost ones included.
    pub backends: Vec<backend::Identity>,
    current: BTreeMap<u32, backend::Identity>,
    /// What each ready worker has said.
    pub ready: BTreeMap<u32, Ready>,
}

impl Crew {
    /// Starts as many workers as the plan keeps busy.
    pub fn start(shared: Arc<Shared>) -> Result<Self> {
        let (sender, reports) = unbounded_channel();
        let count = shared.plan.workers;
        let mut crew = Self {
            shared,
            workers: BTreeMap::new(),
            sender,
            reports,
            backends: Vec::new(),
            current: BTreeMap::new(),
            ready: BTreeMap::new(),
        };
        for number in 0..count {
            crew.hire(number)?;
        }
        Ok(crew)
    }

    /// Starts one worker more.
    pub fn hire(&mut self, number: u32) -> Result<()> {
        let worker = Worker::start(number, &self.shared, self.sender.clone())?;
        self.workers.insert(number, worker);
        Ok(())
    }

    /// What the workers share.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The number after the last worker's.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.workers.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Waits until every worker has loaded its share.
    ///
    /// # Errors
    /// The root cause: of the first worker that failed, or of what all depend on. The caller then
    /// disbands the crew.
    pub async fn until_ready(
        &mut self,
        mut snapshot: Option<&mut Snapshot>,
        leader: Option<&Leader>,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let mut watch = tokio::time::interval(WATCH_EVERY);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut logged = 0;
        let mut seen: Vec<Blocked> = Vec::new();
        let mut silence = Silence::default();
        while self.ready.len() < self.workers.len() {
            let snapshot_lost = async {
                match &mut snapshot {
                    Some(snapshot) => snapshot.lost().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(interrupted()),
                report = self.reports.recv() => self.hear(report)?,
                error = snapshot_lost => return Err(self.prefer_reported(error).await),
                _ = look.tick(), if leader.is_some() => {
                    let written = self.shared.telemetry.totals().bytes_written;
                    // a worker that begins anew takes its bytes back
                    logged = logged.min(written);
                    if let Some(leader) = leader && written - logged >= WAKE_EVERY {
                        logged = written;
                        // a connection that is lost is found and explained by the watch below
                        let _slower = leader.wake_wal_writer().await;
                    }
                }
                _ = watch.tick() => {
                    let Some(leader) = leader else { continue };
                    let asked = tokio::select! {
                        biased;
                        () = cancel.cancelled() => return Err(interrupted()),
                        asked = leader.blocked(&self.current) => asked,
                    };
                    let written = self.shared.telemetry.totals().bytes_written;
                    let Some(now) = silence.heard(asked, written)? else { continue };
                    if let Some(blocked) = now.iter().find(|blocked| seen.contains(blocked)) {
                        return Err(self.explain(blocked, leader).await);
                    }
                    if leader.decision.is_closed() {
                        return Err(Error::new(Kind::Connection, format!("the leader's session on {} was lost", leader.server)));
                    }
                    seen = now;
                }
            }
        }
        Ok(())
    }

    /// Waits until one worker, hired later, has loaded what is left.
    pub async fn until_one_ready(&mut self, number: u32, cancel: &CancellationToken) -> Result<()> {
        while !self.ready.contains_key(&number) {
            tokio::select! {
                () = cancel.cancelled() => return Err(interrupted()),
                report = self.reports.recv() => self.hear(report)?,
            }
        }
        Ok(())
    }

    fn hear(&mut self, report: Option<(u32, Report)>) -> Result<()> {
        match report {
            None => Err(Error::internal("every worker is gone without a word")),
            Some((number, Report::Writing(identity))) => {
                self.backends.push(identity.clone());
                self.current.insert(number, identity);
                Ok(())
            }
            Some((number, Report::Ready(ready))) => {
                self.ready.insert(number, *ready);
                Ok(())
            }
            Some((_, Report::Failed(error))) => Err(error),
            Some((number, Report::Prepared | Report::Committed)) => Err(Error::internal(format!(
                "worker {number} acted without an order"
            ))),
        }
    }

    /// When a server goes away, a worker may know better why.
    async fn prefer_reported(&mut self, error: Error) -> Error {
        let heard = tokio::time::timeout(Duration::from_millis(200), async {
            loop {
                if let Some((_, Report::Failed(reported))) = self.reports.recv().await {
                    return reported;
                }
            }
        });
        match heard.await {
            Ok(reported) if reported.sqlstate().is_some() => reported,
            _ => error,
        }
    }

    /// The worker that this destination backend works for.
    fn number_of(&self, pid: i32) -> Option<u32> {
        let mut current = self.current.iter();
        current
            .find(|(_, i)| i.pid == pid)
            .map(|(number, _)| *number)
    }

    /// Names both workers and the key they met on: a cancelled COPY says where it stood.
    async fn explain(&mut self, blocked: &Blocked, leader: &Leader) -> Error {
        let Some(waiting) = self.number_of(blocked.waiting) else {
            return Error::internal("a backend that nobody knows is blocked");
        };
        if !blocked.sibling {
            return Error::new(
                Kind::Lock,
                format!(
                    "worker {waiting} waits for another session (pid {}), which itself waits for this run: {}",
                    blocked.holder, blocked.query
                ),
            )
            .remedy("somebody changes the target table (ALTER, TRUNCATE, VACUUM FULL, ...); run again when that is done");
        }
        let Some(holder) = self.number_of(blocked.holder) else {
            return Error::internal("a worker waits for a sibling that nobody knows");
        };
        let words = if leader.cancel_backend(blocked.waiting).await.is_ok() {
            tokio::time::timeout(LAST_WORDS, self.last_words(waiting))
                .await
                .ok()
                .flatten()
        } else {
            None
        };
        let at = words
            .as_ref()
            .and_then(|error| error.server()?.context.clone())
            .map_or_else(String::new, |context| {
                format!(" ({})", context.lines().collect::<Vec<_>>().join("; "))
            });
        Error::new(
            Kind::SiblingBlocked,
            format!("worker {waiting} waited for worker {holder} of the same run{at}: they met on a key"),
        )
        .remedy("use resources.parallelism: 1, or drop the trigger or constraint that makes rows of one table depend on each other")
    }

    async fn last_words(&mut self, number: u32) -> Option<Error> {
        while let Some((who, report)) = self.reports.recv().await {
            if let Report::Failed(error) = report
                && who == number
            {
                return Some(error);
            }
        }
        None
    }

    /// Gives each of these workers its order; their answers, in the order they came. All of them,
    /// but where workers were to prepare the first error ends the waiting: they are undone anyway.
    pub async fn order(
        &mut self,
        orders: BTreeMap<u32, Order>,
        leader: Option<&Leader>,
    ) -> Vec<(u32, Result<()>)> {
        let mut answers = Vec::with_capacity(orders.len());
        let mut waiting: BTreeSet<u32> = orders.keys().copied().collect();
        let mut gids = BTreeMap::new();
        for (number, order) in orders {
            if let Order::Prepare(gid) = &order {
                gids.insert(gid.clone(), number);
            }
            if let Some(worker) = self.workers.get(&number) {
                worker.order(order);
            } else {
                waiting.remove(&number);
                let error = Error::internal(format!("there is no worker {number}"));
                answers.push((number, Err(error)));
            }
        }
        let mut watch = tokio::time::interval(WATCH_EVERY);
        while !waiting.is_empty() {
            let (number, answer) = tokio::select! {
                biased;
                report = self.reports.recv() => match report {
                    None => break,
                    Some((number, Report::Prepared | Report::Committed)) => (number, Ok(())),
                    Some((number, Report::Failed(error))) => (number, Err(error)),
                    Some((number, other)) => {
                        let error = Error::internal(format!("worker {number} answered {other:?}"));
                        (number, Err(error))
                    }
                },
                _ = watch.tick() => match self.stuck_behind_prepared(&gids, leader).await {
                    None => continue,
                    Some((number, error)) => (number, Err(error)),
                },
            };
            let failed = answer.is_err();
            waiting.remove(&number);
            answers.push((number, answer));
            if failed && !gids.is_empty() {
                break;
            }
        }
        answers
    }

    /// A worker that waits for a sibling that has prepared: it would wait for ever.
    async fn stuck_behind_prepared(
        &mut self,
        gids: &BTreeMap<String, u32>,
        leader: Option<&Leader>,
    ) -> Option<(u32, Error)> {
        let leader = leader.filter(|_| !gids.is_empty())?;
        // a session that cannot be asked shows itself at the decision
        let (waiting, gid) = leader
            .behind_prepared(&self.current, gids.keys())
            .await
            .ok()??;
        let (number, holder) = (self.number_of(waiting)?, self.current.get(gids.get(&gid)?)?);
        let blocked = Blocked {
            waiting,
            holder: holder.pid,
            sibling: true,
            query: String::new(),
        };
        Some((number, self.explain(&blocked, leader).await))
    }

    /// Lets workers that write nothing go.
    pub async fn release(&mut self) -> Result<()> {
        let orders = self
            .ready
            .keys()
            .map(|number| (*number, Order::Commit(Vec::new())))
            .collect();
        let answers = self.order(orders, None).await;
        answers.into_iter().try_for_each(|(_, answer)| answer)
    }

    /// What every ready worker measured.
    #[must_use]
    pub fn measured(&self) -> Vec<Measured> {
        self.ready
            .values()
            .map(|ready| ready.measured.clone())
            .collect()
    }

    /// The sums of what all workers together have upserted, by stream; none for other streams.
    pub fn merged(&self) -> Result<Vec<Option<Sums>>> {
        let streams = &self.shared.plan.streams;
        let mut all: Vec<Option<Sums>> = streams
            .iter()
            .map(|stream| stream.upsert.as_ref().map(|_| Sums::default()))
            .collect();
        for (stream, sums) in self.ready.values().flat_map(|ready| &ready.merged) {
            if let Some(sum) = &mut all[*stream] {
                sum.add(sums)?;
            }
        }
        Ok(all)
    }

    /// The latencies of all workers together.
    pub fn histograms(&self) -> Result<Histograms> {
        let mut all = Histograms::default();
        for ready in self.ready.values() {
            all.merge(&ready.measured.histograms)?;
        }
        Ok(all)
    }

    /// Stops every worker, at the server too, and waits until all threads have ended.
    pub async fn disband(self) -> Vec<backend::Identity> {
        self.shared.cancel.cancel();
        for (_, worker) in self.workers {
            worker.ended().await;
        }
        self.backends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_without_an_answer_gives_up_only_where_nothing_is_written() {
        let late = || Err::<(), _>(Error::new(Kind::Space, "no answer"));
        let mut silence = Silence::default();
        for written in 1..20 {
            assert_eq!(silence.heard(late(), written).unwrap(), None);
        }
        assert_eq!(silence.heard(late(), 19).unwrap(), None);
        assert_eq!(silence.heard(Ok(()), 19).unwrap(), Some(()));
        for _ in 1..SILENT_AT_MOST {
            assert_eq!(silence.heard(late(), 19).unwrap(), None);
        }
        assert_eq!(silence.heard(late(), 19).unwrap_err().kind(), Kind::Space);
        let lost = Err::<(), _>(Error::new(Kind::Connection, "lost"));
        assert!(Silence::default().heard(lost, 1).is_err());
    }
}
