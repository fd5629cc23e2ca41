//! Counts rows and drops them, to measure a source alone.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::ChunkDestination;
use crate::engine::plan::{CopyFormat, StreamSpec};
use crate::error::Result;
use crate::postgres::Session;
use crate::postgres::block::Block;

/// Drops what it is given. It counts rows by the stream's own shape, not by what was read.
#[derive(Debug, Default)]
pub struct NullDestination {
    text: bool,
    rows: u64,
    parser: super::rows::RowCounter,
}

impl ChunkDestination for NullDestination {
    fn open<'a>(&'a mut self, stream: &'a StreamSpec) -> BoxFuture<'a, Result<()>> {
        self.text = stream.format == CopyFormat::Text;
        self.rows = 0;
        self.parser = super::rows::RowCounter::default();
        Box::pin(std::future::ready(Ok(())))
    }

    #[expect(
        clippy::naive_bytecount,
        reason = "not worth a dependency: text rows into nothing"
    )]
    fn write<'a>(&'a mut self, block: &'a mut Block) -> BoxFuture<'a, Result<()>> {
        let outcome = if self.text {
            // a newline inside a value is escaped, so each one ends a row
            self.rows += block
                .payload()
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count() as u64;
            Ok(())
        } else {
            self.parser
                .count(block.payload())
                .map(|rows| self.rows += rows)
        };
        block.clear();
        Box::pin(std::future::ready(outcome))
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(std::future::ready(Ok(self.rows)))
    }

    fn waited(&self) -> Duration {
        Duration::ZERO
    }

    fn session(&self) -> Option<&Session> {
        None
    }

    fn into_session(self: Box<Self>) -> Option<Session> {
        None
    }
}
