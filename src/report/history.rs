//! Saved sessions for `rb-bench history`: one line each, and where their level changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Paper;
use super::paper::Ink;
use crate::bench::archive::{Entry, Unreadable};
use crate::bench::artifact::Status;
use crate::bench::trend::{Change, Trend};
use crate::bench::verdict::signed_percent;
use crate::units::ByteRate;

/// The sessions, series by series, each with what changed in it.
#[must_use]
pub fn text(
    entries: &[&Entry],
    trends: &[Trend],
    unreadable: &[Unreadable],
    paper: Paper,
) -> String {
    let mut text = String::new();
    let mut apart: BTreeMap<&str, &Entry> = entries
        .iter()
        .map(|entry| (entry.file.as_str(), *entry))
        .collect();
    for trend in trends {
        let ids: BTreeSet<&str> = trend.sessions.iter().map(String::as_str).collect();
        let of: Vec<&Entry> = entries
            .iter()
            .copied()
            .filter(|entry| ids.contains(entry.id.as_str()))
            .collect();
        for entry in &of {
            apart.remove(entry.file.as_str());
        }
        let settings = if trend.settings.is_empty() {
            String::new()
        } else {
            format!(", {}", trend.settings)
        };
        let _ = writeln!(
            text,
            "{}{settings} (conditions {})",
            trend.profile, trend.conditions
        );
        let _ = writeln!(text, "{}", table(&of, &trend.changes, paper));
        for change in &trend.changes {
            text.push_str(&told(change, paper));
        }
        if trend.missing > 0 {
            let _ = writeln!(
                text,
                "  no change is looked for: that takes {} more of them",
                trend.missing
            );
        }
        text.push('\n');
    }
    if !apart.is_empty() {
        let _ = writeln!(
            text,
            "in no series\n{}\n",
            table(&apart.into_values().collect::<Vec<_>>(), &[], paper)
        );
    }
    if entries.is_empty() {
        text.push_str("no saved session\n");
    }
    for file in unreadable {
        let _ = writeln!(text, "not read: {}: {}", file.file, file.reason);
    }
    text
}

fn table(entries: &[&Entry], changes: &[Change], paper: Paper) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width)
        .set_header(["", "BEGAN", "ID", "LABEL", "THROUGHPUT", "RUNS", "VERDICT"]);
    for entry in entries {
        let change = changes.iter().find(|change| change.id == entry.id);
        let throughput = entry.mb_per_s.map_or_else(String::new, |spread| {
            let [median, min, max] =
                [spread.median, spread.min, spread.max].map(|mb| ByteRate(mb * 1e6).to_string());
            format!("{median} ({min} .. {max})")
        });
        table.add_row([
            change.map_or("", |change| mark(change)).to_owned(),
            began(entry),
            entry.id.clone(),
            entry.label.clone().unwrap_or_default(),
            throughput,
            entry.iterations.to_string(),
            standing(entry),
        ]);
    }
    for column in [4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// To the minute.
fn began(entry: &Entry) -> String {
    let minute = entry.created_at.get(..16).unwrap_or(&entry.created_at);
    minute.replace('T', " ")
}

fn standing(entry: &Entry) -> String {
    let verdict = entry.verdict.clone().unwrap_or_default();
    match entry.status {
        Status::Complete => verdict,
        Status::Partial => format!("{verdict} (partial)").trim().to_owned(),
        Status::Invalid => "INVALID".to_owned(),
        Status::Failed => format!("{verdict} (failed)").trim().to_owned(),
    }
}

fn mark(change: &Change) -> &'static str {
    if change.ratio > 1.0 { "▲" } else { "▼" }
}

fn told(change: &Change, paper: Paper) -> String {
    let ink = if change.ratio > 1.0 {
        Ink::Good
    } else {
        Ink::Bad
    };
    format!(
        "  {} from {} on: throughput {} % (medians of {} sessions before it and {} from it on; p = {:.3})\n",
        paper.paint(ink, mark(change)),
        change.id,
        signed_percent(change.ratio),
        change.before,
        change.after,
        change.p,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;
    use crate::bench::trend::trends;

    #[test]
    fn a_history_shows_every_session_and_marks_a_change() {
        let mut entries: Vec<Entry> = (0..9)
            .map(|n| {
                let mut session = examples::session();
                session.id = format!("{n:08x}");
                session.created_at = format!("2026-11-0{}T10:00:00Z", n + 1);
                session.label = (n == 2).then(|| "nightly".into());
                let slower = if n < 5 { 1.0 } else { 1.25 } + f64::from(n % 3) / 100.0;
                for iteration in &mut session.iterations {
                    iteration.duration_s *= slower;
                    iteration.mb_per_s /= slower;
                }
                session.summary = crate::bench::summary::of(
                    &session.iterations,
                    &crate::bench::rules::Rules::at(0.02),
                    Status::Complete,
                    None,
                );
                Entry::of(&format!("{n}.json"), &session)
            })
            .collect();
        entries[8].status = Status::Invalid;
        let entries: Vec<&Entry> = entries.iter().collect();
        let unreadable = [Unreadable {
            file: "cut.json".into(),
            reason: "it ends in the middle".into(),
        }];
        insta::assert_snapshot!(text(&entries, &trends(&entries), &unreadable, Paper::PLAIN), @"
        medium, parallelism=auto (conditions 76999b38)
            BEGAN             ID        LABEL                         THROUGHPUT  RUNS  VERDICT
            2026-11-01 10:00  00000000           158 MB/s (158 MB/s .. 158 MB/s)     2  INSUFFICIENT DATA
            2026-11-02 10:00  00000001           157 MB/s (157 MB/s .. 157 MB/s)     2  INSUFFICIENT DATA
            2026-11-03 10:00  00000002  nightly  155 MB/s (155 MB/s .. 155 MB/s)     2  INSUFFICIENT DATA
            2026-11-04 10:00  00000003           158 MB/s (158 MB/s .. 158 MB/s)     2  INSUFFICIENT DATA
            2026-11-05 10:00  00000004           157 MB/s (157 MB/s .. 157 MB/s)     2  INSUFFICIENT DATA
         ▼  2026-11-06 10:00  00000005           125 MB/s (125 MB/s .. 125 MB/s)     2  INSUFFICIENT DATA
            2026-11-07 10:00  00000006           127 MB/s (127 MB/s .. 127 MB/s)     2  INSUFFICIENT DATA
            2026-11-08 10:00  00000007           126 MB/s (126 MB/s .. 126 MB/s)     2  INSUFFICIENT DATA
          ▼ from 00000005 on: throughput -19.8 % (medians of 5 sessions before it and 3 from it on; p = 0.012)

        in no series
            BEGAN             ID        LABEL                       THROUGHPUT  RUNS  VERDICT
            2026-11-09 10:00  00000008         125 MB/s (125 MB/s .. 125 MB/s)     2  INVALID

        not read: cut.json: it ends in the middle
        ");
    }

    #[test]
    fn nothing_saved_is_said() {
        assert_eq!(text(&[], &[], &[], Paper::PLAIN), "no saved session\n");
    }
}
