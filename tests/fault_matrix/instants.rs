//! rb-bench killed at random instants, in every mode: the same command again completes the run.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::SEED;
use crate::matrix::Theatre;
use crate::mode::MODES;

/// Kills of each mode in the sample.
const SAMPLE: u32 = 4;
/// Kills of each mode in the whole: more of one mode of each kind.
const WHOLE: u32 = 40;
const WHOLE_OF_A_KIND: u32 = 200;
const KINDS: [&str; 5] = [
    "full_refresh append, two_phase",
    "full_refresh upsert, two_phase",
    "incremental upsert",
    "cdc upsert",
    "full_refresh replace",
];

#[test]
fn a_run_killed_at_any_instant_is_completed_by_the_same_command_again() {
    let whole = std::env::var_os("RB_BENCH_TORTURE").is_some();
    let names: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
    assert!(KINDS.iter().all(|kind| names.contains(kind)), "{names:?}");
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut theatre = Theatre::open();
    for mode in MODES {
        theatre.points_of(mode);
        let kills = match (whole, KINDS.contains(&mode.name)) {
            (false, _) => SAMPLE,
            (true, false) => WHOLE,
            (true, true) => WHOLE_OF_A_KIND,
        };
        for kill in 0..kills {
            // from its start to a little past its end, evenly, so that no part is left out
            let share = (f64::from(kill) + rng.random::<f64>()) / f64::from(kills) * 1.1;
            if let Err(why) = theatre.kill(mode, share) {
                panic!("{}, killed after {share:.3} of its time: {why}", mode.name);
            }
        }
        println!(
            "{}: killed at {kills} instants, each completed by the same command again",
            mode.name
        );
    }
}
