//! Where rows come from: one small trait, and the connectors behind it.

mod generate;
mod postgres;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use generate::{GenerateSource, Pace};
pub use postgres::{PostgresSource, rows_sql};

use super::plan::{Chunk, StreamSpec};
use crate::error::Result;
use crate::postgres::Session;
use crate::postgres::block::Block;

/// One worker's reader. A chunk is opened, then filled from block by block until its explicit end.
pub trait ChunkSource: Send {
    /// Begins to read a chunk, at most `limit` rows of it.
    fn open<'a>(
        &'a mut self,
        stream: &'a StreamSpec,
        chunk: &'a Chunk,
        limit: Option<u64>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Fills the block; `Piece::End` is the only end of a chunk.
    fn fill<'a>(&'a mut self, block: &'a mut Block) -> BoxFuture<'a, Result<Piece>>;

    /// CopyData messages of the open chunk so far: rows, and in binary format one more at the end.
    fn messages(&self) -> u64;

    /// Time the open chunk has waited for the source.
    fn waited(&self) -> Duration;

    /// The connection behind it, where there is one.
    fn session(&self) -> Option<&Session>;

    /// The same, when the work is over.
    fn into_session(self: Box<Self>) -> Option<Session>;
}

/// What a read of a chunk led to.
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
