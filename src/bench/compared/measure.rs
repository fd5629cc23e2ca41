//! Figures of both sides, each with its range, and their ratio where there are enough data for one.

use serde::Serialize;

use crate::bench::artifact::Iteration;
use crate::bench::metric::Metric;
use crate::bench::stats::{ALPHA, Estimate, Spread};

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Megabytes (1,000,000 bytes) a second.
    MbPerSecond,
    /// Seconds for each gigabyte (1,000,000,000 bytes) moved.
    SecondsPerGb,
    /// Bytes.
    Bytes,
    /// Bytes for each byte moved.
    Ratio,
    /// Microseconds.
    Micros,
    /// Cores.
    Cores,
}

/// A figure of both sides. Information, not a verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// What it is.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Of the before side; null where it is not known of every iteration.
    pub before: Option<Spread>,
    /// Of the after side, likewise.
    pub after: Option<Spread>,
    /// after / before, by Hodges-Lehmann; null with too few data.
    pub ratio: Option<f64>,
    /// Lower end of its 95 % interval.
    pub ci_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub ci_high: Option<f64>,
}

type Figure = (&'static str, Unit, fn(&Iteration) -> Option<f64>);

const FIGURES: [Figure; 13] = [
    ("wall time", Unit::Seconds, |i| Metric::DurationS.of(i)),
    ("throughput", Unit::MbPerSecond, |i| Some(i.mb_per_s)),
    ("CPU, all", Unit::SecondsPerGb, |i| {
        per_gb(
            i,
            Some(i.cpu.rb_bench_s + i.cpu.source_s? + i.cpu.destination_s?),
        )
    }),
    ("CPU, rb-bench", Unit::SecondsPerGb, |i| {
        per_gb(i, Some(i.cpu.rb_bench_s))
    }),
    ("CPU, source", Unit::SecondsPerGb, |i| {
        per_gb(i, i.cpu.source_s)
    }),
    ("CPU, destination", Unit::SecondsPerGb, |i| {
        per_gb(i, i.cpu.destination_s)
    }),
    ("cores busy, host", Unit::Cores, |i| {
        let busy = &i.cpu.host_busy_per_core;
        (!busy.is_empty()).then(|| busy.iter().sum())
    }),
    ("peak memory", Unit::Bytes, |i| Metric::RssPeak.of(i)),
    ("WAL for each byte", Unit::Ratio, |i| {
        Some(i.pg.wal_bytes? as f64 / moved(i)?)
    }),
    ("rows, least / most", Unit::Ratio, |i| Some(i.skew_ratio)),
    ("chunk p50", Unit::Micros, |i| Metric::ChunkP50Us.of(i)),
    ("chunk p99", Unit::Micros, |i| Metric::ChunkP99Us.of(i)),
    ("committing", Unit::Seconds, |i| {
        i.result.read::<Committing>()?.dest_commit_secs
    }),
];

/// What of a result is the time for preparing and committing.
#[derive(serde::Deserialize)]
struct Committing {
    dest_commit_secs: Option<f64>,
}

fn per_gb(iteration: &Iteration, seconds: Option<f64>) -> Option<f64> {
    Some(seconds? / (moved(iteration)? / 1e9))
}

fn moved(iteration: &Iteration) -> Option<f64> {
    (iteration.bytes > 0).then_some(iteration.bytes as f64)
}

/// Every figure of both sides; in pairs, both have the same number of iterations, in the same order.
pub(super) fn all(before: &[&Iteration], after: &[&Iteration], paired: bool) -> Vec<Measure> {
    let measure = |(name, unit, of): Figure| {
        let values = |iterations: &[&Iteration]| -> Option<Vec<f64>> {
            iterations.iter().map(|i| of(i)).collect()
        };
        let (before, after) = (values(before), values(after));
        let estimate = before
            .as_deref()
            .zip(after.as_deref())
            .and_then(|(b, a)| estimate(b, a, paired));
        Measure {
            name,
            unit,
            before: before.and_then(|values| Spread::of(&values)),
            after: after.and_then(|values| Spread::of(&values)),
            // the estimate is before / after: a gain in speed is above 1
            ratio: estimate.map(|e| 1.0 / e.ratio()),
            ci_low: estimate.map(|e| 1.0 / e.interval().1),
            ci_high: estimate.map(|e| 1.0 / e.interval().0),
        }
    };
    FIGURES.into_iter().map(measure).collect()
}

fn estimate(before: &[f64], after: &[f64], paired: bool) -> Option<Estimate> {
    let logs = |values: &[f64]| -> Option<Vec<f64>> {
        let log = |value: &f64| (*value > 0.0).then(|| value.ln());
        values.iter().map(log).collect()
    };
    let (before, after) = (logs(before)?, logs(after)?);
    if paired {
        let pairs: Vec<f64> = before.iter().zip(&after).map(|(b, a)| b - a).collect();
        Estimate::of_pairs(&pairs, ALPHA).ok()
    } else {
        Estimate::of_samples(&before, &after, ALPHA).ok()
    }
}
