//! What the client itself does for every row and every chunk, without sockets or servers.
//!
//! A row's work is finding its frame in what was read and moving its bytes into a block; a chunk's
//! is recording its latencies; a run's is resolving its parallelism and cutting its tables.
//! `cargo bench` times them; `cargo test --benches` runs each once.

use std::hint::black_box;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use rb_bench::config::types::{Generate, PipelineParallelism};
use rb_bench::engine::plan::{self, Chunk, CopyFormat, Origin, StreamSpec};
use rb_bench::engine::source::{ChunkSource as _, GenerateSource, Pace, Piece};
use rb_bench::parallelism::{self, Inputs};
use rb_bench::postgres::block::{Block, Scan, Scanner};
use rb_bench::postgres::catalog::{Leaf, Name};
use rb_bench::telemetry::histogram::{self, Histograms};

/// Bytes of each synthetic stream: enough to leave the caches behind.
const STREAM_BYTES: usize = 8 << 20;
/// What the engine gathers before each send, unless told otherwise.
const BLOCK_BYTES: usize = 64 << 10;
/// COPY bytes of one row of the shipped profiles, and of a row that is nearly all header.
const ROWS: [(&str, usize); 4] = [
    ("tiny", 40),
    ("small", 487),
    ("medium", 3_800),
    ("large", 47_000),
];

/// CopyData messages of `row_bytes` each, then CopyDone, as a server sends them.
fn stream_of(row_bytes: usize) -> (BytesMut, u64) {
    let rows = STREAM_BYTES / row_bytes;
    let mut wire = BytesMut::with_capacity(STREAM_BYTES + 5 * rows + 5);
    for row in 0..rows {
        wire.put_u8(b'd');
        wire.put_u32(row_bytes as u32 + 4);
        wire.put_bytes(row as u8, row_bytes);
    }
    wire.put_slice(b"c\0\0\0\x04");
    (wire, rows as u64)
}

/// Re-frames a whole stream into blocks, as one COPY of the engine does.
fn reframe(mut wire: &[u8], block: &mut Block) -> u64 {
    let mut scanner = Scanner::default();
    while let Scan::Full = scanner.scan(&mut wire, block) {
        black_box(block.payload());
        block.clear();
    }
    black_box(block.payload());
    block.clear();
    scanner.messages()
}

fn rows(c: &mut Criterion) {
    let mut group = c.benchmark_group("reframe");
    for (name, row_bytes) in ROWS {
        let (wire, rows) = stream_of(row_bytes);
        group.throughput(Throughput::ElementsAndBytes {
            elements: rows,
            bytes: wire.len() as u64,
        });
        group.bench_with_input(BenchmarkId::from_parameter(name), &wire, |b, wire| {
            b.iter_batched_ref(
                || Block::new(BLOCK_BYTES),
                |block| assert_eq!(reframe(wire, block), rows),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Makes a whole stream of `source-generate`; without a rate it never waits.
fn generate(source: &mut GenerateSource, stream: &StreamSpec, block: &mut Block) -> Option<u64> {
    let chunk = Chunk::whole(0, 0);
    source.open(stream, &chunk, None).now_or_never()?.ok()?;
    loop {
        let piece = source.fill(block).now_or_never()?.ok()?;
        black_box(block.payload());
        block.clear();
        if let Piece::End { rows, .. } = piece {
            return Some(rows);
        }
    }
}

fn generated(c: &mut Criterion) {
    let stream = StreamSpec {
        source: Name::new("public", "events"),
        target: None,
        load_into: None,
        columns: vec!["id".into(), "payload".into()],
        origin: Origin::Generated,
        transform: None,
        format: CopyFormat::Binary,
        why_text: None,
        fan_out: 1,
        why_one_worker: None,
        only: None,
        upsert: None,
        frozen: false,
    };
    let mut group = c.benchmark_group("generate");
    for (name, row_bytes) in ROWS {
        let rows = (STREAM_BYTES / row_bytes) as u64;
        let settings = Generate {
            rows,
            row_bytes: row_bytes as u32,
            rows_per_second: None,
            seed: 1,
        };
        let mut source = GenerateSource::new(settings, Pace::new(None));
        let mut block = Block::new(BLOCK_BYTES);
        group.throughput(Throughput::ElementsAndBytes {
            elements: rows,
            bytes: rows * row_bytes as u64,
        });
        group.bench_function(name, |b| {
            b.iter(|| assert_eq!(generate(&mut source, &stream, &mut block), Some(rows)));
        });
    }
    group.finish();
}

fn chunks(c: &mut Criterion) {
    let mut histograms = Histograms::default();
    c.bench_function("chunk/record latencies", |b| {
        let mut nanos = 0;
        b.iter(|| {
            nanos = (nanos + 7_919_000) % 900_000_000;
            histogram::record(&mut histograms.chunk, Duration::from_nanos(nanos));
        });
    });
    c.bench_function("chunk/merge a worker's histograms", |b| {
        b.iter_batched_ref(
            Histograms::default,
            |all| all.merge(&histograms),
            BatchSize::SmallInput,
        );
    });
}

fn run(c: &mut Criterion) {
    c.bench_function("run/resolve parallelism", |b| {
        b.iter(|| {
            parallelism::resolve(black_box(Inputs {
                configured: PipelineParallelism::Auto,
                available_cores: 16,
                eligible_streams: 4,
                transform_count: 2,
            }))
        });
    });
    // the longest list there is: 1 TiB in chunks of 128 MiB
    let table = Leaf {
        name: Name::new("public", "events"),
        heap: true,
        selectable: true,
        row_security: false,
        blocks: 1 << 27,
        bytes: 1 << 40,
        cut: rb_bench::postgres::catalog::Cut::Address,
    };
    let chunk_bytes = plan::chunk_bytes(None, table.bytes, 16);
    c.bench_function("run/cut 1 TiB into chunks", |b| {
        b.iter(|| plan::cut(0, black_box(&table), chunk_bytes));
    });
}

criterion_group!(benches, rows, generated, chunks, run);
criterion_main!(benches);
