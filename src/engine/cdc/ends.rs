//! Both ends of a pipeline: a session on each server, which databases they are in, and the pipeline's lock.

use super::slot::{self, Place};
use super::state;
use super::tables::{self, Captured};
use crate::config::types::{DestinationConnector, Pipeline, PostgresDestination, SourceConnector};
use crate::engine::{OLDEST_VERSION, settings};
use crate::error::{Error, Kind, Result};
use crate::postgres::session::Canceller;
use crate::postgres::{Server, Session, catalog};

/// A session on either server, and one whose transaction holds the pipeline's lock.
pub(super) struct Ends {
    pub(super) source: Session,
    pub(super) source_version: u32,
    pub(super) source_place: Place,
    pub(super) dest: Session,
    pub(super) dest_version: u32,
    dest_place: Place,
    lock: Option<Session>,
}

impl Ends {
    /// Connects to both.
    pub(super) async fn connect(pipeline: &Pipeline) -> Result<Self> {
        let (SourceConnector::Postgres(source), DestinationConnector::Postgres(destination)) =
            (&pipeline.source.connector, &pipeline.destination.connector)
        else {
            // a judged document has no other
            return Err(Error::internal(
                "change data capture goes from source-postgres to dest-postgres",
            ));
        };
        let (source, dest) = (
            Server::from_endpoint(source)?,
            Server::from_endpoint(&destination.endpoint)?,
        );
        let (source, dest) = tokio::try_join!(
            source.connect("rb-bench cdc read"),
            dest.connect("rb-bench cdc write")
        )?;
        let (source_version, dest_version) =
            tokio::try_join!(catalog::version(&source), catalog::version(&dest))?;
        for (session, version) in [(&source, source_version), (&dest, dest_version)] {
            if version < OLDEST_VERSION {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!(
                        "{} is PostgreSQL {}; change data capture needs 12 or newer",
                        session.server(),
                        version / 10_000
                    ),
                ));
            }
            session
                .execute(settings::MAY_IDLE, "setting time-outs")
                .await?;
        }
        refuse_standby(&source).await?;
        Ok(Self {
            source_place: Place::of(&source).await?,
            dest_place: Place::of(&dest).await?,
            source,
            source_version,
            dest,
            dest_version,
            lock: None,
        })
    }

    /// Takes the lock that lets one process at a time work on a pipeline's slot, until these ends
    /// are closed. It is a transaction's of a session of its own, for there are many transactions
    /// under it. Whoever has it knows that no batch of another process is still to commit.
    ///
    /// # Errors
    /// `Kind::Lock` when another process works on it.
    pub(super) async fn claim(&mut self, pipeline: &str) -> Result<()> {
        let doing = "claiming the pipeline";
        let lock = self.dest.server().connect("rb-bench cdc lock").await?;
        let begin = settings::begin_destination(self.dest_version, false);
        lock.execute(&begin, doing).await?;
        let under_way = |error: Error| match error.sqlstate() {
            Some("55P03") => Error::new(
                Kind::Lock,
                format!("pipeline `{pipeline}` is under way in another process"),
            )
            .remedy("wait for it: one process at a time reads a slot"),
            _ => error,
        };
        let hold = settings::alone(&state::hold(state::PIPELINE_LOCK, pipeline));
        lock.execute(&hold, doing).await.map_err(under_way)?;
        // a batch of a process that died may still be at its COMMIT
        let wait = settings::alone(&state::hold(state::WRITER_LOCK, pipeline));
        self.dest.execute(&wait, doing).await.map_err(under_way)?;
        self.lock = Some(lock);
        Ok(())
    }

    /// The name that setup gives to this pipeline's slot and publication.
    pub(super) fn slot_name(&self, pipeline: &Pipeline) -> String {
        slot::name(&pipeline.pipeline, &self.source_place, &self.dest_place)
    }

    /// The tables that the document names, as they are now.
    pub(super) async fn captured(&self, pipeline: &Pipeline) -> Result<Vec<Captured>> {
        let begin = settings::begin_source(self.source_version, None, true);
        self.source.execute(&begin, "reading catalogs").await?;
        let captured = tables::captured(&self.source, pipeline).await;
        self.source.execute("ROLLBACK", "reading catalogs").await?;
        captured
    }

    /// Cancels what either session is doing.
    pub(super) fn cancellers(&self) -> [Canceller; 2] {
        [self.source.canceller(), self.dest.canceller()]
    }

    /// Closes all sessions, that of the lock last.
    pub(super) async fn close(self) {
        tokio::join!(self.source.close(), self.dest.close());
        if let Some(lock) = self.lock {
            lock.close().await;
        }
    }
}

/// Refuses a source that follows another: slot and publication are its primary's.
async fn refuse_standby(source: &Session) -> Result<()> {
    let doing = "asking whether the source is a standby";
    let sql = "SELECT pg_catalog.pg_is_in_recovery()";
    if source.value(sql, doing).await?.as_deref() != Some("t") {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "{} is a standby, and changes are captured where they are made",
            source.server()
        ),
    )
    .remedy("use its primary; a full_refresh copy can read a standby"))
}

/// The destination of a pipeline whose connectors [`Ends::connect`] has accepted.
pub(super) fn destination(pipeline: &Pipeline) -> Result<&PostgresDestination> {
    match &pipeline.destination.connector {
        DestinationConnector::Postgres(destination) => Ok(destination),
        DestinationConnector::Null => Err(Error::internal("a slot without a destination")),
    }
}
