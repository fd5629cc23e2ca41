//! One statement many times over: parsed once, then given its values again and again.
//!
//! It has no name. A named one would stay on the server's connection, which behind a pooler is
//! somebody else's after the transaction; one without a name is replaced by whatever is parsed next.
//! So the line is borrowed from the first execution to the last, and nothing else comes in between;
//! the caller must be in a transaction, which no pooler takes apart. Protocol: PostgreSQL manual,
//! "Extended Query".

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend::{self, BindError};
use tokio_postgres::types::Format;

use super::session::Session;
use super::wire::{Wire, lost};
use crate::error::{Error, Result};

/// A statement on a borrowed line. Dropping it leaves the session good for nothing but closing.
pub struct Repeated {
    wire: Wire,
    /// What is to be sent before the next values.
    messages: BytesMut,
    parsing: bool,
}

impl Repeated {
    /// Borrows the line of a session that is in a transaction; there is no statement yet.
    ///
    /// # Errors
    /// `Kind::Connection` where the line is lent already.
    pub fn on(session: &Session) -> Result<Self> {
        Ok(Self {
            wire: Wire::on(session)?,
            messages: BytesMut::new(),
            parsing: false,
        })
    }

    /// Makes this the statement, from the next execution on. Its parameters have the types that the
    /// server finds for them.
    ///
    /// # Errors
    /// `Kind::Connection` where it is no text that the protocol can carry.
    pub fn set(&mut self, sql: &str) -> Result<()> {
        self.messages.clear();
        frontend::parse("", sql, [], &mut self.messages).map_err(lost)?;
        self.parsing = true;
        Ok(())
    }

    /// Executes the statement with these values, all in one format; the rows that it says it has written.
    ///
    /// # Errors
    /// The server's. After one the transaction has failed, and the statement may not be there.
    pub async fn execute<'a>(
        &mut self,
        format: Format,
        values: impl IntoIterator<Item = Option<&'a [u8]>>,
    ) -> Result<u64> {
        let bound = frontend::bind(
            "",
            "",
            [format as i16],
            values,
            |value, out| {
                Ok(value.map_or(IsNull::Yes, |bytes| {
                    out.extend_from_slice(bytes);
                    IsNull::No
                }))
            },
            [],
            &mut self.messages,
        );
        bound.map_err(|error| match error {
            BindError::Conversion(error) => Error::internal(format!("binding a value: {error}")),
            BindError::Serialization(error) => lost(error),
        })?;
        frontend::execute("", 0, &mut self.messages).map_err(lost)?;
        frontend::sync(&mut self.messages);
        let sent = self.wire.send_to_sync(&self.messages).await;
        self.messages.clear();
        sent?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<u64> {
        if std::mem::take(&mut self.parsing) {
            let Message::ParseComplete = self.wire.message().await? else {
                return Err(out_of_step("ParseComplete"));
            };
        }
        let Message::BindComplete = self.wire.message().await? else {
            return Err(out_of_step("BindComplete"));
        };
        let mut rows = None;
        loop {
            match self.wire.message().await? {
                Message::CommandComplete(body) => rows = Some(rows_of(body.tag().map_err(lost)?)),
                Message::ReadyForQuery(_) => {
                    return rows.ok_or_else(|| out_of_step("CommandComplete"));
                }
                _ => return Err(out_of_step("CommandComplete")),
            }
        }
    }

    /// Returns the line.
    ///
    /// # Errors
    /// The server's, where it has said one since the last execution; `Kind::Internal` where one was given up.
    pub async fn finish(self) -> Result<()> {
        self.wire.give_back().await
    }
}

/// The rows of a command tag; none where it has no number.
fn rows_of(tag: &str) -> u64 {
    let last = tag.rsplit(' ').next();
    last.and_then(|rows| rows.parse().ok()).unwrap_or_default()
}

fn out_of_step(expected: &str) -> Error {
    Error::internal(format!(
        "the server answered an execution with something else than {expected}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_give_rows() {
        assert_eq!(rows_of("INSERT 0 500"), 500);
        assert_eq!(rows_of("SELECT"), 0);
    }
}
