//! Rows written with COPY FROM STDIN, bytes passed through.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::ChunkDestination;
use crate::engine::plan::StreamSpec;
use crate::error::{Error, Result};
use crate::postgres::block::Block;
use crate::postgres::copy::CopyIn;
use crate::postgres::{Session, quote_ident};

/// Writes chunks on one session, which is in the worker's transaction.
pub struct CopyDestination {
    session: Session,
    copy: Option<CopyIn>,
    waited: Duration,
}

impl CopyDestination {
    /// Writes on this session.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self {
            session,
            copy: None,
            waited: Duration::ZERO,
        }
    }
}

/// The COPY statement that takes a stream's rows.
pub fn copy_in_sql(stream: &StreamSpec) -> Result<String> {
    let columns: Vec<String> = stream
        .columns
        .iter()
        .map(|column| quote_ident(column))
        .collect();
    let columns = if columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", columns.join(", "))
    };
    Ok(format!(
        "COPY {}{columns} FROM STDIN (FORMAT {}{})",
        stream.loads_into()?.sql(),
        stream.format.name(),
        if stream.frozen { ", FREEZE" } else { "" }
    ))
}

impl ChunkDestination for CopyDestination {
    fn open<'a>(&'a mut self, stream: &'a StreamSpec) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.waited = Duration::ZERO;
            if stream.frozen {
                // FREEZE wants a table that this transaction made or emptied
                let empty = format!("TRUNCATE {}", stream.loads_into()?.sql());
                self.session
                    .execute(&empty, "making room for frozen rows")
                    .await?;
            }
            self.copy = Some(CopyIn::start(&self.session, &copy_in_sql(stream)?).await?);
            Ok(())
        })
    }

    fn write<'a>(&'a mut self, block: &'a mut Block) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let copy = self.copy.as_mut().ok_or_else(not_open)?;
            copy.send(block).await?;
            self.waited = copy.waited();
            Ok(())
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let (rows, waited) = self.copy.take().ok_or_else(not_open)?.finish().await?;
            self.waited = waited;
            Ok(rows)
        })
    }

    fn waited(&self) -> Duration {
        self.waited
    }

    fn session(&self) -> Option<&Session> {
        Some(&self.session)
    }

    fn into_session(self: Box<Self>) -> Option<Session> {
        Some(self.session)
    }
}

fn not_open() -> Error {
    Error::internal("rows were written before their chunk was opened")
}
