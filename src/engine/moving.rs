//! A worker moving rows: unit by unit, chunk by chunk, block by block.
//!
//! Rows on the wire, by the source's count and by the destination's count are compared for every
//! chunk: they are one number, or the run is an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::dest::ChunkDestination;
use super::fail_point::{Point, reach};
use super::hand::Hand;
use super::plan::{Chunk, CopyFormat, StreamSpec};
use super::source::{ChunkSource, Piece};
use super::{Sums, staging};
use crate::error::{Error, Kind, Result};
use crate::postgres::block::Block;
use crate::postgres::catalog::Name;
use crate::telemetry::histogram::record;

/// What a worker has loaded.
pub(super) struct Loaded {
    /// Rows written to each target.
    pub(super) rows: Vec<(Name, u64)>,
    /// Sums of what was upserted, by stream, where the run is going to be verified.
    pub(super) merged: Vec<(usize, Sums)>,
}

impl Hand {
    /// Moves units until all of the run are loaded, and merges what is upserted.
    pub(super) async fn load(
        &mut self,
        source: &mut dyn ChunkSource,
        dest: &mut dyn ChunkDestination,
    ) -> Result<Loaded> {
        let shared = Arc::clone(&self.shared);
        let mut block = Block::new(shared.buffer_bytes);
        let mut rows: Vec<(Name, u64)> = Vec::new();
        let (mut streams, mut place) = (self.own_streams(), 0);
        while let Some(unit) = shared.queue.take(self.number).await {
            for chunk in &unit.chunks {
                let own = &mut streams[chunk.stream];
                own.stage(dest.session(), place).await?;
                place += 1;
                let stream = &own.spec;
                let doing = || describe(stream, chunk);
                block.clear();
                let written = self
                    .move_chunk(source, dest, &mut block, stream, chunk)
                    .await
                    .map_err(|e| e.context(doing()))?;
                if let Some(target) = &stream.target {
                    match rows.iter_mut().find(|(name, _)| name == target) {
                        Some((_, sum)) => *sum += written,
                        None => rows.push((target.clone(), written)),
                    }
                }
                own.add(written);
            }
            shared.queue.loaded(self.number, unit.id);
            reach(Point::ChunkMoved).await?;
        }
        let merged = staging::merge_all(self, dest.session(), &streams).await?;
        Ok(Loaded { rows, merged })
    }

    /// Moves one chunk: one COPY on each side. Rows on the wire must be what both sides counted.
    async fn move_chunk(
        &mut self,
        source: &mut dyn ChunkSource,
        dest: &mut dyn ChunkDestination,
        block: &mut Block,
        stream: &StreamSpec,
        chunk: &Chunk,
    ) -> Result<u64> {
        let shard = self
            .shared
            .telemetry
            .shard(&stream.source.to_string(), self.number);
        let begun = Instant::now();
        let limit = self
            .shared
            .rows_left
            .as_ref()
            .map(|left| left.load(Relaxed));
        tokio::try_join!(source.open(stream, chunk, limit), dest.open(stream))?;
        shard
            .query_ns
            .fetch_add(begun.elapsed().as_nanos() as u64, Relaxed);
        let (mut fetched, mut flushed, mut counted) = (Duration::ZERO, Duration::ZERO, 0);
        let (messages, rows) = loop {
            let piece = source.fill(block).await?;
            if shard.first_byte_ns.load(Relaxed) == 0 {
                shard
                    .first_byte_ns
                    .store(self.shared.started.elapsed().as_nanos() as u64, Relaxed);
            }
            note_wait(
                &mut fetched,
                source.waited(),
                &shard.source_wait_ns,
                &mut self.measured.histograms.fetch,
            );
            shard
                .rows_read
                .fetch_add(source.messages() - counted, Relaxed);
            counted = source.messages();
            let bytes = block.payload().len() as u64;
            shard.bytes_read.fetch_add(bytes, Relaxed);
            let since = Instant::now();
            dest.write(block).await?;
            self.measured.dest_active += since.elapsed();
            note_wait(
                &mut flushed,
                dest.waited(),
                &shard.dest_wait_ns,
                &mut self.measured.histograms.flush,
            );
            shard.bytes_written.fetch_add(bytes, Relaxed);
            reach(Point::ChunkUnderWay).await?;
            if let Piece::End { messages, rows } = piece {
                break (messages, rows);
            }
        };
        let since = Instant::now();
        let written = dest.finish().await?;
        self.measured.dest_active += since.elapsed();
        note_wait(
            &mut flushed,
            dest.waited(),
            &shard.dest_wait_ns,
            &mut self.measured.histograms.flush,
        );
        record(&mut self.measured.histograms.chunk, begun.elapsed());
        check_rows(stream.format, messages, rows, written)?;
        if let Some(left) = &self.shared.rows_left {
            left.fetch_sub(rows, Relaxed);
        }
        // the trailer was counted as a row while it went by
        shard.rows_read.fetch_sub(counted - rows, Relaxed);
        shard.rows_written.fetch_add(written, Relaxed);
        shard.chunks.fetch_add(1, Relaxed);
        shard
            .last_chunk_ns
            .store(self.shared.started.elapsed().as_nanos() as u64, Relaxed);
        Ok(written)
    }
}

fn describe(stream: &StreamSpec, chunk: &Chunk) -> String {
    match (&chunk.heap, chunk.from_block, chunk.to_block) {
        (Some(heap), from, to) if from.is_some() || to.is_some() => {
            let from = from.unwrap_or(0);
            let to = to.map_or("end".to_owned(), |block| block.to_string());
            format!("copying {heap} (blocks {from} to {to})")
        }
        (Some(heap), None, None) => match &chunk.only {
            Some(range) => format!("copying {heap} ({range})"),
            None => format!("copying {heap}"),
        },
        _ => format!("copying {}", stream.source),
    }
}

/// Adds what a side has made us wait since the last look.
fn note_wait(
    seen: &mut Duration,
    now: Duration,
    counter: &AtomicU64,
    histogram: &mut hdrhistogram::Histogram<u64>,
) {
    let wait = now.saturating_sub(*seen);
    if !wait.is_zero() {
        counter.fetch_add(wait.as_nanos() as u64, Relaxed);
        record(histogram, wait);
        *seen = now;
    }
}

/// Rows by messages on the wire, by the source's tag and by the destination's must be one number.
fn check_rows(format: CopyFormat, messages: u64, tag: u64, written: u64) -> Result<()> {
    let on_wire = match format {
        CopyFormat::Binary => messages.saturating_sub(1),
        CopyFormat::Text => messages,
    };
    if on_wire == tag && tag == written {
        return Ok(());
    }
    Err(Error::new(
        Kind::Verification,
        format!("{on_wire} rows on the wire, {tag} by the source's count, {written} by the destination's"),
    )
    .remedy(
        "a trigger or rule of the target that drops or redirects rows does this; if there is none, report it. \
         Nothing was committed",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_counted_alike_everywhere_is_an_error() {
        assert!(check_rows(CopyFormat::Binary, 11, 10, 10).is_ok());
        assert!(check_rows(CopyFormat::Text, 10, 10, 10).is_ok());
        for (messages, tag, written) in [(10, 10, 10), (11, 10, 9), (11, 9, 10)] {
            let error = check_rows(CopyFormat::Binary, messages, tag, written).unwrap_err();
            assert_eq!(error.kind(), Kind::Verification);
        }
    }
}
