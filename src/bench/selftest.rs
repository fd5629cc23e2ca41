//! The statistics tried on sessions whose truth is known: `rb-bench selftest`.
//!
//! Simulated sessions go through the estimator and the verdict that real ones go through. Gates hold what
//! comes out against what is promised: false verdicts as rare as they may be, both signs alike, a real
//! slowdown caught. The seed is fixed, so that the answer is the same on every machine; that the
//! gates can fail is shown by narrowing the intervals on purpose.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::rules::LOOKS;
use super::stats::{ALPHA, Estimate};
use super::verdict::Verdict;

/// Simulated sessions of each kind.
pub const SESSIONS: u32 = 10_000;

/// The seed of every simulation.
const SEED: u64 = 0x5EED_0004;
/// Standard deviation of an iteration's time, relative to it.
const NOISE: f64 = 0.03;
/// The slowdown that must be caught: 5 %.
const SLOWDOWN: f64 = 0.05;
/// The threshold at which it must be.
const POWER_THRESHOLD: f64 = 0.01;
/// The share of sessions that must catch it.
const POWER: f64 = 0.95;

/// What a selftest found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selftest {
    /// Simulated sessions of each kind.
    pub sessions: u32,
    /// The seed.
    pub seed: u64,
    /// Every promise, and whether it was kept.
    pub gates: Vec<Gate>,
}

impl Selftest {
    /// Whether every promise was kept.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.gates.iter().all(|gate| gate.passed)
    }
}

/// One promise of the statistics, and what simulated sessions say of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gate {
    /// What was simulated, and what is promised.
    pub promise: String,
    /// What was found.
    pub found: f64,
    /// The most, or the least, that it may be.
    pub limit: f64,
    /// Whether both are shares of all sessions.
    pub is_share: bool,
    /// Whether it was kept.
    pub passed: bool,
}

/// Simulates `sessions` of each kind. `narrowed` takes so many ranks off either end of every interval:
/// 0 is the statistics as they are, and anything else must fail.
#[must_use]
pub fn run(sessions: u32, narrowed: usize) -> Selftest {
    let mut simulation = Simulation {
        random: Xoshiro256PlusPlus::seed_from_u64(SEED),
        normal: Normal::standard(),
        sessions,
        narrowed,
    };
    let mut gates = Vec::new();
    for pairs in [6, 10, 20] {
        let looks = [Look {
            pairs,
            alpha: ALPHA,
        }];
        simulation.false_verdicts(&format!("{pairs} pairs"), &looks, &mut gates);
    }
    let looks = LOOKS.map(|pairs| Look {
        pairs,
        alpha: ALPHA / LOOKS.len() as f64,
    });
    simulation.false_verdicts("looks at 8, 12, 20 pairs", &looks, &mut gates);
    gates.push(simulation.power(20));
    Selftest {
        sessions,
        seed: SEED,
        gates,
    }
}

/// A moment at which a session is judged.
#[derive(Clone, Copy)]
struct Look {
    pairs: u32,
    alpha: f64,
}

struct Simulation {
    random: Xoshiro256PlusPlus,
    normal: Normal,
    sessions: u32,
    narrowed: usize,
}

impl Simulation {
    /// Two equal arms: how often one is called faster, and whether both are equally often.
    fn false_verdicts(&mut self, of: &str, looks: &[Look], gates: &mut Vec<Gate>) {
        let (mut improved, mut regressed) = (0_u32, 0_u32);
        for _ in 0..self.sessions {
            match self.session(looks, 1.0, 0.0) {
                Some(Verdict::Improved) => improved += 1,
                Some(Verdict::Regressed) => regressed += 1,
                _ => {}
            }
        }
        let found = f64::from(improved + regressed) / f64::from(self.sessions);
        let limit = false_verdict_limit(self.sessions);
        gates.push(Gate {
            promise: format!("A/A, {of}, threshold 0: share of false verdicts at most"),
            found,
            limit,
            is_share: true,
            passed: found <= limit,
        });
        // each false verdict falls on either side with even chances: their difference has the
        // standard deviation of as many coins
        let errors = f64::from(improved + regressed).sqrt().max(1.0);
        let apart = f64::from(improved.abs_diff(regressed)) / errors;
        gates.push(Gate {
            promise: format!("A/A, {of}: standard errors between both signs at most"),
            found: apart,
            limit: 3.0,
            is_share: false,
            passed: apart <= 3.0,
        });
    }

    /// An after arm that is slower by [`SLOWDOWN`]: how often that is told.
    fn power(&mut self, pairs: u32) -> Gate {
        let look = [Look {
            pairs,
            alpha: ALPHA,
        }];
        let slower = 1.0 + SLOWDOWN;
        let caught = (0..self.sessions)
            .filter(|_| self.session(&look, slower, POWER_THRESHOLD) == Some(Verdict::Regressed))
            .count();
        let found = caught as f64 / f64::from(self.sessions);
        Gate {
            promise: format!(
                "{:.0} % slower, noise {:.0} %, {pairs} pairs, threshold {:.0} %: share told at least",
                SLOWDOWN * 100.0,
                NOISE * 100.0,
                POWER_THRESHOLD * 100.0
            ),
            found,
            limit: POWER,
            is_share: true,
            passed: found >= POWER,
        }
    }

    /// One session, judged at each look until it is resolved. `slower` is the after arm's time in
    /// units of the before arm's.
    fn session(&mut self, looks: &[Look], slower: f64, threshold: f64) -> Option<Verdict> {
        let mut logs = Vec::new();
        let mut verdict = None;
        for look in looks {
            while logs.len() < look.pairs as usize {
                let (before, after) = (self.seconds(), self.seconds() * slower);
                logs.push((before / after).ln());
            }
            let estimate = Estimate::of_pairs_at(&logs, look.alpha, self.narrowed).ok()?;
            let told = Verdict::of(&estimate, threshold);
            if told.is_resolved() {
                return Some(told);
            }
            verdict = Some(told);
        }
        verdict
    }

    /// The time of an iteration whose true time is 1.
    fn seconds(&mut self) -> f64 {
        // open at both ends, where the quantile is infinite
        let chance = (self.random.random::<f64>() + f64::EPSILON / 2.0).min(1.0 - f64::EPSILON);
        (NOISE * self.normal.inverse_cdf(chance)).exp()
    }
}

/// The promised share, and 3 standard errors of a share that is found in so many sessions, in tenths
/// of a percent: 5.7 % in 10,000.
fn false_verdict_limit(sessions: u32) -> f64 {
    let limit = ALPHA + 3.0 * (ALPHA * (1.0 - ALPHA) / f64::from(sessions)).sqrt();
    (limit * 1e3).ceil() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough for both answers to be beyond doubt, and quick without optimisation.
    const FEW: u32 = 1_500;

    #[test]
    fn the_statistics_keep_their_promises() {
        let selftest = run(FEW, 0);
        assert!(selftest.passed(), "{selftest:#?}");
        assert_eq!(selftest.gates.len(), 9);
        assert!((false_verdict_limit(SESSIONS) - 0.057).abs() < 1e-12);
    }

    #[test]
    fn intervals_that_are_too_narrow_are_found_out() {
        let selftest = run(FEW, 2);
        let failed: Vec<&str> = selftest
            .gates
            .iter()
            .filter(|gate| !gate.passed)
            .map(|gate| gate.promise.as_str())
            .collect();
        assert!(!selftest.passed());
        assert!(
            failed.iter().any(|promise| promise.contains("6 pairs")),
            "{failed:?}"
        );
        assert!(
            failed.iter().any(|promise| promise.contains("10 pairs")),
            "{failed:?}"
        );
    }

    #[test]
    fn the_same_sessions_are_simulated_every_time() {
        assert_eq!(run(50, 0), run(50, 0));
    }
}
