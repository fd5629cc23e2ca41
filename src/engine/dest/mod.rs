//! Where rows go: one small trait, and the connectors behind it.

mod copy;
mod insert;
mod null;
pub(in crate::engine) mod rows;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use copy::CopyDestination;
pub use insert::InsertDestination;
pub use null::NullDestination;

use super::plan::StreamSpec;
use crate::error::Result;
use crate::postgres::Session;
use crate::postgres::block::Block;

/// One worker's writer. Transactions are the worker's business, on [`ChunkDestination::session`].
pub trait ChunkDestination: Send {
    /// Begins to take the rows of a chunk.
    fn open<'a>(&'a mut self, stream: &'a StreamSpec) -> BoxFuture<'a, Result<()>>;

    /// Takes the block's bytes and empties it.
    fn write<'a>(&'a mut self, block: &'a mut Block) -> BoxFuture<'a, Result<()>>;

    /// Ends the chunk; returns the rows the destination itself has counted.
    fn finish(&mut self) -> BoxFuture<'_, Result<u64>>;

    /// Time the chunk has waited for the destination.
    fn waited(&self) -> Duration;

    /// The connection behind it, where there is one.
    fn session(&self) -> Option<&Session>;

    /// The same, when the work is over.
    fn into_session(self: Box<Self>) -> Option<Session>;
}
