//! How a run becomes visible: the commit forms, and what is done when one breaks in the middle.
//!
//! | form | the decision is | before it, a failure | after it, a failure |
//! | --- | --- | --- | --- |
//! | single_writer | the worker's COMMIT | undoes the transaction | - |
//! | built_aside | the leader's COMMIT, which puts the hidden tables in place | drops them | - |
//! | two_phase | the leader's COMMIT, which writes the ledger row | rolls back what is prepared | the next run commits what is prepared |
//! | ledger | the last worker's COMMIT | undoes or finishes what is committed | - |
//!
//! A COMMIT whose answer was lost is never guessed at: the server is asked what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::crew::Crew;
use super::cursors::{self, Mark};
use super::fail_point::{Point, reach};
use super::leader::Leader;
use super::plan::CommitForm;
use super::recovery::Settled;
use super::replace::{self, Replacement};
use super::result::PipelineResult;
use super::sequences::Sequence;
use super::state::{self, Details, LedgerHead, LedgerWorker, RunState};
use super::stop::unless_stopped;
use super::worker::Order;
use super::{backend, blueprint::Blueprint, recovery, sequences, settings};
use crate::error::{CommitState, Error, Kind, Result};
use crate::postgres::catalog::{self, Name};
use crate::telemetry::counters::{Phase, Telemetry};

/// Rounds in which chunks of failed commits are copied again (ledger form).
const REPAIRS: u32 = 3;

/// A table that is built aside: its hidden name, its plan, its copied columns.
#[derive(Debug, Clone)]
pub struct Aside {
    /// The hidden name.
    pub hidden: Name,
    /// How it is made.
    pub blueprint: Blueprint,
    /// The columns that were copied.
    pub columns: Vec<String>,
}

/// Everything a commit needs to know.
pub struct Commit<'a> {
    /// The leader's sessions.
    pub leader: &'a Leader,
    /// The form.
    pub form: CommitForm,
    /// The ledger row.
    pub head: LedgerHead,
    /// Whether the user named the run, so that its result must be kept.
    pub keep_result: bool,
    /// Tables that are built aside.
    pub aside: &'a [Aside],
    /// Targets that are replaced.
    pub replacements: &'a [Replacement],
    /// How long the run took until now.
    pub took: Duration,
    /// Statements that commit with the rows.
    pub along: &'a [String],
    /// Sequences of existing targets.
    pub sequences: &'a [Sequence],
    /// Marks to commit with the rows.
    pub marks: &'a [Mark],
    /// The result as far as it is known.
    pub result: &'a PipelineResult,
    /// What the run tells.
    pub telemetry: &'a Telemetry,
    /// The user's wish to stop, heeded as long as nothing is decided.
    pub cancel: &'a CancellationToken,
}

impl Commit<'_> {
    /// Makes the run visible, or leaves the destination as it was.
    pub async fn commit(&self, crew: &mut Crew) -> Result<()> {
        self.telemetry.enter(Phase::Committing);
        match self.form {
            CommitForm::None => crew.release().await,
            CommitForm::SingleWriter => self.single_writer(crew).await,
            CommitForm::BuiltAside => self.built_aside(crew).await,
            CommitForm::TwoPhase => self.two_phase(crew).await,
            CommitForm::Ledger => self.ledger(crew).await,
        }
    }

    fn committed_row(&self) -> String {
        state::write_run(
            &self.head,
            RunState::Committed,
            &Details {
                result: Some(self.result),
                ..Details::default()
            },
        )
    }

    /// What commits with the rows, whichever transaction decides.
    fn sql_along(&self) -> impl Iterator<Item = String> {
        let marks = self.marks.iter();
        marks
            .map(|mark| cursors::write(mark, &self.head.run))
            .chain(self.along.iter().cloned())
    }

    async fn single_writer(&self, crew: &mut Crew) -> Result<()> {
        let row = self.keep_result.then(|| self.committed_row());
        let statements: Vec<String> = row.into_iter().chain(self.sql_along()).collect();
        let outcome = first_error(crew.order(commit_all(crew, &statements), None).await);
        let Err(error) = outcome else { return Ok(()) };
        if error.commit_state() != CommitState::AfterCommitUnknown {
            return Err(error);
        }
        let worker = crew.ready.values().next();
        let (Some(xid), Some(backend)) = (
            worker.and_then(|w| w.xid.clone()),
            worker.and_then(|w| w.backend.clone()),
        ) else {
            return Err(error);
        };
        self.ask_outcome(&xid, &backend, error).await
    }

    /// After a COMMIT without an answer: what became of that transaction?
    async fn ask_outcome(
        &self,
        xid: &str,
        backend: &backend::Identity,
        error: Error,
    ) -> Result<()> {
        let unknown = |why: Error| {
            Error::new(
                Kind::Connection,
                format!(
                    "the COMMIT was sent, its answer was lost, and the server cannot be asked ({})",
                    why.message()
                ),
            )
            .at_commit_state(CommitState::AfterCommitUnknown)
            .remedy(format!("ask it later: SELECT txid_status({xid})"))
        };
        let server = &self.leader.server;
        // the leader's own sessions may be gone with the worker's
        let status = async {
            backend::await_gone(server, std::slice::from_ref(backend)).await?;
            let leader = Leader::connect(server).await?;
            let status = backend::has_committed(&leader.control, xid).await;
            leader.leave().await;
            status
        };
        match status.await.map_err(unknown)? {
            Some(true) => {
                self.telemetry
                    .event("the connection was lost at the COMMIT, which had succeeded");
                Ok(())
            }
            Some(false) => Err(error
                .context("the COMMIT did not happen")
                .nothing_committed()),
            None => Err(unknown(not_known(xid))),
        }
    }

    async fn built_aside(&self, crew: &mut Crew) -> Result<()> {
        // nobody sees the hidden tables yet, so workers may commit one by one
        // whatever becomes of a commit that fails, its table is dropped
        first_error(crew.order(commit_all(crew, &[]), None).await)
            .map_err(Error::nothing_committed)?;
        self.telemetry.enter(Phase::Indexing);
        let sessions = self.leader.cancellers();
        unless_stopped(self.cancel, &sessions, self.finish_aside()).await?;
        self.telemetry.enter(Phase::Committing);
        self.decide().await
    }

    /// Keys, indexes and sequences of hidden tables, their move, and the exchange of those that
    /// replace others, in the deciding transaction.
    async fn finish_aside(&self) -> Result<()> {
        let decision = &self.leader.decision;
        for aside in self.aside {
            for sql in aside.blueprint.build_keys(&aside.hidden) {
                decision
                    .execute(
                        &sql,
                        &format!("building keys of {}", aside.blueprint.target),
                    )
                    .await?;
            }
            for sequence in sequences::sequences(decision, &aside.hidden, &aside.columns).await? {
                if let Some(value) = sequence.extreme(decision).await? {
                    sequence.advance(decision, &value).await?;
                }
            }
            reach(Point::Indexed).await?;
            for sql in aside.blueprint.move_into_place(&aside.hidden) {
                decision
                    .execute(
                        &sql,
                        &format!("moving {} into place", aside.blueprint.target),
                    )
                    .await?;
            }
        }
        for one in self.replacements {
            replace::build(decision, one).await?;
            reach(Point::Indexed).await?;
        }
        replace::exchange(self.leader, self.replacements, self.took, self.telemetry).await
    }

    /// Writes the ledger row and commits the deciding transaction.
    async fn decide(&self) -> Result<()> {
        let decision = &self.leader.decision;
        decision
            .execute(&self.committed_row(), "writing the ledger row")
            .await?;
        for sql in self.sql_along() {
            decision
                .execute(&sql, "writing what commits with the rows")
                .await?;
        }
        reach(Point::Deciding).await?;
        match decision.execute("COMMIT", "committing the run").await {
            Ok(()) => reach(Point::Decided)
                .await
                .map_err(|e| e.at_commit_state(CommitState::AfterCommitConfirmed)),
            Err(error) if error.kind() != Kind::Connection => Err(error),
            Err(error) => self.ask_ledger(error).await,
        }
    }

    /// After a failure in the middle of the decision: settles the run as the next one would, and
    /// asks the ledger what has become of it.
    async fn ask_ledger(&self, error: Error) -> Result<()> {
        let Leader {
            server,
            decision,
            decision_backend,
            ..
        } = self.leader;
        let row = async {
            // the run's lock must be free before it can be settled
            let ended = decision.execute("ROLLBACK", "giving up the decision").await;
            if ended.is_err() {
                backend::await_gone(server, std::slice::from_ref(decision_backend)).await?;
            }
            let leader = Leader::connect(server).await?;
            let settled = recovery::settle_one(&leader.control, server, &self.head.run).await;
            let row = leader.ledger_row(&self.head.run).await;
            leader.leave().await;
            if let Ok(Settled::Now(Some(sentence))) = &settled {
                self.telemetry.event(sentence.clone());
            }
            settled.and_then(|settled| row.map(|row| (settled, row)))
        };
        match row.await {
            Ok((_, Some(row))) if row.state == RunState::Committed.name() => {
                let failure = error.message();
                self.telemetry
                    .event(format!("{failure}; the run is committed all the same"));
                Ok(())
            }
            Ok((Settled::Now(_), _)) => Err(error.nothing_committed()),
            // whoever holds the run's lock may be committing what is prepared
            Ok((Settled::Held, _)) => Err(error
                .context("another session holds the run's lock, and what has become of the run is not settled")
                .at_commit_state(CommitState::AfterCommitUnknown)
                .remedy("the next run against this database settles it by the ledger")),
            Err(why) => {
                let lost = why.kind() == Kind::Connection;
                let why = why
                    .context(format!(
                        "{}, and what has become of the run is not settled",
                        error.message()
                    ))
                    .at_commit_state(CommitState::AfterCommitUnknown);
                Err(if lost {
                    why.remedy("the next run against this database settles it by the ledger")
                } else {
                    why
                })
            }
        }
    }

    async fn two_phase(&self, crew: &mut Crew) -> Result<()> {
        self.advance_sequences(crew).await?;
        let database = catalog::database(&self.leader.control).await?;
        let gids: BTreeMap<u32, String> = crew
            .ready
            .keys()
            .map(|number| (*number, self.head.run.gid(&database, *number)))
            .collect();
        let orders = gids
            .iter()
            .map(|(number, gid)| (*number, Order::Prepare(gid.clone())))
            .collect();
        first_error(crew.order(orders, Some(self.leader)).await)?;
        self.decide().await?;
        let gids: Vec<String> = gids.into_values().collect();
        let finish = recovery::finish_prepared(&self.leader.control, &gids, true).await;
        let Err(error) = finish else { return Ok(()) };
        // decided: a fresh connection, or at the latest the next run, finishes it
        let retry = async {
            let leader = Leader::connect(&self.leader.server).await?;
            let outcome = recovery::finish_prepared(&leader.control, &gids, true).await;
            leader.leave().await;
            outcome
        };
        retry.await.map_err(|_| {
            error
                .at_commit_state(CommitState::AfterCommitConfirmed)
                .context("the run is committed, but not all of it is visible yet")
                .remedy("run rb-bench against this database again: it finishes the commit")
        })
    }

    async fn advance_sequences(&self, crew: &Crew) -> Result<()> {
        for (i, sequence) in self.sequences.iter().enumerate() {
            for value in crew
                .ready
                .values()
                .filter_map(|ready| ready.extremes.get(i).cloned().flatten())
            {
                sequence.advance_alone(&self.leader.control, &value).await?;
            }
        }
        Ok(())
    }

    async fn ledger(&self, crew: &mut Crew) -> Result<()> {
        self.advance_sequences(crew).await?;
        let outcome = match self.commit_each(crew).await {
            // the rows are in: all that is missing is the ledger's word
            Ok(()) => self.decide().await,
            failed => failed,
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => self.ask_ledger(error).await,
        }
    }

    /// Lets the workers commit one by one, and others copy again what a lost connection undid.
    async fn commit_each(&self, crew: &mut Crew) -> Result<()> {
        // workers whose commit is still ahead, and all transactions so far
        let mut waiting: Vec<u32> = crew.ready.keys().copied().collect();
        let mut transactions: BTreeMap<u32, LedgerWorker> = BTreeMap::new();
        let mut repairs = 0;
        loop {
            for number in &waiting {
                transactions.insert(*number, ledger_worker(crew, *number)?);
            }
            self.write_intent(&transactions).await?;
            let orders = waiting
                .iter()
                .map(|number| (*number, Order::Commit(Vec::new())))
                .collect();
            let mut failed = Vec::new();
            for (number, outcome) in crew.order(orders, None).await {
                let Err(error) = outcome else { continue };
                if !self.has_committed(&transactions[&number], &error).await? {
                    failed.push((number, error));
                }
            }
            let Some((_, root)) = failed.first() else {
                return Ok(());
            };
            let all = failed.len() == transactions.len();
            if all || repairs == REPAIRS || root.kind() != Kind::Connection {
                return Err(failed.swap_remove(0).1);
            }
            repairs += 1;
            self.telemetry.event(format!(
                "{} of the workers' commits failed ({}); their chunks are copied again",
                failed.len(),
                root.message()
            ));
            for (number, _) in &failed {
                transactions.remove(number);
            }
            waiting = self.repair(crew, &failed).await?;
        }
    }

    async fn write_intent(&self, transactions: &BTreeMap<u32, LedgerWorker>) -> Result<()> {
        let workers: Vec<LedgerWorker> = transactions.values().cloned().collect();
        let details = Details {
            workers: &workers,
            marks: self.marks,
            // it is complete with the last commit, whoever is there to say so
            result: Some(self.result),
            ..Details::default()
        };
        let row = state::write_run(&self.head, RunState::Committing, &details);
        self.leader
            .control
            .execute(&settings::alone(&row), "writing the ledger row")
            .await
    }

    /// What became of a commit that failed; only a lost connection leaves a doubt.
    async fn has_committed(&self, transaction: &LedgerWorker, error: &Error) -> Result<bool> {
        if error.commit_state() != CommitState::AfterCommitUnknown {
            return Ok(false);
        }
        let backend = backend::Identity {
            pid: transaction.pid,
            began: transaction.xact_start.clone(),
        };
        let asked = async {
            backend::await_gone(&self.leader.server, &[backend]).await?;
            let (control, xid) = (&self.leader.control, &transaction.xid);
            let committed = backend::has_committed(control, xid).await?;
            committed.ok_or_else(|| not_known(xid))
        };
        let doing = "asking what became of a worker's COMMIT";
        asked.await.map_err(|why| {
            why.context(doing)
                .at_commit_state(CommitState::AfterCommitUnknown)
        })
    }

    /// New workers copy the failed ones' units again, under the same snapshot.
    async fn repair(&self, crew: &mut Crew, failed: &[(u32, Error)]) -> Result<Vec<u32>> {
        for (number, _) in failed {
            crew.shared().queue.requeue(*number);
            for shard in self
                .telemetry
                .shards()
                .iter()
                .filter(|shard| shard.worker == *number)
            {
                shard.reset();
            }
            crew.ready.remove(number);
        }
        let number = crew.next_number();
        crew.hire(number)?;
        let shared = Arc::clone(crew.shared());
        crew.until_one_ready(number, &shared.cancel).await?;
        Ok(vec![number])
    }
}

fn not_known(xid: &str) -> Error {
    Error::new(
        Kind::Connection,
        format!("the server does not say what became of transaction {xid}"),
    )
}

fn commit_all(crew: &Crew, statements: &[String]) -> BTreeMap<u32, Order> {
    crew.ready
        .keys()
        .map(|number| (*number, Order::Commit(statements.to_vec())))
        .collect()
}

fn first_error(answers: Vec<(u32, Result<()>)>) -> Result<()> {
    answers.into_iter().try_for_each(|(_, answer)| answer)
}

fn ledger_worker(crew: &Crew, number: u32) -> Result<LedgerWorker> {
    let ready = crew
        .ready
        .get(&number)
        .ok_or_else(|| Error::internal("a worker is not ready"))?;
    let (Some(xid), Some(backend)) = (&ready.xid, &ready.backend) else {
        return Err(Error::internal("a worker has no transaction"));
    };
    Ok(LedgerWorker {
        xid: xid.clone(),
        pid: backend.pid,
        xact_start: backend.began.clone(),
        rows: ready
            .rows
            .iter()
            .map(|(name, rows)| (recovery::ledger_name(name), *rows))
            .collect(),
    })
}
