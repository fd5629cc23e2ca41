//! A tuning as a person reads it: each value, what explains them, the choice, what `auto` loses.
//!
//! Made from the artifact alone. No verdict is worded here: it comes from the statistics.

use std::fmt::Write as _;
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Paper;
use super::figures::spread;
use super::paper::Ink;
use crate::bench::artifact::Status;
use crate::bench::tune::artifact::{SettingSummary, TuneArtifact};
use crate::units::{ByteRate, Seconds};

/// The whole of it; `path` is where the artifact is kept.
#[must_use]
pub fn text(artifact: &TuneArtifact, path: Option<&Path>, paper: Paper) -> String {
    let (protocol, summary) = (&artifact.protocol, &artifact.summary);
    let name = name_of(artifact);
    let mut text = format!(
        "{}: {name}, {} of {}, seed {}\n\n",
        artifact.profile.name,
        counted(protocol.rounds, "round"),
        counted(protocol.values.len() as u32, "value"),
        protocol.seed
    );
    if summary.settings.is_empty() {
        text.push_str("no measured iteration\n");
    } else {
        let _ = writeln!(text, "{}", table(artifact, name, paper));
    }
    if let Some(fit) = &summary.fit_text {
        let _ = writeln!(text, "\nwhy      {fit}");
    }
    if let Some(choice) = &summary.choice {
        let best = if choice.setting == choice.best {
            "the best".to_owned()
        } else {
            format!(
                "not worse than the best, {}, by more than {:.1} %",
                choice.best, protocol.noise_threshold_pct
            )
        };
        let _ = writeln!(text, "\nchoice   {name} {}: {best}", choice.setting);
    }
    if let Some(confirmation) = &summary.confirmation {
        let ink = match confirmation.verdict.as_str() {
            "IMPROVED" => Ink::Good,
            "REGRESSED" | "INVALID" => Ink::Bad,
            "EQUIVALENT" => Ink::Same,
            _ => Ink::Open,
        };
        let verdict = &confirmation.verdict;
        let told = confirmation
            .text
            .replace(verdict, &paper.paint(ink, verdict));
        let _ = writeln!(text, "confirm  {told}");
    }
    if let Some(limit) = &summary.limit {
        let _ = writeln!(text, "\nlimit    {}", limit.text);
    }
    if let Some(choice) = &summary.choice {
        let _ = writeln!(text, "\n{}", choice.yaml);
    }
    if !artifact.warnings.is_empty() {
        text.push_str("\nto know\n");
        for warning in &artifact.warnings {
            let _ = writeln!(text, "  {}", warning.replace('\n', "\n  "));
        }
    }
    if summary.status == Status::Invalid {
        let word = paper.paint(Ink::Bad, "INVALID");
        let _ = writeln!(
            text,
            "\n{word}: rows did not arrive as they left; no figure above counts"
        );
    }
    if let Some(path) = path {
        let partial = if artifact.partial {
            resumable(artifact)
        } else {
            ""
        };
        let _ = writeln!(text, "\nsaved {}{partial}", path.display());
        let _ = writeln!(text, "again {}", artifact.invocation.repeat);
    }
    text
}

fn resumable(artifact: &TuneArtifact) -> &'static str {
    if artifact.protocol.knob.is_some() {
        " (partial: go on with rb-bench tune --resume latest)"
    } else {
        " (partial)"
    }
}

/// What was tuned, in one word; the sides where they were measured alone.
#[must_use]
pub fn name_of(artifact: &TuneArtifact) -> &str {
    let knob = artifact.protocol.knob.as_deref().unwrap_or("sides");
    knob.rsplit('.').next().unwrap_or(knob)
}

/// One line a value: the value, workers, rounds, wall time, throughput, that as a share of the best.
pub(super) fn rows(artifact: &TuneArtifact) -> Vec<Vec<String>> {
    let settings = &artifact.summary.settings;
    let fastest = settings
        .iter()
        .map(|s| s.mb_per_s.median)
        .fold(f64::MIN_POSITIVE, f64::max);
    let row = |setting: &SettingSummary| {
        vec![
            values(setting),
            setting.workers.to_string(),
            setting.rounds.to_string(),
            spread(setting.duration_s, |s| Seconds(s).to_string()),
            spread(setting.mb_per_s, |v| ByteRate(v * 1e6).to_string()),
            format!("{:.1} %", 100.0 * setting.mb_per_s.median / fastest),
        ]
    };
    settings.iter().map(row).collect()
}

/// [`rows`] under their headings, the choice marked.
fn table(artifact: &TuneArtifact, name: &str, paper: Paper) -> String {
    let summary = &artifact.summary;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width)
        .set_header([
            name,
            "workers",
            "rounds",
            "wall time",
            "throughput",
            "of the best",
            "",
        ]);
    for (setting, mut row) in summary.settings.iter().zip(rows(artifact)) {
        let chosen = summary
            .choice
            .as_ref()
            .is_some_and(|c| c.setting == setting.setting);
        row.push(if chosen { "<- the choice" } else { "" }.to_owned());
        table.add_row(row);
    }
    for column in 1..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The value, and those that come to the same.
fn values(setting: &SettingSummary) -> String {
    if setting.same_as.is_empty() {
        return setting.setting.clone();
    }
    format!("{} (and {})", setting.setting, setting.same_as.join(", "))
}

fn counted(n: u32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
