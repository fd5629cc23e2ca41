//! Wall times one after the other, a dot each: what drifted, what stood out.

use maud::{Markup, html};

use super::axis::Axis;
use super::plot::{LEFT, Labels, Plot, RIGHT, TOP, figure, px};
use crate::bench::artifact::{Artifact, Iteration, IterationPhase};
use crate::bench::compared::Compared;
use crate::bench::order::Arm;
use crate::bench::stats::Spread;
use crate::units::Seconds;

/// Bottom of the area for values.
const BOTTOM: f64 = 190.0;

/// One wall time.
struct Dot {
    arm: Arm,
    /// Where it stands in its row, from 1.
    place: f64,
    seconds: f64,
    /// What is said when it is pointed at.
    says: String,
    /// Whether it counts.
    counts: bool,
    /// Whether something may have disturbed it.
    flagged: bool,
}

impl Dot {
    fn of(iteration: &Iteration, place: f64) -> Self {
        let mut says = format!(
            "iteration {}, pair {}, {}: {}",
            iteration.idx + 1,
            iteration.pair + 1,
            iteration.arm,
            Seconds(iteration.duration_s)
        );
        for flag in &iteration.flags {
            says.push_str("; ");
            says.push_str(&flag.text);
        }
        Self {
            arm: iteration.arm,
            place,
            seconds: iteration.duration_s,
            says,
            counts: iteration.is_measured(),
            flagged: !iteration.flags.is_empty(),
        }
    }
}

/// The measured iterations of a session, in the order they ran.
pub(super) fn of_session(artifact: &Artifact) -> Markup {
    let measured = artifact
        .iterations
        .iter()
        .filter(|i| i.phase == IterationPhase::Measure);
    let dots: Vec<Dot> = measured
        .zip(1..)
        .map(|(i, place)| Dot::of(i, f64::from(place)))
        .collect();
    strip(
        &dots,
        "A dot is a measured iteration, in the order they ran; a ring round it: something may have disturbed it; a \
         cross: its rows did not arrive, and it counts for nothing. A broken line is an arm's median. The axis does not \
         begin at zero. Warm-ups are not shown.",
    )
}

/// The counted iterations of two sides.
pub(super) fn of_sides(compared: &Compared) -> Markup {
    let sides = [
        (Arm::Before, &compared.before),
        (Arm::After, &compared.after),
    ];
    let dots: Vec<Dot> = sides
        .into_iter()
        .flat_map(|(arm, side)| {
            side.durations_s
                .iter()
                .zip(1..)
                .map(move |(seconds, place)| Dot {
                    arm,
                    place: f64::from(place),
                    seconds: *seconds,
                    says: format!("{arm} {place}: {}", Seconds(*seconds)),
                    counts: true,
                    flagged: false,
                })
        })
        .collect();
    strip(
        &dots,
        "A dot is a counted iteration of a side, in its own order. A broken line is a side's median. The axis does not \
         begin at zero.",
    )
}

fn strip(dots: &[Dot], reading: &str) -> Markup {
    let most = dots.iter().map(|dot| dot.place).fold(1.0, f64::max);
    let y = Axis::around(dots.iter().map(|dot| dot.seconds), BOTTOM, TOP);
    let x = Axis::linear(0.0, most + 1.0, LEFT, RIGHT);
    let whole = x
        .ticks(8)
        .into_iter()
        .filter(|tick| tick.fract() == 0.0 && (1.0..=most).contains(tick))
        .map(|tick| (tick, format!("{tick}")))
        .collect();
    let plot = Plot {
        alt: "wall time of each iteration",
        bottom: BOTTOM,
        x: Labels::new("iteration", &x, whole),
        y: Labels::numbered("wall time, s", &y, 5),
    };
    let medians: Vec<(Arm, f64)> = [Arm::Before, Arm::After]
        .into_iter()
        .filter_map(|arm| Some((arm, median(dots, arm)?)))
        .collect();
    let marks = html! {
        @for (arm, median) in &medians {
            @let at = px(y.at(*median));
            line .quantile.tail.(arm) x1=(px(LEFT)) x2=(px(RIGHT)) y1=(at) y2=(at) {}
        }
        @for dot in dots { (draw(dot, x.at(dot.place), y.at(dot.seconds))) }
    };
    let keys: Vec<(&str, String)> = medians
        .iter()
        .map(|(arm, median)| (arm.name(), format!("{arm}, median {}", Seconds(*median))))
        .collect();
    figure("Iterations", &keys, &plot.draw(&marks), reading)
}

/// The median of an arm's times that count.
fn median(dots: &[Dot], arm: Arm) -> Option<f64> {
    let counted = dots.iter().filter(|dot| dot.arm == arm && dot.counts);
    let times: Vec<f64> = counted.map(|dot| dot.seconds).collect();
    Spread::of(&times).map(|spread| spread.median)
}

fn draw(dot: &Dot, x: f64, y: f64) -> Markup {
    html! {
        g .(dot.arm) {
            title { (dot.says) }
            @if dot.counts {
                circle cx=(px(x)) cy=(px(y)) r="4" {}
            } @else {
                path .invalid d={ "M" (px(x - 4.0)) " " (px(y - 4.0)) "l8 8m0 -8l-8 8" } {}
            }
            @if dot.flagged { circle .ring cx=(px(x)) cy=(px(y)) r="7" {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::artifact::Flag;
    use crate::bench::examples;

    #[test]
    fn every_measured_iteration_is_a_dot_and_what_is_wrong_with_it_is_seen() {
        let mut session = examples::session();
        let drawn = of_session(&session).into_string();
        assert_eq!(
            drawn.matches("r=\"4\"").count(),
            4,
            "warm-ups are no dots: {drawn}"
        );
        assert!(!drawn.contains("class=\"ring\""), "{drawn}");
        session.iterations[2].verify.checksum_ok = Some(false);
        session.iterations[3].flags.push(Flag {
            kind: "x".into(),
            text: "<script>".into(),
        });
        let drawn = of_session(&session).into_string();
        assert_eq!(drawn.matches("r=\"4\"").count(), 3);
        assert_eq!(drawn.matches("class=\"invalid\"").count(), 1);
        assert_eq!(drawn.matches("class=\"ring\"").count(), 1);
        assert!(
            drawn.contains("&lt;script&gt;") && !drawn.contains("<script>"),
            "{drawn}"
        );
    }
}
