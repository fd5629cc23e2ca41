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
use crate::config::{Checked, Connections, Document, Shape, json_schema};

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

/// The ways in which a dataset is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `of`: the rows of a shipped profile.
    Of,
    /// `tables`, with the keys of each.
    Tables,
    /// The keys of its one table.
    Own,
}

impl Form {
    /// The way of this document.
    fn of(document: &Document) -> Self {
        if document.at("dataset.of").is_some() {
            Self::Of
        } else if document.at("dataset.tables").is_some() {
            Self::Tables
        } else {
            Self::Own
        }
    }
}

/// The shape of this document, by the way it writes its dataset.
pub(super) fn shape(document: &Document) -> Shape {
    shape_with(Form::of(document))
}

/// The JSON Schema of a profile, with every way of writing a dataset.
pub(super) fn schema() -> serde_json::Value {
    let mut schema = json_schema::document(
        "rb-bench profile",
        "What rb-bench measures: how rows are made, a pipeline without connections, and the settings of two arms.",
        &shape_with(Form::Own),
    );
    let forms = [Form::Own, Form::Tables, Form::Of].map(|form| json_schema::of(&dataset(form)));
    schema["properties"]["dataset"] = serde_json::json!({ "description": DATASET, "anyOf": forms });
    schema
}

const DATASET: &str = "How the rows are made: the keys of one table, tables with those of each, or of: a shipped profile.";

fn shape_with(form: Form) -> Shape {
    let overrides = || Shape::FreeMap(Box::new(Shape::Scalar));
    let bench = Shape::Map(vec![
        Field::optional("warmup", Shape::integer(0, 1_000))
            .about("Iterations of each arm that are not counted."),
        Field::optional("iters", Shape::integer(1, 10_000))
            .about("Pairs; six are the least that can carry a verdict."),
        Field::optional("target", Shape::word(&["existing", "missing"]))
            .about("existing: empty, with its key. missing: the engine makes it."),
        Field::optional("before", overrides())
            .about("Settings of the before arm: resources.parallelism: 1."),
        Field::optional("after", overrides())
            .about("Settings of the after arm: resources.parallelism: auto."),
    ]);
    Shape::Map(vec![
        Field::required("profile", Shape::Text).about("Its name."),
        Field::optional("description", Shape::Text).about("What lists show beside it."),
        Field::required("dataset", dataset(form)).about(DATASET),
        Field::required("pipeline", Shape::Pipeline(Connections::Later))
            .about("A pipeline document; connections may be left out."),
        Field::optional("bench", bench).about("How it is measured unless flags say otherwise."),
    ])
}

fn dataset(form: Form) -> Shape {
    let setup = || {
        Field::optional("setup", Shape::list(Shape::Text))
            .about("SQL that is run first: tables that expressions read from.")
    };
    match form {
        Form::Of => {
            let names: Vec<&'static str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            Shape::Map(vec![
                Field::required("of", Shape::word(&names))
                    .about("The shipped profile whose rows these are."),
            ])
        }
        Form::Tables => {
            let tables = Shape::nonempty_list(Shape::Map(table()));
            let tables = Field::required("tables", tables).about("The tables.");
            Shape::Map(vec![setup(), tables])
        }
        Form::Own => Shape::Map(std::iter::once(setup()).chain(table()).collect()),
    }
}

fn table() -> Vec<Field> {
    let column = Shape::Map(vec![
        Field::required("name", Shape::Text).about("Its name."),
        Field::required("type", Shape::Text).about("Its type, as SQL has it."),
        Field::optional("primary_key", Shape::Bool).about("Whether it is of the primary key."),
        Field::optional("not_null", Shape::Bool).about("Whether it is declared NOT NULL."),
        Field::required("expr", Shape::Text).about(
            "Its value: SQL over i, the row's number from 1; the same i must always give the same.",
        ),
    ]);
    vec![
        Field::required("table", Shape::Text).about("The table's name."),
        Field::required("rows", Shape::integer(1, i64::MAX)).about("How many rows."),
        Field::optional("row_bytes", Shape::integer(1, i64::MAX))
            .about("Bytes of a row, about; shown in lists."),
        Field::required("columns", Shape::nonempty_list(column)).about("The columns, in order."),
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
