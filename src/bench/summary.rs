//! From iterations to what they say together: medians of each arm, the comparison, the verdict.
//!
//! A pure function of recorded iterations, so that a saved session can be summed up again. It counts
//! what was measured and verified, and nothing else.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Deserialize;

use super::artifact::{ArmSummary, ComparisonRecord, Iteration, IterationPhase, Status, Summary};
use super::metric::Metric;
use super::order::Arm;
use super::rules::Rules;
use super::stats::{Estimate, Spread};
use super::verdict::Comparison;
use crate::parallelism::ParallelismFields;
use crate::telemetry::histogram::decode;

/// Sums up the iterations of a session by its rules.
#[must_use]
pub fn of(
    iterations: &[Iteration],
    rules: &Rules,
    status: Status,
    error: Option<String>,
) -> Summary {
    let arms: BTreeMap<Arm, ArmSummary> = [Arm::Before, Arm::After]
        .into_iter()
        .filter_map(|arm| Some((arm, arm_summary(iterations, arm)?)))
        .collect();
    let two_arms = iterations.iter().any(|i| i.arm == Arm::Before);
    let mut compared = Vec::new();
    if two_arms {
        compared = comparisons(iterations, rules);
    }
    let mut records = compared.into_iter().map(|comparison| {
        ComparisonRecord::from(&match status {
            Status::Invalid => comparison.invalidated(),
            _ => comparison,
        })
    });
    Summary {
        status,
        error,
        arms,
        comparison: records.next(),
        gates: records.collect(),
    }
}

/// Both arms of a session compared in every metric that gets a verdict, wall time first.
#[must_use]
pub fn comparisons(iterations: &[Iteration], rules: &Rules) -> Vec<Comparison> {
    let pairs = pairs(iterations);
    let judged = rules.judged(pairs.len());
    let compare = |metric: &Metric| {
        let values: Vec<(f64, f64)> = pairs[..judged.unwrap_or(pairs.len())]
            .iter()
            .filter_map(|(before, after)| metric.of(before).zip(metric.of(after)))
            .collect();
        let comparison = Comparison::of_pairs(&values, rules.rule(*metric));
        match (judged, rules.looks().first()) {
            (None, Some(first)) => comparison.before_first_look(*first as usize),
            _ => comparison,
        }
    };
    rules.metrics().iter().map(compare).collect()
}

/// The iterations (before, after) of each pair of which both were measured, in their order.
#[must_use]
pub fn pairs(iterations: &[Iteration]) -> Vec<(&Iteration, &Iteration)> {
    let mut halves: BTreeMap<u32, (Option<&Iteration>, Option<&Iteration>)> = BTreeMap::new();
    for iteration in iterations.iter().filter(|i| i.is_measured()) {
        let pair = halves.entry(iteration.pair).or_default();
        let half = match iteration.arm {
            Arm::Before => &mut pair.0,
            Arm::After => &mut pair.1,
        };
        *half = Some(iteration);
    }
    halves
        .into_values()
        .filter_map(|(before, after)| before.zip(after))
        .collect()
}

impl From<&Comparison> for ComparisonRecord {
    fn from(comparison: &Comparison) -> Self {
        let estimate = comparison.estimate.as_ref();
        Self {
            metric: comparison.rule.metric.name().to_owned(),
            pairs: comparison.size.least() as u32,
            ratio: comparison.ratio,
            estimate: estimate.map(Estimate::ratio),
            ci_low: estimate.map(|e| e.interval().0),
            ci_high: estimate.map(|e| e.interval().1),
            confidence: estimate.map(Estimate::confidence),
            threshold_pct: comparison.rule.threshold * 100.0,
            verdict: comparison.verdict.name().to_owned(),
            text: comparison.to_string(),
        }
    }
}

fn arm_summary(iterations: &[Iteration], arm: Arm) -> Option<ArmSummary> {
    let all: Vec<&Iteration> = iterations
        .iter()
        .filter(|i| i.arm == arm && i.phase == IterationPhase::Measure)
        .collect();
    let counted: Vec<&Iteration> = all.iter().copied().filter(|i| i.is_measured()).collect();
    let last = *counted.last()?;
    let spread =
        |of: fn(&Iteration) -> f64| Spread::of(&counted.iter().map(|i| of(i)).collect::<Vec<_>>());
    let median = |of: &dyn Fn(&Iteration) -> Option<f64>| {
        let values: Option<Vec<f64>> = counted.iter().map(|i| of(i)).collect();
        Spread::of(&values?).map(|spread| spread.median)
    };
    let results: Vec<Figures> = counted
        .iter()
        .map(|i| i.result.read().unwrap_or_default())
        .collect();
    let share = |of: &dyn Fn(&Iteration, &Figures) -> f64| {
        let values: Vec<f64> = counted
            .iter()
            .zip(&results)
            .map(|(i, r)| of(i, r))
            .collect();
        Spread::of(&values).map_or(0.0, |spread| spread.median)
    };
    let chunks = merged(&counted, "chunk_us");
    let resolved: ParallelismFields = last.result.read().unwrap_or_default();
    Some(ArmSummary {
        iterations: all.len() as u32,
        verified: all
            .iter()
            .filter(|i| i.verify.checksum_ok == Some(true) && i.verify.row_count_ok == Some(true))
            .count() as u32,
        duration_s: spread(|i| i.duration_s)?,
        mb_per_s: spread(|i| i.mb_per_s)?,
        rows_per_s: spread(|i| i.rows_per_s)?,
        rows: last.rows,
        bytes: last.bytes,
        cpu_rb_bench_s: median(&|i| Some(i.cpu.rb_bench_s)).unwrap_or(0.0),
        cpu_source_s: median(&|i| i.cpu.source_s),
        cpu_destination_s: median(&|i| i.cpu.destination_s),
        rss_peak: counted.iter().filter_map(|i| i.rss_peak).max(),
        chunk_p50_us: chunks.as_ref().map(|h| h.value_at_quantile(0.5)),
        chunk_p99_us: chunks.as_ref().map(|h| h.value_at_quantile(0.99)),
        retries: results.iter().map(|r| u64::from(r.retry_count)).sum(),
        source_wait_share: share(&|i, r| worker_share(i, r, |shard| shard.source_wait_s)),
        destination_wait_share: share(&|i, r| worker_share(i, r, |shard| shard.destination_wait_s)),
        commit_share: share(&|i, r| part(r.dest_commit_secs, i.duration_s)),
        parallelism_effective: resolved.parallelism_effective,
        parallelism_mode: resolved.parallelism_mode,
        parallelism_reason: resolved.parallelism_reason,
    })
}

/// What of an engine's result goes into a summary: a session has many results, and each is large.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Figures {
    retry_count: u32,
    parallelism: u32,
    dest_commit_secs: f64,
}

/// The share of workers x wall time that all shards together spent on this.
fn worker_share(
    iteration: &Iteration,
    result: &Figures,
    seconds: fn(&super::artifact::ShardRecord) -> f64,
) -> f64 {
    let spent: f64 = iteration.shards.iter().map(seconds).sum();
    let workers = planned_workers(iteration).unwrap_or_else(|| result.parallelism.max(1));
    part(spent, f64::from(workers) * iteration.duration_s)
}

/// Workers that an iteration's plan had; none where it does not say.
pub(super) fn planned_workers(iteration: &Iteration) -> Option<u32> {
    #[derive(Deserialize)]
    struct Workers {
        workers: u32,
    }
    let plan: Workers = iteration.plan.read()?;
    Some(plan.workers).filter(|n| *n > 0)
}

fn part(of: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        (of / whole).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// A distribution of an iteration; none where it is not there or not readable.
#[must_use]
pub fn distribution(iteration: &Iteration, name: &str) -> Option<Histogram<u64>> {
    decode(iteration.hdr.get(name)?).ok()
}

/// One distribution over all iterations that have it.
pub(super) fn merged(iterations: &[&Iteration], name: &str) -> Option<Histogram<u64>> {
    let mut whole: Option<Histogram<u64>> = None;
    for iteration in iterations.iter().filter(|i| i.hdr.contains_key(name)) {
        let one = distribution(iteration, name)?;
        match &mut whole {
            None => whole = Some(one),
            Some(whole) => whole.add(one).ok()?,
        }
    }
    whole.filter(|histogram| !histogram.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn pairs_need_both_halves_measured_and_verified() {
        let mut session = examples::session();
        assert_eq!(pairs(&session.iterations).len(), 2);
        session.iterations[3].verify.checksum_ok = Some(false);
        assert_eq!(pairs(&session.iterations).len(), 1);
    }

    #[test]
    fn warm_ups_never_count() {
        let session = examples::session();
        let summary = of(
            &session.iterations,
            &Rules::at(0.02),
            Status::Complete,
            None,
        );
        let before = &summary.arms[&Arm::Before];
        assert_eq!((before.iterations, before.verified), (2, 2));
        assert!((before.duration_s.median - 2.05).abs() < 1e-9, "{before:?}");
    }

    #[test]
    fn an_invalid_session_has_no_verdict_on_speed() {
        let session = examples::session();
        let summary = of(&session.iterations, &Rules::at(0.02), Status::Invalid, None);
        assert_eq!(summary.comparison.unwrap().verdict, "INVALID");
    }

    #[test]
    fn waiting_is_a_share_of_all_workers_time() {
        let session = examples::session();
        let summary = of(
            &session.iterations,
            &Rules::at(0.02),
            Status::Complete,
            None,
        );
        let after = &summary.arms[&Arm::After];
        // two shards waited 0.6 s each, two workers had 1.2 s each
        assert!(
            (after.destination_wait_share - 0.5).abs() < 1e-9,
            "{after:?}"
        );
        assert_eq!(after.chunk_p50_us, Some(100_031));
    }
}
