//! The Wilcoxon signed-rank test, turned round into an interval for the middle of paired differences.
//!
//! Untied critical values on the sorted Walsh averages: where values tie, the interval is a little
//! wider than it would have to be, never narrower.

use super::normal_rank;

/// Above this many pairs the null distribution is taken as normal: by then both agree to more
/// digits than are printed.
const EXACT_UP_TO: usize = 500;

/// All (a + b) / 2 of values with each other and with themselves, sorted.
pub(super) fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, a) in values.iter().enumerate() {
        averages.extend(values[i..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    averages.sort_by(f64::total_cmp);
    averages
}

/// Which Walsh average, counted from 1 at either end, bounds the interval: one more than the
/// largest critical value, 0 where there is none.
pub(super) fn interval_rank(n: usize, alpha: f64) -> usize {
    if n > EXACT_UP_TO {
        return approximate_rank(n, alpha);
    }
    let mut below = 0.0;
    for (value, probability) in distribution(n).into_iter().enumerate() {
        below += probability;
        if below > alpha / 2.0 {
            return value;
        }
    }
    0
}

/// The distribution of the statistic without ties under the null hypothesis: each of the ranks
/// 1..=n is in the sum or not, with even chances.
fn distribution(n: usize) -> Vec<f64> {
    let mut probability = vec![0.0; n * (n + 1) / 2 + 1];
    probability[0] = 1.0;
    let mut reach = 0;
    for rank in 1..=n {
        reach += rank;
        for sum in (0..=reach).rev() {
            let with = if sum >= rank {
                probability[sum - rank]
            } else {
                0.0
            };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    probability
}

fn approximate_rank(n: usize, alpha: f64) -> usize {
    let n = n as f64;
    let mean = n * (n + 1.0) / 4.0;
    let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
    normal_rank(mean, deviation, alpha)
}

#[cfg(test)]
mod tests {
    use super::super::{ALPHA, Estimate};
    use super::*;

    #[test]
    fn critical_values_are_the_published_ones() {
        // two-sided 5 %: the largest T that is significant (Wilcoxon 1945, and every table since)
        let table = [
            (6, 0),
            (7, 2),
            (8, 3),
            (9, 5),
            (10, 8),
            (11, 10),
            (12, 13),
            (13, 17),
            (14, 21),
            (15, 25),
            (16, 29),
            (17, 34),
            (18, 40),
            (19, 46),
            (20, 52),
            (25, 89),
            (30, 137),
            (40, 264),
            (50, 434),
        ];
        for (n, critical) in table {
            assert_eq!(interval_rank(n, ALPHA), critical + 1, "{n} pairs");
        }
        assert_eq!(interval_rank(5, ALPHA), 0);
    }

    #[test]
    fn intervals_are_those_that_scipy_accepts() {
        for case in super::super::reference::cases("signed_rank") {
            let estimate = Estimate::of_pairs(&case.x, case.alpha).unwrap();
            case.assert_is(estimate.logs());
        }
    }

    #[test]
    fn the_normal_approximation_continues_the_exact_ranks() {
        for n in [100, 300, EXACT_UP_TO] {
            let (exact, normal) = (interval_rank(n, ALPHA), approximate_rank(n, ALPHA));
            assert!(
                exact.abs_diff(normal) <= 1 + n / 200,
                "{n}: {exact} {normal}"
            );
        }
    }

    #[test]
    fn the_distribution_adds_up_to_one() {
        for n in [1, 6, 20, 100] {
            let sum: f64 = distribution(n).iter().sum();
            assert!((sum - 1.0).abs() < 1e-9, "{n}: {sum}");
        }
    }
}
