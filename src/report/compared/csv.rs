//! The comparison for a spreadsheet: one line a figure.

use crate::bench::compared::{Compared, Unit};
use crate::bench::stats::Spread;
use crate::error::Result;
use crate::report::export::csv_text;

const HEADING: [&str; 11] = [
    "measure",
    "unit",
    "before",
    "before_min",
    "before_max",
    "after",
    "after_min",
    "after_max",
    "ratio",
    "ci_low",
    "ci_high",
];

/// The figures of both sides, values as they are; what is not known is empty. The last line is the
/// verdict: its name in the place of the unit, its ratio of throughput and interval.
pub fn csv(compared: &Compared) -> Result<String> {
    let mut lines = vec![HEADING.map(str::to_owned)];
    for measure in &compared.measures {
        let [before, before_min, before_max] = spread(measure.before);
        let [after, after_min, after_max] = spread(measure.after);
        lines.push([
            measure.name.to_owned(),
            unit(measure.unit).to_owned(),
            before,
            before_min,
            before_max,
            after,
            after_min,
            after_max,
            optional(measure.ratio),
            optional(measure.ci_low),
            optional(measure.ci_high),
        ]);
    }
    for record in &compared.verdicts {
        let mut line = HEADING.map(|_| String::new());
        line[0] = format!("verdict {}", record.metric);
        line[1].clone_from(&record.verdict);
        line[8] = optional(record.estimate);
        line[9] = optional(record.ci_low);
        line[10] = optional(record.ci_high);
        lines.push(line);
    }
    csv_text(lines.into_iter())
}

fn spread(spread: Option<Spread>) -> [String; 3] {
    let value = |of: fn(Spread) -> f64| optional(spread.map(of));
    [value(|s| s.median), value(|s| s.min), value(|s| s.max)]
}

fn optional(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "s",
        Unit::MbPerSecond => "MB/s",
        Unit::SecondsPerGb => "s/GB",
        Unit::Bytes => "B",
        Unit::Ratio => "1",
        Unit::Micros => "us",
        Unit::Cores => "cores",
    }
}
