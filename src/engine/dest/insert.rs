//! Rows written with multi-row INSERT: the slow baseline, kept to compare COPY with.
//!
//! The source's COPY bytes are taken apart into values, and each value is bound as it came: the
//! binary form of COPY is the binary form of a parameter, and so is the text form. Statements have no
//! name, for a name would stay on a connection that a pooler shares.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::future::BoxFuture;
use tokio_postgres::Client;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::ChunkDestination;
use super::rows::{RowParser, Value};
use crate::engine::plan::{CopyFormat, StreamSpec};
use crate::error::{Error, Result};
use crate::postgres::block::Block;
use crate::postgres::catalog::Name;
use crate::postgres::{Session, quote_ident, sqlstate};

/// The most parameters a statement can have (protocol: a 16-bit count).
const MAX_PARAMETERS: usize = 65_535;
/// The most rows of one statement.
const MAX_ROWS: usize = 500;
/// Bytes of values after which a statement is sent.
const MAX_BYTES: usize = 1 << 20;
/// Writes rows on one session, which is in the worker's transaction.
pub struct InsertDestination {
    session: Session,
    insert: Option<Insert>,
    waited: Duration,
}

/// The chunk under way.
struct Insert {
    into: String,
    columns: usize,
    parser: RowParser,
    rows: Vec<Vec<Value>>,
    bytes: usize,
    written: u64,
}

impl InsertDestination {
    /// Writes on this session.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self {
            session,
            insert: None,
            waited: Duration::ZERO,
        }
    }
}

impl Insert {
    fn rows_a_statement(&self) -> usize {
        // without a column there is only DEFAULT VALUES, which makes one row
        MAX_PARAMETERS
            .checked_div(self.columns)
            .map_or(1, |rows| rows.clamp(1, MAX_ROWS))
    }

    /// The INSERT of this many rows.
    fn sql(&self, rows: usize) -> String {
        if self.columns == 0 {
            return format!("{} DEFAULT VALUES", self.into);
        }
        let tuple = |row: usize| {
            let parameters: Vec<String> = (1..=self.columns)
                .map(|c| format!("${}", row * self.columns + c))
                .collect();
            format!("({})", parameters.join(","))
        };
        let tuples: Vec<String> = (0..rows).map(tuple).collect();
        format!("{} VALUES {}", self.into, tuples.join(","))
    }

    async fn send(&mut self, client: &Client) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let failed = |e| sqlstate::from_client(e, "inserting rows");
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let sql = self.sql(rows.len());
        let format = self.parser.format;
        let values: Vec<Raw<'_>> = rows
            .iter()
            .flatten()
            .map(|value| Raw {
                bytes: value.as_deref(),
                format,
            })
            .collect();
        // of unknown type: the server takes that of the column
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = values
            .iter()
            .map(|value| (value as &(dyn ToSql + Sync), Type::UNKNOWN))
            .collect();
        self.written += client
            .execute_typed(&sql, &parameters)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

impl ChunkDestination for InsertDestination {
    fn open<'a>(&'a mut self, stream: &'a StreamSpec) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let columns: Vec<String> = stream
                .columns
                .iter()
                .map(|column| quote_ident(column))
                .collect();
            self.waited = Duration::ZERO;
            self.insert = Some(Insert {
                into: insert_into(stream.loads_into()?, &columns),
                columns: columns.len(),
                parser: RowParser::new(stream.format),
                rows: Vec::new(),
                bytes: 0,
                written: 0,
            });
            Ok(())
        })
    }

    fn write<'a>(&'a mut self, block: &'a mut Block) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let insert = self.insert.as_mut().ok_or_else(not_open)?;
            insert.parser.input.extend_from_slice(block.payload());
            block.clear();
            while let Some(row) = insert.parser.next_row()? {
                if row.len() != insert.columns {
                    return Err(Error::internal(format!(
                        "a row of {} values came for {} columns",
                        row.len(),
                        insert.columns
                    )));
                }
                insert.bytes += row.iter().flatten().map(Vec::len).sum::<usize>();
                insert.rows.push(row);
                if insert.rows.len() >= insert.rows_a_statement() || insert.bytes >= MAX_BYTES {
                    let since = Instant::now();
                    insert.send(self.session.client()?).await?;
                    self.waited += since.elapsed();
                }
            }
            Ok(())
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let mut insert = self.insert.take().ok_or_else(not_open)?;
            if !insert.parser.is_at_end() {
                return Err(Error::internal(
                    "the source's rows end in the middle of one",
                ));
            }
            let since = Instant::now();
            insert.send(self.session.client()?).await?;
            self.waited += since.elapsed();
            Ok(insert.written)
        })
    }

    fn waited(&self) -> Duration {
        self.waited
    }

    fn session(&self) -> Option<&Session> {
        Some(&self.session)
    }

    fn into_session(self: Box<Self>) -> Option<Session> {
        Some(self.session)
    }
}

/// An INSERT as far as its values.
fn insert_into(table: &Name, columns: &[String]) -> String {
    if columns.is_empty() {
        return format!("INSERT INTO {}", table.sql());
    }
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE",
        table.sql(),
        columns.join(", ")
    )
}

fn not_open() -> Error {
    Error::internal("rows were written before their chunk was opened")
}

/// A parameter whose bytes are sent as they came.
#[derive(Debug)]
struct Raw<'a> {
    bytes: Option<&'a [u8]>,
    format: CopyFormat,
}

impl ToSql for Raw<'_> {
    fn to_sql(
        &self,
        _type: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.bytes {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_type: &Type) -> bool {
        true
    }

    fn encode_format(&self, _type: &Type) -> Format {
        match self.format {
            CopyFormat::Binary => Format::Binary,
            CopyFormat::Text => Format::Text,
        }
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_stays_within_the_protocols_parameters() {
        let insert = Insert {
            into: "INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE".into(),
            columns: 2,
            parser: RowParser::new(CopyFormat::Binary),
            rows: vec![],
            bytes: 0,
            written: 0,
        };
        assert_eq!(
            insert.sql(2),
            "INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE VALUES ($1,$2),($3,$4)"
        );
        let wide = Insert {
            columns: 1600,
            ..insert
        };
        assert!(wide.rows_a_statement() * 1600 <= MAX_PARAMETERS);
    }
}
