//! Latencies of two sides, mirrored: before above the line, after below it, on one scale.

use maud::{Markup, html};

use super::axis::Axis;
use super::plot::{LEFT, Labels, Plot, RIGHT, TOP, figure, px};
use crate::bench::compared::{Distribution, Percentiles};
use crate::units::{Rows, Seconds};

/// Bottom of the area for values.
const BOTTOM: f64 = 216.0;

/// One figure a distribution.
pub(super) fn all(distributions: &[Distribution]) -> Markup {
    html! { @for distribution in distributions { (mirrored(distribution)) } }
}

fn mirrored(distribution: &Distribution) -> Markup {
    let (title, reading) = words(distribution.name);
    let classes = &distribution.classes;
    let low = classes.first().map_or(1.0, |class| class.from_us);
    let high = classes.last().map_or(1.0, |class| class.to_us);
    // values that are all alike get a bar in the middle
    let x = Axis::log(low / 1.03, (high * 1.03).max(low * 1.1), LEFT, RIGHT);
    let shares = classes.iter().flat_map(|class| [class.before, class.after]);
    let most = shares.fold(0.0, f64::max).max(1e-6) * 1.05;
    let y = Axis::linear(-most, most, BOTTOM, TOP);
    let sides = [
        ("before", 1.0, distribution.before),
        ("after", -1.0, distribution.after),
    ];
    let plot = Plot {
        alt: title,
        bottom: BOTTOM,
        x: Labels::new("time, logarithmic", &x, texts(x.ticks(6), latency)),
        y: Labels::new("share", &y, texts(y.ticks(4), |share| percent(share.abs()))),
    };
    let marks = html! {
        @for class in classes {
            @let (from, to) = (x.at(class.from_us), x.at(class.to_us));
            @for (side, share) in [("before", class.before), ("after", -class.after)] {
                @if share != 0.0 {
                    @let (foot, head) = (y.at(0.0), y.at(share));
                    rect .(side) x=(px(from + 0.5)) width=(px((to - from - 1.0).max(3.0)))
                        y=(px(foot.min(head))) height=(px((foot - head).abs())) {
                        title { (side) ": " (percent(share.abs())) " from " (micros(class.from_us)) " to " (micros(class.to_us)) }
                    }
                }
            }
        }
        @for (side, sign, percentiles) in sides {
            @if let Some(percentiles) = percentiles {
                @for (value, class) in [(percentiles.p50, "median"), (percentiles.p99, "tail")] {
                    @let at = px(x.at(value as f64));
                    line .quantile.(class).(side) x1=(at) x2=(at) y1=(px(y.at(0.0))) y2=(px(y.at(most * sign))) {}
                }
            }
        }
        line .axis x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(y.at(0.0))) y2=(px(y.at(0.0))) {}
    };
    let keys = sides.map(|(side, _, percentiles)| (side, format!("{side} {}", told(percentiles))));
    figure(title, &keys, &plot.draw(&marks), reading)
}

/// What a distribution is called on a page, and how to read it.
fn words(name: &str) -> (&str, &str) {
    match name {
        "chunk_us" => (
            "Time of a chunk",
            "From asking for its first byte to its last byte accepted. Before is above the line, after below it; a full \
             line is the median, a broken one the 99th percentile.",
        ),
        "fetch_us" => (
            "Waits for the source",
            "Each time that a worker had to wait for bytes of the source.",
        ),
        "flush_us" => (
            "Waits for the destination",
            "Each time that a worker had to wait until the destination took bytes.",
        ),
        "commit_us" => ("Commits", "Each PREPARE and each COMMIT of a worker."),
        other => (other, ""),
    }
}

/// `p50 189 ms, p99 221 ms, 48 values`.
fn told(percentiles: Option<Percentiles>) -> String {
    percentiles.map_or_else(
        || "recorded none".into(),
        |p| {
            let (p50, p99) = (micros(p.p50 as f64), micros(p.p99 as f64));
            format!("p50 {p50}, p99 {p99}, {} values", Rows(p.count))
        },
    )
}

fn texts(ticks: Vec<f64>, text: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    ticks.into_iter().map(|tick| (tick, text(tick))).collect()
}

fn micros(us: f64) -> Seconds {
    Seconds(us / 1e6)
}

/// A round number of microseconds.
fn latency(us: f64) -> String {
    let (value, unit) = if us >= 1e6 {
        (us / 1e6, "s")
    } else if us >= 1e3 {
        (us / 1e3, "ms")
    } else {
        (us, "us")
    };
    // a power of ten may be a hair off
    format!("{} {unit}", (value * 1e3).round() / 1e3)
}

/// A share, with as many digits as it needs, two at most.
fn percent(share: f64) -> String {
    format!("{} %", (share * 1e4).round() / 1e2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::compared::Class;

    fn distribution(classes: &[(f64, f64, f64, f64)]) -> Distribution {
        let percentiles = Percentiles {
            count: 48,
            p50: 189_000,
            p90: 200_000,
            p99: 221_000,
            p99_9: 221_000,
            max: 221_000,
        };
        let class = |&(from_us, to_us, before, after): &(f64, f64, f64, f64)| Class {
            from_us,
            to_us,
            before,
            after,
        };
        Distribution {
            name: "chunk_us",
            before: Some(percentiles),
            after: None,
            classes: classes.iter().map(class).collect(),
        }
    }

    fn heights(drawn: &str) -> Vec<f64> {
        let height = |rect: &str| {
            rect.split("height=\"")
                .nth(1)?
                .split('"')
                .next()?
                .parse()
                .ok()
        };
        drawn.split("<rect ").skip(1).filter_map(height).collect()
    }

    #[test]
    fn both_sides_stand_on_one_scale() {
        let both = distribution(&[(1e5, 2e5, 0.25, 0.5), (2e5, 4e5, 0.75, 0.0)]);
        let drawn = all(&[both]).into_string();
        let [before, after, alone] = heights(&drawn)[..] else {
            panic!("{drawn}");
        };
        assert!(
            (before * 2.0 - after).abs() < 0.2 && (before * 3.0 - alone).abs() < 0.3,
            "{drawn}"
        );
        assert!(
            drawn.contains("before p50 189 ms, p99 221 ms, 48 values"),
            "{drawn}"
        );
        assert!(drawn.contains("after recorded none"), "{drawn}");
    }

    #[test]
    fn values_that_are_all_alike_are_one_bar_that_can_be_seen() {
        let drawn = all(&[distribution(&[(1e5, 1e5, 1.0, 1.0)])]).into_string();
        assert!(
            heights(&drawn).into_iter().all(|height| height > 50.0),
            "{drawn}"
        );
    }
}
