//! The marks of incremental streams, for `rb-bench marks`.

use comfy_table::{ContentArrangement, Table, presets};

use super::Paper;
use crate::engine::cursors::Mark;

/// The marks as a table.
#[must_use]
pub fn text(marks: &[Mark], paper: Paper) -> String {
    if marks.is_empty() {
        return "no mark is kept there: no incremental stream has been copied yet".to_owned();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width)
        .set_header(["PIPELINE", "STREAM", "TARGET", "CURSOR", "COPIED UP TO"]);
    for mark in marks {
        table.add_row([
            &mark.pipeline,
            &mark.stream,
            &mark.target,
            &mark.field,
            &mark.value,
        ]);
    }
    table.trim_fmt()
}
