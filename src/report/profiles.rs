//! Profiles for `rb-bench profiles`: the list, one of them whole, and that one is valid.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::Paper;
use crate::bench::dataset::Dataset;
use crate::bench::order::Arm;
use crate::bench::profile::Profile;
use crate::error::Result;
use crate::units::{Bytes, Rows};

/// The profiles as a table.
#[must_use]
pub fn text(profiles: &[Profile], paper: Paper) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(paper.width)
        .set_header(["PROFILE", "TABLES", "ROWS", "BYTES/ROW", "DESCRIPTION"]);
    for profile in profiles {
        let dataset = profile.dataset.as_ref();
        let shown = |of: &dyn Fn(&Dataset) -> Option<String>| dataset.and_then(of);
        table.add_row([
            profile.name.clone(),
            shown(&|d| Some(d.tables.len().to_string())).unwrap_or_default(),
            shown(&|d| Some(Rows(d.rows()).to_string())).unwrap_or_default(),
            shown(&|d| Some(Bytes(d.row_bytes()?).to_string())).unwrap_or_default(),
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
pub fn json(profiles: &[Profile]) -> Value {
    profiles.iter().map(summary).collect()
}

fn summary(profile: &Profile) -> Value {
    let dataset = profile.dataset.as_ref();
    json!({
        "name": profile.name,
        "description": profile.description,
        "origin": profile.origin.name(),
        "tables": dataset.map(|d| d.tables.iter().map(|t| t.table.as_str()).collect::<Vec<_>>()),
        "rows": dataset.map(Dataset::rows),
        "row_bytes": dataset.and_then(Dataset::row_bytes),
    })
}

/// One profile with all that it says, as JSON.
///
/// # Errors
/// `Kind::Internal` for what cannot be serialized.
pub fn whole(profile: &Profile) -> Result<Value> {
    let mut value = summary(profile);
    value["data_digest"] = json!(profile.dataset.as_ref().map(Dataset::digest));
    value["dataset"] = json!(profile.dataset);
    value["pipeline"] = json!(profile.document()?);
    value["bench"] = json!({
        "warmup": profile.warmup,
        "iters": profile.iters,
        "target": profile.target.name(),
        "before": profile.settings(Arm::Before),
        "after": profile.settings(Arm::After),
    });
    Ok(value)
}

/// A line that says that a profile is one.
#[must_use]
pub fn valid(profile: &Profile) -> String {
    let dataset = profile.dataset.as_ref();
    format!(
        "{}: a profile; {} rows in {}",
        profile.name,
        Rows(dataset.map_or(0, Dataset::rows)),
        dataset.map(Dataset::name).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_profiles_are_listed() {
        let profiles = Profile::shipped().unwrap();
        insta::assert_snapshot!(text(&profiles, Paper::PLAIN), @"
        PROFILE           TABLES     ROWS  BYTES/ROW  DESCRIPTION
        small                  1  100,000      500 B  event stream, about 500 B a row, 15 columns
        medium                 1   50,000    3.80 kB  SaaS orders, about 3.8 KB a row, 22 columns, numeric
                                                      and JSONB
        large                  1   10,000    47.0 kB  documents, about 47 KB a row, 20 columns, long texts
                                                      and two JSONB trees
        transform              1   50,000    3.80 kB  the rows of medium through transform-sql, every row
                                                      changed
        transform-filter       1   50,000    3.80 kB  the rows of medium through transform-sql, two in
                                                      five kept
        many                   8  218,000      123 B  8 small tables at once, 40 to 300 B a row
        skewed                12   18,075    5.37 kB  one big table with rows of 0.1 to 580 KB, and 11
                                                      small ones
        ");
        assert_eq!(json(&profiles)[0]["row_bytes"], 500);
    }
}
