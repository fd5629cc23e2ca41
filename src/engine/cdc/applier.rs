//! Changes into the destination, within one transaction: from messages to statements to rows.
//!
//! What it counts becomes true with the caller's COMMIT, and not before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio_postgres::SimpleQueryMessage;

use super::log::{self, Change};
use super::route::{Making, Route};
use super::seen::Seen;
use super::state;
use super::statements::{Statement, Statements};
use super::tables::Captured;
use crate::config::types::WriteMode;
use crate::engine::settings;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, Column};
use crate::postgres::lsn::Lsn;
use crate::postgres::pgoutput::{self, Message};
use crate::postgres::{Session, sqlstate};
use crate::telemetry::counters::{Shard, Telemetry};

/// Bytes of SQL after which statements are sent.
const SEND_BYTES: usize = 256 << 10;

/// Changes by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// Transactions that had a change.
    pub transactions: u64,
    /// Rows that came.
    pub inserted: u64,
    /// Rows that changed.
    pub updated: u64,
    /// Rows that went.
    pub deleted: u64,
    /// Tables that were emptied.
    pub truncated: u64,
    /// Transactions that the initial copy had seen, or that were applied earlier.
    pub skipped: u64,
    /// Rows that were to change or go and were not in the target, by target.
    pub missing: BTreeMap<String, u64>,
    /// Tables that were emptied with RESTART IDENTITY.
    pub restarted: Vec<String>,
}

impl Changes {
    /// All changes of rows, and of tables.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.inserted + self.updated + self.deleted + self.truncated
    }

    /// What a person should know of them.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self
            .missing
            .iter()
            .map(|(table, rows)| {
                format!("{rows} rows of {table} were to change or go and were not there: somebody else writes to it")
            })
            .collect();
        if !self.restarted.is_empty() {
            notes.push(format!(
                "emptied with RESTART IDENTITY: {}",
                self.restarted.join(", ")
            ));
        }
        notes
    }

    /// Adds what another batch did.
    pub(super) fn add(&mut self, other: Self) {
        self.transactions += other.transactions;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.truncated += other.truncated;
        self.skipped += other.skipped;
        for (table, rows) in other.missing {
            *self.missing.entry(table).or_default() += rows;
        }
        self.restarted.extend(other.restarted);
        self.restarted.sort();
        self.restarted.dedup();
    }
}

/// What an applier works with.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) dest: &'a Session,
    pub(super) source: &'a Session,
    pub(super) mode: WriteMode,
    pub(super) primary_key: &'a [String],
    pub(super) captured: &'a [Captured],
    /// Transactions that committed before this are applied.
    pub(super) applied: Lsn,
    /// What the initial copy saw, and a position after all of it.
    pub(super) seen: Option<(&'a Seen, Lsn)>,
    /// One change at a time, so that one that fails is known by name.
    pub(super) careful: bool,
    pub(super) telemetry: &'a Telemetry,
}

/// The transaction under way.
struct Open {
    commit: Lsn,
    skipped: bool,
    changes: u64,
}

/// A relation as the source described it, and where its changes go.
struct Known {
    described: pgoutput::Relation,
    route: Arc<Route>,
    shard: Arc<Shard>,
}

/// One batch's changes.
pub(super) struct Applier<'a> {
    work: Work<'a>,
    described: HashMap<u32, pgoutput::Relation>,
    known: HashMap<u32, Arc<Known>>,
    statements: Statements,
    open: Option<Open>,
    /// What this batch did.
    pub(super) changes: Changes,
    /// Where the last transaction of the batch ends.
    pub(super) reached: Option<Lsn>,
}

impl<'a> Applier<'a> {
    pub(super) fn new(work: Work<'a>) -> Self {
        Self {
            work,
            described: HashMap::new(),
            known: HashMap::new(),
            statements: Statements::default(),
            open: None,
            changes: Changes::default(),
            reached: None,
        }
    }

    /// Takes the next message.
    pub(super) async fn take(&mut self, message: Message, bytes: u64) -> Result<()> {
        match message {
            Message::Begin { commit, xid } => {
                let copied = self
                    .work
                    .seen
                    .is_some_and(|(seen, lsn)| commit < lsn && seen.saw(xid));
                self.open = Some(Open {
                    commit,
                    skipped: commit < self.work.applied || copied,
                    changes: 0,
                });
                return Ok(());
            }
            Message::Commit { end } => {
                let open = self.open.take().ok_or_else(out_of_step)?;
                self.changes.skipped += u64::from(open.skipped);
                self.changes.transactions += u64::from(open.changes > 0);
                self.reached = Some(end);
                return Ok(());
            }
            Message::Other => return Ok(()),
            _ => {}
        }
        if let Message::Relation(described) = message {
            // also in a transaction that is skipped, for it is said only once; whether it fits is
            // asked when the first change comes: a partition is described beside its whole
            self.known.remove(&described.id);
            self.described.insert(described.id, described);
            return Ok(());
        }
        if self.open.as_ref().ok_or_else(out_of_step)?.skipped {
            return Ok(());
        }
        let doing = self.change(&message, bytes).await?;
        if self.work.careful {
            self.send().await.map_err(|error| error.context(doing))
        } else if self.statements.bytes() >= SEND_BYTES {
            self.send().await
        } else {
            Ok(())
        }
    }

    /// Sends what is waiting.
    pub(super) async fn send(&mut self) -> Result<()> {
        let statements = self.statements.take();
        if statements.is_empty() {
            return Ok(());
        }
        let sql: Vec<&str> = statements.iter().map(|s| s.sql.as_str()).collect();
        let answers = self
            .work
            .dest
            .client()?
            .simple_query(&sql.join("; "))
            .await
            .map_err(|e| sqlstate::from_client(e, "applying changes"))?;
        let counts = answers.iter().filter_map(|answer| match answer {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        for (Statement { expected, .. }, rows) in statements.into_iter().zip(counts) {
            if let Some((table, expected)) = expected
                && rows < expected
            {
                *self.changes.missing.entry(table).or_default() += expected - rows;
            }
        }
        Ok(())
    }

    /// Turns a change into statements; says which it is.
    async fn change(&mut self, message: &Message, bytes: u64) -> Result<String> {
        let (what, relation, change) = match message {
            Message::Insert { relation, new } => {
                self.changes.inserted += 1;
                ("an insert into", *relation, Change::Insert(new))
            }
            Message::Update { relation, old, new } => {
                self.changes.updated += 1;
                ("an update of", *relation, Change::Update(old.as_ref(), new))
            }
            Message::Delete { relation, old } => {
                self.changes.deleted += 1;
                ("a delete from", *relation, Change::Delete(old))
            }
            Message::Truncate {
                relations,
                restart_identity,
            } => return self.truncate(relations, *restart_identity).await,
            _ => return Err(out_of_step()),
        };
        let known = self.known(relation, bytes).await?;
        let (commit, number) = self.place()?;
        match change {
            _ if self.work.mode == WriteMode::Append => {
                let sql = log::row_sql(&known.route, &known.described, commit, number, change)?;
                self.statements.push(sql);
            }
            Change::Insert(new) => self.statements.insert(&known.route, new)?,
            Change::Update(old, new) => self.statements.update(&known.route, old, new)?,
            Change::Delete(old) => self.statements.delete(&known.route, old)?,
            Change::Truncate => {}
        }
        Ok(said(what, &known.route.source.to_string(), commit, number))
    }

    /// Empties tables, all at once as the source did; in a log each is a row of its own.
    async fn truncate(&mut self, relations: &[u32], restart_identity: bool) -> Result<String> {
        let (mut targets, mut sources) = (Vec::new(), Vec::new());
        let mut last = (Lsn::default(), 0);
        for relation in relations {
            let known = self.known(*relation, 0).await?;
            let Known {
                described, route, ..
            } = &*known;
            last = self.place()?;
            self.changes.truncated += 1;
            if restart_identity {
                self.changes.restarted.push(route.source.to_string());
            }
            if self.work.mode == WriteMode::Append {
                let sql = log::row_sql(route, described, last.0, last.1, Change::Truncate)?;
                self.statements.push(sql);
            }
            targets.push(route.target.sql());
            sources.push(route.source.to_string());
        }
        if self.work.mode != WriteMode::Append && !targets.is_empty() {
            let restart = if restart_identity {
                " RESTART IDENTITY"
            } else {
                ""
            };
            self.statements
                .push(format!("TRUNCATE {}{restart}", targets.join(", ")));
        }
        Ok(said("a truncate of", &sources.join(", "), last.0, last.1))
    }

    /// The next change's place: its transaction's, and its number in it.
    fn place(&mut self) -> Result<(Lsn, u64)> {
        let open = self.open.as_mut().ok_or_else(out_of_step)?;
        open.changes += 1;
        Ok((open.commit, open.changes))
    }

    async fn known(&mut self, relation: u32, bytes: u64) -> Result<Arc<Known>> {
        let known = if let Some(known) = self.known.get(&relation) {
            Arc::clone(known)
        } else {
            let described = self.described.get(&relation).ok_or_else(out_of_step)?;
            let known = Arc::new(self.learn(described.clone()).await?);
            self.known.insert(relation, Arc::clone(&known));
            known
        };
        let shard = &known.shard;
        for (counter, more) in [
            (&shard.rows_read, 1),
            (&shard.rows_written, 1),
            (&shard.bytes_read, bytes),
            (&shard.bytes_written, bytes),
        ] {
            counter.fetch_add(more, Relaxed);
        }
        Ok(known)
    }

    /// Where the changes of a relation go that looks like this.
    async fn learn(&self, described: pgoutput::Relation) -> Result<Known> {
        let one = self
            .work
            .captured
            .iter()
            .find(|one| one.relation.name == described.name)
            .ok_or_else(|| {
                Error::new(
                    Kind::Incompatible,
                    format!("changes of {} came, which the document does not name", described.name),
                )
                .remedy(
                    "a table that was renamed goes on under its new name: name it in the document, then `rb-bench cdc drop` \
                     and `rb-bench cdc setup`",
                )
            })?;
        let source = self.as_described(one, &described).await?;
        let dest = self.work.dest;
        // types are read as texts that mean the same under any search_path
        dest.execute(settings::search_path(true), "reading the target")
            .await?;
        let target = catalog::relation(dest, &one.target).await?;
        dest.execute(settings::search_path(false), "reading the target")
            .await?;
        let target = target.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("{} does not exist in the destination", one.target),
            )
            .remedy("it was there before: bring it back, or start over with `rb-bench cdc drop` and `rb-bench cdc setup`")
        })?;
        let making = Making {
            stream: &one.stream,
            described: &described,
            source: &source,
            target: &target,
            primary_key: self.work.primary_key,
        };
        let route = match self.work.mode {
            WriteMode::Append => making.logged(),
            _ => making.applied(),
        };
        let route = route.map_err(|problems| {
            Error::new(
                Kind::Incompatible,
                format!(
                    "changes of {} do not fit {}:\n  - {}",
                    one.relation.name,
                    one.target,
                    problems.join("\n  - ")
                ),
            )
            .remedy("bring the target up to date and run again: nothing after this was applied, and the slot keeps it")
        })?;
        let shard = self.work.telemetry.shard(&one.relation.name.to_string(), 0);
        Ok(Known {
            route: Arc::new(route),
            described,
            shard,
        })
    }

    /// The source's catalog entry, with the types that the changes have where they differ.
    async fn as_described(
        &self,
        one: &Captured,
        described: &pgoutput::Relation,
    ) -> Result<catalog::Relation> {
        let mut relation = one.relation.clone();
        let generated: Vec<Column> = relation
            .columns
            .iter()
            .filter(|column| column.generated)
            .cloned()
            .collect();
        let mut columns = Vec::new();
        for column in &described.columns {
            let known = relation.column(&column.name).filter(|known| {
                (known.type_oid, known.type_modifier) == (column.type_oid, column.type_modifier)
            });
            columns.push(match known {
                Some(known) => known.clone(),
                None => self.historic(column).await?,
            });
        }
        columns.extend(
            generated
                .into_iter()
                .filter(|column| described.columns.iter().all(|c| c.name != column.name)),
        );
        relation.columns = columns;
        Ok(relation)
    }

    /// A column that has another type by now, or none. The source session is in the middle of the
    /// changes, so another one asks.
    async fn historic(&self, column: &pgoutput::Column) -> Result<Column> {
        let session = self
            .work
            .source
            .server()
            .connect("rb-bench cdc catalog")
            .await?;
        let sql = format!(
            "SET LOCAL search_path = ''; SELECT pg_catalog.format_type({0}, {1}), pg_catalog.format_type({0}, NULL)",
            column.type_oid, column.type_modifier
        );
        let row = session
            .row(
                &sql,
                &format!("asking for the type of column `{}`", column.name),
            )
            .await?;
        let text = |i: usize| row.get(i).unwrap_or_default().to_owned();
        let mut historic = Column::plain(&column.name, &text(1), column.type_oid);
        historic.type_name = text(0);
        historic.type_modifier = column.type_modifier;
        session.close().await;
        Ok(historic)
    }
}

/// Which change it is, for a person who has to find it.
fn said(what: &str, table: &str, commit: Lsn, number: u64) -> String {
    format!("{what} {table} (change {number} of the transaction that committed at {commit})")
}

fn out_of_step() -> Error {
    Error::new(
        Kind::Server,
        "the source sent a change outside of a transaction, or of a relation it did not describe",
    )
}

/// Begins the destination's transaction of a batch.
pub(super) fn begin(version: u32, pipeline: &str) -> String {
    // the source's constraints held at each commit, and a batch is whole transactions
    format!(
        "{} SET CONSTRAINTS ALL DEFERRED; {}",
        settings::begin_destination(version, false),
        state::hold(state::WRITER_LOCK, pipeline)
    )
}
