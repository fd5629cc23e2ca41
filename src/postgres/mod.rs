//! What any client of Postgres needs: connecting, catalogs, moving COPY bytes, SQLSTATEs.
//!
//! Nothing here knows what a run is.

pub mod block;
mod candidates;
pub mod catalog;
pub mod connect;
mod conninfo;
pub mod copy;
pub mod describe;
mod layers;
mod leaf;
mod line;
pub mod listing;
pub mod lsn;
mod open;
mod parameters;
pub mod password;
pub mod pgoutput;
mod refusal;
pub mod repeated;
pub mod replica_identity;
mod service;
pub mod session;
pub mod sqlstate;
mod tls;
pub mod user_types;
mod wire;

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
