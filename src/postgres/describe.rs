//! What a query gives back, asked of the server without running it and without naming anything.
//!
//! Parse and Describe of the unnamed statement: a named one would stay on the server's connection,
//! which behind a pooler is somebody else's a moment later. Protocol: PostgreSQL manual, "Extended
//! Query".

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::catalog::ResultColumn;
use super::session::Session;
use super::wire::{Wire, lost};
use crate::error::{Error, Result};

/// The columns of a query's result; none where it gives none.
///
/// # Errors
/// The server's, with the position in `sql`.
pub async fn describe(session: &Session, sql: &str) -> Result<Vec<ResultColumn>> {
    let mut ask = BytesMut::with_capacity(sql.len() + 64);
    frontend::parse("", sql, [], &mut ask).map_err(lost)?;
    frontend::describe(b'S', "", &mut ask).map_err(lost)?;
    frontend::sync(&mut ask);
    let mut wire = Wire::send_on(session, &ask).await?;
    let mut columns = Vec::new();
    loop {
        match wire.message().await {
            Ok(Message::ReadyForQuery(_)) => break,
            Ok(Message::RowDescription(body)) => {
                let mut fields = body.fields();
                while let Some(field) = fields.next().map_err(lost)? {
                    columns.push(ResultColumn {
                        name: field.name().to_owned(),
                        type_oid: field.type_oid(),
                        type_modifier: field.type_modifier(),
                    });
                }
            }
            Ok(Message::ParseComplete | Message::ParameterDescription(_) | Message::NoData) => {}
            Ok(_) => {
                return Err(Error::internal(
                    "the server answered Describe with something else",
                ));
            }
            Err(error) => {
                // the server is ready for the next query, unless the connection is gone: then this is why
                let _may_be_closed = wire.give_back().await;
                return Err(error);
            }
        }
    }
    wire.give_back().await?;
    Ok(columns)
}
