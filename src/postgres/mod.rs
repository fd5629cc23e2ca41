//! What any client of Postgres needs: connecting, catalogs, moving COPY bytes, SQLSTATEs.
//!
//! Nothing here knows what a run is.

pub mod block;
pub mod catalog;
pub mod connect;
pub mod copy;
pub mod describe;
mod leaf;
mod line;
pub mod listing;
pub mod lsn;
pub mod password;
pub mod pgoutput;
pub mod replica_identity;
pub mod session;
pub mod sqlstate;
pub mod user_types;

pub use connect::Server;
pub use session::Session;

/// An identifier as SQL text, always quoted.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    postgres_protocol::escape::escape_identifier(name)
}

/// A string as a SQL literal.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    // escape_literal puts a blank before an E'' string; it is harmless in every place we use it
    postgres_protocol::escape::escape_literal(text)
}
