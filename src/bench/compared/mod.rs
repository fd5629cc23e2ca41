//! Two arms set side by side: of two saved sessions, or of one.
//!
//! Two arms of one session were measured in pairs. Two sessions were not: what drifted between them
//! is not controlled, and where their conditions differ nothing is compared at all unless each
//! difference is waived by name. Only the verdicts judge; everything else is information.

mod distribution;
mod measure;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

pub use distribution::{Class, Distribution, Percentiles};
pub use measure::{Measure, Unit};

use super::artifact::{Artifact, ComparisonRecord, Iteration, IterationPhase, Status};
use super::conditions::{Condition, Conditions, Difference};
use super::metric::Metric;
use super::order::Arm;
use super::rules::Rules;
use super::summary;
use super::verdict::{Comparison, Verdict};
use crate::error::{Error, Kind, Result};

/// The format of the document that `rb-bench compare --format json` prints.
pub const SCHEMA: &str = "rb-bench.compare.v1";

/// One of the two arms that are compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its session.
    pub session: &'a Artifact,
    /// Which arm of it.
    pub arm: Arm,
}

impl<'a> Side<'a> {
    fn iterations(self) -> Vec<&'a Iteration> {
        let iterations = self.session.iterations.iter();
        iterations
            .filter(|i| i.arm == self.arm && i.is_measured())
            .collect()
    }

    /// Whether rows of this arm did not arrive as they left.
    fn is_invalid(self) -> bool {
        let counted = |i: &&Iteration| i.arm == self.arm && i.phase == IterationPhase::Measure;
        self.session.summary.status == Status::Invalid
            || self
                .session
                .iterations
                .iter()
                .filter(counted)
                .any(|i| !i.verify.is_ok())
    }
}

/// What one side was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideRecord {
    /// The session's id.
    pub session: String,
    /// Its label.
    pub label: Option<String>,
    /// When it began, UTC.
    pub created_at: String,
    /// Which arm of it.
    pub arm: Arm,
    /// The profile that was measured.
    pub profile: String,
    /// rb-bench's version.
    pub version: String,
    /// The arm's overrides, `key=value`.
    pub settings: Vec<String>,
    /// Whether the session ended before all was measured.
    pub partial: bool,
    /// Wall time of each counted iteration, seconds, in their order.
    pub durations_s: Vec<f64>,
    /// Workers that the runs resolved to.
    pub parallelism_effective: u32,
    /// `auto` or `manual`.
    pub parallelism_mode: String,
    /// Why that many.
    pub parallelism_reason: String,
}

/// Two arms set side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What is compared with.
    pub before: SideRecord,
    /// What is in question.
    pub after: SideRecord,
    /// Whether both arms were measured in pairs, in one session.
    pub paired: bool,
    /// What differs and was not waived: with any of them nothing is compared.
    pub differences: Vec<Difference>,
    /// What differs and was waived.
    pub waived: Vec<Difference>,
    /// The answer in wall time.
    pub verdict: String,
    /// Every verdict, wall time first, then the gated metrics.
    pub verdicts: Vec<ComparisonRecord>,
    /// Figures of both sides; none where nothing is compared.
    pub measures: Vec<Measure>,
    /// Latencies of both sides; none where nothing is compared.
    pub distributions: Vec<Distribution>,
    /// The smallest change that counts, percent.
    pub threshold_pct: f64,
}

impl Compared {
    /// Whether the two may be compared.
    #[must_use]
    pub fn is_comparable(&self) -> bool {
        self.differences.is_empty()
    }

    /// The two arms of one session, in pairs.
    ///
    /// # Errors
    /// `Kind::Usage` where it has one arm only; `Kind::Data` where it has no valid measurement.
    pub fn within(session: &Artifact, rules: &Rules) -> Result<Self> {
        if session.protocol.arms != "both" {
            return Err(Error::new(
                Kind::Usage,
                format!("session {} has the after arm alone", session.id),
            )
            .remedy("name a second session to compare it with"));
        }
        let side = |arm| Side { session, arm };
        let (before, after) = (side(Arm::Before), side(Arm::After));
        let mut compared = Self::blank(before, after, rules)?;
        compared.paired = true;
        let comparisons = summary::comparisons(&session.iterations, rules);
        let pairs = summary::pairs(&session.iterations);
        let (b, a): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        compared.fill(
            comparisons,
            before.is_invalid() || after.is_invalid(),
            &b,
            &a,
        );
        Ok(compared)
    }

    /// The same by the rules that the session itself was measured by.
    ///
    /// # Errors
    /// Those of [`Self::within`], and a metric that this version does not know.
    pub fn of_session(session: &Artifact) -> Result<Self> {
        Self::within(session, &rules_of(session, None)?)
    }

    /// An arm of one session and an arm of another, not in pairs.
    ///
    /// # Errors
    /// `Kind::Data` where an arm has no valid measurement.
    pub fn between(
        before: Side<'_>,
        after: Side<'_>,
        rules: &Rules,
        allowed: &BTreeSet<Condition>,
    ) -> Result<Self> {
        let mut compared = Self::blank(before, after, rules)?;
        let conditions = Conditions::of(before.session);
        (compared.waived, compared.differences) = conditions
            .differences(&Conditions::of(after.session))
            .into_iter()
            .partition(|difference| allowed.contains(&difference.condition));
        let (b, a) = (before.iterations(), after.iterations());
        let compare = |metric: &Metric| {
            let values = |of: &[&Iteration]| -> Vec<f64> {
                of.iter()
                    .filter_map(|iteration| metric.of(iteration))
                    .collect()
            };
            Comparison::of_samples(&values(&b), &values(&a), rules.rule(*metric))
        };
        let mut comparisons: Vec<Comparison> = rules.metrics().iter().map(compare).collect();
        if !compared.is_comparable() {
            comparisons = comparisons
                .into_iter()
                .map(Comparison::not_comparable)
                .collect();
        }
        compared.fill(
            comparisons,
            before.is_invalid() || after.is_invalid(),
            &b,
            &a,
        );
        Ok(compared)
    }

    /// Both sides, before anything is compared.
    fn blank(before: Side<'_>, after: Side<'_>, rules: &Rules) -> Result<Self> {
        Ok(Self {
            schema: SCHEMA,
            before: side_record(before)?,
            after: side_record(after)?,
            paired: false,
            differences: Vec::new(),
            waived: Vec::new(),
            verdict: Verdict::NotComparable.name().to_owned(),
            verdicts: Vec::new(),
            measures: Vec::new(),
            distributions: Vec::new(),
            threshold_pct: rules.threshold() * 100.0,
        })
    }

    fn fill(
        &mut self,
        comparisons: Vec<Comparison>,
        invalid: bool,
        before: &[&Iteration],
        after: &[&Iteration],
    ) {
        let judge = |comparison: Comparison| match comparison.verdict {
            Verdict::NotComparable => comparison,
            _ if invalid => comparison.invalidated(),
            _ => comparison,
        };
        self.verdicts = comparisons
            .into_iter()
            .map(|comparison| ComparisonRecord::from(&judge(comparison)))
            .collect();
        if let Some(first) = self.verdicts.first() {
            self.verdict.clone_from(&first.verdict);
        }
        if self.is_comparable() {
            self.measures = measure::all(before, after, self.paired);
            self.distributions = distribution::all(before, after);
        }
    }
}

/// The rules that a session was measured by, or those with another threshold, 0.02 for 2 %. What it
/// was judged by then shares the chance of error with all that it is judged by later.
///
/// # Errors
/// `Kind::Usage` for a metric that this version does not know.
pub fn rules_of(session: &Artifact, threshold: Option<f64>) -> Result<Rules> {
    let protocol = &session.protocol;
    let gates = protocol.gates.iter().map(|name| name.parse());
    let gates: Vec<Metric> = gates.collect::<Result<_>>()?;
    let threshold = threshold.unwrap_or(protocol.noise_threshold_pct / 100.0);
    let rules = Rules::at(threshold).with_gates(&gates);
    Ok(if protocol.looks.is_empty() {
        rules
    } else {
        // it was looked at more than once, and may not be judged as if it had not been
        rules.until_resolved()
    })
}

/// The rules for two sessions: by the threshold that was asked for, percent, else the larger one of the
/// two.
#[must_use]
pub fn rules_between(sessions: [&Artifact; 2], percent: Option<f64>) -> Rules {
    let kept = sessions.iter().map(|s| s.protocol.noise_threshold_pct);
    Rules::at(percent.unwrap_or_else(|| kept.fold(0.0, f64::max)) / 100.0)
}

fn side_record(side: Side<'_>) -> Result<SideRecord> {
    let Side { session, arm } = side;
    let nothing = || {
        Error::new(
            Kind::Data,
            format!(
                "session {} has no valid measurement of the {arm} arm",
                session.id
            ),
        )
    };
    let summary = session.summary.arms.get(&arm).ok_or_else(nothing)?;
    let iterations = side.iterations();
    let settings = match arm {
        Arm::Before => &session.protocol.before,
        Arm::After => &session.protocol.after,
    };
    Ok(SideRecord {
        session: session.id.clone(),
        label: session.label.clone(),
        created_at: session.created_at.clone(),
        arm,
        profile: session.profile.name.clone(),
        version: format!("{} {}", session.tool.version, session.tool.build),
        settings: settings
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect(),
        partial: session.partial,
        durations_s: iterations.iter().map(|i| i.duration_s).collect(),
        parallelism_effective: summary.parallelism_effective,
        parallelism_mode: summary.parallelism_mode.clone(),
        parallelism_reason: summary.parallelism_reason.clone(),
    })
}
