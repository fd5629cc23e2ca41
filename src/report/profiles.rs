//! The list of profiles, for `rb-bench profiles`.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Paper;
use crate::bench::profile::Profile;
use crate::units::{Bytes, Rows};

/// The profiles as a table.
#[must_use]
pub fn text(profiles: &[Profile], paper: Paper) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width)
        .set_header(["PROFILE", "ROWS", "BYTES/ROW", "COLUMNS", "DESCRIPTION"]);
    for profile in profiles {
        let dataset = profile.dataset.as_ref();
        table.add_row([
            profile.name.clone(),
            dataset
                .map(|d| Rows(d.rows).to_string())
                .unwrap_or_default(),
            dataset
                .and_then(|d| d.row_bytes)
                .map(|bytes| Bytes(bytes).to_string())
                .unwrap_or_default(),
            dataset
                .map(|d| d.columns.len().to_string())
                .unwrap_or_default(),
            profile.description.clone().unwrap_or_default(),
        ]);
    }
    for column in 1..=3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The profiles as one JSON array.
#[must_use]
pub fn json(profiles: &[Profile]) -> serde_json::Value {
    profiles
        .iter()
        .map(|profile| {
            let dataset = profile.dataset.as_ref();
            serde_json::json!({
                "name": profile.name,
                "description": profile.description,
                "table": dataset.map(|d| &d.table),
                "rows": dataset.map(|d| d.rows),
                "row_bytes": dataset.and_then(|d| d.row_bytes),
                "columns": dataset.map(|d| d.columns.len()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_profiles_are_listed() {
        let profiles = Profile::shipped().unwrap();
        insta::assert_snapshot!(text(&profiles, Paper::PLAIN), @"
        PROFILE     ROWS  BYTES/ROW  COLUMNS  DESCRIPTION
        small    100,000      500 B       15  event stream, about 500 B a row, 15 columns
        medium    50,000    3.80 kB       22  SaaS orders, about 3.8 KB a row, 22 columns, numeric and
                                              JSONB
        large     10,000    47.0 kB       20  documents, about 47 KB a row, 20 columns, long texts and two
                                              JSONB trees
        ");
        assert_eq!(json(&profiles)[0]["row_bytes"], 500);
    }
}
