//! COPY bytes taken apart: into rows of values, or just counted.

use bytes::{Buf as _, BytesMut};

use crate::engine::plan::CopyFormat;
use crate::error::{Error, Result};

/// Bytes before the first row in binary format, where the header has no extension.
const BINARY_HEADER: usize = 19;

/// One value: none for NULL.
pub(in crate::engine) type Value = Option<Vec<u8>>;

/// Takes COPY bytes apart into rows of values.
pub(in crate::engine) struct RowParser {
    pub(in crate::engine) format: CopyFormat,
    pub(in crate::engine) input: BytesMut,
    header_seen: bool,
    trailer_seen: bool,
}

impl RowParser {
    pub(in crate::engine) fn new(format: CopyFormat) -> Self {
        Self {
            format,
            input: BytesMut::new(),
            header_seen: format == CopyFormat::Text,
            trailer_seen: false,
        }
    }

    pub(in crate::engine) fn is_at_end(&self) -> bool {
        self.input.is_empty() && (self.format == CopyFormat::Text || self.trailer_seen)
    }

    pub(in crate::engine) fn next_row(&mut self) -> Result<Option<Vec<Value>>> {
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
}
