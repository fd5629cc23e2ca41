//! What is known of the noise of this machine, for `rb-bench calibrate`.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::Paper;
use super::figures::overrides;
use crate::bench::noise::Calibration;
use crate::bench::order::Arm;
use crate::units::Rows;

/// The floors as a table.
#[must_use]
pub fn text(all: &[Calibration], paper: Paper) -> String {
    if all.is_empty() {
        return "no noise floor is known here; `rb-bench calibrate` measures one".into();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width)
        .set_header([
            "PROFILE", "ROWS", "SETTINGS", "FLOOR", "PAIRS", "BUILD", "KERNEL", "MEASURED",
        ]);
    for Calibration { session, floor, .. } in all {
        table.add_row([
            session.profile.name.clone(),
            session
                .profile
                .rows
                .map_or_else(String::new, |rows| Rows(rows).to_string()),
            overrides(session, Arm::After).join(", "),
            format!("{:.1} %", floor.percent),
            floor.pairs.to_string(),
            session.tool.build.clone(),
            session.host.kernel.clone().unwrap_or_default(),
            floor.measured_at.clone(),
        ]);
    }
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The floors for a program.
#[must_use]
pub fn json(all: &[Calibration]) -> Value {
    let floors = all.iter().map(
        |Calibration {
             path,
             session,
             floor,
         }| {
            json!({
                "profile": session.profile.name,
                "rows": session.profile.rows,
                "settings": session.protocol.after,
                "floor": floor,
                "build": session.tool.build,
                "host": session.host,
                "path": path,
            })
        },
    );
    Value::Array(floors.collect())
}
