//! The shape of a pipeline document: every key it may have, and what each holds.
//!
//! A key added to `types` is added here, or it is refused as unknown. Bounds that depend on meaning
//! are not here but in [`validator`].

use std::ops::RangeInclusive;

use serde_yaml::Value;

use super::connection;
use super::report::Checked;
use super::shape::{Field, Shape};
use super::shape_check;
use super::tree::Node;
use super::types::{PARALLELISM_ACCEPTS, Pipeline};
use super::validator;

/// Whether a document must say how its databases are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// It must: each Postgres endpoint has `url`, `host`, `hostaddr` or `service`.
    Required,
    /// It need not: the caller fills them in.
    Later,
}

/// The shape of a pipeline document. Whether it says how to connect is the validator's question: a
/// URL and a host are two ways of saying it.
#[must_use]
pub fn shape() -> Shape {
    Shape::Map(vec![
        Field::required("version", Shape::Text),
        Field::required("pipeline", Shape::Text),
        Field::required("source", source()),
        Field::optional("transforms", Shape::list(transform())),
        Field::required("destination", destination()),
        Field::optional("schema_evolution", schema_evolution()),
        Field::optional("resources", resources()),
    ])
}

fn source() -> Shape {
    let stream = Shape::Map(vec![
        Field::required("name", Shape::Text),
        Field::optional("schema", Shape::Text),
        Field::optional("target", Shape::Text),
        Field::optional(
            "sync_mode",
            Shape::word(&["full_refresh", "incremental", "cdc"]),
        ),
        Field::optional("cursor_field", Shape::Text),
        Field::optional("cursor_lag", Shape::Text),
        Field::optional("columns", Shape::nonempty_list(Shape::Text)),
    ]);
    Shape::Connector {
        kinds: vec![
            ("source-postgres", endpoint()),
            (
                "source-generate",
                vec![
                    Field::required("rows", Shape::integer(0, i64::MAX)),
                    Field::optional("row_bytes", bounded(&validator::ROW_BYTES)),
                    Field::optional("rows_per_second", bounded(&validator::RATES)),
                    Field::optional("seed", Shape::integer(0, u64::MAX)),
                ],
            ),
        ],
        beside: vec![
            Field::required("streams", Shape::nonempty_list(stream)),
            Field::optional("exclude", Shape::list(Shape::Text)),
        ],
    }
}

fn transform() -> Shape {
    Shape::Connector {
        kinds: vec![("transform-sql", vec![Field::required("query", Shape::Text)])],
        beside: Vec::new(),
    }
}

fn destination() -> Shape {
    let mut postgres = endpoint();
    postgres.push(Field::optional(
        "load_method",
        Shape::word(&["copy", "insert"]),
    ));
    Shape::Connector {
        kinds: vec![("dest-postgres", postgres), ("dest-null", Vec::new())],
        beside: vec![
            Field::optional("write_mode", Shape::word(&["append", "replace", "upsert"])),
            Field::optional("primary_key", Shape::list(Shape::Text)),
            Field::optional(
                "commit",
                Shape::word(&["auto", "two_phase", "ledger", "single_writer"]),
            ),
        ],
    }
}

fn endpoint() -> Vec<Field> {
    let mut fields = vec![
        Field::optional("url", Shape::Secret),
        Field::optional("host", Shape::Text),
        Field::optional("port", Shape::integer(1, u16::MAX)),
        Field::optional("user", Shape::Text),
        Field::optional("password", Shape::Secret),
        Field::optional("database", Shape::Text),
        Field::optional("schema", Shape::Text),
    ];
    fields.extend(connection::fields());
    fields
}

fn schema_evolution() -> Shape {
    Shape::Map(vec![
        Field::optional("new_column", Shape::word(&["add", "ignore", "refuse"])),
        Field::optional("removed_column", Shape::word(&["keep", "refuse"])),
        Field::optional("type_change", Shape::word(&["widen", "refuse"])),
        Field::optional("nullability_change", Shape::word(&["relax", "refuse"])),
    ])
}

fn resources() -> Shape {
    Shape::Map(vec![
        Field::optional(
            "parallelism",
            Shape::WordOrInteger {
                words: &["auto"],
                min: 0,
                max: u32::MAX.into(),
                accepts: PARALLELISM_ACCEPTS,
            },
        ),
        Field::optional("max_retries", bounded(&validator::MAX_RETRIES)),
        Field::optional("chunk_bytes", bounded(&validator::CHUNK_BYTES)),
        Field::optional("buffer_bytes", bounded(&validator::BUFFER_BYTES)),
    ])
}

/// The validator's own bounds, so that a value of the wrong type is told them as well.
fn bounded(bounds: &RangeInclusive<u64>) -> Shape {
    Shape::integer(*bounds.start(), *bounds.end())
}

/// Checks a pipeline document at `path` of a document, shape and meaning.
pub(super) fn check(
    node: &Node,
    connections: Connections,
    path: &str,
    report: &mut Checked<'_>,
) -> Value {
    let value = shape_check::check(node, &shape(), path, report);
    if let Ok(pipeline) = serde_yaml::from_value::<Pipeline>(value.clone()) {
        report.within(path, |report| {
            validator::judge(&pipeline, connections, report);
        });
    }
    value
}
