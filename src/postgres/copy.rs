//! Moving COPY bytes: out of one session, into another, without looking at them.
//!
//! [`CopyOut`] gathers the server's CopyData messages into blocks. [`CopyIn`] sends such blocks,
//! and hears the server's error the moment it speaks, not at the end. Each is one COPY statement on a
//! session whose line it borrows. Protocol: PostgreSQL manual, "Message Formats" and "COPY
//! Operations".
//!
//! A COPY that is not finished is never committed: dropping one leaves its line unusable, so the
//! session can only be closed.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::block::{Block, Scan, Scanner};
use super::session::Session;
use super::wire::{Wire, lost};
use crate::error::{Error, Result};

/// CommandComplete and ReadyForQuery: returns the rows of the tag and the line to its owner.
async fn complete(mut wire: Wire) -> Result<u64> {
    let Message::CommandComplete(body) = wire.message().await? else {
        return Err(out_of_step("CommandComplete"));
    };
    let rows = rows_of(body.tag().map_err(lost)?)?;
    let Message::ReadyForQuery(_) = wire.message().await? else {
        return Err(out_of_step("ReadyForQuery"));
    };
    wire.give_back().await?;
    Ok(rows)
}

fn rows_of(tag: &str) -> Result<u64> {
    tag.strip_prefix("COPY ")
        .and_then(|rows| rows.parse().ok())
        .ok_or_else(|| Error::internal(format!("the server completed a COPY with `{tag}`")))
}

fn out_of_step(expected: &str) -> Error {
    Error::internal(format!(
        "the server answered a COPY with something else than {expected}"
    ))
}

/// A `COPY ... TO STDOUT` under way.
pub struct CopyOut {
    wire: Wire,
    scanner: Scanner,
}

impl CopyOut {
    /// Starts it; returns when the server has agreed.
    pub async fn start(session: &Session, sql: &str) -> Result<Self> {
        let mut wire = Wire::query(session, sql).await?;
        match wire.message().await {
            Ok(Message::CopyOutResponse(_)) => Ok(Self {
                wire,
                scanner: Scanner::default(),
            }),
            Ok(_) => Err(out_of_step("CopyOutResponse")),
            Err(error) => {
                // the server is ready for the next query, unless the connection is gone: then this is why
                let _may_be_closed = wire.give_back().await;
                Err(error)
            }
        }
    }

    /// Fills the block until it is full or the COPY is over; whether there may be more.
    pub async fn fill(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            let Self { wire, scanner } = self;
            match wire.look(|input| scanner.scan(input, block)) {
                Scan::Full => return Ok(true),
                Scan::NeedsInput => self.wire.fill().await?,
                Scan::OtherMessage => match self.wire.message().await? {
                    Message::CopyDone => return Ok(false),
                    _ => return Err(out_of_step("CopyData or CopyDone")),
                },
            }
        }
    }

    /// Returns the line, and the rows by the server's own tag.
    pub async fn finish(self) -> Result<u64> {
        complete(self.wire).await
    }

    /// Time spent waiting for the server so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.wire.waited()
    }

    /// CopyData messages received so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.scanner.messages()
    }
}

/// A `COPY ... FROM STDIN` under way.
pub struct CopyIn {
    wire: Wire,
}

impl CopyIn {
    /// Starts it; returns when the server has agreed.
    pub async fn start(session: &Session, sql: &str) -> Result<Self> {
        let mut wire = Wire::query(session, sql).await?;
        match wire.message().await? {
            Message::CopyInResponse(_) => Ok(Self { wire }),
            _ => Err(out_of_step("CopyInResponse")),
        }
    }

    /// Sends the block's bytes and empties it.
    ///
    /// # Errors
    /// Also the server's, as soon as it has said it.
    pub async fn send(&mut self, block: &mut Block) -> Result<()> {
        if !block.is_empty() {
            self.wire.send(block.message()).await?;
            block.clear();
        }
        Ok(())
    }

    /// Ends the COPY and returns the rows by the server's own tag, and the time spent waiting.
    pub async fn finish(mut self) -> Result<(u64, Duration)> {
        let mut done = BytesMut::new();
        frontend::copy_done(&mut done);
        self.wire.send(&done).await?;
        let since = Instant::now();
        let waited = self.wire.waited();
        let rows = complete(self.wire).await?;
        Ok((rows, waited + since.elapsed()))
    }

    /// Time spent waiting for the server so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.wire.waited()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_give_rows() {
        assert_eq!(rows_of("COPY 12").unwrap(), 12);
        assert!(rows_of("INSERT 0 1").is_err());
    }
}
