//! The Universal Scalability Law: why throughput stops growing with the number of workers.
//!
//! ```text
//! X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)),  sigma, kappa >= 0
//! ```
//!
//! (N. J. Gunther, Guerrilla Capacity Planning, 2007, chapter 5.) `lambda` is what one worker moves,
//! `sigma` the share that all workers wait for one another (contention), `kappa` what it costs that
//! every worker must agree with every other (coherency). The fit explains; it never chooses.
//!
//! Solved for N / X the law is linear: N / X = a + b (N - 1) + c N (N - 1) with a = 1 / lambda,
//! b = sigma / lambda, c = kappa / lambda. Least squares of the relative error, b and c not below zero, is
//! then a convex problem in three unknowns: its least lies where none, one or both of the bounds hold, and
//! each of these four cases is one small linear system. That is exact, has no starting point and cannot
//! fail to converge, which an iterative nonlinear fit (and the linear algebra library it brings) can.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fewest different N that leave anything to the fit: one more than its parameters.
pub const LEAST_POINTS: usize = 4;
/// Resamples behind an interval.
const RESAMPLES: usize = 2000;
/// What the bootstrap's intervals hold.
const CONFIDENCE: f64 = 0.95;

/// What was measured at one N: throughputs, in any one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Workers.
    pub workers: u32,
    /// The throughput of each iteration.
    pub throughputs: Vec<f64>,
}

/// The parameters of the law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parameters {
    /// Throughput of one worker.
    pub lambda: f64,
    /// Contention, a share.
    pub sigma: f64,
    /// Coherency, a share.
    pub kappa: f64,
}

/// An interval, both ends in it; no upper end where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end; null where it is beyond any number.
    pub high: Option<f64>,
}

/// The law fitted, and how sure that is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fit {
    /// The least squares fit.
    pub parameters: Parameters,
    /// The N of the greatest throughput; null where the fitted curve only grows.
    pub peak: Option<f64>,
    /// Bootstrap interval of `lambda`.
    pub lambda: Interval,
    /// Of `sigma`.
    pub sigma: Interval,
    /// Of `kappa`.
    pub kappa: Interval,
    /// Of the peak.
    pub peak_interval: Interval,
    /// The share of the variation of log throughput that the curve explains, at most 1.
    pub r_squared: f64,
    /// How often such intervals are to hold the truth.
    pub confidence: f64,
    /// Resamples behind them.
    pub resamples: usize,
    /// The seed of the resampling.
    pub seed: u64,
}

impl Parameters {
    /// The least squares fit of (N, throughput), all above zero; none with fewer than
    /// [`LEAST_POINTS`] different N.
    #[must_use]
    pub fn of(measured: &[(u32, f64)]) -> Option<Self> {
        let mut different: Vec<u32> = measured.iter().map(|(n, _)| *n).collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < LEAST_POINTS {
            return None;
        }
        // a row is (1, N - 1, N (N - 1)) X / N; what it is to give is 1: the residual is a relative error
        let rows: Vec<[f64; 3]> = measured
            .iter()
            .map(|(n, x)| {
                let (n, weight) = (f64::from(*n), x / f64::from(*n));
                [weight, weight * (n - 1.0), weight * n * (n - 1.0)]
            })
            .collect();
        let cases: [&[usize]; 4] = [&[0, 1, 2], &[0, 1], &[0, 2], &[0]];
        let mut best: Option<(f64, [f64; 3])> = None;
        for used in cases {
            let Some(solved) = least_squares(&rows, used) else {
                continue;
            };
            if solved[0] <= 0.0 || solved[1] < 0.0 || solved[2] < 0.0 {
                continue;
            }
            let error: f64 = rows
                .iter()
                .map(|row| (dot(row, &solved) - 1.0).powi(2))
                .sum();
            if best.is_none_or(|(least, _)| error < least) {
                best = Some((error, solved));
            }
        }
        best.map(|(_, [a, b, c])| Self {
            lambda: 1.0 / a,
            sigma: b / a,
            kappa: c / a,
        })
    }

    /// The throughput of this many workers.
    #[must_use]
    pub fn throughput(&self, workers: f64) -> f64 {
        let n = workers;
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The N of the greatest throughput, sqrt((1 - sigma) / kappa), at least 1; none where the curve
    /// only grows.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        if self.sigma >= 1.0 {
            return Some(1.0);
        }
        // what is left of a kappa of zero after rounding has its peak beyond any machine
        (self.kappa > 1e-9).then(|| ((1.0 - self.sigma) / self.kappa).sqrt().max(1.0))
    }
}

impl Fit {
    /// Fits the law, and resamples the iterations of each N to see how sure it is; none with fewer than
    /// [`LEAST_POINTS`] different N.
    #[must_use]
    pub fn of(points: &[Point], seed: u64) -> Option<Self> {
        let measured: Vec<(u32, f64)> = points
            .iter()
            .flat_map(|point| point.throughputs.iter().map(|x| (point.workers, *x)))
            .collect();
        let parameters = Parameters::of(&measured)?;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let resampled: Vec<Parameters> = (0..RESAMPLES)
            .filter_map(|_| Parameters::of(&resample(points, &mut random)))
            .collect();
        let interval = |of: &dyn Fn(&Parameters) -> f64| {
            let mut values: Vec<f64> = resampled.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            percentiles(&values)
        };
        Some(Self {
            peak: parameters.peak(),
            lambda: interval(&|p| p.lambda),
            sigma: interval(&|p| p.sigma),
            kappa: interval(&|p| p.kappa),
            peak_interval: interval(&|p| p.peak().unwrap_or(f64::INFINITY)),
            r_squared: r_squared(&parameters, &measured),
            parameters,
            confidence: CONFIDENCE,
            resamples: RESAMPLES,
            seed,
        })
    }
}

/// As many iterations of each N as there were, drawn with replacement.
fn resample(points: &[Point], random: &mut Xoshiro256PlusPlus) -> Vec<(u32, f64)> {
    let mut drawn = Vec::new();
    for point in points {
        for _ in &point.throughputs {
            let one = random.random_range(0..point.throughputs.len());
            drawn.push((point.workers, point.throughputs[one]));
        }
    }
    drawn
}

/// The middle [`CONFIDENCE`] of sorted values.
fn percentiles(sorted: &[f64]) -> Interval {
    let at = |share: f64| {
        let index = (share * (sorted.len() as f64 - 1.0)).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    };
    let outside = (1.0 - CONFIDENCE) / 2.0;
    let high = at(1.0 - outside);
    Interval {
        low: at(outside),
        high: high.is_finite().then_some(high),
    }
}

fn r_squared(parameters: &Parameters, measured: &[(u32, f64)]) -> f64 {
    let logs: Vec<f64> = measured.iter().map(|(_, x)| x.ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let whole: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let left: f64 = measured
        .iter()
        .map(|(n, x)| (x / parameters.throughput(f64::from(*n))).ln().powi(2))
        .sum();
    if whole > 0.0 { 1.0 - left / whole } else { 0.0 }
}

fn dot(one: &[f64; 3], other: &[f64; 3]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// The unknowns in `used` that bring the rows nearest to 1, the others zero; none where the rows do
/// not determine them. Normal equations by Gaussian elimination with pivots.
fn least_squares(rows: &[[f64; 3]], used: &[usize]) -> Option<[f64; 3]> {
    let size = used.len();
    // [A^T A | A^T 1]
    let mut system = vec![vec![0.0; size + 1]; size];
    for row in rows {
        for (i, &a) in used.iter().enumerate() {
            for (j, &b) in used.iter().enumerate() {
                system[i][j] += row[a] * row[b];
            }
            system[i][size] += row[a];
        }
    }
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|&a, &b| system[a][column].abs().total_cmp(&system[b][column].abs()))?;
        system.swap(column, pivot);
        if system[column][column].abs() < 1e-12 * rows.len() as f64 * rows[0][0].powi(2) {
            return None;
        }
        let pivot_row = system[column].clone();
        for (index, row) in system.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / pivot_row[column];
                for (cell, pivot) in row.iter_mut().zip(&pivot_row) {
                    *cell -= factor * pivot;
                }
            }
        }
    }
    let mut solved = [0.0; 3];
    for (i, &unknown) in used.iter().enumerate() {
        solved[unknown] = system[i][size] / system[i][i];
    }
    Some(solved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SWEEP: [u32; 8] = [1, 2, 3, 4, 6, 8, 12, 16];

    fn exact(parameters: &Parameters) -> Vec<(u32, f64)> {
        let x = |n: u32| parameters.throughput(f64::from(n));
        SWEEP.iter().map(|n| (*n, x(*n))).collect()
    }

    /// Iterations around the law, each off by up to `noise` of itself.
    fn noisy(parameters: &Parameters, rounds: usize, noise: f64, seed: u64) -> Vec<Point> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut off = || 1.0 + noise * (2.0 * random.random::<f64>() - 1.0);
        SWEEP
            .iter()
            .map(|n| Point {
                workers: *n,
                throughputs: (0..rounds)
                    .map(|_| parameters.throughput(f64::from(*n)) * off())
                    .collect(),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn exact_data_give_their_parameters_back(
            lambda in 1.0f64..1e9, sigma in 0.0f64..0.9, kappa in 0.0f64..0.2,
        ) {
            let truth = Parameters { lambda, sigma, kappa };
            let found = Parameters::of(&exact(&truth)).unwrap();
            prop_assert!((found.lambda / lambda - 1.0).abs() < 1e-6, "{found:?}");
            prop_assert!((found.sigma - sigma).abs() < 1e-6, "{found:?}");
            prop_assert!((found.kappa - kappa).abs() < 1e-6, "{found:?}");
        }

        #[test]
        fn no_parameter_is_ever_below_zero(
            throughputs in prop::collection::vec(0.1f64..100.0, SWEEP.len()),
        ) {
            let measured: Vec<(u32, f64)> = SWEEP.into_iter().zip(throughputs).collect();
            let found = Parameters::of(&measured).unwrap();
            prop_assert!(found.lambda > 0.0 && found.sigma >= 0.0 && found.kappa >= 0.0, "{found:?}");
        }
    }

    #[test]
    fn noisy_data_give_intervals_that_hold_the_truth() {
        let truth = Parameters {
            lambda: 60.0,
            sigma: 0.12,
            kappa: 0.012,
        };
        let holds = |interval: Interval, value: f64| {
            interval.low <= value && interval.high.is_none_or(|high| value <= high)
        };
        let sessions = 40;
        let mut held = [0; 4];
        for seed in 0..sessions {
            let fit = Fit::of(&noisy(&truth, 6, 0.04, seed), seed).unwrap();
            assert!(
                (fit.peak.unwrap() - truth.peak().unwrap()).abs() < 2.0,
                "{fit:?}"
            );
            held[0] += u64::from(holds(fit.lambda, truth.lambda));
            held[1] += u64::from(holds(fit.sigma, truth.sigma));
            held[2] += u64::from(holds(fit.kappa, truth.kappa));
            held[3] += u64::from(holds(fit.peak_interval, truth.peak().unwrap()));
        }
        // a percentile bootstrap of six is a little narrow; far from the nominal 38 it must not be
        assert!(
            held.iter().all(|held| *held >= 32),
            "{held:?} of {sessions}"
        );
    }

    #[test]
    fn throughput_that_only_grows_has_no_peak() {
        let linear = Parameters {
            lambda: 10.0,
            sigma: 0.0,
            kappa: 0.0,
        };
        let fit = Fit::of(&noisy(&linear, 3, 0.0, 1), 1).unwrap();
        assert_eq!(fit.peak, None);
        assert_eq!(fit.peak_interval.high, None);
        let contended = Parameters {
            sigma: 0.3,
            ..linear
        };
        assert_eq!(Parameters::of(&exact(&contended)).unwrap().peak(), None);
    }

    #[test]
    fn three_different_widths_are_too_few() {
        let points = [(1, 10.0), (2, 18.0), (4, 30.0)];
        assert_eq!(Parameters::of(&points), None);
        let twice: Vec<(u32, f64)> = points.iter().chain(&points).copied().collect();
        assert_eq!(Parameters::of(&twice), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_intervals() {
        let truth = Parameters {
            lambda: 60.0,
            sigma: 0.1,
            kappa: 0.01,
        };
        let points = noisy(&truth, 3, 0.05, 3);
        assert_eq!(Fit::of(&points, 9), Fit::of(&points, 9));
        assert_ne!(Fit::of(&points, 9), Fit::of(&points, 10));
    }
}
