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
        Field::required("version", Shape::Text)
            .about("The version of the document format: \"1.0\"."),
        Field::required("pipeline", Shape::Text)
            .about("The pipeline's name; what is kept between its runs is kept under it."),
        Field::required("source", source()).about("What is read, and from where."),
        Field::optional("transforms", Shape::list(transform()))
            .about("SQL that the source applies on the way, one after the other."),
        Field::required("destination", destination())
            .about("Where the rows go, and how they are written."),
        Field::optional("schema_evolution", schema_evolution())
            .about("What to do where the source's columns are no longer the target's."),
        Field::optional("resources", resources()).about("How much the run may use."),
    ])
}

fn source() -> Shape {
    let stream = Shape::Map(vec![
        Field::required("name", Shape::Text).about("A table or view, or a pattern with * and ?."),
        Field::optional("schema", Shape::Text).about("Its schema; the source's when omitted."),
        Field::optional("target", Shape::Text).about("Another name in the destination."),
        Field::optional(
            "sync_mode",
            Shape::word(&["full_refresh", "incremental", "cdc"]),
        ).about("full_refresh: all rows with every run. incremental: those above the last run's mark. cdc: changes as they happen."),
        Field::optional("cursor_field", Shape::Text).about("The column whose highest value is the mark of an incremental stream."),
        Field::optional("cursor_lag", Shape::Text).about("How far below the mark an incremental upsert reads again: a number, or an interval such as 10 minutes."),
        Field::optional("columns", Shape::nonempty_list(Shape::Text)).about("The columns to copy; all when omitted."),
    ]);
    Shape::Connector {
        kinds: vec![
            ("source-postgres", endpoint()),
            (
                "source-generate",
                vec![
                    Field::required("rows", Shape::integer(0, i64::MAX))
                        .about("How many rows to make."),
                    Field::optional("row_bytes", bounded(&validator::ROW_BYTES))
                        .about("Bytes of payload in a row."),
                    Field::optional("rows_per_second", bounded(&validator::RATES))
                        .about("The fastest rate; as fast as it goes when omitted."),
                    Field::optional("seed", Shape::integer(0, u64::MAX))
                        .about("The same seed makes the same rows."),
                ],
            ),
        ],
        beside: vec![
            Field::required("streams", Shape::nonempty_list(stream)).about("The tables."),
            Field::optional("exclude", Shape::list(Shape::Text))
                .about("Patterns that leave tables out of the patterns in streams."),
        ],
    }
}

fn transform() -> Shape {
    Shape::Connector {
        kinds: vec![(
            "transform-sql",
            vec![
                Field::required("query", Shape::Text).about("One SELECT over the relation input."),
            ],
        )],
        beside: Vec::new(),
    }
}

fn destination() -> Shape {
    let mut postgres = endpoint();
    postgres.extend([
        Field::optional("load_method", Shape::word(&["copy", "insert"]))
            .about("copy: binary COPY. insert: INSERT of many rows, the slow way to compare with."),
        Field::optional("toast_compression", Shape::word(&["server", "pglz", "lz4"]))
            .about("How large values that are copied are compressed. server: as the server does by default."),
        Field::optional("synchronous_commit", Shape::word(&["server", "local", "off"]))
            .about("What a worker's COMMIT waits for: all that the server is set to, its own disk, nothing."),
    ]);
    Shape::Connector {
        kinds: vec![("dest-postgres", postgres), ("dest-null", Vec::new())],
        beside: vec![
            Field::optional("write_mode", Shape::word(&["append", "replace", "upsert"])).about("append: rows are added. upsert: rows with a known key are updated, others added. replace: the table is exchanged for the run's rows."),
            Field::optional("primary_key", Shape::list(Shape::Text)).about("The columns that are the key of an upsert."),
            Field::optional(
                "commit",
                Shape::word(&["auto", "two_phase", "ledger", "single_writer"]),
            ).about("How the workers commit together; auto takes the strongest way that the destination allows."),
        ],
    }
}

fn endpoint() -> Vec<Field> {
    let mut fields = vec![
        Field::optional("url", Shape::Secret).about("postgres://user@host:port/database; better without the password, which PGPASSWORD, PGPASSFILE and ~/.pgpass can give."),
        Field::optional("host", Shape::Text).about("A name, an address, or the directory of a Unix socket."),
        Field::optional("port", Shape::integer(1, u16::MAX)).about("5432 when omitted."),
        Field::optional("user", Shape::Text).about("The role to connect as."),
        Field::optional("password", Shape::Secret).about("Better from the environment: ${PASSWORD}."),
        Field::optional("database", Shape::Text).about("The database to connect to."),
        Field::optional("schema", Shape::Text).about("The schema of the tables; public when omitted."),
    ];
    fields.extend(connection::fields());
    fields
}

fn schema_evolution() -> Shape {
    Shape::Map(vec![
        Field::optional("new_column", Shape::word(&["add", "ignore", "refuse"]))
            .about("A column that the target does not have."),
        Field::optional("removed_column", Shape::word(&["keep", "refuse"]))
            .about("A column that the source no longer has."),
        Field::optional("type_change", Shape::word(&["widen", "refuse"]))
            .about("A type whose values the target's column cannot all hold."),
        Field::optional("nullability_change", Shape::word(&["relax", "refuse"]))
            .about("A column that is NOT NULL in the target alone."),
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
        )
        .about("How many workers: auto, or a number from 1."),
        Field::optional("max_retries", bounded(&validator::MAX_RETRIES))
            .about("How often a run that failed is tried again, where that cannot double a row."),
        Field::optional("chunk_bytes", bounded(&validator::CHUNK_BYTES))
            .about("Bytes that one COPY statement moves, about; from the run's size when omitted."),
        Field::optional("buffer_bytes", bounded(&validator::BUFFER_BYTES))
            .about("Bytes gathered before each send."),
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
