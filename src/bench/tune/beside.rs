//! Each value of a tuning beside what the reference (`auto`) resolves to: by rounds, with what it costs
//! in CPU.
//!
//! Information for who looks at a sweep. It never chooses: a sweep has few rounds, and its chance of
//! error is shared out over all values that are compared.

use std::collections::BTreeMap;

use super::artifact::{Stage, TuneArtifact};
use crate::bench::artifact::{Iteration, PostgresRecord, ServerRecord, Status};
use crate::bench::metric::Metric;
use crate::bench::rules::Rules;
use crate::bench::stats::Spread;
use crate::bench::verdict::{Comparison, Rule};

/// A value beside the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// The value.
    pub setting: String,
    /// Cores that rb-bench and both servers kept busy for it; none where a server is on another host.
    pub cores: Option<Spread>,
    /// Megabytes a second for each of these cores; none likewise.
    pub mb_per_core: Option<Spread>,
    /// How it stands against the reference.
    pub against: Against,
}

/// How a value stands against the reference.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// It is what the reference resolves to.
    Same,
    /// The reference (before) against the value (after), by rounds.
    Compared(Comparison),
    /// The reference resolves to none of the values, or that is not known yet.
    Unknown,
}

impl Against {
    /// `= auto`, or the verdict's word; empty where nothing is known.
    #[must_use]
    pub fn word(&self, reference: &str) -> String {
        match self {
            Self::Same => format!("= {reference}"),
            Self::Compared(comparison) => comparison.verdict.name().to_owned(),
            Self::Unknown => String::new(),
        }
    }
}

/// Every value that was measured, in the order of preference.
#[must_use]
pub fn all(artifact: &TuneArtifact) -> Vec<Beside> {
    let protocol = &artifact.protocol;
    let mut by_value: BTreeMap<&str, Vec<&Iteration>> = BTreeMap::new();
    for one in &artifact.iterations {
        if one.stage == Stage::Sweep && one.iteration.is_measured() {
            by_value
                .entry(&one.setting)
                .or_default()
                .push(&one.iteration);
        }
    }
    let reference = protocol.reference_same_as.as_deref();
    let seconds = |value: &str| -> BTreeMap<u32, f64> {
        let of = by_value.get(value).map(Vec::as_slice).unwrap_or_default();
        of.iter().map(|i| (i.pair, i.duration_s)).collect()
    };
    let compared = by_value.len().saturating_sub(1).max(1);
    let rule = Rules::at(protocol.noise_threshold_pct / 100.0).rule(Metric::DurationS);
    let rule = Rule {
        alpha: rule.alpha / compared as f64,
        ..rule
    };
    let against = |value: &str| match reference {
        None => Against::Unknown,
        Some(reference) if reference == value => Against::Same,
        Some(reference) => {
            let after = seconds(value);
            let pairs: Vec<(f64, f64)> = seconds(reference)
                .into_iter()
                .filter_map(|(round, before)| Some((before, *after.get(&round)?)))
                .collect();
            let comparison = Comparison::of_pairs(&pairs, rule);
            Against::Compared(if artifact.summary.status == Status::Invalid {
                comparison.invalidated()
            } else {
                comparison
            })
        }
    };
    let cores = |iteration: &Iteration| cores(iteration, &artifact.postgres);
    protocol
        .values
        .iter()
        .filter_map(|value| {
            let iterations = by_value.get(value.as_str())?;
            let spread = |of: &dyn Fn(&Iteration) -> Option<f64>| {
                let values: Option<Vec<f64>> = iterations.iter().map(|i| of(i)).collect();
                values.and_then(|values| Spread::of(&values))
            };
            Some(Beside {
                setting: value.clone(),
                cores: spread(&cores),
                mb_per_core: spread(&|i| {
                    let cores = cores(i).filter(|cores| *cores > 0.0)?;
                    Some(i.mb_per_s / cores)
                }),
                against: against(value),
            })
        })
        .collect()
}

/// CPU seconds of all there are for each second of wall time; none where a server is on another host.
fn cores(iteration: &Iteration, servers: &PostgresRecord) -> Option<f64> {
    let cpu = &iteration.cpu;
    let of = |server: &Option<ServerRecord>, seconds| match server {
        Some(_) => seconds,
        None => Some(0.0),
    };
    let source = of(&servers.source, cpu.source_s)?;
    let destination = of(&servers.destination, cpu.destination_s)?;
    let seconds = cpu.rb_bench_s + source + destination;
    (iteration.duration_s > 0.0).then(|| seconds / iteration.duration_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples::tuning;

    fn words(artifact: &TuneArtifact) -> Vec<String> {
        all(artifact)
            .iter()
            .map(|beside| beside.against.word("auto"))
            .collect()
    }

    #[test]
    fn a_value_is_set_against_the_one_that_auto_resolves_to() {
        let slow = [3.0, 3.1, 3.2, 3.0, 3.1, 3.2, 3.3, 3.1];
        let fast = slow.map(|s| s / 2.0);
        let mut artifact = tuning(&[("1", 1, &slow), ("2", 2, &fast), ("4", 4, &slow[..3])]);
        assert_eq!(words(&artifact), ["", "", ""]);
        artifact.protocol.reference_same_as = Some("2".into());
        assert_eq!(
            words(&artifact),
            ["REGRESSED", "= auto", "INSUFFICIENT DATA"]
        );
        artifact.summary.status = Status::Invalid;
        assert_eq!(words(&artifact), ["INVALID", "= auto", "INVALID"]);
    }

    #[test]
    fn what_a_value_costs_is_counted_in_cores() {
        // 0.25 + 0.8 + 1.9 CPU seconds in 2 s, at 95 MB/s
        let mut artifact = tuning(&[("1", 1, &[2.0, 2.0, 2.0])]);
        let beside = &all(&artifact)[0];
        let cores = beside.cores.unwrap().median;
        assert!((cores - 1.475).abs() < 1e-9, "{cores}");
        let each = beside.mb_per_core.unwrap().median;
        assert!((each - 95.0 / 1.475).abs() < 1e-9, "{each}");
        // on other hosts nobody knows
        for one in &mut artifact.iterations {
            one.iteration.cpu.source_s = None;
        }
        assert_eq!(all(&artifact)[0].cores, None);
    }
}
