//! How the cost of a row changes with their number: sessions of one profile in different sizes, a line each.
//!
//! Ratios are to the first session; they are information, for sessions are not paired.

use std::fmt::Write as _;

use crate::bench::artifact::{Artifact, Iteration};
use crate::bench::order::Arm;
use crate::bench::stats::Spread;
use crate::report::compared::escaped;
use crate::report::figures::spread;
use crate::units::{Bytes, Rows, Seconds};

/// What the `after` arm of a session took for a row: seconds, and bytes at most.
struct Cost {
    rows: u64,
    wall: Spread,
    client: Spread,
    servers: Option<Spread>,
    memory: Option<u64>,
}

impl Cost {
    /// None where no iteration counts, or none copied a row.
    fn of(session: &Artifact) -> Option<Self> {
        let counted: Vec<&Iteration> = session
            .iterations
            .iter()
            .filter(|i| i.is_measured() && i.arm == Arm::After && i.rows > 0)
            .collect();
        let each = |value: fn(&Iteration) -> Option<f64>| {
            let values: Option<Vec<f64>> = counted
                .iter()
                .map(|i| Some(value(i)? / i.rows as f64))
                .collect();
            Spread::of(&values?)
        };
        Some(Self {
            rows: counted.last()?.rows,
            wall: each(|i| Some(i.duration_s))?,
            client: each(|i| Some(i.cpu.rb_bench_s))?,
            servers: each(|i| Some(i.cpu.source_s? + i.cpu.destination_s?)),
            memory: counted.iter().filter_map(|i| i.rss_peak).max(),
        })
    }
}

/// A line a session, in the order they are cited.
pub(super) fn table<'a>(sessions: impl Iterator<Item = (&'a str, &'a Artifact)>) -> String {
    let mut text = "| session | rows | wall time a row | / first | client CPU a row | / first | server CPU a row | peak memory |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let mut first: Option<(f64, f64)> = None;
    for (file, session) in sessions {
        let Some(cost) = Cost::of(session) else {
            let _ = writeln!(
                text,
                "| [{}]({file}) | nothing was measured | | | | | | |",
                escaped(&session.profile.name)
            );
            continue;
        };
        let (wall, client) = *first.get_or_insert((cost.wall.median, cost.client.median));
        let time = |s: Spread| spread(s, |s| Seconds(s).to_string());
        let _ = writeln!(
            text,
            "| [{}]({file}) | {} | {} | {:.2} | {} | {:.2} | {} | {} |",
            escaped(&session.profile.name),
            Rows(cost.rows),
            time(cost.wall),
            cost.wall.median / wall,
            time(cost.client),
            cost.client.median / client,
            cost.servers.map(time).unwrap_or_default(),
            cost.memory
                .map(|b| Bytes(b).to_string())
                .unwrap_or_default(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;

    #[test]
    fn a_size_is_a_line_with_what_a_row_costs() {
        let one = examples::session_of(&[2.0; 6], &[1.2; 6]);
        let mut four = examples::session_of(&[8.0; 6], &[5.0; 6]);
        for iteration in &mut four.iterations {
            iteration.rows *= 4;
        }
        let mut none = examples::session_of(&[1.0; 6], &[1.0; 6]);
        none.iterations.clear();
        let sessions = [("1.json", &one), ("4.json", &four), ("0.json", &none)];
        insta::assert_snapshot!(table(sessions.into_iter()), @"
        | session | rows | wall time a row | / first | client CPU a row | / first | server CPU a row | peak memory |
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
        | [medium](1.json) | 50,000 | 24.0 us (24.0 us .. 24.0 us) | 1.00 | 5.00 us (5.00 us .. 5.00 us) | 1.00 | 54.0 us (54.0 us .. 54.0 us) | 21.0 MB |
        | [medium](4.json) | 200,000 | 25.0 us (25.0 us .. 25.0 us) | 1.04 | 1.25 us (1.25 us .. 1.25 us) | 0.25 | 13.5 us (13.5 us .. 13.5 us) | 21.0 MB |
        | [medium](0.json) | nothing was measured | | | | | | |
        ");
    }
}
