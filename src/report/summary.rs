//! The summary of a session: what a person reads at a glance.
//!
//! Made from the artifact alone, so that a saved session reads like the one that just ended. Every
//! figure stands with its range, and no verdict is worded here: it comes from the statistics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::Paper;
use super::figures::{self, FIGURES, overrides};
use super::paper::Ink;
use crate::bench::artifact::{ArmSummary, Artifact, ComparisonRecord, Status};
use crate::bench::order::Arm;

/// Ruled under the heading and at the end, nowhere else.
const RULED: TableStyle = {
    let rule = LineStyle::none().fill('─').junction('─');
    TableStyle::new().header_separator(rule).bottom_border(rule)
};

/// The summary; `path` is where the artifact is kept.
#[must_use]
pub fn text(artifact: &Artifact, path: Option<&Path>, paper: Paper) -> String {
    let mut text = heading(artifact);
    let arms = &artifact.summary.arms;
    if arms.is_empty() {
        text.push_str("no measured iteration\n");
    } else {
        text.push('\n');
        let _ = writeln!(text, "{}", table(artifact, arms, paper));
    }
    text.push_str(&verdicts(artifact, paper));
    if !arms.is_empty() {
        text.push_str("\nparallelism\n");
        for (arm, summary) in arms {
            let _ = writeln!(text, "  {arm:<7} {}", summary.parallelism_reason);
        }
    }
    let programs = figures::programs(artifact);
    if !programs.is_empty() {
        text.push_str("\nrun by, timed from the program's start to its result line\n");
        for program in programs {
            let _ = writeln!(text, "  {program}");
        }
    }
    text.push_str(&notes(artifact, paper));
    if let Some(path) = path {
        let partial = if artifact.partial { " (partial)" } else { "" };
        let _ = writeln!(text, "\nsaved {}{partial}", path.display());
        let _ = writeln!(text, "again {}", artifact.repeating_command());
    }
    text
}

/// What was measured, how, and on what.
fn heading(artifact: &Artifact) -> String {
    let label = artifact
        .label
        .as_deref()
        .map(|label| format!(" \"{label}\""))
        .unwrap_or_default();
    let mut text = format!(
        "{}{label}: {}\n",
        artifact.profile.name,
        figures::extent(artifact)
    );
    for (name, line) in figures::setting(artifact) {
        let _ = writeln!(text, "{name:<8} {line}");
    }
    text
}

/// One line a figure, one column an arm.
fn table(artifact: &Artifact, arms: &BTreeMap<Arm, ArmSummary>, paper: Paper) -> String {
    let mut table = Table::new();
    table
        .load_style(RULED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width);
    let headings = arms
        .keys()
        .map(|arm| format!("{arm}\n{}", overrides(artifact, *arm).join("\n")));
    table.set_header(std::iter::once(String::new()).chain(headings));
    for (name, figure) in FIGURES {
        let cells = arms.values().map(figure);
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    }
    for column in 1..=arms.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// How the arms compare, and every verdict.
fn verdicts(artifact: &Artifact, paper: Paper) -> String {
    let mut text = String::new();
    let Some(comparison) = &artifact.summary.comparison else {
        return text;
    };
    text.push('\n');
    if let Some(ratio) = figures::ratio(comparison) {
        let _ = writeln!(text, "{ratio}");
    }
    for comparison in artifact.summary.verdicts() {
        text.push_str(&verdict(comparison, paper));
    }
    if let Some(line) = figures::threshold(artifact) {
        let _ = writeln!(text, "{line}");
    }
    for line in figures::looks(artifact) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// A verdict as one line, its name in the colour of what it says.
pub(super) fn verdict(comparison: &ComparisonRecord, paper: Paper) -> String {
    let mut text = String::new();
    let ink = match comparison.verdict.as_str() {
        "IMPROVED" => Ink::Good,
        "REGRESSED" | "INVALID" => Ink::Bad,
        "EQUIVALENT" => Ink::Same,
        _ => Ink::Open,
    };
    let rest = comparison.text.strip_prefix(&comparison.verdict);
    let _ = match rest {
        Some(rest) => writeln!(text, "{}{rest}", paper.paint(ink, &comparison.verdict)),
        None => writeln!(text, "{}", comparison.text),
    };
    text
}

/// Disturbances, each once with the iterations it was seen in, then warnings and what went wrong.
fn notes(artifact: &Artifact, paper: Paper) -> String {
    let mut text = String::new();
    let lists = [
        ("may have disturbed it", figures::disturbances(artifact)),
        ("not quiet when it began", figures::waived(artifact)),
        ("to know", artifact.warnings.clone()),
    ];
    for (heading, lines) in lists {
        if !lines.is_empty() {
            let _ = writeln!(text, "\n{heading}");
        }
        for line in lines {
            let _ = writeln!(text, "  {}", line.replace('\n', "\n  "));
        }
    }
    if artifact.summary.status == Status::Invalid {
        let word = paper.paint(Ink::Bad, "INVALID");
        let _ = writeln!(
            text,
            "\n{word}: rows did not arrive as they left; no figure above counts"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::artifact::Flag;
    use crate::bench::rules::Rules;
    use crate::bench::{examples, summary};

    #[test]
    fn a_session_reads_at_a_glance() {
        let mut session = examples::session();
        session.partial = false;
        session.iterations[2].flags.push(Flag {
            kind: "cpu_steal".into(),
            text: "the hypervisor gave 5 % of this machine's time to others".into(),
        });
        session.warnings.push("public.t travels as text".into());
        let path = Path::new("bench-results/20261123T202731Z-medium-0f3a9c21.json");
        insta::assert_snapshot!(text(&session, Some(path), Paper::PLAIN), @"
        medium: 2 pairs, 1 warm-up of each arm before them
        data     50,000 rows, 190 MB in COPY format, 3.80 kB a row
        servers  PostgreSQL 15.8 (managed)
        host     2 cores, 24.0 GB memory

                                                          before                             after
                                                   parallelism=1                  parallelism=auto
        ───────────────────────────────────────────────────────────────────────────────────────────
         wall time                     2.05 s (2.00 s .. 2.10 s)         1.20 s (1.20 s .. 1.20 s)
         throughput           92.7 MB/s (90.5 MB/s .. 95.0 MB/s)   158 MB/s (158 MB/s .. 158 MB/s)
         rows                                        24.4 krow/s                       41.7 krow/s
         workers                                      1 (manual)                          2 (auto)
         CPU rb-bench                                     250 ms                            250 ms
         CPU source                                       800 ms                            800 ms
         CPU destination                                  1.90 s                            1.90 s
         peak memory                                     21.0 MB                           21.0 MB
         chunk p50 / p99                         100 ms / 100 ms                   100 ms / 100 ms
         waiting for source                                 10 %                              10 %
         waiting for dest.                                  50 %                              50 %
         committing                                          1 %                               1 %
         verified                                         2 of 2                            2 of 2
        ───────────────────────────────────────────────────────────────────────────────────────────

        after ran at 1.71 x the speed of before (1.67 .. 1.75 over 2 pairs)
        INSUFFICIENT DATA (2 pairs; a verdict needs 6)

        parallelism
          before  set to 1 by hand; 2 cores, cap 2 not applied; effective 1
          after   2 cores, cap 2; 1 eligible stream x 2 shards = 2; no transforms; effective 2

        may have disturbed it
          cpu_steal: the hypervisor gave 5 % of this machine's time to others (iteration 3)

        to know
          public.t travels as text

        saved bench-results/20261123T202731Z-medium-0f3a9c21.json
        again rb-bench --profile medium --seed 7
        ");
    }

    #[test]
    fn one_arm_has_no_comparison() {
        let mut session = examples::session();
        session.iterations.retain(|i| i.arm == Arm::After);
        session.protocol.arms = "one".into();
        session.summary = summary::of(
            &session.iterations,
            &Rules::at(0.02),
            Status::Complete,
            None,
        );
        let text = text(&session, None, Paper::PLAIN);
        assert!(
            !text.contains("before\n") && !text.contains("verdict"),
            "{text}"
        );
    }

    #[test]
    fn a_narrow_terminal_is_not_overrun() {
        let narrow = Paper {
            width: 60,
            colour: false,
        };
        let session = examples::session();
        let drawn = table(&session, &session.summary.arms, narrow);
        assert!(
            drawn.lines().all(|line| line.chars().count() <= 60),
            "{drawn}"
        );
    }

    #[test]
    fn an_invalid_session_says_so() {
        let mut session = examples::session();
        session.summary = summary::of(&session.iterations, &Rules::at(0.02), Status::Invalid, None);
        let text = text(&session, None, Paper::PLAIN);
        assert!(text.contains("INVALID: rows did not arrive"), "{text}");
    }
}
