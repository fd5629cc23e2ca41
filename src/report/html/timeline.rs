//! The course of one iteration: when each shard moved rows, and who used the cores meanwhile.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::Axis;
use super::plot::{LEFT, Labels, Plot, RIGHT, TOP, figure, px};
use crate::bench::artifact::{Artifact, Iteration, Series, ShardRecord};
use crate::bench::order::Arm;
use crate::units::{Bytes, Rows, Seconds};

/// Shards that get a lane; of more, the first by their number.
const MOST_LANES: usize = 32;
/// Room for a lane, at most and at least.
const LANE: (f64, f64) = (7.0, 18.0);
/// Room of the shards, as far as they need it.
const SHARDS: f64 = 120.0;
/// Height of the area for CPU.
const CPU: f64 = 130.0;

/// One figure an arm, all on the same scales.
pub(super) fn of_arms(artifact: &Artifact) -> Vec<Markup> {
    let chosen: Vec<&Iteration> = [Arm::Before, Arm::After]
        .into_iter()
        .filter_map(|arm| typical(artifact, arm))
        .collect();
    let until = chosen.iter().map(|i| end(i)).fold(0.0, f64::max);
    let cores = chosen
        .iter()
        .flat_map(|i| busiest(&i.series))
        .fold(f64::from(artifact.host.cores.max(1)), f64::max);
    chosen
        .into_iter()
        .map(|iteration| timeline(artifact, iteration, until, cores))
        .collect()
}

/// The counted iteration of this arm whose time is the median, or nearest to it.
fn typical(artifact: &Artifact, arm: Arm) -> Option<&Iteration> {
    let median = artifact.summary.arms.get(&arm)?.duration_s.median;
    artifact
        .iterations
        .iter()
        .filter(|i| i.arm == arm && i.is_measured())
        .min_by(|a, b| {
            let off = |i: &Iteration| (i.duration_s - median).abs();
            off(a).total_cmp(&off(b))
        })
}

fn end(iteration: &Iteration) -> f64 {
    let samples = iteration.series.t_s.iter().copied();
    samples.fold(iteration.duration_s, f64::max)
}

/// The most cores that anybody kept busy at once.
fn busiest(series: &Series) -> impl Iterator<Item = f64> {
    let servers = series.cpu_source.iter().chain(&series.cpu_destination);
    series
        .cpu_rb_bench
        .iter()
        .copied()
        .chain(servers.flatten().copied())
}

fn timeline(artifact: &Artifact, iteration: &Iteration, until: f64, cores: f64) -> Markup {
    let x = Axis::linear(0.0, until, LEFT, RIGHT);
    let arm = iteration.arm.name();
    html! {
        (figure(
            &format!("Shards, {arm}"),
            &[(arm, "first byte to end of the last chunk".into())],
            &lanes(iteration, &x),
            &shards_reading(iteration),
        ))
        (figure(
            &format!("CPU, {arm}"),
            &[
                ("rb-bench", "rb-bench".into()),
                ("source", "source backends".into()),
                ("destination", "destination backends".into()),
                ("host", "the whole host".into()),
            ],
            &cpu(artifact, iteration, &x, cores),
            &format!(
                "Cores kept busy, {} samples a second. Both arms are drawn on the same scales.",
                iteration.series.hz
            ),
        ))
    }
}

fn shards_reading(iteration: &Iteration) -> String {
    let left_out = iteration.shards.len().saturating_sub(MOST_LANES);
    let more = if left_out > 0 {
        format!(" {left_out} more shards are not shown.")
    } else {
        String::new()
    };
    format!(
        "Iteration {} ({}), the one nearest to the arm's median.{more}",
        iteration.idx + 1,
        Seconds(iteration.duration_s)
    )
}

/// One lane a shard.
fn lanes(iteration: &Iteration, x: &Axis) -> Markup {
    let shards = &iteration.shards[..iteration.shards.len().min(MOST_LANES)];
    let lane = (SHARDS / shards.len().max(1) as f64).clamp(LANE.0, LANE.1);
    let bottom = TOP + lane * shards.len().max(1) as f64;
    let y = Axis::linear(0.0, shards.len().max(1) as f64, TOP, bottom);
    let every = shards.len().div_ceil(8).max(1);
    let numbers = (0..shards.len())
        .filter(|n| n % every == 0)
        .map(|n| (n as f64 + 0.5, (n + 1).to_string()))
        .collect();
    let plot = Plot {
        alt: "when each shard moved rows",
        bottom,
        x: Labels::numbered("seconds", x, 6),
        y: Labels::new("shard", &y, numbers),
    };
    let arm = iteration.arm.name();
    plot.draw(&html! {
        @for (n, shard) in shards.iter().enumerate() {
            @let from = x.at(shard.first_byte_s);
            // what did not tell when it ended gets a mark where it began
            @let to = x.at(shard.last_chunk_s.unwrap_or(shard.first_byte_s)).max(from + 2.0);
            rect .(arm) x=(px(from)) width=(px(to - from)) y=(px(y.at(n as f64) + 1.0)) height=(px(lane - 2.0)) {
                title { (describe(shard)) }
            }
        }
    })
}

fn describe(shard: &ShardRecord) -> String {
    let part = match (shard.partition_index, shard.partition_count) {
        (Some(index), Some(count)) => format!(", shard {} of {count}", u64::from(index) + 1),
        _ => String::new(),
    };
    format!(
        "{}{part}: {} rows, {}, waited {} for the source and {} for the destination",
        shard.stream,
        Rows(shard.rows),
        Bytes(shard.bytes),
        Seconds(shard.source_wait_s),
        Seconds(shard.destination_wait_s)
    )
}

/// Cores kept busy over time, a line each.
fn cpu(artifact: &Artifact, iteration: &Iteration, x: &Axis, cores: f64) -> Markup {
    let series = &iteration.series;
    let y = Axis::linear(0.0, cores * 1.05, TOP + CPU, TOP);
    let plot = Plot {
        alt: "cores kept busy over time",
        bottom: TOP + CPU,
        x: Labels::numbered("seconds", x, 6),
        y: Labels::numbered("cores", &y, 4),
    };
    let own: Vec<Option<f64>> = series.cpu_rb_bench.iter().copied().map(Some).collect();
    let host: Vec<Option<f64>> = series
        .host_busy
        .iter()
        .map(|busy| Some((*busy)? * f64::from(artifact.host.cores)))
        .collect();
    plot.draw(&html! {
        path .line.host d=(steps(&series.t_s, &host, x, &y)) {}
        path .line.source d=(steps(&series.t_s, &series.cpu_source, x, &y)) {}
        path .line.destination d=(steps(&series.t_s, &series.cpu_destination, x, &y)) {}
        path .line.rb-bench d=(steps(&series.t_s, &own, x, &y)) {}
    })
}

/// A line in steps: a sample speaks of the time since the one before it. Where a value is missing,
/// the line is broken.
fn steps(times: &[f64], values: &[Option<f64>], x: &Axis, y: &Axis) -> String {
    let (mut path, mut since, mut drawing) = (String::new(), 0.0, false);
    for (time, value) in times.iter().zip(values) {
        if let Some(value) = value {
            let (from, to, at) = (px(x.at(since)), px(x.at(*time)), px(y.at(*value)));
            let verb = if drawing { 'L' } else { 'M' };
            let _ = write!(path, "{verb}{from} {at}H{to}");
        }
        drawing = value.is_some();
        since = *time;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;

    #[test]
    fn both_arms_are_drawn_on_one_scale() {
        let session = examples::session();
        let drawn: Vec<String> = of_arms(&session)
            .into_iter()
            .map(Markup::into_string)
            .collect();
        assert_eq!(drawn.len(), 2);
        let ticks = |drawn: &str| drawn.matches("text-anchor=\"middle\"").count();
        assert_eq!(ticks(&drawn[0]), ticks(&drawn[1]));
        assert_eq!(drawn[0].matches("<rect").count(), 1, "one shard");
        assert_eq!(drawn[1].matches("<rect").count(), 2, "two shards");
    }

    #[test]
    fn a_sample_covers_the_time_before_it_and_a_missing_one_breaks_the_line() {
        let (x, y) = (
            Axis::linear(0.0, 4.0, 0.0, 40.0),
            Axis::linear(0.0, 2.0, 20.0, 0.0),
        );
        let path = steps(
            &[1.0, 2.0, 3.0, 4.0],
            &[Some(1.0), Some(2.0), None, Some(0.0)],
            &x,
            &y,
        );
        assert_eq!(path, "M0.0 10.0H10.0L10.0 0.0H20.0M30.0 20.0H40.0");
    }

    #[test]
    fn many_shards_are_counted_where_they_are_not_drawn() {
        let mut session = examples::session();
        let shard = session.iterations[2].shards[0].clone();
        session.iterations[2].shards = vec![shard; 40];
        let drawn = timeline(&session, &session.iterations[2], 2.0, 2.0).into_string();
        assert_eq!(drawn.matches("<rect").count(), 32);
        assert!(drawn.contains("8 more shards are not shown"), "{drawn}");
    }
}
