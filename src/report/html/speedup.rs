//! Throughput by the number of workers: what was measured, and the law that explains it.

use maud::{Markup, html};

use super::axis::Axis;
use super::plot::{Key, LEFT, Labels, Plot, RIGHT, TOP, figure, px};
use crate::bench::tune::artifact::{Stage, TuneArtifact, TuneIteration};
use crate::bench::tune::usl::Parameters;
use crate::units::ByteRate;

/// Bottom of the area for values.
const BOTTOM: f64 = 250.0;
/// Pieces that the curve is drawn in.
const PIECES: u32 = 96;

/// The figure; none where no value was measured, or where workers are not what was tuned.
pub(super) fn curve(artifact: &TuneArtifact) -> Option<Markup> {
    let settings = &artifact.summary.settings;
    let mut widths: Vec<u32> = settings.iter().map(|setting| setting.workers).collect();
    widths.dedup();
    if widths.len() < 2 || widths.len() < settings.len() {
        return None;
    }
    let most = widths.iter().copied().max().unwrap_or(1);
    let swept: Vec<(u32, &TuneIteration)> = settings
        .iter()
        .flat_map(|setting| {
            let of_setting =
                |i: &&TuneIteration| i.stage == Stage::Sweep && i.setting == setting.setting;
            let iterations = artifact.iterations.iter().filter(of_setting);
            iterations.map(|iteration| (setting.workers, iteration))
        })
        .filter(|(_, iteration)| iteration.iteration.is_measured())
        .collect();
    let fastest = swept
        .iter()
        .map(|(_, i)| i.iteration.mb_per_s)
        .fold(0.0, f64::max);
    let x = Axis::linear(0.0, f64::from(most) * 1.06, LEFT, RIGHT);
    let y = Axis::linear(0.0, fastest * 1.12, BOTTOM, TOP);
    let plot = Plot {
        alt: "throughput by the number of workers",
        bottom: BOTTOM,
        x: Labels::new(
            "workers",
            &x,
            x.ticks(8)
                .into_iter()
                .filter(|t| t.fract() == 0.0)
                .map(|t| (t, format!("{t}")))
                .collect(),
        ),
        y: Labels::numbered("throughput, MB/s", &y, 5),
    };
    let fit = artifact.summary.fit.as_ref();
    let chosen = artifact
        .summary
        .choice
        .as_ref()
        .map(|choice| choice.setting.as_str());
    let marks = html! {
        @if let Some(fit) = fit {
            path .line.host d=(straight(&fit.parameters, f64::from(most), fastest * 1.12, &x, &y)) {}
            path .line.fit d=(path(&fit.parameters, f64::from(most), &x, &y)) {}
        }
        @for (workers, iteration) in &swept {
            circle .after.faint cx=(px(x.at(f64::from(*workers)))) cy=(px(y.at(iteration.iteration.mb_per_s))) r="2.5" {}
        }
        @for setting in settings {
            @let (at, median) = (x.at(f64::from(setting.workers)), setting.mb_per_s.median);
            g .after {
                title { (setting.setting) ": median " (ByteRate(median * 1e6)) " of " (setting.rounds) " rounds" }
                circle cx=(px(at)) cy=(px(y.at(median))) r="4.5" {}
                @if chosen == Some(setting.setting.as_str()) {
                    circle .ring cx=(px(at)) cy=(px(y.at(median))) r="8.5" {}
                }
            }
        }
    };
    let mut keys: Vec<Key<'_>> = vec![("after", "measured: each iteration, and the median".into())];
    if fit.is_some() {
        keys.push(("fit", "Universal Scalability Law, fitted".into()));
        keys.push(("host", "as if workers never met".into()));
    }
    let explained = artifact.summary.fit_text.as_deref().unwrap_or("");
    let ring = if chosen.is_some() {
        " The ring is the choice."
    } else {
        ""
    };
    let reading = format!("{explained}.{ring} The fit explains; it does not choose.");
    let reading = if explained.is_empty() {
        ring.trim()
    } else {
        &reading
    };
    Some(figure("Speed-up", &keys, &plot.draw(&marks), reading))
}

/// The fitted curve from one worker to the most.
fn path(law: &Parameters, most: f64, x: &Axis, y: &Axis) -> String {
    let places = (0..=PIECES).map(|n| 1.0 + (most - 1.0) * f64::from(n) / f64::from(PIECES));
    let points: Vec<String> = places
        .map(|workers| {
            format!(
                "{} {}",
                px(x.at(workers)),
                px(y.at(law.throughput(workers)))
            )
        })
        .collect();
    format!("M{}", points.join("L"))
}

/// What one worker moves times their number, as far as the drawing goes.
fn straight(law: &Parameters, most: f64, highest: f64, x: &Axis, y: &Axis) -> String {
    let until = most.min(highest / law.lambda).max(1.0);
    let point = |workers: f64| format!("{} {}", px(x.at(workers)), px(y.at(law.lambda * workers)));
    format!("M{}L{}", point(1.0), point(until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::artifact::Status;
    use crate::bench::examples::tuning;
    use crate::bench::tune::summary;

    #[test]
    fn the_curve_shows_every_iteration_the_fit_and_the_choice() {
        let mut artifact = tuning(&[
            ("1", 1, &[3.0, 3.1, 3.2]),
            ("2", 2, &[1.7, 1.7, 1.8]),
            ("3", 3, &[1.5, 1.5, 1.6]),
            ("4", 4, &[1.5, 1.6, 1.6]),
        ]);
        artifact.summary = summary::of(&artifact, Status::Complete, None);
        let drawn = curve(&artifact).unwrap().into_string();
        assert_eq!(drawn.matches("r=\"2.5\"").count(), 12, "{drawn}");
        assert_eq!(drawn.matches("r=\"4.5\"").count(), 4);
        assert_eq!(drawn.matches("class=\"ring\"").count(), 1);
        assert_eq!(drawn.matches("class=\"line fit\"").count(), 1);
        assert!(drawn.contains("contention"), "{drawn}");
    }

    #[test]
    fn too_few_values_have_no_fit_and_one_has_no_curve() {
        let mut artifact = tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
        artifact.summary = summary::of(&artifact, Status::Complete, None);
        let drawn = curve(&artifact).unwrap().into_string();
        assert!(
            !drawn.contains("line fit") && drawn.contains("too few"),
            "{drawn}"
        );
        let mut artifact = tuning(&[("1", 1, &[3.0, 3.1, 3.2])]);
        artifact.summary = summary::of(&artifact, Status::Complete, None);
        assert!(curve(&artifact).is_none());
    }
}
