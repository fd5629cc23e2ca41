//! Random tables, random parallelism, every mode pair: the destination equals the source, or what
//! an incremental mode promises of it.
//!
//! A case follows from its seed alone: `RB_BENCH_SEED=N` runs that one. `make test` runs a sample,
//! `make torture` 500; the mode pairs take turns.

#[path = "../support/mod.rs"]
mod support;

mod capture;
mod case;
mod increments;
mod replay;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cases of the sample, and of the whole.
const CASES: (u64, u64) = (40, 500);
/// Cases that run side by side.
const LANES: usize = 2;

#[test]
fn whatever_the_table_the_destination_has_what_its_mode_promises() {
    if let Ok(seed) = std::env::var("RB_BENCH_SEED") {
        case::play(seed.parse().expect("RB_BENCH_SEED is a number"));
        return;
    }
    let whole = std::env::var_os("RB_BENCH_TORTURE").is_some();
    let cases = if whole { CASES.1 } else { CASES.0 };
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= cases {
                        return;
                    }
                    // the panic has printed what was wrong
                    if catch_unwind(AssertUnwindSafe(|| case::play(seed))).is_err() {
                        failed.lock().expect("no panic here").push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic here");
    assert!(
        failed.is_empty(),
        "{} of {cases} cases failed; repeat one with RB_BENCH_SEED={}",
        failed.len(),
        failed[0]
    );
    println!("{cases} cases");
}
