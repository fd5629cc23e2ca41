//! The exchange: all new tables of a run take their targets' places in the deciding transaction.
//!
//! It needs every target for itself for some milliseconds, and who waits for a lock holds up all
//! that come after. So it waits very briefly, lets everything go, pauses, and tries again. Readers
//! who come meanwhile find the old table, later the new one: names are looked up again after a
//! lock was waited for.

use std::time::{Duration, Instant};

use super::definition::Definition;
use super::dress::{Dress, take_name};
use super::{Replacement, changed, problems, refuse};
use crate::engine::leader::Leader;
use crate::error::{Error, Kind, Result};
use crate::postgres::Session;
use crate::postgres::catalog::Name;
use crate::telemetry::counters::Telemetry;

/// How long one try waits for a lock, and everybody behind it.
const WAIT: &str = "100ms";
/// The first pause between two tries; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The least time after which the exchange is given up; a run that took longer tries as long.
const PATIENCE: Duration = Duration::from_secs(15);

/// Exchanges the tables, in the leader's deciding transaction. `took` is how long the run took so
/// far.
///
/// # Errors
/// `Kind::Lock` naming who held a target all the time; `Kind::Incompatible` where something refers
/// to a target by now.
pub async fn exchange(
    leader: &Leader,
    replacements: &[Replacement],
    took: Duration,
    telemetry: &Telemetry,
) -> Result<()> {
    if replacements.is_empty() {
        return Ok(());
    }
    let session = &leader.decision;
    let furthest = furthest_values(session, replacements).await?;
    let (begun, patience) = (Instant::now(), took.max(PATIENCE));
    let mut pause = PAUSE;
    session
        .execute("SAVEPOINT exchange", "exchanging the targets")
        .await?;
    loop {
        let Err(error) = attempt(session, replacements, &furthest).await else {
            return Ok(());
        };
        // 40P01: who waited for us as we for them; everything is let go all the same
        if !matches!(error.sqlstate(), Some("55P03" | "40P01")) {
            return Err(error);
        }
        session
            .execute("ROLLBACK TO exchange", "letting the targets go")
            .await?;
        let holders = holders(leader, replacements).await?;
        if begun.elapsed() + pause > patience {
            return Err(Error::new(
                Kind::Lock,
                format!(
                    "the new tables are loaded, but their targets were in use for {} s: {holders}",
                    begun.elapsed().as_secs()
                ),
            )
            .remedy("end what holds them, or run again when it is done; nothing was replaced"));
        }
        telemetry.event(format!(
            "the targets are in use ({holders}); trying again in {} ms",
            pause.as_millis()
        ));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// For each sequence of each table, the value furthest along among the new rows.
async fn furthest_values(
    session: &Session,
    replacements: &[Replacement],
) -> Result<Vec<Vec<Option<String>>>> {
    let mut all = Vec::with_capacity(replacements.len());
    for one in replacements {
        let mut values = Vec::with_capacity(one.sequences.len());
        for sequence in &one.sequences {
            values.push(sequence.extreme(session).await?);
        }
        all.push(values);
    }
    Ok(all)
}

async fn attempt(
    session: &Session,
    replacements: &[Replacement],
    furthest: &[Vec<Option<String>>],
) -> Result<()> {
    let doing = "exchanging the targets";
    let timeout = format!("SET LOCAL lock_timeout = '{WAIT}'");
    session.execute(&timeout, doing).await?;
    // foreign keys are checked while readers still read; what they lock is let go between tries
    for one in replacements {
        for sql in &one.definition.refer {
            session
                .execute(sql, &format!("adding the foreign keys of {}", one.target))
                .await?;
        }
    }
    let targets: Vec<String> = replacements.iter().map(|one| one.target.sql()).collect();
    let targets = targets.join(", ");
    let lock = format!("LOCK TABLE {targets} IN ACCESS EXCLUSIVE MODE");
    session.execute(&lock, doing).await?;
    // nobody can change anything now: see that it still is what was built
    let oids: Vec<u32> = replacements.iter().map(|one| one.oid).collect();
    refuse(&problems(session, &oids).await?)?;
    let hidden: Vec<(u32, &Name)> = replacements
        .iter()
        .map(|one| (one.oid, &one.hidden))
        .collect();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for one in replacements {
        let now = Definition::read(session, one.oid, &one.hidden, &hidden).await?;
        if now != one.definition {
            return Err(changed(&one.target));
        }
        let dress = Dress::read(session, one.oid, &one.target, &one.hidden).await?;
        before.push(format!(
            "ALTER TABLE {} SET SCHEMA {}",
            one.hidden.sql(),
            crate::postgres::quote_ident(&one.target.schema)
        ));
        before.extend(dress.before);
        after.push(take_name(&one.target, &one.hidden));
        after.extend(one.definition.rename.iter().cloned());
        after.extend(dress.after);
    }
    let drop = format!("DROP TABLE {targets} RESTRICT");
    let statements: Vec<String> = before.into_iter().chain([drop]).chain(after).collect();
    session.execute(&statements.join("; "), doing).await?;
    for (one, values) in replacements.iter().zip(furthest) {
        for (sequence, value) in one.sequences.iter().zip(values) {
            if let Some(value) = value {
                sequence.advance(session, value).await?;
            }
        }
    }
    Ok(())
}

/// Who uses the targets, or what their foreign keys refer to, as a reader can find them.
async fn holders(leader: &Leader, replacements: &[Replacement]) -> Result<String> {
    let oids: Vec<String> = replacements.iter().map(|one| one.oid.to_string()).collect();
    let oids = oids.join(", ");
    let sql = format!(
        "SELECT DISTINCT pg_catalog.format('%I.%I is held by ', n.nspname, c.relname) || coalesce( \
            (SELECT pg_catalog.format('%s (pid %s, %s): %s', a.usename, a.pid, a.state, pg_catalog.left(a.query, 80)) FROM pg_catalog.pg_stat_activity a WHERE a.pid = l.pid), \
            (SELECT pg_catalog.format('prepared transaction %L', p.gid) FROM pg_catalog.pg_prepared_xacts p WHERE l.virtualtransaction = '-1/' || p.transaction), 'somebody') \
           FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
          WHERE l.granted AND l.pid IS DISTINCT FROM {} AND l.locktype = 'relation' \
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
            AND (l.relation IN ({oids}) OR l.relation IN (SELECT x.confrelid FROM pg_catalog.pg_constraint x WHERE x.contype = 'f' AND x.conrelid IN ({oids}))) \
          ORDER BY 1 LIMIT 5",
        leader.decision_backend.pid
    );
    let rows = leader
        .control
        .rows(&sql, "looking who uses the targets")
        .await?;
    let names: Vec<&str> = rows.iter().filter_map(|row| row.get(0)).collect();
    Ok(if names.is_empty() {
        "by somebody who is gone by now".to_owned()
    } else {
        names.join("; ")
    })
}
