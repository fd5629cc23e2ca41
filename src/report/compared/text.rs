//! The comparison on a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{UNPAIRED, change, figure, micros, parallelism, picture, side, waiver};
use crate::bench::compared::{Compared, Percentiles};
use crate::report::paper::Ink;
use crate::report::{Paper, summary};

/// The comparison, for a person.
#[must_use]
pub fn text(compared: &Compared, paper: Paper) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "before  {}", side(&compared.before));
    let _ = writeln!(text, "after   {}", side(&compared.after));
    if !compared.paired {
        let _ = writeln!(text, "{UNPAIRED}");
    }
    for difference in &compared.waived {
        let _ = writeln!(text, "waived: {difference}");
    }
    text.push('\n');
    if !compared.is_comparable() {
        let _ = writeln!(text, "{}", paper.paint(Ink::Bad, &compared.verdict));
        for difference in &compared.differences {
            let _ = writeln!(text, "  {difference}");
        }
        let _ = writeln!(text, "to compare them all the same: {}", waiver(compared));
        return text;
    }
    for record in &compared.verdicts {
        text.push_str(&summary::verdict(record, paper));
    }
    let _ = writeln!(text, "\n{}", measures(compared, paper));
    let width = usize::from(paper.width);
    text.push_str("\nwall time of every iteration\n");
    text.push_str(&picture::dots(
        &compared.before.durations_s,
        &compared.after.durations_s,
        width,
    ));
    if !compared.distributions.is_empty() {
        let _ = writeln!(text, "\n{}", percentiles(compared, paper));
    }
    if let Some(chunks) = compared.distributions.iter().find(|d| d.name == "chunk_us") {
        let _ = writeln!(text, "\n{}", picture::mirrored(chunks, width).trim_end());
    }
    text.push_str("\nparallelism\n");
    let _ = writeln!(text, "  before  {}", parallelism(&compared.before));
    let _ = writeln!(text, "  after   {}", parallelism(&compared.after));
    text
}

fn plain(paper: Paper) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width);
    table
}

/// Figures of both sides; their change is information.
fn measures(compared: &Compared, paper: Paper) -> String {
    let mut table = plain(paper);
    table.set_header(["", "BEFORE", "AFTER", "CHANGE, % (95 % CI)"]);
    for measure in &compared.measures {
        table.add_row([
            measure.name.to_owned(),
            figure(measure, measure.before),
            figure(measure, measure.after),
            change(measure).unwrap_or_default(),
        ]);
    }
    for column in 1..=3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Percentiles of every latency, a line for each side.
fn percentiles(compared: &Compared, paper: Paper) -> String {
    let mut table = plain(paper);
    table.set_header(["LATENCY", "", "VALUES", "P50", "P90", "P99", "P99.9", "MAX"]);
    for distribution in &compared.distributions {
        let sides = [
            ("before", distribution.before),
            ("after", distribution.after),
        ];
        for (name, side) in sides {
            let mut row = vec![distribution.name.to_owned(), name.to_owned()];
            row.extend(side.map_or_else(|| vec!["none".to_owned()], cells));
            table.add_row(row);
        }
    }
    for column in 2..=7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The count, then the percentiles upward.
fn cells(side: Percentiles) -> Vec<String> {
    let values = [side.p50, side.p90, side.p99, side.p99_9, side.max];
    let values = values.into_iter().map(|us| micros(us as f64));
    std::iter::once(side.count.to_string())
        .chain(values)
        .collect()
}
