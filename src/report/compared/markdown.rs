//! The comparison for a pull request or a wiki.

use std::fmt::Write as _;

use super::{UNPAIRED, change, figure, micros, parallelism, side, waiver};
use crate::bench::compared::Compared;

/// The comparison in Markdown with tables (GitHub's).
#[must_use]
pub fn markdown(compared: &Compared) -> String {
    let mut text = String::new();
    if compared.is_comparable() {
        for record in &compared.verdicts {
            let rest = record
                .text
                .strip_prefix(&record.verdict)
                .unwrap_or_default();
            let _ = writeln!(text, "**{}**{}\n", record.verdict, escaped(rest));
        }
    } else {
        let _ = writeln!(text, "**{}**\n", compared.verdict);
        for difference in &compared.differences {
            let _ = writeln!(text, "- {}", escaped(&difference.to_string()));
        }
        let _ = writeln!(
            text,
            "\nTo compare them all the same: `{}`\n",
            waiver(compared)
        );
    }
    let _ = writeln!(text, "- before: {}", escaped(&side(&compared.before)));
    let _ = writeln!(text, "- after: {}", escaped(&side(&compared.after)));
    if !compared.paired {
        let _ = writeln!(text, "- {UNPAIRED}");
    }
    for difference in &compared.waived {
        let _ = writeln!(text, "- waived: {}", escaped(&difference.to_string()));
    }
    if !compared.is_comparable() {
        return text;
    }
    text.push_str("\n| | before | after | change, % (95 % CI) |\n| --- | ---: | ---: | ---: |\n");
    for measure in &compared.measures {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            measure.name,
            figure(measure, measure.before),
            figure(measure, measure.after),
            change(measure).unwrap_or_default()
        );
    }
    text.push_str("\n| latency | side | values | p50 | p90 | p99 | p99.9 | max |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for distribution in &compared.distributions {
        let sides = [
            ("before", distribution.before),
            ("after", distribution.after),
        ];
        for (name, side) in sides {
            let Some(side) = side else { continue };
            let _ = write!(
                text,
                "| `{}` | {name} | {} |",
                distribution.name, side.count
            );
            for us in [side.p50, side.p90, side.p99, side.p99_9, side.max] {
                let _ = write!(text, " {} |", micros(us as f64));
            }
            text.push('\n');
        }
    }
    let _ = writeln!(
        text,
        "\nWorkers before: {}",
        escaped(&parallelism(&compared.before))
    );
    let _ = writeln!(
        text,
        "\nWorkers after: {}",
        escaped(&parallelism(&compared.after))
    );
    text
}

/// What a user wrote, kept from being read as Markdown or HTML.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}
