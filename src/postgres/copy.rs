//! Moving COPY bytes: out of one session, into another, without looking at them.
//!
//! [`CopyOut`] gathers the server's CopyData messages into blocks and counts them: one message is
//! one row, and in binary format one more is the trailer. [`CopyIn`] sends such blocks, and hears
//! the server's error the moment it speaks, not at the end. Each is one COPY statement on a
//! session whose line it borrows. Protocol: PostgreSQL manual, "Message Formats" and "COPY
//! Operations".
//!
//! A COPY that is not finished is never committed: dropping one leaves its line unusable, so the
//! session can only be closed.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{ERROR_RESPONSE_TAG, ErrorFields, Message};
use postgres_protocol::message::frontend;
use tokio_util::io::poll_read_buf;

use super::connect::Session;
use super::line::Loan;
use super::sqlstate;
use crate::error::{Error, Kind, Result, ServerReport};

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 256 << 10;
/// A message's tag and length.
const HEADER: usize = 5;

/// COPY bytes on their way: one CopyData message, header included, ready to be sent.
#[derive(Debug)]
pub struct Block {
    bytes: BytesMut,
    limit: usize,
}

impl Block {
    /// An empty block that is full at about `limit` payload bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER + limit);
        bytes.put_slice(b"d\0\0\0\0");
        Self { bytes, limit }
    }

    /// The COPY bytes in it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER
    }

    /// Payload bytes that still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        (HEADER + self.limit).saturating_sub(self.bytes.len())
    }

    /// Adds COPY bytes.
    pub fn push(&mut self, payload: &[u8]) {
        self.bytes.put_slice(payload);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER);
    }

    /// The block as the message that goes on the wire.
    fn message(&mut self) -> &[u8] {
        let length = (self.bytes.len() as u32 - 1).to_be_bytes();
        self.bytes[1..HEADER].copy_from_slice(&length);
        &self.bytes
    }
}

/// What a read of the source led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The block is full; there is more.
    More,
    /// The COPY is over: what is in the block is the last of it.
    End {
        /// CopyData messages received.
        messages: u64,
        /// Rows by the server's own tag.
        rows: u64,
    },
}

/// Where a scanner of the source's messages stands.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Bytes of the CopyData message under way that have not come yet.
    payload_left: usize,
    /// CopyData messages begun.
    messages: u64,
}

/// What stopped a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// The input is used up, or ends inside a header.
    NeedsInput,
    /// The block is full.
    Full,
    /// A message that is not CopyData is next.
    OtherMessage,
}

impl Scanner {
    /// Moves CopyData payload from `input` to `block`. Messages may be cut anywhere by the reads.
    pub fn scan(&mut self, input: &mut BytesMut, block: &mut Block) -> Scan {
        loop {
            if self.payload_left > 0 {
                let take = self.payload_left.min(input.len()).min(block.room());
                block.push(&input[..take]);
                input.advance(take);
                self.payload_left -= take;
                if self.payload_left > 0 {
                    return if block.room() == 0 {
                        Scan::Full
                    } else {
                        Scan::NeedsInput
                    };
                }
            }
            if input.len() < HEADER {
                return Scan::NeedsInput;
            }
            if input[0] != b'd' {
                return Scan::OtherMessage;
            }
            if block.room() == 0 {
                return Scan::Full;
            }
            let length = u32::from_be_bytes([input[1], input[2], input[3], input[4]]) as usize;
            self.payload_left = length.saturating_sub(4);
            self.messages += 1;
            input.advance(HEADER);
        }
    }

    /// CopyData messages begun so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }
}

/// The borrowed line, what was read from it but not used yet, and the time spent waiting for it.
struct Wire {
    loan: Loan,
    input: BytesMut,
    waited: Duration,
}

impl Wire {
    /// Borrows the session's line and sends one simple query on it.
    async fn query(session: &Session, sql: &str) -> Result<Self> {
        let loan = session.line().lend().map_err(lost)?;
        let mut wire = Self {
            loan,
            input: BytesMut::with_capacity(READ_BYTES),
            waited: Duration::ZERO,
        };
        let mut query = BytesMut::with_capacity(sql.len() + 16);
        frontend::query(sql, &mut query).map_err(lost)?;
        wire.send(&query).await?;
        Ok(wire)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.input.len() < READ_BYTES / 2 {
            self.input.reserve(READ_BYTES);
        }
        match ready!(poll_read_buf(Pin::new(&mut self.loan), cx, &mut self.input))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Reads more input; only the time nothing was there counts as waiting.
    async fn fill(&mut self) -> Result<()> {
        let mut since = None;
        let outcome = poll_fn(|cx| {
            let poll = self.poll_fill(cx);
            if poll.is_pending() {
                since.get_or_insert_with(Instant::now);
            }
            poll
        })
        .await;
        self.waited += since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
        outcome.map_err(lost)
    }

    /// Sends all of `bytes`, unless the server says something first that is an error.
    async fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        let mut since = None;
        let outcome = poll_fn(|cx| {
            while self.poll_fill(cx)?.is_ready() {}
            if self.input.first() == Some(&ERROR_RESPONSE_TAG) {
                return Poll::Ready(Ok(()));
            }
            while !bytes.is_empty() {
                match self.loan.poll_write(cx, bytes)? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(n) => bytes = &bytes[n..],
                    Poll::Pending => {
                        since.get_or_insert_with(Instant::now);
                        return Poll::Pending;
                    }
                }
            }
            Poll::Ready(Ok(()))
        })
        .await;
        self.waited += since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
        match outcome {
            Ok(()) if bytes.is_empty() => Ok(()),
            Ok(()) => Err(self.error_of_server().await),
            // a server that goes away says why before it closes: its words are in the input
            Err(_) if self.input.first() == Some(&ERROR_RESPONSE_TAG) => {
                Err(self.error_of_server().await)
            }
            Err(error) => Err(lost(error)),
        }
    }

    /// The next message that is not a notice or the like; errors of the server become ours.
    async fn message(&mut self) -> Result<Message> {
        loop {
            match Message::parse(&mut self.input).map_err(lost)? {
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

    async fn error_of_server(&mut self) -> Error {
        match self.message().await {
            Err(error) => error,
            Ok(_) => out_of_step("an error"),
        }
    }

    /// After an error the server says ReadyForQuery, or has closed the connection.
    async fn drain_after_error(&mut self) {
        loop {
            match Message::parse(&mut self.input) {
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
    async fn complete(&mut self) -> Result<u64> {
        let Message::CommandComplete(body) = self.message().await? else {
            return Err(out_of_step("CommandComplete"));
        };
        let rows = rows_of(body.tag().map_err(lost)?)?;
        let Message::ReadyForQuery(_) = self.message().await? else {
            return Err(out_of_step("ReadyForQuery"));
        };
        self.loan.give_back();
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

fn lost(error: io::Error) -> Error {
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
                    wire.loan.give_back();
                }
                Err(error)
            }
        }
    }

    /// Fills the block until it is full or the COPY is over. At the end the line is given back.
    pub async fn fill(&mut self, block: &mut Block) -> Result<Piece> {
        loop {
            match self.scanner.scan(&mut self.wire.input, block) {
                Scan::Full => return Ok(Piece::More),
                Scan::NeedsInput => self.wire.fill().await?,
                Scan::OtherMessage => match self.wire.message().await? {
                    Message::CopyDone => {
                        let messages = self.scanner.messages();
                        let rows = self.wire.complete().await?;
                        return Ok(Piece::End { messages, rows });
                    }
                    _ => return Err(out_of_step("CopyData or CopyDone")),
                },
            }
        }
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
    use proptest::prelude::*;

    use super::*;

    fn messages(rows: &[Vec<u8>]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for row in rows {
            bytes.put_u8(b'd');
            bytes.put_u32(row.len() as u32 + 4);
            bytes.put_slice(row);
        }
        bytes.put_slice(b"c\0\0\0\x04");
        bytes
    }

    proptest! {
        #[test]
        fn a_scan_keeps_every_byte_and_counts_every_message_however_reads_and_blocks_cut_them(
            rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
            read in 1usize..400,
            limit in 1usize..500,
        ) {
            let mut wire = messages(&rows);
            let (mut scanner, mut input, mut block) = (Scanner::default(), BytesMut::new(), Block::new(limit));
            let mut moved = Vec::new();
            loop {
                match scanner.scan(&mut input, &mut block) {
                    Scan::NeedsInput => {
                        let n = read.min(wire.len());
                        prop_assert!(n > 0, "the end must be seen before the input is used up");
                        input.extend_from_slice(&wire.split_to(n));
                    }
                    Scan::Full => {
                        prop_assert!(block.payload().len() <= limit);
                        moved.extend_from_slice(block.payload());
                        block.clear();
                    }
                    Scan::OtherMessage => break,
                }
            }
            moved.extend_from_slice(block.payload());
            prop_assert_eq!(moved, rows.concat());
            prop_assert_eq!(scanner.messages(), rows.len() as u64);
        }
    }

    #[test]
    fn a_block_is_one_copy_data_message() {
        let mut block = Block::new(16);
        block.push(b"abc");
        assert_eq!(block.message(), b"d\0\0\0\x07abc");
        block.clear();
        assert!(block.is_empty());
        assert_eq!(block.room(), 16);
    }

    #[test]
    fn tags_give_rows() {
        assert_eq!(rows_of("COPY 12").unwrap(), 12);
        assert!(rows_of("INSERT 0 1").is_err());
    }
}
