//! The runs that a destination knows of, for `rb-bench runs`: listed, settled, forgotten by hand.
//!
//! What can be proved is settled by every run before it begins; this is for looking, for settling
//! without a run, and for what a person had to repair.

use std::collections::BTreeMap;

use super::recovery::{self, Settled};
use super::schema;
use super::settings;
use super::state::{self, RunId, SCHEMA};
use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session};

/// A run as its destination has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RecordedRun {
    /// Its id.
    pub run: String,
    /// The pipeline; none for one that has only prepared transactions.
    pub pipeline: Option<String>,
    /// `building`, `committing`, `committed` (`engine::state` says what each means), or `prepared`:
    /// it has transactions that nobody has decided.
    pub state: String,
    /// The commit form, where it is known.
    pub commit_form: Option<String>,
    /// When the ledger first heard of it, in the server's time zone.
    pub started_at: Option<String>,
    /// When it was committed.
    pub decided_at: Option<String>,
    /// Rows it wrote, once committed.
    pub rows: Option<u64>,
    /// Prepared transactions that are still there.
    pub prepared: usize,
    /// Whether a process works on it.
    pub alive: bool,
}

impl RecordedRun {
    /// Whether it died before it was finished.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.alive && (self.state != "committed" || self.prepared > 0)
    }
}

/// Every run that the database knows of, in the order they began.
pub async fn list(server: &Server) -> Result<Vec<RecordedRun>> {
    let session = server.connect("rb-bench runs").await?;
    let runs = list_on(&session).await?;
    session.close().await;
    Ok(runs)
}

async fn list_on(session: &Session) -> Result<Vec<RecordedRun>> {
    let mut prepared: BTreeMap<RunId, Vec<String>> = recovery::prepared(session).await?;
    let mut runs = Vec::new();
    if schema::version(session).await?.is_some() {
        let sql = format!(
            "SELECT run, pipeline, state, commit_form, started_at, decided_at, result ->> 'records_written' AS rows \
               FROM {SCHEMA}.runs ORDER BY started_at, run"
        );
        for row in session.rows(&sql, "reading the run ledger").await? {
            let text = |name: &str| row.try_get(name).ok().flatten().map(str::to_owned);
            let id = RunId::parse(&text("run").unwrap_or_default())?;
            let state = text("state").unwrap_or_default();
            runs.push(RecordedRun {
                pipeline: text("pipeline"),
                commit_form: text("commit_form"),
                started_at: text("started_at"),
                decided_at: text("decided_at"),
                rows: text("rows").and_then(|rows| rows.parse().ok()),
                prepared: prepared.remove(&id).map_or(0, |gids| gids.len()),
                alive: state != "committed" && is_alive(session, &id).await?,
                run: id.as_str().to_owned(),
                state,
            });
        }
    }
    for (id, gids) in prepared {
        runs.push(RecordedRun {
            run: id.as_str().to_owned(),
            pipeline: None,
            state: "prepared".to_owned(),
            commit_form: None,
            started_at: None,
            decided_at: None,
            rows: None,
            prepared: gids.len(),
            alive: is_alive(session, &id).await?,
        });
    }
    Ok(runs)
}

/// Whether somebody holds the run's lock.
async fn is_alive(session: &Session, run: &RunId) -> Result<bool> {
    let key = run.lock_key();
    // free again as soon as the statement is over
    let sql = format!("SELECT NOT pg_catalog.pg_try_advisory_xact_lock({key})");
    let alive = session
        .value(&sql, "looking whether a run is alive")
        .await?;
    Ok(alive.as_deref() == Some("t"))
}

/// Settles one dead run as the next run would. Returns what was done, as a sentence.
///
/// # Errors
/// `Kind::NotFound` where no such run is known, `Kind::Lock` where it is alive, `Kind::Conflict`
/// where what became of it cannot be proved.
pub async fn resolve(server: &Server, run: &RunId) -> Result<String> {
    let session = server.connect("rb-bench runs").await?;
    let known = find(&session, run).await?;
    let done = if known.is_unfinished() {
        match recovery::settle_one(&session, server, run).await? {
            Settled::Now(done) => done,
            // somebody was quicker, and is at it
            Settled::Held => None,
        }
    } else {
        None
    };
    session.close().await;
    Ok(done.unwrap_or_else(|| format!("run `{}` is {}: nothing to do", run.as_str(), known.state)))
}

/// Deletes the ledger row of a dead run whose rows a person has put in order.
///
/// # Errors
/// As [`resolve`]; `Kind::Conflict` where the run has prepared transactions or hidden tables,
/// which can be settled.
pub async fn forget(server: &Server, run: &RunId) -> Result<()> {
    let session = server.connect("rb-bench runs").await?;
    let known = find(&session, run).await?;
    if known.state != "committing" || known.prepared > 0 {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "run `{}` is {}: there is nothing to forget by hand",
                run.as_str(),
                known.state
            ),
        )
        .remedy("leave out --forget: it can be settled"));
    }
    session
        .execute(
            &settings::alone(&state::delete_run(run)),
            "forgetting a run",
        )
        .await?;
    session.close().await;
    Ok(())
}

async fn find(session: &Session, run: &RunId) -> Result<RecordedRun> {
    let mut runs = list_on(session).await?.into_iter();
    let known = runs
        .find(|known| known.run == run.as_str())
        .ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("{} knows no run `{}`", session.server(), run.as_str()),
            )
            .remedy("`rb-bench runs` lists those it knows")
        })?;
    if known.alive {
        return Err(Error::new(
            Kind::Lock,
            format!("run `{}` is under way in another process", run.as_str()),
        )
        .remedy("wait for it, or stop it"));
    }
    Ok(known)
}
