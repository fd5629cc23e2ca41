//! From the iterations of a tuning to what they say: each value, the choice, the regret, the fit.
//!
//! A pure function of what is saved, so that a tuning that goes on from a file comes to the same answer
//! as one that was never interrupted.

use std::collections::BTreeMap;

use super::artifact::{
    ChoiceRecord, ConfirmationRecord, LimitRecord, SettingSummary, Stage, TuneArtifact,
    TuneIteration, TuneSummary,
};
use super::choice::{Choice, Regret};
use super::isolate;
use super::knob::Knob;
use super::usl::{Fit, LEAST_POINTS, Point};
use crate::bench::artifact::{Iteration, Status};
use crate::bench::metric::Metric;
use crate::bench::order::Arm;
use crate::bench::rules::Rules;
use crate::bench::stats::{Estimate, Spread};
use crate::bench::summary::planned_workers;
use crate::bench::verdict::{Comparison, Verdict};

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
    let limit = limit(artifact, &settings, status);
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
        limit,
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
    let same: usize = protocol.same.values().map(Vec::len).sum();
    let measured = protocol.values.len().saturating_sub(same);
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
pub(super) fn workers(iteration: &Iteration) -> u32 {
    planned_workers(iteration).unwrap_or(0)
}

fn confirmation(
    artifact: &TuneArtifact,
    choice: &ChoiceRecord,
    status: Status,
) -> Option<ConfirmationRecord> {
    let protocol = &artifact.protocol;
    let (reference, workers) = (protocol.reference.as_ref()?, protocol.reference_workers?);
    let pairs = pairs(&artifact.iterations);
    let same_plan = protocol.reference_same_as.as_ref() == Some(&choice.setting);
    if pairs.is_empty() && !same_plan {
        return None;
    }
    let regret = Regret {
        comparison: compared(&pairs, artifact, status),
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

fn compared(pairs: &[(f64, f64)], artifact: &TuneArtifact, status: Status) -> Comparison {
    let rule = Rules::at(artifact.protocol.noise_threshold_pct / 100.0).rule(Metric::DurationS);
    let comparison = Comparison::of_pairs(pairs, rule);
    if status == Status::Invalid {
        comparison.invalidated()
    } else {
        comparison
    }
}

/// Which side limits, where both were measured alone.
fn limit(
    artifact: &TuneArtifact,
    settings: &[SettingSummary],
    status: Status,
) -> Option<LimitRecord> {
    let of = |name: &str| settings.iter().find(|s| s.setting == name);
    let (source, destination) = (of(isolate::SOURCE)?, of(isolate::DESTINATION)?);
    // seconds for a megabyte, by rounds
    let paces = |name: &'static str| -> BTreeMap<u32, f64> {
        swept(&artifact.iterations, name)
            .filter(|i| i.mb_per_s > 0.0)
            .map(|i| (i.pair, 1.0 / i.mb_per_s))
            .collect()
    };
    let against = |one: &'static str, other: &'static str| -> Comparison {
        let others = paces(other);
        let pairs: Vec<(f64, f64)> = paces(one)
            .into_iter()
            .filter_map(|(round, pace)| Some((pace, *others.get(&round)?)))
            .collect();
        compared(&pairs, artifact, status)
    };
    let comparison = against(isolate::SOURCE, isolate::DESTINATION);
    // no side can be slower than the whole it is part of, unless what stands for the other side is
    let overtaken = [isolate::SOURCE, isolate::DESTINATION]
        .into_iter()
        .find(|side| against(isolate::WHOLE, side).verdict == Verdict::Regressed);
    let estimate = comparison.estimate.as_ref();
    let unbelievable = overtaken.map(|side| {
        format!("it is not shown which side limits: the {side} is slower than the whole, so that what stands for the other side is measured with it")
    });
    let (side, told) = match (&unbelievable, comparison.verdict) {
        (Some(why), _) => (None, why.as_str()),
        (None, Verdict::Improved) => (Some("source"), "the source limits"),
        (None, Verdict::Regressed) => (Some("destination"), "the destination limits"),
        (None, Verdict::Equivalent) => (None, "neither side limits: both are as fast"),
        (None, _) => (None, "it is not shown which side limits"),
    };
    let rate = |setting: &SettingSummary| format!("{:.1} MB/s", setting.mb_per_s.median);
    let whole = of(isolate::WHOLE).map(|whole| format!(", the whole {}", rate(whole)));
    Some(LimitRecord {
        side: side.map(str::to_owned),
        rounds: comparison.size.least() as u32,
        ratio: estimate.map(Estimate::ratio),
        ci_low: estimate.map(|e| e.interval().0),
        ci_high: estimate.map(|e| e.interval().1),
        verdict: comparison.verdict.name().to_owned(),
        text: format!(
            "{told}; the source alone moves {}, the destination alone {}{}; the destination against the source: {comparison}",
            rate(source),
            rate(destination),
            whole.unwrap_or_default()
        ),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples::tuning;

    fn confirmed(artifact: &mut TuneArtifact, choice: f64, auto: f64) {
        let template = artifact.iterations[0].clone();
        for pair in 0..10 {
            for (arm, seconds) in [(Arm::Before, choice), (Arm::After, auto)] {
                let mut one = template.clone();
                one.stage = Stage::Confirm;
                one.iteration.arm = arm;
                one.iteration.pair = pair;
                one.iteration.duration_s = seconds + f64::from(pair) * 0.001;
                artifact.iterations.push(one);
            }
        }
    }

    const SWEEP: [(&str, u32, &[f64]); 3] = [
        ("1", 1, &[4.0, 4.1, 4.2]),
        ("2", 2, &[2.0, 2.1, 2.02]),
        ("4", 4, &[2.0, 1.99, 2.1]),
    ];

    #[test]
    fn the_smallest_that_is_good_enough_is_chosen_and_auto_held_against_it() {
        let mut artifact = tuning(&SWEEP);
        confirmed(&mut artifact, 2.0, 2.2);
        let summary = of(&artifact, Status::Complete, None);
        let choice = summary.choice.unwrap();
        assert_eq!((choice.setting.as_str(), choice.best.as_str()), ("2", "4"));
        let confirmation = summary.confirmation.unwrap();
        insta::assert_snapshot!(confirmation.text, @"auto = 2, regret 10.0 % (+10.0 .. +10.0), REGRESSED against the choice, 10 pairs, threshold 2.0 %; the choice is 2");
        assert_eq!(summary.fit, None);
        insta::assert_snapshot!(summary.fit_text.unwrap(), @"3 different numbers of workers are too few to fit the scalability law; it needs 4");
    }

    #[test]
    fn nothing_is_chosen_before_every_round_was_measured() {
        let mut artifact = tuning(&SWEEP);
        artifact.iterations.pop();
        let summary = of(&artifact, Status::Partial, None);
        assert_eq!((summary.choice, summary.confirmation), (None, None));
        assert_eq!(summary.settings.len(), 3);
    }

    #[test]
    fn throughput_that_grows_all_the_way_has_no_peak_in_range() {
        let growing: Vec<(String, u32, Vec<f64>)> = [1u32, 2, 4, 8]
            .iter()
            .map(|n| (n.to_string(), *n, vec![8.0 / f64::from(*n); 3]))
            .collect();
        let values: Vec<(&str, u32, &[f64])> = growing
            .iter()
            .map(|(value, n, seconds)| (value.as_str(), *n, seconds.as_slice()))
            .collect();
        let summary = of(&tuning(&values), Status::Complete, None);
        let text = summary.fit_text.unwrap();
        assert!(text.contains("no peak up to 8 workers"), "{text}");
        assert_eq!(summary.choice.unwrap().setting, "8");
    }

    #[test]
    fn the_slower_side_limits_once_enough_rounds_tell() {
        let seconds =
            |first: f64| -> Vec<f64> { (0..6).map(|n| first + f64::from(n) * 0.01).collect() };
        let (whole, source, destination) = (seconds(2.1), seconds(0.5), seconds(2.0));
        let of_rounds = |rounds: usize| {
            let mut artifact = tuning(&[
                (isolate::WHOLE, 2, &whole[..rounds]),
                (isolate::SOURCE, 2, &source[..rounds]),
                (isolate::DESTINATION, 2, &destination[..rounds]),
            ]);
            artifact.protocol.knob = None;
            of(&artifact, Status::Complete, None).limit.unwrap()
        };
        let limit = of_rounds(6);
        assert_eq!(limit.side.as_deref(), Some("destination"));
        insta::assert_snapshot!(limit.text, @"the destination limits; the source alone moves 361.9 MB/s, the destination alone 93.8 MB/s, the whole 89.4 MB/s; the destination against the source: REGRESSED  throughput -74.1 % (95 % CI -75.0 .. -73.2), 6 pairs, threshold 2 %");
        // a destination that is slower alone than with its source is not what was measured
        let mut slower = tuning(&[
            (isolate::WHOLE, 2, &destination),
            (isolate::SOURCE, 2, &source),
            (isolate::DESTINATION, 2, &seconds(4.0)),
        ]);
        slower.protocol.knob = None;
        let limit = of(&slower, Status::Complete, None).limit.unwrap();
        assert_eq!(limit.side, None);
        assert!(
            limit
                .text
                .contains("destination alone is slower than the whole"),
            "{}",
            limit.text
        );
        let limit = of_rounds(3);
        assert_eq!(
            (limit.side, limit.verdict.as_str()),
            (None, "INSUFFICIENT DATA")
        );
    }
}
