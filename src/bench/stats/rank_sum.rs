//! The Mann-Whitney test, turned round into an interval for the shift between two samples.
//!
//! Untied critical values on the sorted differences: where values tie, the interval is a little
//! wider than it would have to be, never narrower.

use super::normal_rank;

/// Above this product of the sizes the null distribution is taken as normal.
const EXACT_UP_TO: usize = 10_000;

/// All differences of one sample's values from the other's, sorted.
pub(super) fn differences(from: &[f64], of: &[f64]) -> Vec<f64> {
    let mut differences: Vec<f64> = from
        .iter()
        .flat_map(|a| of.iter().map(move |b| a - b))
        .collect();
    differences.sort_by(f64::total_cmp);
    differences
}

/// Which difference, counted from 1 at either end, bounds the interval: one more than the largest
/// critical value, 0 where there is none, which is where 2 / C(a + b, a) > alpha.
pub(super) fn interval_rank(a: usize, b: usize, alpha: f64) -> usize {
    if a * b > EXACT_UP_TO {
        return approximate_rank(a, b, alpha);
    }
    let counts = counts(a, b);
    let all: f64 = counts.iter().sum();
    let mut below = 0.0;
    for (value, count) in counts.into_iter().enumerate() {
        below += count;
        // not below / all: where the counts are exact, the comparison is
        if 2.0 * below > alpha * all {
            return value;
        }
    }
    0
}

/// In how many of the C(a + b, a) orders the statistic has each value, without ties (Mann, Whitney
/// 1947): the last in order is one of `a`, which then lies above all of `b`, or one of `b`. The
/// counts are exact below 2^53, and nothing is ever subtracted beyond.
fn counts(a: usize, b: usize) -> Vec<f64> {
    // row[i] has the counts for i of `a` and as many of `b` as there were rounds
    let mut row: Vec<Vec<f64>> = vec![vec![1.0]; a + 1];
    for j in 1..=b {
        for i in 1..=a {
            let mut counts = row[i].clone();
            counts.resize(i * j + 1, 0.0);
            for (value, count) in row[i - 1].iter().enumerate() {
                counts[value + j] += count;
            }
            row[i] = counts;
        }
    }
    row.pop().unwrap_or_default()
}

fn approximate_rank(a: usize, b: usize, alpha: f64) -> usize {
    let (a, b) = (a as f64, b as f64);
    normal_rank(a * b / 2.0, (a * b * (a + b + 1.0) / 12.0).sqrt(), alpha)
}

/// The fewest values of each of two equal samples with 2 / C(2n, n) <= alpha.
pub(super) fn samples_needed(alpha: f64) -> usize {
    // each value more quarters the chance: 100 are enough for any alpha that was ever asked for
    (1..100)
        .find(|n| interval_rank(*n, *n, alpha) > 0)
        .unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::super::{ALPHA, Estimate};
    use super::*;

    #[test]
    fn critical_values_are_the_published_ones() {
        // two-sided 5 %: the largest U that is significant (Mann, Whitney 1947, and every table since)
        let table = [
            (2, 8, 0),
            (3, 5, 0),
            (4, 4, 0),
            (4, 5, 1),
            (5, 5, 2),
            (5, 8, 6),
            (6, 6, 5),
            (7, 9, 12),
            (8, 8, 13),
            (10, 10, 23),
            (10, 20, 55),
            (12, 15, 49),
            (15, 15, 64),
            (20, 20, 127),
        ];
        for (a, b, critical) in table {
            assert_eq!(interval_rank(a, b, ALPHA), critical + 1, "{a} + {b}");
            assert_eq!(interval_rank(b, a, ALPHA), critical + 1, "{b} + {a}");
        }
    }

    #[test]
    fn the_least_sizes_are_those_whose_widest_interval_is_sure_enough() {
        let choose =
            |n: usize, k: usize| (1..=k).fold(1.0, |c, i| c * (n - k + i) as f64 / i as f64);
        for a in 0..=45 {
            for b in 0..=45 {
                let enough = a > 0 && b > 0 && 2.0 / choose(a + b, a) <= ALPHA + 1e-15;
                assert_eq!(interval_rank(a, b, ALPHA) > 0, enough, "{a} + {b}");
            }
        }
        assert_eq!((samples_needed(ALPHA), samples_needed(ALPHA / 3.0)), (4, 5));
    }

    #[test]
    fn every_order_is_counted_once() {
        for (a, b, orders) in [
            (1, 1, 2.0),
            (4, 4, 70.0),
            (10, 10, 184_756.0),
            (3, 7, 120.0),
        ] {
            let counts = counts(a, b);
            assert_eq!(counts.len(), a * b + 1);
            assert!(
                (counts.iter().sum::<f64>() - orders).abs() < 0.5,
                "{a} + {b}"
            );
        }
        assert_eq!(counts(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
    }

    #[test]
    fn intervals_are_those_that_scipy_accepts() {
        for case in super::super::reference::cases("rank_sum") {
            let estimate = Estimate::of_samples(&case.x, &case.y, case.alpha).unwrap();
            case.assert_is(estimate.logs());
        }
    }

    #[test]
    fn the_normal_approximation_continues_the_exact_ranks() {
        for (a, b) in [(50, 50), (100, 100), (20, 300)] {
            let (exact, normal) = (interval_rank(a, b, ALPHA), approximate_rank(a, b, ALPHA));
            assert!(exact.abs_diff(normal) <= 2, "{a} + {b}: {exact} {normal}");
        }
    }
}
