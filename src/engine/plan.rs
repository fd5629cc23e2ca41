//! From relations and a resolved parallelism to streams, chunks and workers.
//!
//! Everything here is pure: it takes what the catalogs said and returns what will be done. A
//! [`Plan`] that exists is disjoint and complete: every row of a stream lies in exactly one of its
//! chunks.

use super::transform::Transform;
use super::upsert::Upsert;
use crate::config::types::CommitChoice;
use crate::error::{Error, Result};
use crate::postgres::catalog::{Cut, Leaf, Name, Relation};
use crate::postgres::quote_ident;

/// The least a chunk is worth a statement of its own.
const MIN_CHUNK_BYTES: u64 = 256 << 10;
/// The most a chunk holds, so that what a lost worker repeats stays small.
const MAX_CHUNK_BYTES: u64 = 128 << 20;
/// Chunks per worker that even out streams of uneven rows.
const CHUNKS_PER_WORKER: u64 = 8;

/// How rows travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    /// COPY binary, passed through.
    Binary,
    /// COPY text, with the settings that text depends on pinned alike on both sides.
    Text,
}

impl CopyFormat {
    /// The format as SQL and as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
        }
    }
}

/// Where a stream's rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A relation of the source database, as it comes out of the transforms.
    Relation(Box<Relation>),
    /// Rows made in the process.
    Generated,
}

/// One stream as it will be copied.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSpec {
    /// The source relation.
    pub source: Name,
    /// The target table; none for dest-null.
    pub target: Option<Name>,
    /// Where workers write: the target, or its hidden name until the run commits.
    pub load_into: Option<Name>,
    /// The columns, in the order they travel.
    pub columns: Vec<String>,
    /// Where its rows come from.
    pub origin: Origin,
    /// What the source makes of the rows on the way out.
    pub transform: Option<Transform>,
    /// How rows travel.
    pub format: CopyFormat,
    /// Why text, where it is.
    pub why_text: Option<String>,
    /// Workers that may be in it at once.
    pub fan_out: u32,
    /// Why that is one, where eligibility made it so.
    pub why_one_worker: Option<String>,
    /// A condition on its rows, as SQL, where not all are read.
    pub only: Option<String>,
    /// How its rows are upserted; none where they are added.
    pub upsert: Option<Upsert>,
    /// Whether it loads into a table that it has for itself, in one statement: its rows are written
    /// frozen, so that transactions older than the run see them as well.
    pub frozen: bool,
}

impl StreamSpec {
    /// The table that workers write to.
    ///
    /// # Errors
    /// `Kind::Internal` for a stream that goes nowhere.
    pub fn loads_into(&self) -> Result<&Name> {
        self.load_into
            .as_ref()
            .ok_or_else(|| Error::internal(format!("stream {} has no target", self.source)))
    }
}

/// A part of a stream that one COPY statement moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The stream's index in the plan.
    pub stream: usize,
    /// The heap to read `ONLY`; the whole relation when none.
    pub heap: Option<Name>,
    /// First block; from the beginning when none.
    pub from_block: Option<u32>,
    /// Block before which it ends; to the end when none.
    pub to_block: Option<u32>,
    /// Bytes the catalogs promise, TOAST included.
    pub bytes: u64,
    /// A condition on the relation's rows, as SQL: an increment, or a range of keys.
    pub only: Option<String>,
}

impl Chunk {
    /// A whole stream in one chunk, read through the relation itself.
    #[must_use]
    pub fn whole(stream: usize, bytes: u64) -> Self {
        Self {
            stream,
            heap: None,
            from_block: None,
            to_block: None,
            bytes,
            only: None,
        }
    }
}

/// Chunks that one worker moves in order; nearly always one chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Its number in the plan.
    pub id: usize,
    /// Its chunks.
    pub chunks: Vec<Chunk>,
}

impl Unit {
    /// The streams it touches.
    pub fn streams(&self) -> impl Iterator<Item = usize> + '_ {
        self.chunks.iter().map(|chunk| chunk.stream)
    }

    fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.bytes).sum()
    }
}

/// How a run becomes visible at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitForm {
    /// One worker, one COMMIT.
    SingleWriter,
    /// Every target is missing or replaced: loaded under hidden names, put in place by one
    /// transaction.
    BuiltAside,
    /// Prepared transactions, decided by the leader's COMMIT.
    TwoPhase,
    /// Transaction ids in the ledger first, then one COMMIT a worker.
    Ledger,
    /// Nothing is written (dest-null, dry run).
    None,
}

impl CommitForm {
    /// The form as documents, results and the ledger name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleWriter => "single_writer",
            Self::BuiltAside => "built_aside",
            Self::TwoPhase => "two_phase",
            Self::Ledger => "ledger",
            Self::None => "none",
        }
    }
}

/// What the choice of a commit form depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitInputs {
    /// What the document asks for.
    pub choice: CommitChoice,
    /// Workers the chunks would keep busy.
    pub workers: u32,
    /// Targets that exist.
    pub existing: usize,
    /// Targets that are missing.
    pub missing: usize,
    /// Targets that are replaced.
    pub replaced: usize,
    /// Whether a target is altered first.
    pub altered: bool,
    /// Prepared transactions the destination still has room for.
    pub prepared_slots: u32,
}

/// The commit form, and why; `Err` where the document asks for what cannot be.
pub fn choose_commit(inputs: CommitInputs) -> std::result::Result<(CommitForm, String), String> {
    let CommitInputs {
        choice,
        workers,
        existing,
        missing,
        replaced,
        altered,
        prepared_slots,
    } = inputs;
    if replaced > 0 {
        let why =
            "the targets are replaced: loaded under hidden names, exchanged by one transaction";
        return Ok((CommitForm::BuiltAside, why.to_owned()));
    }
    let single = |why: &str| Ok((CommitForm::SingleWriter, why.to_owned()));
    if choice == CommitChoice::SingleWriter {
        return single("asked for: one worker, one COMMIT");
    }
    if workers <= 1 {
        return single("one worker, one COMMIT");
    }
    if altered {
        return single("a target is altered, in the same transaction: one worker, one COMMIT");
    }
    if existing == 0 {
        let why =
            "every target is new: loaded under hidden names, moved into place by one transaction";
        return Ok((CommitForm::BuiltAside, why.to_owned()));
    }
    if missing > 0 {
        // a prepared transaction that wrote to a hidden table would keep it from being moved
        return single("new tables beside existing ones: one worker, one COMMIT");
    }
    let slots = format!(
        "needs {workers} prepared transactions, the destination has room for {prepared_slots}"
    );
    let (ledger, two_phase) = (
        "transaction ids in the ledger first",
        "prepared transactions, decided by one COMMIT",
    );
    match choice {
        CommitChoice::Ledger => Ok((CommitForm::Ledger, format!("asked for: {ledger}"))),
        _ if prepared_slots >= workers => Ok((CommitForm::TwoPhase, two_phase.to_owned())),
        CommitChoice::TwoPhase => Err(format!(
            "commit: two_phase {slots}; raise max_prepared_transactions, or use commit: auto"
        )),
        _ => Ok((CommitForm::Ledger, format!("two_phase {slots}: {ledger}"))),
    }
}

/// Bytes of one chunk of a run with this much to move.
#[must_use]
pub fn chunk_bytes(configured: Option<u64>, total_bytes: u64, workers: u32) -> u64 {
    configured.unwrap_or_else(|| {
        (total_bytes / (u64::from(workers.max(1)) * CHUNKS_PER_WORKER))
            .clamp(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES)
    })
}

/// Cuts a heap into ranges of row addresses, or of a key where these cannot be read, of about
/// `chunk_bytes`; first and last open-ended.
#[must_use]
pub fn cut(stream: usize, leaf: &Leaf, chunk_bytes: u64) -> Vec<Chunk> {
    let most = match &leaf.cut {
        Cut::Address => u64::from(leaf.blocks),
        Cut::Key { bounds, .. } => bounds.len() as u64 + 1,
        Cut::Whole => 1,
    };
    let pieces = leaf
        .bytes
        .div_ceil(chunk_bytes.max(1))
        .clamp(1, most.max(1));
    let chunk = |i: u64| {
        let chunk = Chunk {
            heap: Some(leaf.name.clone()),
            ..Chunk::whole(stream, leaf.bytes / pieces)
        };
        // where piece `i` begins, in units of what there are `of`
        let (begins, ends) = (i > 0, i + 1 < pieces);
        let at = |of: u64, i: u64| of * i / pieces;
        match &leaf.cut {
            Cut::Address => Chunk {
                from_block: begins.then(|| at(most, i) as u32),
                to_block: ends.then(|| at(most, i + 1) as u32),
                ..chunk
            },
            Cut::Key { column, bounds } => {
                let bound = |i: u64| bounds[at(bounds.len() as u64, i) as usize];
                let from = begins.then(|| bound(i));
                let to = ends.then(|| bound(i + 1));
                Chunk {
                    only: key_range(column, from, to),
                    ..chunk
                }
            }
            Cut::Whole => chunk,
        }
    };
    (0..pieces).map(chunk).collect()
}

/// The condition that a key lies in a range, its end left out; none for the whole.
fn key_range(column: &str, from: Option<i64>, to: Option<i64>) -> Option<String> {
    let column = quote_ident(column);
    let condition =
        |operator: &str, bound: i64| format!("{column} {operator} '{bound}'::pg_catalog.int8");
    let conditions: Vec<String> = from
        .map(|from| condition(">=", from))
        .into_iter()
        .chain(to.map(|to| condition("<", to)))
        .collect();
    (!conditions.is_empty()).then(|| conditions.join(" AND "))
}

/// A whole run: its streams, and what its workers take from the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The streams, in document order.
    pub streams: Vec<StreamSpec>,
    /// What workers take, largest first.
    pub units: Vec<Unit>,
    /// Workers the units keep busy.
    pub workers: u32,
    /// Bytes over all units.
    pub bytes: u64,
}

/// Cuts streams into units, largest first, and counts the workers they keep busy.
///
/// `groups` are streams that must stay together, in order. `workers` is the most that may be
/// used: the resolved parallelism, or 1.
#[must_use]
pub fn lay_out(
    streams: Vec<StreamSpec>,
    groups: &[Vec<usize>],
    workers: u32,
    configured_chunk: Option<u64>,
) -> Plan {
    let size = |stream: &StreamSpec| match &stream.origin {
        Origin::Relation(relation) => relation.bytes(),
        Origin::Generated => 0,
    };
    let whole = |s: usize| Chunk {
        only: streams[s].only.clone(),
        ..Chunk::whole(s, size(&streams[s]))
    };
    let total = streams.iter().map(size).sum();
    let target = chunk_bytes(configured_chunk, total, workers);
    let mut lists: Vec<Vec<Chunk>> = Vec::new();
    for (index, stream) in streams.iter().enumerate() {
        if groups.iter().flatten().any(|&s| s == index) {
            continue;
        }
        match &stream.origin {
            Origin::Relation(relation) if stream.why_one_worker.is_none() => {
                lists.extend(
                    relation
                        .leaves
                        .iter()
                        .flat_map(|leaf| cut(index, leaf, target))
                        .map(|chunk| vec![chunk]),
                );
            }
            _ => lists.push(vec![whole(index)]),
        }
    }
    for group in groups {
        lists.push(group.iter().map(|&s| whole(s)).collect());
    }
    let mut units: Vec<Unit> = lists
        .into_iter()
        .map(|chunks| Unit { id: 0, chunks })
        .collect();
    units.sort_by_key(|unit| std::cmp::Reverse(unit.bytes()));
    for (id, unit) in units.iter_mut().enumerate() {
        unit.id = id;
    }
    // what can be busy at once: each stream at most at its fan-out, each group at one
    let busy: u64 = streams
        .iter()
        .enumerate()
        .filter(|(i, _)| !groups.iter().flatten().any(|s| s == i))
        .map(|(i, stream)| {
            let chunks = units
                .iter()
                .filter(|unit| unit.chunks[0].stream == i)
                .count() as u64;
            chunks.min(u64::from(stream.fan_out))
        })
        .sum::<u64>()
        + groups.len() as u64;
    let workers = u64::from(workers).min(busy).max(1) as u32;
    Plan {
        bytes: units.iter().map(Unit::bytes).sum(),
        streams,
        units,
        workers,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
