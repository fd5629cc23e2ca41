//! A borrowed line: messages sent on it and heard from it, in the protocol's order.
//!
//! What the server says is heard the moment it is there, an error in the middle of what is being sent
//! included. The line goes back to its owner only at the server's ReadyForQuery, with nothing left unread:
//! anything else would be an answer to a question that its owner has not asked. Protocol: PostgreSQL
//! manual, "Message Flow" and "Message Formats".

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{ERROR_RESPONSE_TAG, ErrorFields, Message};
use postgres_protocol::message::frontend;
use tokio::io::Interest;

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
    /// Whether everything that was asked has been answered.
    in_step: bool,
}

impl Wire {
    /// Borrows the session's line and sends one simple query on it.
    pub(super) async fn query(session: &Session, sql: &str) -> Result<Self> {
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
            in_step: true,
        })
    }

    /// Borrows the session's line and sends these messages on it.
    pub(super) async fn send_on(session: &Session, messages: &[u8]) -> Result<Self> {
        let mut wire = Self::on(session)?;
        wire.send(messages).await?;
        Ok(wire)
    }

    /// Returns the line to its owner, at the server's ReadyForQuery.
    ///
    /// # Errors
    /// The server's, where it has said one since; then, and where an answer is still to come, the connection
    /// is closed.
    pub(super) async fn give_back(mut self) -> Result<()> {
        if !self.in_step {
            return Err(Error::internal(
                "a line was to be given back before everything on it was answered",
            ));
        }
        while !self.input.get().is_empty() {
            match self.input.message().map_err(lost)? {
                None => self.fill().await?,
                Some(Message::ErrorResponse(body)) => return Err(report(body.fields())),
                // a notice, or a setting that has changed
                Some(_) => {}
            }
        }
        self.loan.give_back().map_err(lost)
    }

    /// Time spent waiting for the server so far.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Looks at what was read and not used yet; the slice that is left of it stays.
    pub(super) fn look<T>(&mut self, look: impl FnOnce(&mut &[u8]) -> T) -> T {
        let mut left = self.input.get();
        let seen = look(&mut left);
        let left = left.len();
        self.input.leave(left);
        seen
    }

    async fn wait(&mut self, interest: Interest) -> io::Result<()> {
        let since = Instant::now();
        let outcome = self.loan.ready(interest).await;
        self.waited += since.elapsed();
        outcome
    }

    /// Reads more input; only the time nothing was there counts as waiting.
    pub(super) async fn fill(&mut self) -> Result<()> {
        while !self.input.read(&mut self.loan).map_err(lost)? {
            self.wait(Interest::READABLE).await.map_err(lost)?;
        }
        Ok(())
    }

    /// Sends all of `bytes`, unless the server says something first that is an error.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let outcome = self.send_and_hear(bytes, true).await;
        // a server that goes away says why before it closes: its words are in the input
        if self.input.is_error() {
            return match self.message().await {
                Err(error) => Err(error),
                Ok(_) => Err(Error::internal("an error of the server was none")),
            };
        }
        outcome.map_err(lost)
    }

    /// Sends all of `bytes` whatever the server says meanwhile: what it skips after an error ends with
    /// the Sync, and it says nothing more before that has come.
    pub(super) async fn send_to_sync(&mut self, bytes: &[u8]) -> Result<()> {
        let Err(broken) = self.send_and_hear(bytes, false).await else {
            return Ok(());
        };
        while let Ok(Some(message)) = self.input.message() {
            if let Message::ErrorResponse(body) = message {
                return Err(report(body.fields()));
            }
        }
        Err(lost(broken))
    }

    /// Sends, and where that fails reads what the server had still said.
    async fn send_and_hear(&mut self, bytes: &[u8], until_error: bool) -> io::Result<()> {
        self.in_step = false;
        let outcome = self.try_send(bytes, until_error).await;
        if outcome.is_err() {
            while let Ok(true) = self.input.read(&mut self.loan) {}
        }
        outcome
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
                Some(message) => {
                    self.in_step |= matches!(message, Message::ReadyForQuery(_));
                    return Ok(message);
                }
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
                Ok(Some(Message::ReadyForQuery(_))) => {
                    self.in_step = true;
                    return;
                }
                Err(_) => return,
                Ok(Some(_)) => {}
            }
        }
    }
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
