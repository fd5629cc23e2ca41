//! Moving COPY bytes: out of one session, into another, without looking at them.
//!
//! [`CopyOut`] gathers the server's CopyData messages into blocks. [`CopyIn`] sends such blocks,
//! and hears the server's error the moment it speaks, not at the end. Each is one COPY statement on a
//! session whose line it borrows. Protocol: PostgreSQL manual, "Message Formats" and "COPY
//! Operations".
//!
//! A COPY that is not finished is never committed: dropping one leaves its line unusable, so the
//! session can only be closed.

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{ERROR_RESPONSE_TAG, ErrorFields, Message};
use postgres_protocol::message::frontend;
use tokio::io::Interest;

use super::block::{Block, Scan, Scanner};
use super::line::Loan;
use super::session::Session;
use super::sqlstate;
use crate::error::{Error, Kind, Result, ServerReport};

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 256 << 10;

/// What was read from a socket and not used yet.
struct Input {
    bytes: Vec<u8>,
    used: usize,
    end: usize,
}

impl Input {
    fn new() -> Self {
        Self {
            bytes: vec![0; READ_BYTES],
            used: 0,
            end: 0,
        }
    }

    fn get(&self) -> &[u8] {
        &self.bytes[self.used..self.end]
    }

    fn leave(&mut self, bytes: usize) {
        self.used = self.end - bytes;
    }

    /// Reads what is there; whether that was anything.
    fn read(&mut self, loan: &mut Loan) -> io::Result<bool> {
        self.bytes.copy_within(self.used..self.end, 0);
        (self.used, self.end) = (0, self.end - self.used);
        if self.end == self.bytes.len() {
            // a message that is not COPY data and is larger than all of it
            self.bytes.resize(2 * self.end, 0);
        }
        match loan.read(&mut self.bytes[self.end..])? {
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(n) => {
                self.end += n;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The next message, where it is all there.
    fn message(&mut self) -> io::Result<Option<Message>> {
        let mut left = BytesMut::from(self.get());
        let message = Message::parse(&mut left)?;
        self.leave(left.len());
        Ok(message)
    }

    fn is_error(&self) -> bool {
        self.get().first() == Some(&ERROR_RESPONSE_TAG)
    }
}

/// The borrowed line, what was read from it but not used yet, and the time spent waiting for it.
pub(super) struct Wire {
    loan: Loan,
    input: Input,
    waited: Duration,
}

impl Wire {
    /// Borrows the session's line and sends one simple query on it.
    async fn query(session: &Session, sql: &str) -> Result<Self> {
        let mut query = BytesMut::with_capacity(sql.len() + 16);
        frontend::query(sql, &mut query).map_err(lost)?;
        Self::send_on(session, &query).await
    }

    /// Borrows the session's line.
    pub(super) fn on(session: &Session) -> Result<Self> {
        Ok(Self {
            loan: session.line().lend().map_err(lost)?,
            input: Input::new(),
            waited: Duration::ZERO,
        })
    }

    /// Borrows the session's line and sends these messages on it.
    pub(super) async fn send_on(session: &Session, messages: &[u8]) -> Result<Self> {
        let mut wire = Self::on(session)?;
        wire.send(messages).await?;
        Ok(wire)
    }

    /// Returns the line to its owner, at the server's ReadyForQuery.
    pub(super) fn give_back(self) -> Result<()> {
        self.loan.give_back().map_err(lost)
    }

    async fn wait(&mut self, interest: Interest) -> io::Result<()> {
        let since = Instant::now();
        let outcome = self.loan.ready(interest).await;
        self.waited += since.elapsed();
        outcome
    }

    /// Reads more input; only the time nothing was there counts as waiting.
    async fn fill(&mut self) -> Result<()> {
        while !self.input.read(&mut self.loan).map_err(lost)? {
            self.wait(Interest::READABLE).await.map_err(lost)?;
        }
        Ok(())
    }

    /// Sends all of `bytes`, unless the server says something first that is an error.
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let outcome = self.try_send(bytes, true).await;
        // a server that goes away says why before it closes: its words are in the input
        if self.input.is_error() {
            return match self.message().await {
                Err(error) => Err(error),
                Ok(_) => Err(out_of_step("an error")),
            };
        }
        outcome.map_err(lost)
    }

    /// Sends all of `bytes` whatever the server says meanwhile: what it skips after an error ends with
    /// the Sync, and it says nothing more before that has come.
    pub(super) async fn send_to_sync(&mut self, bytes: &[u8]) -> Result<()> {
        let Err(broken) = self.try_send(bytes, false).await else {
            return Ok(());
        };
        while let Ok(Some(message)) = self.input.message() {
            if let Message::ErrorResponse(body) = message {
                return Err(report(body.fields()));
            }
        }
        Err(lost(broken))
    }

    async fn try_send(&mut self, mut bytes: &[u8], until_error: bool) -> io::Result<()> {
        while !bytes.is_empty() {
            while self.input.read(&mut self.loan)? {}
            if until_error && self.input.is_error() {
                break;
            }
            match self.loan.write(bytes)? {
                Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(n) => bytes = &bytes[n..],
                None => self.wait(Interest::READABLE | Interest::WRITABLE).await?,
            }
        }
        while !self.loan.flush()? {
            self.wait(Interest::READABLE | Interest::WRITABLE).await?;
            while self.input.read(&mut self.loan)? {}
            if until_error && self.input.is_error() {
                break;
            }
        }
        Ok(())
    }

    /// The next message that is not a notice or the like; errors of the server become ours.
    pub(super) async fn message(&mut self) -> Result<Message> {
        loop {
            match self.input.message().map_err(lost)? {
                None => self.fill().await?,
                Some(
                    Message::NoticeResponse(_)
                    | Message::ParameterStatus(_)
                    | Message::NotificationResponse(_),
                ) => {}
                Some(Message::ErrorResponse(body)) => {
                    let error = report(body.fields());
                    self.drain_after_error().await;
                    return Err(error);
                }
                Some(message) => return Ok(message),
            }
        }
    }

    /// After an error the server says ReadyForQuery, or has closed the connection.
    async fn drain_after_error(&mut self) {
        loop {
            match self.input.message() {
                Ok(None) => {
                    if self.fill().await.is_err() {
                        return;
                    }
                }
                Ok(Some(Message::ReadyForQuery(_))) | Err(_) => return,
                Ok(Some(_)) => {}
            }
        }
    }

    /// CommandComplete and ReadyForQuery: returns the rows of the tag and the line to its owner.
    async fn complete(mut self) -> Result<u64> {
        let Message::CommandComplete(body) = self.message().await? else {
            return Err(out_of_step("CommandComplete"));
        };
        let rows = rows_of(body.tag().map_err(lost)?)?;
        let Message::ReadyForQuery(_) = self.message().await? else {
            return Err(out_of_step("ReadyForQuery"));
        };
        self.loan.give_back().map_err(lost)?;
        Ok(rows)
    }
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

pub(super) fn lost(error: io::Error) -> Error {
    let text = if error.kind() == io::ErrorKind::UnexpectedEof {
        "the server closed the connection".to_owned()
    } else {
        format!("the connection broke: {error}")
    };
    Error::new(Kind::Connection, text).caused_by(error)
}

/// Error fields: PostgreSQL manual, "Error and Notice Message Fields".
fn report(mut fields: ErrorFields<'_>) -> Error {
    let mut report = ServerReport::default();
    while let Ok(Some(field)) = fields.next() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => report.sqlstate = value,
            b'M' => report.message = value,
            b'D' => report.detail = Some(value),
            b'H' => report.hint = Some(value),
            b'W' => report.context = Some(value),
            b'n' => report.constraint = Some(value),
            b'P' => report.position = value.parse().ok(),
            _ => {}
        }
    }
    Error::new(sqlstate::kind_of(&report.sqlstate), report.message.clone())
        .reported_by_server(report)
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
                // the server is ready for the next query, unless the connection is gone
                if error.kind() != Kind::Connection {
                    wire.loan.give_back().map_err(lost)?;
                }
                Err(error)
            }
        }
    }

    /// Fills the block until it is full or the COPY is over; whether there may be more.
    pub async fn fill(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            let mut left = self.wire.input.get();
            let scan = self.scanner.scan(&mut left, block);
            let left = left.len();
            self.wire.input.leave(left);
            match scan {
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
        self.wire.complete().await
    }

    /// Time spent waiting for the server so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.wire.waited
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
        let waited = self.wire.waited;
        let rows = self.wire.complete().await?;
        Ok((rows, waited + since.elapsed()))
    }

    /// Time spent waiting for the server so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.wire.waited
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
