//! The profile document: what it may say, and what its parts must say together.
//!
//! A dataset is written in one of three ways: one table's keys, `tables` with those of each, or `of`
//! with the shipped profile whose rows they are. The document itself says which, so that a wrong key is
//! told against the right list.

use serde::Deserialize;

use super::{Profile, SHIPPED, TargetState};
use crate::bench::dataset::{Dataset, TableDefinition};
use crate::config::relation::{MAX_IDENTIFIER_BYTES, is_pattern};
use crate::config::shape::Field;
use crate::config::types::Pipeline;
use crate::config::{Checked, Connections, Document, Shape};

/// The serde side of a profile document.
#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) profile: String,
    pub(super) description: Option<String>,
    pub(super) dataset: WrittenDataset,
    pub(super) pipeline: Pipeline,
    #[serde(default)]
    pub(super) bench: BenchSettings,
}

/// Rows of its own, or those of a shipped profile.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum WrittenDataset {
    Of { of: String },
    Own(Dataset),
}

/// The serde side of `bench:`; arms are read with their positions, not here.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct BenchSettings {
    pub(super) warmup: u32,
    pub(super) iters: u32,
    pub(super) target: TargetState,
}

impl Default for BenchSettings {
    fn default() -> Self {
        Self {
            warmup: 1,
            iters: 3,
            target: TargetState::Existing,
        }
    }
}

/// The shape of this document, by the way it writes its dataset.
pub(super) fn shape(document: &Document) -> Shape {
    let overrides = || Shape::FreeMap(Box::new(Shape::Scalar));
    let bench = Shape::Map(vec![
        Field::optional("warmup", Shape::integer(0, 1_000)),
        Field::optional("iters", Shape::integer(1, 10_000)),
        Field::optional("target", Shape::word(&["existing", "missing"])),
        Field::optional("before", overrides()),
        Field::optional("after", overrides()),
    ]);
    Shape::Map(vec![
        Field::required("profile", Shape::Text),
        Field::optional("description", Shape::Text),
        Field::required("dataset", dataset(document)),
        Field::required("pipeline", Shape::Pipeline(Connections::Later)),
        Field::optional("bench", bench),
    ])
}

fn dataset(document: &Document) -> Shape {
    let setup = || Field::optional("setup", Shape::list(Shape::Text));
    if document.at("dataset.of").is_some() {
        let names: Vec<&'static str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        Shape::Map(vec![Field::required("of", Shape::word(&names))])
    } else if document.at("dataset.tables").is_some() {
        let tables = Shape::nonempty_list(Shape::Map(table()));
        Shape::Map(vec![setup(), Field::required("tables", tables)])
    } else {
        Shape::Map(std::iter::once(setup()).chain(table()).collect())
    }
}

fn table() -> Vec<Field> {
    let column = Shape::Map(vec![
        Field::required("name", Shape::Text),
        Field::required("type", Shape::Text),
        Field::optional("primary_key", Shape::Bool),
        Field::optional("not_null", Shape::Bool),
        Field::required("expr", Shape::Text),
    ]);
    vec![
        Field::required("table", Shape::Text),
        Field::required("rows", Shape::integer(1, i64::MAX)),
        Field::optional("row_bytes", Shape::integer(1, i64::MAX)),
        Field::required("columns", Shape::nonempty_list(column)),
    ]
}

/// What a profile says together that its shape cannot.
pub(super) fn judge(document: &Document, checked: &mut Checked<'_>) {
    let Some(written) = checked.tentative::<Written>() else {
        return;
    };
    let dataset = match written.dataset {
        WrittenDataset::Own(dataset) => {
            judge_tables(document, &dataset, checked);
            Some(dataset)
        }
        // the rows of a shipped profile are judged where they are written
        WrittenDataset::Of { of } => Profile::find(&of).ok().and_then(|of| of.dataset),
    };
    let Some(dataset) = dataset else {
        return;
    };
    for (n, stream) in written.pipeline.source.streams.iter().enumerate() {
        if dataset.table(&stream.name).is_none() && !is_pattern(&stream.name) {
            checked.refuse_unless(
                &format!("pipeline.source.streams.{n}.name"),
                &["dataset.table", "dataset.tables", "dataset.of"],
                format!(
                    "the dataset has no table `{}`; accepted: {}",
                    stream.name,
                    dataset.name()
                ),
            );
        }
    }
}

fn judge_tables(document: &Document, dataset: &Dataset, checked: &mut Checked<'_>) {
    let listed = document.at("dataset.tables").is_some();
    for (n, table) in dataset.tables.iter().enumerate() {
        let path = if listed {
            format!("dataset.tables.{n}")
        } else {
            "dataset".to_owned()
        };
        let earlier = &dataset.tables[..n];
        if earlier.iter().any(|other| other.table == table.table) {
            refuse_twice(checked, &format!("{path}.table"), &table.table);
        }
        judge_table(checked, table, &path);
    }
}

fn judge_table(checked: &mut Checked<'_>, table: &TableDefinition, path: &str) {
    let too_long = |name: &str| name.is_empty() || name.len() > MAX_IDENTIFIER_BYTES;
    let accepted = format!("accepted: 1 to {MAX_IDENTIFIER_BYTES} bytes");
    if too_long(&table.table) {
        let path = format!("{path}.table");
        checked.refuse(&path, format!("not a table's name; {accepted}"));
    }
    for (n, column) in table.columns.iter().enumerate() {
        let path = format!("{path}.columns.{n}.name");
        if too_long(&column.name) {
            checked.refuse(&path, format!("not a column's name; {accepted}"));
        }
        let earlier = &table.columns[..n];
        if earlier.iter().any(|other| other.name == column.name) {
            refuse_twice(checked, &path, &column.name);
        }
    }
}

fn refuse_twice(checked: &mut Checked<'_>, path: &str, name: &str) {
    checked.refuse(
        path,
        format!("`{name}` is there already; accepted: each name once"),
    );
}
