//! The ratio of every pair, and what they say together against the threshold.

use maud::{Markup, html};

use super::axis::Axis;
use super::plot::{LEFT, Labels, Plot, RIGHT, TOP, figure, px};
use crate::bench::artifact::{Artifact, ComparisonRecord};
use crate::bench::summary;

/// Room for one pair's dot, at most and at least.
const LANE: (f64, f64) = (5.0, 16.0);
/// Room for the interval, below the pairs.
const INTERVAL: f64 = 26.0;

/// The figure; none where no pair was measured.
pub(super) fn ratios(artifact: &Artifact, comparison: &ComparisonRecord) -> Option<Markup> {
    let ratios: Vec<f64> = summary::pairs(&artifact.iterations)
        .into_iter()
        .map(|(before, after)| before.duration_s / after.duration_s)
        .collect();
    if ratios.is_empty() {
        return None;
    }
    let threshold = 1.0 + comparison.threshold_pct / 100.0;
    let ends = [comparison.ci_low, comparison.ci_high]
        .into_iter()
        .flatten();
    let values = ratios
        .iter()
        .copied()
        .chain(ends)
        .chain([threshold, 1.0 / threshold]);
    let x = Axis::around(values, LEFT, RIGHT);
    let lane = (160.0 / ratios.len() as f64).clamp(LANE.0, LANE.1);
    let bottom = TOP + lane * ratios.len() as f64 + INTERVAL;
    let y = Axis::linear(0.0, ratios.len() as f64, TOP, bottom - INTERVAL);
    let every = ratios.len().div_ceil(8);
    let numbers = (0..ratios.len())
        .filter(|n| n % every == 0)
        .map(|n| (n as f64 + 0.5, (n + 1).to_string()))
        .collect();
    let plot = Plot {
        alt: "speed of after as a multiple of before, for each pair",
        bottom,
        x: Labels::numbered("speed of after / speed of before", &x, 6),
        y: Labels::new("pair", &y, numbers),
    };
    let marks = html! {
        @let (low, high) = (x.at(1.0 / threshold), x.at(threshold));
        rect .within x=(px(low)) width=(px(high - low)) y=(px(TOP)) height=(px(bottom - TOP)) {}
        line .axis x1=(px(x.at(1.0))) x2=(px(x.at(1.0))) y1=(px(TOP)) y2=(px(bottom)) {}
        @for (n, ratio) in ratios.iter().enumerate() {
            circle .after cx=(px(x.at(*ratio))) cy=(px(y.at(n as f64 + 0.5))) r=(px((lane / 2.0).min(4.0))) {
                title { "pair " (n + 1) ": " (format!("{ratio:.3}")) " x" }
            }
        }
        @if let (Some(estimate), Some(low), Some(high)) = (comparison.estimate, comparison.ci_low, comparison.ci_high) {
            @let middle = bottom - INTERVAL / 2.0;
            line .interval x1=(px(x.at(low))) x2=(px(x.at(high))) y1=(px(middle)) y2=(px(middle)) {}
            @for end in [low, high] {
                line .interval x1=(px(x.at(end))) x2=(px(x.at(end))) y1=(px(middle - 5.0)) y2=(px(middle + 5.0)) {}
            }
            path .estimate d={ "M" (px(x.at(estimate))) " " (px(middle - 6.0)) "l6 6l-6 6l-6 -6z" } {}
        }
    };
    let confidence = comparison.confidence.map_or_else(
        || "Too few pairs for an interval.".to_owned(),
        |confidence| {
            format!(
                "Below them the estimate over all pairs (Hodges-Lehmann) with its {:.1} % interval.",
                confidence * 100.0
            )
        },
    );
    Some(figure(
        "Each pair",
        &[],
        &plot.draw(&marks),
        &format!(
            "A dot is one pair: right of 1 the after arm was faster. The band is the threshold of {:.1} %, within \
             which a change does not count. {confidence}",
            comparison.threshold_pct
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;

    #[test]
    fn an_interval_is_drawn_only_where_there_is_one() {
        let session = examples::session();
        let mut comparison = session.summary.comparison.clone().unwrap();
        let drawn = ratios(&session, &comparison).unwrap().into_string();
        assert_eq!(drawn.matches("<circle").count(), 2);
        assert!(!drawn.contains("class=\"interval\"") && drawn.contains("Too few pairs"));
        comparison.estimate = Some(1.7);
        (comparison.ci_low, comparison.ci_high) = (Some(1.6), Some(1.8));
        comparison.confidence = Some(0.95);
        let drawn = ratios(&session, &comparison).unwrap().into_string();
        assert_eq!(drawn.matches("class=\"interval\"").count(), 3);
        assert!(drawn.contains("95.0 % interval"), "{drawn}");
    }
}
