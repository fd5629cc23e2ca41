//! Rows written with multi-row INSERT: the slow baseline, kept to compare COPY with.
//!
//! The source's COPY bytes are taken apart into values, and each value is bound as it came: the
//! binary form of COPY is the binary form of a parameter, and so is the text form.

use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use futures_util::future::BoxFuture;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use super::ChunkDestination;
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
/// Bytes before the first row in binary format, where the header has no extension.
const BINARY_HEADER: usize = 19;

/// One value: none for NULL.
type Value = Option<Vec<u8>>;

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
    full: Option<Statement>,
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
        let statement = match &self.full {
            Some(full) if rows.len() == self.rows_a_statement() => full.clone(),
            _ => {
                let statement = client
                    .prepare(&self.sql(rows.len()))
                    .await
                    .map_err(failed)?;
                if rows.len() == self.rows_a_statement() {
                    self.full = Some(statement.clone());
                }
                statement
            }
        };
        let format = self.parser.format;
        let values: Vec<Raw<'_>> = rows
            .iter()
            .flatten()
            .map(|value| Raw {
                bytes: value.as_deref(),
                format,
            })
            .collect();
        let parameters: Vec<&(dyn ToSql + Sync)> = values
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        self.written += client
            .execute(&statement, &parameters)
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
                full: None,
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

/// Takes COPY bytes apart into rows of values.
struct RowParser {
    format: CopyFormat,
    input: BytesMut,
    header_seen: bool,
    trailer_seen: bool,
}

impl RowParser {
    fn new(format: CopyFormat) -> Self {
        Self {
            format,
            input: BytesMut::new(),
            header_seen: format == CopyFormat::Text,
            trailer_seen: false,
        }
    }

    fn is_at_end(&self) -> bool {
        self.input.is_empty() && (self.format == CopyFormat::Text || self.trailer_seen)
    }

    fn next_row(&mut self) -> Result<Option<Vec<Value>>> {
        if !self.header_seen {
            if self.input.len() < BINARY_HEADER {
                return Ok(None);
            }
            self.input.advance(BINARY_HEADER);
            self.header_seen = true;
        }
        match self.format {
            CopyFormat::Binary => self.next_binary_row(),
            CopyFormat::Text => Ok(self.next_text_row()),
        }
    }

    fn next_binary_row(&mut self) -> Result<Option<Vec<Value>>> {
        let Some(count) = self
            .input
            .get(..2)
            .map(|b| i16::from_be_bytes([b[0], b[1]]))
        else {
            return Ok(None);
        };
        if count == -1 {
            self.trailer_seen = true;
            self.input.advance(2);
            return Ok(None);
        }
        let count = usize::try_from(count).map_err(|_| {
            Error::internal(format!(
                "a binary row with {count} values came from the source"
            ))
        })?;
        let mut values = Vec::with_capacity(count);
        let mut at = 2;
        for _ in 0..count {
            let Some(length) = self
                .input
                .get(at..at + 4)
                .map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]))
            else {
                return Ok(None);
            };
            at += 4;
            let Ok(length) = usize::try_from(length) else {
                values.push(None);
                continue;
            };
            let Some(bytes) = self.input.get(at..at + length) else {
                return Ok(None);
            };
            values.push(Some(bytes.to_vec()));
            at += length;
        }
        self.input.advance(at);
        Ok(Some(values))
    }

    fn next_text_row(&mut self) -> Option<Vec<Value>> {
        let end = self.input.iter().position(|&byte| byte == b'\n')?;
        let line = self.input.split_to(end + 1);
        Some(
            line[..end]
                .split(|&byte| byte == b'\t')
                .map(unescape)
                .collect(),
        )
    }
}

/// A value of text format (PostgreSQL manual, "COPY", "Text Format").
fn unescape(field: &[u8]) -> Value {
    if field == b"\\N" {
        return None;
    }
    let mut value = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        // the server writes only these escapes
        match bytes.next() {
            Some(b'b') => value.push(8),
            Some(b'f') => value.push(12),
            Some(b'n') => value.push(b'\n'),
            Some(b'r') => value.push(b'\r'),
            Some(b't') => value.push(b'\t'),
            Some(b'v') => value.push(11),
            Some(&other) => value.push(other),
            None => {}
        }
    }
    Some(value)
}

/// Counts the rows of a binary COPY stream without keeping a value.
#[derive(Debug, Default)]
pub(super) struct RowCounter {
    /// Bytes to pass over: the header, a value.
    skip: usize,
    started: bool,
    values_left: u16,
    /// The bytes of a number that was cut by a block's end.
    partial: Vec<u8>,
}

impl RowCounter {
    /// The rows that begin in these bytes.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> Result<u64> {
        if !self.started {
            (self.started, self.skip) = (true, BINARY_HEADER);
        }
        let mut rows = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = if self.values_left == 0 { 2 } else { 4 };
            while self.skip == 0 && self.partial.len() < wanted && !bytes.is_empty() {
                self.partial.push(bytes[0]);
                bytes = &bytes[1..];
            }
            if self.skip > 0 || self.partial.len() < wanted {
                return Ok(rows);
            }
            let number = std::mem::take(&mut self.partial);
            match number[..] {
                [a, b] => {
                    let count = i16::from_be_bytes([a, b]);
                    if count >= 0 {
                        rows += 1;
                        self.values_left = count as u16;
                    }
                }
                [a, b, c, d] => {
                    self.values_left -= 1;
                    self.skip = usize::try_from(i32::from_be_bytes([a, b, c, d])).unwrap_or(0);
                }
                _ => return Err(Error::internal("the row counter lost its place")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binary(rows: &[Vec<Value>]) -> Vec<u8> {
        let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        for row in rows {
            bytes.extend((row.len() as i16).to_be_bytes());
            for value in row {
                match value {
                    None => bytes.extend((-1i32).to_be_bytes()),
                    Some(value) => {
                        bytes.extend((value.len() as i32).to_be_bytes());
                        bytes.extend(value);
                    }
                }
            }
        }
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn binary_rows_come_back_however_they_are_cut(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 3), 0..20),
            cut in 1usize..50,
        ) {
            let mut parser = RowParser::new(CopyFormat::Binary);
            let mut counter = RowCounter::default();
            let (mut seen, mut counted) = (Vec::new(), 0);
            for piece in binary(&rows).chunks(cut) {
                parser.input.extend_from_slice(piece);
                counted += counter.count(piece).unwrap();
                while let Some(row) = parser.next_row().unwrap() {
                    seen.push(row);
                }
            }
            prop_assert!(parser.is_at_end());
            prop_assert_eq!(counted, rows.len() as u64);
            prop_assert_eq!(seen, rows);
        }
    }

    #[test]
    fn text_rows_are_unescaped() {
        let mut parser = RowParser::new(CopyFormat::Text);
        parser
            .input
            .extend_from_slice(b"a\\tb\t\\N\t\\\\N\nx\t\t\\n\nrest");
        let text = |s: &str| Some(s.as_bytes().to_vec());
        assert_eq!(
            parser.next_row().unwrap().unwrap(),
            [text("a\tb"), None, text("\\N")]
        );
        assert_eq!(
            parser.next_row().unwrap().unwrap(),
            [text("x"), text(""), text("\n")]
        );
        assert!(parser.next_row().unwrap().is_none());
        assert!(!parser.is_at_end());
    }

    #[test]
    fn one_statement_stays_within_the_protocols_parameters() {
        let insert = Insert {
            into: "INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE".into(),
            columns: 2,
            parser: RowParser::new(CopyFormat::Binary),
            rows: vec![],
            bytes: 0,
            full: None,
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
