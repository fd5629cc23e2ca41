//! What an earlier run left behind when it died, settled before a new one begins.
//!
//! A run is dead when its advisory lock is free. What it decided is in the ledger; what it had not
//! decided is undone. Where neither can be proved, the new run is refused with what to do.

use std::collections::BTreeMap;

use super::backend;
use super::cursors;
use super::fail_point::{Point, reach};
use super::settings;
use super::state::{self, LedgerRow, LedgerWorker, RunId};
use super::whereabouts::{self, Whereabouts};
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, Name};
use crate::postgres::{Server, Session, quote_literal};

/// Settles every dead run of this database. Returns what was done, as sentences.
pub async fn settle(control: &Session, server: &Server) -> Result<Vec<String>> {
    let mut prepared = prepared(control).await?;
    let mut rows = BTreeMap::new();
    if state::version(control).await?.is_some() {
        for row in state::unfinished(control).await? {
            prepared.entry(row.run.clone()).or_default();
            rows.insert(row.run.clone(), row);
        }
    }
    let mut done = Vec::new();
    for run in prepared.keys() {
        if let Settled::Now(Some(sentence)) = settle_one(control, server, run).await? {
            done.push(sentence);
        }
    }
    Ok(done)
}

/// What became of the wish to settle a run.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing was done: somebody holds the run's lock, and works on it or settles it.
    Held,
    /// It is settled; what was done, as a sentence, where anything was left to do.
    Now(Option<String>),
}

/// Settles one run, if it is dead.
pub async fn settle_one(control: &Session, server: &Server, run: &RunId) -> Result<Settled> {
    // held by a transaction of another session: what settles a run are several transactions
    let holder = server.connect("rb-bench recovery").await?;
    let doing = "looking whether a run is alive";
    let version = catalog::version(&holder).await?;
    holder
        .begin(&settings::begin_destination(version, false), doing)
        .await?;
    // a lock that is taken on another server holds nobody back
    let place = Whereabouts::of(&holder).await?;
    whereabouts::require_same(server, &place, control).await?;
    let lock = format!(
        "SELECT pg_catalog.pg_try_advisory_xact_lock({})",
        run.lock_key()
    );
    if holder.value(&lock, doing).await?.as_deref() != Some("t") {
        holder.execute("ROLLBACK", doing).await?;
        holder.close().await;
        return Ok(Settled::Held);
    }
    let outcome = settle_run(control, server, run).await;
    let released = holder.execute("ROLLBACK", "letting go of a dead run").await;
    holder.close().await;
    let outcome = outcome.and_then(|what| released.map(|()| Settled::Now(what)));
    outcome.map_err(|e| {
        e.context(format!(
            "settling run `{}`, which died earlier",
            run.as_str()
        ))
    })
}

/// Our prepared transactions in this database, by run.
pub async fn prepared(control: &Session) -> Result<BTreeMap<RunId, Vec<String>>> {
    let sql = format!(
        "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() \
           AND pg_catalog.starts_with(gid, '{}') ORDER BY gid",
        state::GID_PREFIX
    );
    let mut runs: BTreeMap<RunId, Vec<String>> = BTreeMap::new();
    for row in control
        .rows(&sql, "looking for prepared transactions")
        .await?
    {
        let gid = row.get(0).unwrap_or_default();
        if let Some(run) = RunId::of_gid(gid) {
            runs.entry(run).or_default().push(gid.to_owned());
        }
    }
    Ok(runs)
}

/// Settles one dead run, whose lock we hold. What was seen before the lock may be old.
async fn settle_run(control: &Session, server: &Server, run: &RunId) -> Result<Option<String>> {
    let row = match state::version(control).await? {
        Some(_) => state::find(control, run).await?,
        None => None,
    };
    let gids = prepared(control).await?.remove(run).unwrap_or_default();
    let committed = row.as_ref().is_some_and(|row| row.state == "committed");
    finish_prepared(control, &gids, committed).await?;
    let mut what = None;
    if !gids.is_empty() {
        let verb = if committed {
            "committed"
        } else {
            "rolled back"
        };
        what = Some(format!(
            "run `{}` died; its {} prepared transactions were {verb}",
            run.as_str(),
            gids.len()
        ));
    }
    match row {
        Some(row) if row.state == "building" => {
            drop_aside(control, &row).await?;
            Ok(Some(format!(
                "run `{}` died; its unfinished tables were dropped",
                run.as_str()
            )))
        }
        Some(row) if row.state == "committing" => {
            settle_ledger(control, server, &row).await.map(Some)
        }
        _ => Ok(what),
    }
}

/// Commits or rolls back prepared transactions. Somebody else may do the same at the same time:
/// what counts is that none is left.
pub async fn finish_prepared(control: &Session, gids: &[String], commit: bool) -> Result<()> {
    let verb = if commit { "COMMIT" } else { "ROLLBACK" };
    for gid in gids {
        let mut tries = 0;
        loop {
            let sql = format!("{verb} PREPARED {}", quote_literal(gid));
            let Err(error) = control
                .execute(&sql, &format!("{verb} PREPARED {gid}"))
                .await
            else {
                break;
            };
            let there = format!(
                "SELECT FROM pg_catalog.pg_prepared_xacts WHERE gid = {}",
                quote_literal(gid)
            );
            if !control.is_closed()
                && control
                    .rows(&there, "looking for a prepared transaction")
                    .await?
                    .is_empty()
            {
                break;
            }
            tries += 1;
            // 55000: another session is finishing it
            if error.sqlstate() != Some("55000") || tries == 50 {
                return Err(error.remedy(format!("finish it by hand: {sql}")));
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        if commit {
            reach(Point::HalfFinished).await?;
        }
    }
    Ok(())
}

/// Drops the hidden tables of a run that did not happen, and forgets it.
pub async fn drop_aside(control: &Session, row: &LedgerRow) -> Result<()> {
    let mut sql: Vec<String> = row
        .aside
        .iter()
        .map(|name| format!("DROP TABLE IF EXISTS {}", name.sql()))
        .collect();
    sql.push(state::delete_run(&row.run));
    control
        .execute(
            &settings::alone(&sql.join("; ")),
            "dropping unfinished tables",
        )
        .await
}

/// A run that died while its workers committed one by one: all, none, or undo.
async fn settle_ledger(control: &Session, server: &Server, row: &LedgerRow) -> Result<String> {
    let backends: Vec<backend::Identity> = row
        .workers
        .iter()
        .map(|worker| backend::Identity {
            pid: worker.pid,
            began: worker.xact_start.clone(),
        })
        .collect();
    backend::await_gone(server, &backends).await?;
    let run = row.run.as_str();
    let (mut committed, mut aborted) = (Vec::new(), 0);
    for worker in &row.workers {
        match backend::has_committed(control, &worker.xid).await? {
            Some(true) => committed.push(worker),
            Some(false) => aborted += 1,
            None => {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("the server no longer knows what became of transaction {} of run `{run}`", worker.xid),
                )
                .remedy(format!("see which rows arrived, repair the table by hand, then `rb-bench runs resolve {run} --forget`")));
            }
        }
    }
    if aborted == 0 {
        // several statements sent as one are one transaction
        let mut sql = format!(
            "UPDATE {}.runs SET state = 'committed', decided_at = pg_catalog.now() WHERE run = {}",
            state::SCHEMA,
            quote_literal(run)
        );
        for mark in &row.marks {
            sql = format!("{sql}; {}", cursors::write(mark, &row.run));
        }
        control
            .execute(&settings::alone(&sql), "confirming a run")
            .await?;
        return Ok(format!(
            "run `{run}` died after its last commit; it is complete"
        ));
    }
    if committed.is_empty() {
        control
            .execute(&state::delete_run(&row.run), "forgetting a run")
            .await?;
        return Ok(format!(
            "run `{run}` died before its first commit; nothing of it is there"
        ));
    }
    if row.upserts {
        // what it overwrote cannot be brought back, and need not be: the next run writes it again
        control
            .execute(&state::delete_run(&row.run), "forgetting a run")
            .await?;
        return Ok(format!(
            "run `{run}` died between its commits; the rows that {} of its {} workers had upserted are still there, \
             and are upserted again when it is run again",
            committed.len(),
            row.workers.len()
        ));
    }
    undo(control, &row.run, &committed).await?;
    Ok(format!(
        "run `{run}` died between its commits; the rows of its {} committed workers were deleted again",
        committed.len()
    ))
}

/// Deletes the rows that these committed transactions added, in one transaction, if and only if
/// exactly what the ledger says goes away and nothing else happens.
pub async fn undo(control: &Session, run: &RunId, workers: &[&LedgerWorker]) -> Result<()> {
    let doing = "undoing the commits of a run";
    control
        .execute(
            &format!("BEGIN; {}", settings::alone("SET LOCAL row_security = off")),
            doing,
        )
        .await?;
    let outcome = undo_rows(control, workers).await;
    match outcome {
        Ok(()) => {
            let sql = format!("{}; COMMIT", state::delete_run(run));
            control.execute(&sql, doing).await
        }
        Err(error) => {
            if !control.is_closed() {
                control.execute("ROLLBACK", doing).await?;
            }
            Err(error.remedy(format!(
                "part of run `{}` is in the target, by these transactions: {}. Delete those rows (WHERE xmin = ...), \
                 then `rb-bench runs resolve {} --forget`",
                run.as_str(),
                workers.iter().map(|w| w.xid.as_str()).collect::<Vec<_>>().join(", "),
                run.as_str()
            )))
        }
    }
}

async fn undo_rows(control: &Session, workers: &[&LedgerWorker]) -> Result<()> {
    for worker in workers {
        for (target, rows) in &worker.rows {
            let name = parse_name(target)?;
            refuse_side_effects(control, &name).await?;
            // xmin is the low half of the 64-bit transaction id
            let sql = format!(
                "WITH gone AS (DELETE FROM {} WHERE xmin = ({}::pg_catalog.text::pg_catalog.int8 % 4294967296)::pg_catalog.text::pg_catalog.xid RETURNING 1) \
                 SELECT count(*) FROM gone",
                name.sql(),
                quote_literal(&worker.xid)
            );
            let gone = control
                .value(&sql, &format!("deleting from {name}"))
                .await?;
            if gone.as_deref() != Some(rows.to_string().as_str()) {
                return Err(Error::new(
                    Kind::Conflict,
                    format!(
                        "transaction {} added {rows} rows to {name}, and {} of them are still as it left them",
                        worker.xid,
                        gone.unwrap_or_default()
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// A DELETE that would do more than delete is not an undo.
async fn refuse_side_effects(control: &Session, name: &Name) -> Result<()> {
    // of the table itself and of its partitions
    let sql = format!(
        "WITH it AS (SELECT {table}::pg_catalog.regclass AS oid UNION SELECT relid FROM pg_catalog.pg_partition_tree({table})) \
         SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid IN (SELECT oid FROM it) AND tgtype & 8 <> 0 AND NOT tgisinternal \
         UNION ALL SELECT rulename FROM pg_catalog.pg_rewrite WHERE ev_class IN (SELECT oid FROM it) AND ev_type = '4' \
         UNION ALL SELECT conname FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid IN (SELECT oid FROM it) AND confdeltype IN ('c', 'n', 'd')",
        table = quote_literal(&name.sql())
    );
    match control
        .rows(&sql, "looking for what acts on a delete")
        .await?
        .first()
        .and_then(|row| row.get(0))
    {
        None => Ok(()),
        Some(what) => Err(Error::new(
            Kind::Conflict,
            format!("deleting from {name} would do more than that: `{what}` acts on it"),
        )),
    }
}

/// Reads a name as the ledger keeps it: `[schema, relation]` in JSON.
fn parse_name(text: &str) -> Result<Name> {
    let (schema, relation): (String, String) = serde_json::from_str(text).map_err(|_| {
        Error::new(
            Kind::Incompatible,
            format!("the ledger names a table `{text}`"),
        )
    })?;
    Ok(Name::new(schema, relation))
}

/// A name as the ledger keeps it: quoting-proof.
#[must_use]
pub fn ledger_name(name: &Name) -> String {
    serde_json::json!([name.schema, name.relation]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledger_names_survive_odd_characters() {
        let name = Name::new("a.b", "c\"d, [e]");
        assert_eq!(parse_name(&ledger_name(&name)).unwrap(), name);
        assert_eq!(
            parse_name("public.t").unwrap_err().message(),
            "the ledger names a table `public.t`"
        );
    }
}
