//! From the iterations of a tuning to what they say: each value, the choice, the regret, the fit.
//!
//! A pure function of what is saved, so that a tuning that goes on from a file comes to the same answer
//! as one that was never interrupted.

use std::collections::BTreeMap;

use super::artifact::{
    ChoiceRecord, ConfirmationRecord, SettingSummary, Stage, TuneArtifact, TuneIteration,
    TuneSummary,
};
use super::choice::{Choice, Regret};
use super::knob::Knob;
use super::usl::{Fit, LEAST_POINTS, Point};
use crate::bench::artifact::{Iteration, Status};
use crate::bench::metric::Metric;
use crate::bench::order::Arm;
use crate::bench::stats::{ALPHA, Spread};
use crate::bench::verdict::{Comparison, Rule};

/// Sums up what was measured so far; the fit, which takes its time, only of a session that ended.
#[must_use]
pub fn of(artifact: &TuneArtifact, status: Status, error: Option<String>) -> TuneSummary {
    let knob = artifact
        .protocol
        .knob
        .as_deref()
        .and_then(|key| Knob::find(key).ok());
    let settings = settings(artifact);
    let choice = knob.and_then(|knob| choice(artifact, &settings, knob));
    let confirmation = choice
        .as_ref()
        .and_then(|choice| confirmation(artifact, choice, status));
    let ended = status == Status::Complete;
    let (fit, fit_text) = if ended && knob == Some(Knob::Parallelism) {
        let points = points(artifact, &settings);
        let fit = Fit::of(&points, artifact.protocol.seed);
        let text = explained(fit.as_ref(), &points);
        (fit, Some(text))
    } else {
        (None, None)
    };
    TuneSummary {
        status,
        error,
        settings,
        fit,
        fit_text,
        choice,
        confirmation,
    }
}

/// The value to use, once every value was measured as often as planned.
#[must_use]
pub fn choice(
    artifact: &TuneArtifact,
    settings: &[SettingSummary],
    knob: Knob,
) -> Option<ChoiceRecord> {
    let protocol = &artifact.protocol;
    let measured = protocol.values.len() - protocol.same.values().map(Vec::len).sum::<usize>();
    let whole = settings.len() == measured && settings.iter().all(|s| s.rounds >= protocol.rounds);
    // the same work in each: the shortest median is the greatest throughput
    let throughputs: Vec<f64> = settings.iter().map(|s| 1.0 / s.duration_s.median).collect();
    let choice = Choice::of(&throughputs, protocol.noise_threshold_pct / 100.0);
    choice.filter(|_| whole).map(|choice| ChoiceRecord {
        setting: settings[choice.chosen].setting.clone(),
        best: settings[choice.best].setting.clone(),
        yaml: knob.yaml(&settings[choice.chosen].setting),
    })
}

/// Every value that was measured, in the order of preference.
#[must_use]
pub fn settings(artifact: &TuneArtifact) -> Vec<SettingSummary> {
    let protocol = &artifact.protocol;
    protocol
        .values
        .iter()
        .filter_map(|value| {
            let counted: Vec<&Iteration> = swept(&artifact.iterations, value).collect();
            let spread = |of: fn(&Iteration) -> f64| {
                Spread::of(&counted.iter().map(|i| of(i)).collect::<Vec<_>>())
            };
            Some(SettingSummary {
                setting: value.clone(),
                same_as: protocol.same.get(value).cloned().unwrap_or_default(),
                workers: workers(counted.first()?),
                rounds: counted.len() as u32,
                duration_s: spread(|i| i.duration_s)?,
                mb_per_s: spread(|i| i.mb_per_s)?,
                rows_per_s: spread(|i| i.rows_per_s)?,
            })
        })
        .collect()
}

fn swept<'a>(
    iterations: &'a [TuneIteration],
    value: &'a str,
) -> impl Iterator<Item = &'a Iteration> {
    iterations
        .iter()
        .filter(move |i| i.stage == Stage::Sweep && i.setting == value)
        .map(|i| &i.iteration)
        .filter(|i| i.is_measured())
}

/// Workers that an iteration's plan had.
fn workers(iteration: &Iteration) -> u32 {
    let planned = iteration
        .plan
        .get("workers")
        .and_then(serde_json::Value::as_u64);
    planned.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn confirmation(
    artifact: &TuneArtifact,
    choice: &ChoiceRecord,
    status: Status,
) -> Option<ConfirmationRecord> {
    let protocol = &artifact.protocol;
    let (reference, workers) = (&protocol.reference, protocol.reference_workers?);
    let pairs = pairs(&artifact.iterations);
    let same_plan = protocol.reference_same_as.as_ref() == Some(&choice.setting);
    if pairs.is_empty() && !same_plan {
        return None;
    }
    let rule = Rule {
        metric: Metric::DurationS,
        threshold: protocol.noise_threshold_pct / 100.0,
        alpha: ALPHA,
    };
    let comparison = Comparison::of_pairs(&pairs, rule);
    let regret = Regret {
        comparison: if status == Status::Invalid {
            comparison.invalidated()
        } else {
            comparison
        },
    };
    let estimate = regret.estimate();
    let told = if same_plan {
        "the same plan as the choice: there is nothing to regret".to_owned()
    } else {
        regret.to_string()
    };
    let resolved = if reference == "auto" {
        format!("auto = {workers}")
    } else {
        reference.clone()
    };
    Some(ConfirmationRecord {
        reference: reference.clone(),
        reference_workers: workers,
        same_plan,
        pairs: pairs.len() as u32,
        regret: estimate.map(|e| e.0),
        ci_low: estimate.map(|e| e.1),
        ci_high: estimate.map(|e| e.2),
        verdict: if same_plan {
            "EQUIVALENT".to_owned()
        } else {
            regret.comparison.verdict.name().to_owned()
        },
        text: format!("{resolved}, {told}; the choice is {}", choice.setting),
    })
}

/// The seconds of (choice, reference) of each pair of the confirmation.
fn pairs(iterations: &[TuneIteration]) -> Vec<(f64, f64)> {
    let mut halves: BTreeMap<u32, (Option<f64>, Option<f64>)> = BTreeMap::new();
    let confirming = iterations.iter().filter(|i| i.stage == Stage::Confirm);
    for iteration in confirming.map(|i| &i.iteration).filter(|i| i.is_measured()) {
        let pair = halves.entry(iteration.pair).or_default();
        match iteration.arm {
            Arm::Before => pair.0 = Some(iteration.duration_s),
            Arm::After => pair.1 = Some(iteration.duration_s),
        }
    }
    halves
        .into_values()
        .filter_map(|(before, after)| before.zip(after))
        .collect()
}

/// What the fit is made from: throughput by workers, in MB/s.
fn points(artifact: &TuneArtifact, settings: &[SettingSummary]) -> Vec<Point> {
    settings
        .iter()
        .map(|setting| Point {
            workers: setting.workers,
            throughputs: swept(&artifact.iterations, &setting.setting)
                .map(|i| i.mb_per_s)
                .collect(),
        })
        .filter(|point| point.workers > 0 && point.throughputs.iter().all(|x| *x > 0.0))
        .collect()
}

fn explained(fit: Option<&Fit>, points: &[Point]) -> String {
    let Some(fit) = fit else {
        return format!(
            "{} different numbers of workers are too few to fit the scalability law; it needs {LEAST_POINTS}",
            points.len()
        );
    };
    let most = points.iter().map(|p| p.workers).max().unwrap_or(0);
    let within = |n: f64| n <= f64::from(most);
    let high = match fit.peak_interval.high.filter(|high| within(*high)) {
        Some(high) => format!("{high:.1}"),
        None => format!("beyond {most}"),
    };
    let peak = match fit.peak.filter(|peak| within(*peak)) {
        Some(peak) => format!(
            "throughput peaks near {peak:.1} workers ({:.1} .. {high})",
            fit.peak_interval.low
        ),
        None => format!("no peak up to {most} workers"),
    };
    let share = |value: f64, low: f64, high: Option<f64>| {
        format!(
            "{:.1} % ({:.1} .. {:.1})",
            value * 100.0,
            low * 100.0,
            high.unwrap_or(f64::INFINITY) * 100.0
        )
    };
    format!(
        "contention {}, coherency {}; {peak}; one worker moves {:.1} MB/s; the curve explains {:.0} % of the variation",
        share(fit.parameters.sigma, fit.sigma.low, fit.sigma.high),
        share(fit.parameters.kappa, fit.kappa.low, fit.kappa.high),
        fit.parameters.lambda,
        fit.r_squared.max(0.0) * 100.0,
    )
}
