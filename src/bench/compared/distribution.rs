//! Latencies of both sides: percentiles, and histograms over one scale.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::bench::artifact::Iteration;
use crate::bench::summary;

/// Classes of a histogram.
const CLASSES: usize = 12;

/// The latencies of one name, of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distribution {
    /// As artifacts name it: `chunk_us`.
    pub name: &'static str,
    /// Percentiles of the before side; null where nothing was recorded.
    pub before: Option<Percentiles>,
    /// Of the after side.
    pub after: Option<Percentiles>,
    /// The classes of both sides' histograms, upward: each as wide as the last in ratio.
    pub classes: Vec<Class>,
}

/// Percentiles of all values of a side, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Values recorded.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p99_9: u64,
    /// Largest value.
    pub max: u64,
}

/// A class of values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Class {
    /// Its lower end, microseconds.
    pub from_us: f64,
    /// Its upper end, microseconds.
    pub to_us: f64,
    /// Share of the before side's values in it, 0 to 1.
    pub before: f64,
    /// Share of the after side's values in it, 0 to 1.
    pub after: f64,
}

/// Every distribution that either side has values of.
pub(super) fn all(before: &[&Iteration], after: &[&Iteration]) -> Vec<Distribution> {
    ["chunk_us", "fetch_us", "flush_us", "commit_us"]
        .into_iter()
        .filter_map(|name| {
            let sides = [before, after].map(|side| summary::merged(side, name));
            let [before, after] = sides.each_ref().map(Option::as_ref);
            (before.is_some() || after.is_some()).then(|| Distribution {
                name,
                before: before.map(percentiles),
                after: after.map(percentiles),
                classes: classes(before, after),
            })
        })
        .collect()
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    Percentiles {
        count: histogram.len(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p99_9: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    }
}

/// Both histograms over one logarithmic scale, from the least value of both to the largest.
fn classes(before: Option<&Histogram<u64>>, after: Option<&Histogram<u64>>) -> Vec<Class> {
    let sides = [before, after];
    let present = || sides.iter().copied().flatten();
    let least = present().map(|h| h.min().max(1)).min().unwrap_or(1) as f64;
    let most = present().map(Histogram::max).max().unwrap_or(1) as f64;
    // values that are all alike are one class
    let count = if most > least * 1.001 { CLASSES } else { 1 };
    let step = ((most / least).ln() / count as f64).max(1e-9);
    let class = |value: u64| {
        let at = ((value as f64 / least).ln() / step).floor().max(0.0) as usize;
        at.min(count - 1)
    };
    let shares = sides.map(|side| {
        let mut shares = vec![0.0; count];
        if let Some(histogram) = side {
            for value in histogram.iter_recorded() {
                let share = value.count_at_value() as f64 / histogram.len() as f64;
                shares[class(value.value_iterated_to())] += share;
            }
        }
        shares
    });
    (0..count)
        .map(|n| Class {
            from_us: least * (step * n as f64).exp(),
            to_us: least * (step * (n + 1) as f64).exp(),
            before: shares[0][n],
            after: shares[1][n],
        })
        .collect()
}
