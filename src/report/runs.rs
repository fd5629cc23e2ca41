//! The runs of a destination, for `rb-bench runs`.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Paper;
use crate::engine::runs::RecordedRun;
use crate::units::Rows;

/// The runs as a table, and what to do about those that are not finished.
#[must_use]
pub fn text(runs: &[RecordedRun], paper: Paper) -> String {
    if runs.is_empty() {
        return "no run is recorded there (a run of one worker without --run-id leaves no record)"
            .to_owned();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width)
        .set_header(["RUN", "PIPELINE", "STATE", "COMMIT", "ROWS", "STARTED"]);
    for run in runs {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        table.add_row([
            run.run.clone(),
            text(&run.pipeline),
            standing(run),
            text(&run.commit_form),
            run.rows
                .map(|rows| Rows(rows).to_string())
                .unwrap_or_default(),
            text(&run.started_at),
        ]);
    }
    if let Some(column) = table.column_mut(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let dead = runs.iter().filter(|run| run.is_unfinished());
    let advice = dead.map(|run| {
        format!(
            "\nrun `{}` died; the next run settles it, or now: rb-bench runs resolve {}",
            run.run, run.run
        )
    });
    table.trim_fmt() + &advice.collect::<String>()
}

fn standing(run: &RecordedRun) -> String {
    let prepared = match run.prepared {
        0 => String::new(),
        n => format!(", {n} prepared"),
    };
    let life = if run.alive {
        ", under way"
    } else if run.is_unfinished() {
        ", dead"
    } else {
        ""
    };
    format!("{}{prepared}{life}", run.state)
}
