//! The changes that a slot holds, read without taking them: peeked, message by message.
//!
//! The source puts a batch together before it sends it, on its disk where it is large; here one
//! message at a time is in memory.

use super::slot::Slot;
use crate::engine::dest::rows::RowParser;
use crate::engine::plan::CopyFormat;
use crate::engine::settings;
use crate::error::{Error, Kind, Result};
use crate::postgres::block::Block;
use crate::postgres::copy::CopyOut;
use crate::postgres::lsn::Lsn;
use crate::postgres::pgoutput::{self, Message};
use crate::postgres::{Session, quote_literal};

/// Changes after which a batch ends with the transaction under way.
const BATCH_CHANGES: u64 = 100_000;

/// A batch under way.
pub(super) struct Peek {
    /// For errors.
    slot: String,
    copy: CopyOut,
    block: Block,
    parser: RowParser,
    more: bool,
    messages: u64,
}

impl Peek {
    /// Begins to read what committed before `upto`: whole transactions, in commit order.
    pub(super) async fn start(
        source: &Session,
        version: u32,
        slot: &Slot,
        upto: Lsn,
        buffer_bytes: usize,
    ) -> Result<Self> {
        // text comes out as the destination reads it
        let begin = settings::begin_source(version, None, true);
        source.execute(&begin, "beginning to read changes").await?;
        let name = quote_literal(&slot.name);
        let sql = format!(
            "COPY (SELECT data FROM pg_catalog.pg_logical_slot_peek_binary_changes({name}, {}, {BATCH_CHANGES}, \
               'proto_version', '1', 'publication_names', {name})) TO STDOUT (FORMAT binary)",
            quote_literal(&upto.to_string())
        );
        let copy = CopyOut::start(source, &sql)
            .await
            .map_err(|error| explained(error, &slot.name))?;
        Ok(Self {
            slot: slot.name.clone(),
            copy,
            block: Block::new(buffer_bytes),
            parser: RowParser::new(CopyFormat::Binary),
            more: true,
            messages: 0,
        })
    }

    /// The next message, and its size in bytes; none at the end of the batch.
    pub(super) async fn next(&mut self) -> Result<Option<(Message, u64)>> {
        loop {
            if let Some(mut row) = self.parser.next_row()? {
                self.messages += 1;
                let data = row.pop().flatten().unwrap_or_default();
                return Ok(Some((pgoutput::decode(&data)?, data.len() as u64)));
            }
            if !self.more {
                return Ok(None);
            }
            let filled = self.copy.fill(&mut self.block).await;
            self.more = filled.map_err(|error| explained(error, &self.slot))?;
            self.parser.input.extend_from_slice(self.block.payload());
            self.block.clear();
        }
    }

    /// Ends the batch; whether there was nothing after it.
    pub(super) async fn finish(self, source: &Session) -> Result<bool> {
        let (read, whole) = (self.messages, self.parser.is_at_end());
        let sent = self.copy.finish().await?;
        if read != sent || !whole {
            return Err(Error::new(
                Kind::Verification,
                format!("the source sent {sent} messages, and {read} arrived"),
            ));
        }
        source
            .execute("COMMIT", "ending the reading of changes")
            .await?;
        Ok(read < BATCH_CHANGES)
    }
}

/// The server says these as it begins to read, or in the midst of it.
fn explained(error: Error, slot: &str) -> Error {
    let state = error.sqlstate().map(str::to_owned);
    let error = error.context(format!("reading slot {slot}"));
    match state.as_deref() {
        Some("55006") => error.remedy(
            "a slot has one reader: wait for the other, or end it with pg_terminate_backend",
        ),
        Some("42704") => error.remedy(
            "the publication was not there all the time: start over with `rb-bench cdc drop` and `rb-bench cdc setup`",
        ),
        _ => error,
    }
}
