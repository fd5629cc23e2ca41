//! Rows written with multi-row INSERT: the slow baseline, kept to compare COPY with.
//!
//! The source's COPY bytes are taken apart into values, and each value is bound as it came: the
//! binary form of COPY is the binary form of a parameter, and so is the text form. A statement is parsed
//! when it is to take another number of rows than the one before: at a chunk's beginning and at its end, and
//! where wide rows make it take fewer.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio_postgres::types::Format;

use super::ChunkDestination;
use super::rows::{RowParser, Value};
use crate::engine::plan::{CopyFormat, StreamSpec};
use crate::error::{Error, Result};
use crate::postgres::block::Block;
use crate::postgres::catalog::Name;
use crate::postgres::repeated::Repeated;
use crate::postgres::{Session, quote_ident};

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

/// The statement, but for how many rows it takes.
struct Shape {
    into: String,
    columns: usize,
}

/// The chunk under way.
struct Insert {
    shape: Shape,
    parser: RowParser,
    rows: Vec<Vec<Value>>,
    bytes: usize,
    /// Rows that are sent together. Wide ones make it smaller for the whole chunk, for every number of rows is
    /// a statement of its own.
    most: usize,
    statement: Repeated,
    /// The rows that the statement takes; 0 before there is one.
    parsed: usize,
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

impl Shape {
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
}

impl Insert {
    async fn send(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if self.parsed != rows.len() {
            let sql = self.shape.sql(rows.len());
            self.statement.set(&sql)?;
            self.parsed = rows.len();
        }
        let format = match self.parser.format {
            CopyFormat::Binary => Format::Binary,
            CopyFormat::Text => Format::Text,
        };
        let values = rows.iter().flatten().map(Option::as_deref);
        let written = self.statement.execute(format, values).await;
        self.written += written.map_err(|error| error.context("inserting rows"))?;
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
            let shape = Shape {
                into: insert_into(stream.loads_into()?, &columns),
                columns: columns.len(),
            };
            self.insert = Some(Insert {
                most: shape.rows_a_statement(),
                shape,
                parser: RowParser::new(stream.format),
                rows: Vec::new(),
                bytes: 0,
                statement: Repeated::on(&self.session)?,
                parsed: 0,
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
                if row.len() != insert.shape.columns {
                    return Err(Error::internal(format!(
                        "a row of {} values came for {} columns",
                        row.len(),
                        insert.shape.columns
                    )));
                }
                insert.bytes += row.iter().flatten().map(Vec::len).sum::<usize>();
                insert.rows.push(row);
                let is_wide = insert.bytes >= MAX_BYTES;
                if is_wide {
                    // one large value among small ones halves it and no more
                    insert.most = insert.most.min(insert.rows.len().max(insert.most / 2));
                }
                if is_wide || insert.rows.len() >= insert.most {
                    let since = Instant::now();
                    insert.send().await?;
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
            insert.send().await?;
            self.waited += since.elapsed();
            insert.statement.finish().await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_stays_within_the_protocols_parameters() {
        let narrow = Shape {
            into: "INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE".into(),
            columns: 2,
        };
        assert_eq!(
            narrow.sql(2),
            "INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE VALUES ($1,$2),($3,$4)"
        );
        let wide = Shape {
            columns: 1600,
            ..narrow
        };
        assert!(wide.rows_a_statement() * 1600 <= MAX_PARAMETERS);
    }
}
