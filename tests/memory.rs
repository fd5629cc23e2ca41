//! What a long session keeps in memory, by the byte: an iteration in about its text, an artifact never twice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use rb_bench::bench::artifact::{Artifact, Iteration};
use rb_bench::bench::store::Output;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
/// The heap is everybody's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Iterations of a session of half an hour.
const MANY: usize = 2_000;
/// What the test's own surroundings may take meanwhile, bytes.
const SLACK: usize = 64 << 10;

fn session() -> Artifact {
    serde_json::from_str(include_str!("data/run-v1.json")).unwrap()
}

/// Each iteration as text.
fn texts(session: &Artifact) -> Vec<String> {
    let iterations = session.iterations.iter();
    iterations
        .map(|iteration| serde_json::to_string(iteration).unwrap())
        .collect()
}

/// As many iterations as the engine would have handed over, each with its own result and plan.
fn long_session(texts: &[String]) -> Vec<Iteration> {
    let mut kept: Vec<Iteration> = Vec::with_capacity(MANY);
    for text in texts.iter().cycle().take(MANY) {
        let mut iteration: Iteration = serde_json::from_str(text).unwrap();
        iteration.compact(kept.last());
        kept.push(iteration);
    }
    kept
}

#[test]
fn an_iteration_is_kept_in_less_than_twice_its_text() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let texts = texts(&session());
    let before = HEAP.current_usage();
    let kept = long_session(&texts);
    let each = HEAP.current_usage().saturating_sub(before + SLACK) / kept.len();
    let text = texts.iter().map(String::len).sum::<usize>() / texts.len();
    eprintln!("{each} bytes each, {text} bytes of text");
    assert!(each < 2 * text, "{each} bytes for {text} bytes of text");
    // nothing of it is left when the session is gone
    drop(kept);
    assert!(HEAP.current_usage() < before + SLACK);
}

#[test]
fn saving_a_long_session_takes_no_memory_for_its_text() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut session = session();
    session.iterations = long_session(&texts(&session));
    let directory = tempfile::tempdir().unwrap();
    let output = Output::at(directory.path()).unwrap();
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let file = output.save(&session).unwrap();
    let more = HEAP.peak_usage().saturating_sub(before);
    let text = fs::metadata(file).unwrap().len() as usize;
    eprintln!("{more} bytes more for {text} bytes of text");
    assert!(more < text / 20, "{more} bytes for {text} bytes of text");
}
