//! By which rules a session is judged: metrics, threshold, looks; decided before it begins.
//!
//! The chance of a wrong verdict is shared out over everything that may give one: m metrics and k
//! looks take intervals at alpha / (m k) (Bonferroni), whatever order they are looked at in.

use std::collections::BTreeMap;

use super::metric::Metric;
use super::stats::{ALPHA, pairs_needed};
use super::verdict::Rule;

/// The pairs at which a session that runs until it is resolved is looked at.
pub const LOOKS: [u32; 3] = [8, 12, 20];

/// The rules of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    metrics: Vec<Metric>,
    threshold: f64,
    floors: BTreeMap<Metric, f64>,
    until_resolved: bool,
}

impl Rules {
    /// Wall time alone against a threshold, 0.02 for 2 %, in a number of pairs that is fixed.
    #[must_use]
    pub fn at(threshold: f64) -> Self {
        Self {
            metrics: vec![Metric::DurationS],
            threshold,
            floors: BTreeMap::new(),
            until_resolved: false,
        }
    }

    /// The same with further metrics that get a verdict.
    #[must_use]
    pub fn with_gates(mut self, gates: &[Metric]) -> Self {
        for metric in gates {
            if !self.metrics.contains(metric) {
                self.metrics.push(*metric);
            }
        }
        self
    }

    /// The same, but looked at in between, at [`LOOKS`], and ended when it is resolved.
    #[must_use]
    pub fn until_resolved(self) -> Self {
        Self {
            until_resolved: true,
            ..self
        }
    }

    /// The same where the noise of metrics is known, 0.02 for 2 %: no change below it counts.
    #[must_use]
    pub fn with_floors(self, floors: BTreeMap<Metric, f64>) -> Self {
        Self { floors, ..self }
    }

    /// The metrics that get a verdict, wall time first.
    #[must_use]
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The smallest change of wall time that counts: 0.02 for 2 %.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.rule(Metric::DurationS).threshold
    }

    /// The pairs at which it is decided whether to go on; empty where their number is fixed.
    #[must_use]
    pub fn looks(&self) -> &'static [u32] {
        if self.until_resolved { &LOOKS } else { &[] }
    }

    /// The chance of a wrong interval that each comparison may take.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        ALPHA / (self.metrics.len() * self.looks().len().max(1)) as f64
    }

    /// The fewest pairs that can carry a verdict.
    #[must_use]
    pub fn pairs_needed(&self) -> u32 {
        pairs_needed(self.alpha()) as u32
    }

    /// What one metric is held against.
    #[must_use]
    pub fn rule(&self, metric: Metric) -> Rule {
        let floor = self.floors.get(&metric).copied().unwrap_or(0.0);
        Rule {
            metric,
            threshold: self.threshold.max(floor),
            alpha: self.alpha(),
        }
    }

    /// How many of so many pairs are judged: all, or those of the last look that was reached; none
    /// before the first look.
    #[must_use]
    pub fn judged(&self, pairs: usize) -> Option<usize> {
        if !self.until_resolved {
            return Some(pairs);
        }
        let looks = self.looks().iter().map(|look| *look as usize);
        looks.filter(|look| *look <= pairs).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chance_of_a_wrong_verdict_is_shared_out() {
        let alpha = |further: &[Metric], looks| {
            let rules = Rules::at(0.02).with_gates(further);
            if looks { rules.until_resolved() } else { rules }.alpha()
        };
        assert!((alpha(&[], false) - 0.05).abs() < 1e-12);
        assert!((alpha(&[Metric::DurationS], false) - 0.05).abs() < 1e-12);
        assert!((alpha(&[Metric::RssPeak, Metric::RssPeak], false) - 0.025).abs() < 1e-12);
        assert!((alpha(&[Metric::RssPeak], true) - 0.05 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn a_threshold_is_never_below_the_noise_of_its_metric() {
        let floors = BTreeMap::from([(Metric::DurationS, 0.03), (Metric::RssPeak, 0.01)]);
        let rules = Rules::at(0.02).with_floors(floors);
        let threshold = |metric| rules.rule(metric).threshold;
        assert!((rules.threshold() - 0.03).abs() < 1e-12);
        assert!((threshold(Metric::RssPeak) - 0.02).abs() < 1e-12);
        assert!((threshold(Metric::WalBytes) - 0.02).abs() < 1e-12);
    }

    #[test]
    fn more_gates_need_more_pairs() {
        let needed = |further: &[Metric]| Rules::at(0.02).with_gates(further).pairs_needed();
        assert_eq!(needed(&[]), 6);
        assert_eq!(needed(&[Metric::RssPeak]), 7);
        assert_eq!(needed(&Metric::ALL), 9);
    }

    #[test]
    fn a_session_until_resolved_is_judged_at_its_looks_alone() {
        let judged = [7, 8, 11, 12, 19, 20].map(|n| Rules::at(0.02).until_resolved().judged(n));
        assert_eq!(
            judged,
            [None, Some(8), Some(8), Some(12), Some(12), Some(20)]
        );
        assert_eq!(Rules::at(0.02).judged(3), Some(3));
    }
}
