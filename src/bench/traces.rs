//! What the engine keeps for itself in a destination (schema `rb_bench`: its ledger), taken away again
//! after a benchmark on a user's database.
//!
//! A benchmark's runs carry a pipeline name of their own, so that their lines can be told from those of
//! the user's runs. Only those lines are deleted; the schema is dropped only if it was not there before
//! and nobody else has used it since.

use crate::engine::state::SCHEMA;
use crate::error::Result;
use crate::postgres::{Session, quote_ident, quote_literal};

/// The engine's traces of one session in one destination.
#[derive(Debug, Clone)]
pub(super) struct Traces {
    pipeline: String,
    schema_was_there: bool,
}

impl Traces {
    /// Looks what is there before the first run.
    pub(super) async fn before(session: &Session, id: &str, pipeline: &str) -> Result<Self> {
        Ok(Self {
            pipeline: format!("rb_bench_{id}_{pipeline}"),
            schema_was_there: has_ledger(session).await?,
        })
    }

    /// The name that the session's runs must carry.
    pub(super) fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Takes the session's traces away.
    pub(super) async fn remove(&self, session: &Session) -> Result<()> {
        let doing = "taking the benchmark's lines out of the ledger";
        if !has_ledger(session).await? {
            return Ok(());
        }
        let schema = quote_ident(SCHEMA);
        let delete = format!(
            "SET client_min_messages = warning; SET lock_timeout = '10s';
             DELETE FROM {schema}.runs WHERE pipeline = {} AND state = 'committed'",
            quote_literal(&self.pipeline)
        );
        session.execute(&delete, doing).await?;
        if self.schema_was_there {
            return Ok(());
        }
        // nobody can begin a run while the lock is held
        let lock =
            format!("BEGIN; LOCK TABLE {schema}.runs, {schema}.cursors IN ACCESS EXCLUSIVE MODE");
        let dropped = async {
            session.execute(&lock, doing).await?;
            let empty = format!(
                "SELECT (NOT EXISTS (SELECT FROM {schema}.runs) AND NOT EXISTS (SELECT FROM {schema}.cursors))::int"
            );
            let end = if session.value(&empty, doing).await?.as_deref() == Some("1") {
                format!("DROP SCHEMA {schema} CASCADE; COMMIT")
            } else {
                "COMMIT".to_owned()
            };
            session.execute(&end, doing).await
        };
        let outcome = dropped.await;
        if outcome.is_err() {
            session.execute("ROLLBACK", doing).await?;
        }
        outcome
    }
}

async fn has_ledger(session: &Session) -> Result<bool> {
    let sql = format!(
        "SELECT (to_regclass({}) IS NOT NULL)::int",
        quote_literal(&format!("{}.runs", quote_ident(SCHEMA)))
    );
    let answer = session.value(&sql, "looking for the ledger").await?;
    Ok(answer.as_deref() == Some("1"))
}
