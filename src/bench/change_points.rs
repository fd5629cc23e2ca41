//! Where the level of a series changed: E-divisive means with a permutation test.
//!
//! Matteson and James, "A Nonparametric Approach for Multiple Change Point Analysis of Multivariate
//! Data", JASA 109 (2014), with exponent 1 and each split taken over its whole segment; used for
//! benchmarks by Daly et al., "The Use of Change Point Detection to Identify Software Performance
//! Regressions in a Continuous Integration System", ICPE 2020. It assumes no distribution. The
//! permutations come from a fixed seed: the same series always has the same change points.

use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom as _;

/// With fewer values no split can be told from chance: of 4 + 4, the likeliest two of 70
/// arrangements are 2.9 %.
pub const LEAST: usize = 8;
/// Fewest values on a level.
const SHORTEST: usize = 3;
/// Chance of a change point where there is none.
const SIGNIFICANT: f64 = 0.05;
const PERMUTATIONS: usize = 499;
const SEED: u64 = 4;

/// A place where the level changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// The first value on the new level.
    pub at: usize,
    /// The share of random orders that split as well or better: at most 0.05.
    pub p: f64,
}

/// The change points of a series, in its order.
#[must_use]
pub fn change_points(values: &[f64]) -> Vec<ChangePoint> {
    let mut found: Vec<ChangePoint> = Vec::new();
    if values.len() < LEAST {
        return found;
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    loop {
        let mut ends: Vec<usize> = found.iter().map(|change| change.at).collect();
        ends.extend([0, values.len()]);
        ends.sort_unstable();
        let segments: Vec<&[f64]> = ends.windows(2).map(|w| &values[w[0]..w[1]]).collect();
        let best = segments
            .iter()
            .zip(&ends)
            .filter_map(|(segment, start)| best_split(segment).map(|(at, q)| (start + at, q)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((at, quality)) = best else {
            return found;
        };
        let Some(p) = chance(&segments, quality, &mut random) else {
            return found;
        };
        found.push(ChangePoint { at, p });
        found.sort_by_key(|change| change.at);
    }
}

/// The share of random orders that split as well; none as soon as it is certain to be too large.
fn chance(segments: &[&[f64]], quality: f64, random: &mut Xoshiro256PlusPlus) -> Option<f64> {
    let share = |as_good: usize| (as_good + 1) as f64 / (PERMUTATIONS + 1) as f64;
    let mut as_good = 0;
    for _ in 0..PERMUTATIONS {
        if shuffled_quality(segments, random) >= quality {
            as_good += 1;
            if share(as_good) > SIGNIFICANT {
                return None;
            }
        }
    }
    Some(share(as_good))
}

/// The quality of the best split when every segment's values come in a random order.
fn shuffled_quality(segments: &[&[f64]], random: &mut Xoshiro256PlusPlus) -> f64 {
    let mut best = 0.0;
    for segment in segments {
        let mut shuffled = segment.to_vec();
        shuffled.shuffle(random);
        best = best_split(&shuffled).map_or(best, |(_, quality)| quality.max(best));
    }
    best
}

/// Where a segment falls apart best, and the scaled energy distance of its parts; none where it is
/// too short for two, or its values are all alike.
fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let distance = |value: f64, others: &[f64]| -> f64 {
        others.iter().map(|other| (value - other).abs()).sum()
    };
    // sums of the distances within the left part, within the right one, and of all
    let mut left = 0.0;
    let all: f64 = (1..values.len())
        .map(|n| distance(values[n], &values[..n]))
        .sum();
    let mut right = all;
    let mut best: Option<(usize, f64)> = None;
    for (n, value) in values.iter().enumerate() {
        left += distance(*value, &values[..n]);
        right -= distance(*value, &values[n + 1..]);
        let (lefts, rights) = (n + 1, values.len() - n - 1);
        if lefts < SHORTEST || rights < SHORTEST {
            continue;
        }
        let (l, r) = (lefts as f64, rights as f64);
        let between = all - left - right;
        let pairs = |n: f64| n * (n - 1.0) / 2.0;
        let energy = 2.0 * between / (l * r) - left / pairs(l) - right / pairs(r);
        let quality = l * r / (l + r) * energy;
        if quality > best.map_or(0.0, |(_, q)| q) {
            best = Some((lefts, quality));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    /// Levels of so many values each, with even noise of 1 % around them.
    fn series(levels: &[(usize, f64)], seed: u64) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        levels
            .iter()
            .flat_map(|(n, level)| std::iter::repeat_n(*level, *n))
            .map(|level| level + random.random_range(-0.01..0.01))
            .collect()
    }

    fn places(values: &[f64]) -> Vec<usize> {
        change_points(values)
            .iter()
            .map(|change| change.at)
            .collect()
    }

    #[test]
    fn a_split_is_the_one_worked_by_hand() {
        // 0 0 0 | 1 1 1: all 9 distances between the parts are 1, none within them
        let (at, quality) = best_split(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        assert_eq!(at, 3);
        assert!((quality - 3.0).abs() < 1e-12, "{quality}");
        assert_eq!(best_split(&[0.0, 0.0, 1.0, 1.0, 1.0]), None);
        assert_eq!(best_split(&[2.0; 20]), None);
    }

    #[test]
    fn levels_are_found_where_they_begin() {
        assert_eq!(places(&series(&[(10, 0.0), (10, 0.1)], 1)), [10]);
        assert_eq!(
            places(&series(&[(10, 0.0), (8, 0.1), (12, 0.05)], 2)),
            [10, 18]
        );
        assert_eq!(places(&series(&[(4, 0.0), (4, 0.1)], 3)), [4]);
        // one value apart is no level
        let mut once = series(&[(20, 0.0)], 4);
        once[10] = 0.5;
        assert_eq!(places(&once), [0; 0]);
    }

    #[test]
    fn too_few_values_have_no_change_point() {
        assert_eq!(places(&series(&[(3, 0.0), (4, 1.0)], 5)), [0; 0]);
        assert_eq!(places(&[1.0; 30]), [0; 0]);
    }

    #[test]
    fn a_steady_series_is_hardly_ever_split() {
        // 5 % of 60 are 3; 9 or more come by chance once in 400 times
        let split = (0..60).filter(|seed| !places(&series(&[(15, 0.0)], 100 + seed)).is_empty());
        assert!(split.count() < 9);
    }
}
