//! Rows made in the process, to measure a destination alone: `id bigint`, `payload text`.
//!
//! The same seed makes the same rows. The bytes are COPY binary format (PostgreSQL manual, "COPY",
//! "Binary Format").

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::{ChunkSource, Piece};
use crate::config::types::Generate;
use crate::engine::plan::{Chunk, StreamSpec};
use crate::error::Result;
use crate::postgres::Session;
use crate::postgres::block::Block;

/// Signature, flags and the length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The word that ends the data.
const TRAILER: &[u8] = &(-1i16).to_be_bytes();

/// A rate that all workers of a run share.
#[derive(Debug)]
pub struct Pace {
    rows_per_second: Option<u64>,
    started: Instant,
    issued: AtomicU64,
}

impl Pace {
    /// At most this many rows a second; unlimited when none.
    #[must_use]
    pub fn new(rows_per_second: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            rows_per_second,
            started: Instant::now(),
            issued: AtomicU64::new(0),
        })
    }

    /// Waits until `rows` more may be made.
    async fn allow(&self, rows: u64) {
        let Some(rate) = self.rows_per_second else {
            return;
        };
        let issued = self.issued.fetch_add(rows, Relaxed) + rows;
        let due = self.started + Duration::from_secs_f64(issued as f64 / rate as f64);
        tokio::time::sleep_until(due.into()).await;
    }
}

/// Makes the rows of one stream at a time.
pub struct GenerateSource {
    settings: Generate,
    pace: Arc<Pace>,
    random: SmallRng,
    made: u64,
    total: u64,
    waited: Duration,
    payload: Vec<u8>,
    /// Whether the stream has the column `id`.
    id: bool,
    /// Whether the stream has the column `payload`.
    text: bool,
}

impl GenerateSource {
    /// A maker of these rows.
    #[must_use]
    pub fn new(settings: Generate, pace: Arc<Pace>) -> Self {
        Self {
            payload: vec![0; settings.row_bytes as usize],
            random: SmallRng::seed_from_u64(settings.seed),
            settings,
            pace,
            made: 0,
            total: 0,
            waited: Duration::ZERO,
            id: true,
            text: true,
        }
    }

    fn push_row(&mut self, block: &mut Block) {
        const DIGITS: &[u8; 64] =
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
        for piece in self.payload.chunks_mut(8) {
            let random = self.random.random::<u64>().to_le_bytes();
            for (byte, random) in piece.iter_mut().zip(random) {
                *byte = DIGITS[usize::from(random & 63)];
            }
        }
        block.push(&(i16::from(self.id) + i16::from(self.text)).to_be_bytes());
        if self.id {
            block.push(&8i32.to_be_bytes());
            block.push(&(self.made as i64 + 1).to_be_bytes());
        }
        if self.text {
            block.push(&(self.payload.len() as i32).to_be_bytes());
            block.push(&self.payload);
        }
    }
}

impl ChunkSource for GenerateSource {
    fn open<'a>(
        &'a mut self,
        stream: &'a StreamSpec,
        _chunk: &'a Chunk,
        limit: Option<u64>,
    ) -> BoxFuture<'a, Result<()>> {
        self.random = SmallRng::seed_from_u64(self.settings.seed);
        let wanted = |name: &str| stream.columns.iter().any(|column| column == name);
        (self.id, self.text) = (wanted("id"), wanted("payload"));
        (self.made, self.waited) = (0, Duration::ZERO);
        self.total = limit.map_or(self.settings.rows, |limit| limit.min(self.settings.rows));
        Box::pin(std::future::ready(Ok(())))
    }

    fn fill<'a>(&'a mut self, block: &'a mut Block) -> BoxFuture<'a, Result<Piece>> {
        Box::pin(async move {
            if self.made == 0 {
                block.push(HEADER);
            }
            let before = self.made;
            while self.made < self.total && block.room() > 0 {
                self.push_row(block);
                self.made += 1;
            }
            let since = Instant::now();
            self.pace.allow(self.made - before).await;
            self.waited += since.elapsed();
            if self.made < self.total {
                return Ok(Piece::More);
            }
            block.push(TRAILER);
            // one message a row and one for the trailer, as a server sends them
            Ok(Piece::End {
                messages: self.made + 1,
                rows: self.made,
            })
        })
    }

    fn messages(&self) -> u64 {
        self.made
    }

    fn waited(&self) -> Duration {
        self.waited
    }

    fn session(&self) -> Option<&Session> {
        None
    }

    fn into_session(self: Box<Self>) -> Option<Session> {
        None
    }
}
