//! COPY data as it lies on the wire, taken from one message stream and packed for another.
//!
//! Pure: a [`Scanner`] moves the payload of CopyData messages into a [`Block`], however reads cut
//! the messages, and counts them: one message is one row, and in binary format one more is the
//! trailer. Protocol: PostgreSQL manual, "Message Formats".

use bytes::{Buf as _, BufMut as _, BytesMut};

/// A message's tag and length.
const HEADER: usize = 5;

/// COPY bytes on their way: one CopyData message, header included, ready to be sent.
#[derive(Debug)]
pub struct Block {
    bytes: BytesMut,
    limit: usize,
}

impl Block {
    /// An empty block that is full at about `limit` payload bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER + limit);
        bytes.put_slice(b"d\0\0\0\0");
        Self { bytes, limit }
    }

    /// The COPY bytes in it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER
    }

    /// Payload bytes that still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        (HEADER + self.limit).saturating_sub(self.bytes.len())
    }

    /// Adds COPY bytes.
    pub fn push(&mut self, payload: &[u8]) {
        self.bytes.put_slice(payload);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER);
    }

    /// The block as the message that goes on the wire.
    pub(super) fn message(&mut self) -> &[u8] {
        let length = (self.bytes.len() as u32 - 1).to_be_bytes();
        self.bytes[1..HEADER].copy_from_slice(&length);
        &self.bytes
    }
}

/// Where a scanner of the source's messages stands.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Bytes of the CopyData message under way that have not come yet.
    payload_left: usize,
    /// CopyData messages begun.
    messages: u64,
}

/// What stopped a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// The input is used up, or ends inside a header.
    NeedsInput,
    /// The block is full.
    Full,
    /// A message that is not CopyData is next.
    OtherMessage,
}

impl Scanner {
    /// Moves CopyData payload from `input` to `block`. Messages may be cut anywhere by the reads.
    pub fn scan(&mut self, input: &mut &[u8], block: &mut Block) -> Scan {
        loop {
            if self.payload_left > 0 {
                let take = self.payload_left.min(input.len()).min(block.room());
                block.push(&input[..take]);
                input.advance(take);
                self.payload_left -= take;
                if self.payload_left > 0 {
                    return if block.room() == 0 {
                        Scan::Full
                    } else {
                        Scan::NeedsInput
                    };
                }
            }
            if input.len() < HEADER {
                return Scan::NeedsInput;
            }
            if input[0] != b'd' {
                return Scan::OtherMessage;
            }
            if block.room() == 0 {
                return Scan::Full;
            }
            let length = u32::from_be_bytes([input[1], input[2], input[3], input[4]]) as usize;
            self.payload_left = length.saturating_sub(4);
            self.messages += 1;
            input.advance(HEADER);
        }
    }

    /// CopyData messages begun so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages(rows: &[Vec<u8>]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for row in rows {
            bytes.put_u8(b'd');
            bytes.put_u32(row.len() as u32 + 4);
            bytes.put_slice(row);
        }
        bytes.put_slice(b"c\0\0\0\x04");
        bytes
    }

    proptest! {
        #[test]
        fn a_scan_keeps_every_byte_and_counts_every_message_however_reads_and_blocks_cut_them(
            rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
            read in 1usize..400,
            limit in 1usize..500,
        ) {
            let mut wire = messages(&rows);
            let (mut scanner, mut input, mut block) = (Scanner::default(), BytesMut::new(), Block::new(limit));
            let mut moved = Vec::new();
            loop {
                let mut left = &input[..];
                let scan = scanner.scan(&mut left, &mut block);
                input.advance(input.len() - left.len());
                match scan {
                    Scan::NeedsInput => {
                        let n = read.min(wire.len());
                        prop_assert!(n > 0, "the end must be seen before the input is used up");
                        input.extend_from_slice(&wire.split_to(n));
                    }
                    Scan::Full => {
                        prop_assert!(block.payload().len() <= limit);
                        moved.extend_from_slice(block.payload());
                        block.clear();
                    }
                    Scan::OtherMessage => break,
                }
            }
            moved.extend_from_slice(block.payload());
            prop_assert_eq!(moved, rows.concat());
            prop_assert_eq!(scanner.messages(), rows.len() as u64);
        }
    }

    #[test]
    fn a_block_is_one_copy_data_message() {
        let mut block = Block::new(16);
        block.push(b"abc");
        assert_eq!(block.message(), b"d\0\0\0\x07abc");
        block.clear();
        assert!(block.is_empty());
        assert_eq!(block.room(), 16);
    }
}
