//! The fault matrix: every mode pair, every point of a run, every kind of failure.
//!
//! Each cell is one run of the binary, brought to a point, struck there by real means, and repeated
//! by the same command: after at most that next run both sides agree, by their own count and sums,
//! and nothing of ours is left on either server. `make test` runs a seeded sample; `make torture`
//! runs all of it and writes the table into docs/reliability.md.

#[path = "../faults/running.rs"]
#[expect(dead_code, reason = "the matrix uses its part")]
mod running;
#[path = "../support/mod.rs"]
mod support;

mod fault;
mod instants;
mod matrix;
mod mode;
mod stage;
mod timeouts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rb_bench::engine::fail_point::Point;

use fault::Fault;
use matrix::{Cell, Theatre};
use mode::{MODES, Mode};

/// Cells of the sample.
const SAMPLE: usize = 48;
/// Cells that run side by side, each on servers of its own.
const LANES: usize = 2;
/// The seed of the sample, unless `RB_BENCH_SEED` gives another.
pub(crate) const SEED: u64 = 20_261_123;

#[test]
fn whatever_fails_at_whichever_point_the_same_command_again_completes_it() {
    let whole = std::env::var_os("RB_BENCH_TORTURE").is_some();
    let theatre = Mutex::new(Theatre::open());
    let reached: BTreeMap<&str, Vec<Point>> = MODES
        .iter()
        .map(|mode| {
            let points = theatre.lock().expect("one at a time").points_of(mode);
            (mode.name, points)
        })
        .collect();
    drop(theatre);
    for point in Point::ALL {
        assert!(
            reached.values().any(|points| points.contains(&point)),
            "no mode of the matrix comes by `{}`",
            point.name()
        );
    }
    let mut cells: Vec<Cell> = MODES
        .iter()
        .flat_map(|mode| {
            let points = &reached[mode.name];
            points
                .iter()
                .flat_map(move |point| Fault::ALL.map(|fault| (mode, *point, fault)))
        })
        .map(|(mode, point, fault)| Cell { mode, point, fault })
        .collect();
    if !whole {
        let seed = std::env::var("RB_BENCH_SEED").map_or(SEED, |seed| {
            seed.parse().expect("RB_BENCH_SEED is a number")
        });
        println!("a sample of {SAMPLE} of {} cells, seed {seed}", cells.len());
        cells = cells
            .sample(&mut StdRng::seed_from_u64(seed), SAMPLE)
            .copied()
            .collect();
    }
    let outcomes = play(&cells);
    let table = table(&reached, &outcomes);
    println!("{table}");
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|(cell, outcome)| Some(format!("{cell}: {}", outcome.as_ref().err()?)))
        .collect();
    assert!(
        failed.is_empty(),
        "{} cells failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    if whole {
        matrix::write_into_papers(&table);
    }
}

type Outcomes = Vec<(Cell, Result<&'static str, String>)>;

/// Plays the cells, some side by side.
fn play(cells: &[Cell]) -> Outcomes {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let mut theatre = Theatre::open();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(cell) = cells.get(number) else { break };
                    if number.is_multiple_of(50) {
                        eprintln!("cell {number} of {}", cells.len());
                    }
                    let outcome = theatre.play(*cell);
                    if let Err(why) = &outcome {
                        eprintln!("{cell}: {why}");
                    }
                    outcomes
                        .lock()
                        .expect("no cell panics")
                        .push((*cell, outcome));
                }
            });
        }
    });
    outcomes.into_inner().expect("no cell panics")
}

/// The table: by mode and point, what became of each failure.
fn table(reached: &BTreeMap<&str, Vec<Point>>, outcomes: &Outcomes) -> String {
    let mut text = String::from("| mode | point |");
    for fault in Fault::ALL {
        let _ = write!(text, " {} |", fault.name());
    }
    let _ = writeln!(text, "\n| --- | --- |{}", " --- |".repeat(Fault::ALL.len()));
    for Mode { name, .. } in MODES {
        for point in &reached[name] {
            let _ = write!(text, "| {name} | {} |", point.name());
            for fault in Fault::ALL {
                let outcome = outcomes.iter().find(|(cell, _)| {
                    (cell.mode.name, cell.point, cell.fault) == (*name, *point, fault)
                });
                let word = match outcome {
                    None => "",
                    Some((_, Ok(word))) => word,
                    Some((_, Err(_))) => "**FAILED**",
                };
                let _ = write!(text, " {word} |");
            }
            text.push('\n');
        }
    }
    text
}
