//! The pipeline document as types; the parser builds them, the validator judges them.
//!
//! A field says here what it accepts. What a value may be together with others (mode pairs,
//! bounds) is `validator`'s business, so that every problem of a document is found in one go.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::connection::ConnectionSettings;
use super::evolution::SchemaEvolution;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One pipeline: tables from one source into one destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The document format, `"1.0"`.
    pub version: String,
    /// The pipeline's name, for logs and results.
    pub pipeline: String,
    /// Where rows come from.
    pub source: Source,
    /// SQL over the source's rows, applied in order.
    #[serde(default)]
    pub transforms: Vec<Transform>,
    /// Where rows go.
    pub destination: Destination,
    /// What a run does where the source's columns are no longer the target's.
    #[serde(default, skip_serializing_if = "SchemaEvolution::is_default")]
    pub schema_evolution: SchemaEvolution,
    /// How much of the machine a run may use, and how often it may try.
    #[serde(default)]
    pub resources: Resources,
}

/// A source connector and the streams read through it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The connector and its settings (`use:` and `config:`).
    #[serde(flatten)]
    pub connector: SourceConnector,
    /// What is read; at least one.
    pub streams: Vec<Stream>,
    /// Relations that patterns leave out: `name` or `schema.name`, with `*` and `?`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// The connectors that rows can come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "use", content = "config")]
pub enum SourceConnector {
    /// Any relation of a Postgres database.
    #[serde(rename = "source-postgres")]
    Postgres(Endpoint),
    /// Rows made in the process, to measure a destination alone.
    #[serde(rename = "source-generate")]
    Generate(Generate),
}

/// How to reach a Postgres database: a URL, or its parts; parts win over the URL's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `postgres://user@host:port/database?sslmode=...` or a libpq keyword string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// Host name, address, or the directory of a Unix socket; several with commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port; 5432 when omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Role to connect as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password; PGPASSWORD, PGPASSFILE and ~/.pgpass are asked when omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Database name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What else libpq understands.
    #[serde(flatten)]
    pub settings: Box<ConnectionSettings>,
    /// Schema of streams (source) or targets (destination) that name none; a pattern in a source
    /// stands for several, `*` in a destination for each stream's own.
    #[serde(default = "default_schema")]
    pub schema: String,
    /// Whether this is a server of ours, of which `PG*` variables and service files know nothing.
    #[serde(skip)]
    pub is_managed: bool,
}

fn default_schema() -> String {
    "public".into()
}

/// Settings of `source-generate`; every stream yields these rows: `id bigint`, `payload text`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// Rows of each stream.
    pub rows: u64,
    /// Width of `payload` in bytes, 1 to 16 MiB.
    #[serde(default = "default_row_bytes")]
    pub row_bytes: u32,
    /// Rows a second at most, over all streams; unlimited when omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_per_second: Option<u64>,
    /// Seed of the contents; the same seed makes the same rows.
    #[serde(default)]
    pub seed: u64,
}

fn default_row_bytes() -> u32 {
    500
}

/// One relation to copy, or a pattern that names several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// Relation name, exact, or a pattern with `*` and `?`.
    pub name: String,
    /// Schema, when another than the source's; it may be a pattern too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Table name in the destination, `table` or `schema.table`; the stream's name when omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How rows are selected from run to run.
    #[serde(default)]
    pub sync_mode: SyncMode,
    /// The column whose high-water mark selects new rows (incremental only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor_field: Option<String>,
    /// How far below the mark to read again (incremental with upsert only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor_lag: Option<String>,
    /// Columns to copy; all when omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

/// How a stream's rows are selected from run to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// All rows, every run.
    #[default]
    FullRefresh,
    /// Rows above the last run's high-water mark.
    Incremental,
    /// Changes from a logical replication slot.
    Cdc,
}

/// One transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "use", content = "config")]
pub enum Transform {
    /// SQL over a relation called `input`, run by the source.
    #[serde(rename = "transform-sql")]
    Sql(TransformSql),
}

/// Settings of `transform-sql`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformSql {
    /// A SELECT over `input`.
    pub query: String,
}

/// A destination connector and how rows are written through it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// The connector and its settings (`use:` and `config:`).
    #[serde(flatten)]
    pub connector: DestinationConnector,
    /// What happens to rows that are already there.
    #[serde(default)]
    pub write_mode: WriteMode,
    /// Key columns (upsert).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// How a run of several workers becomes visible at once.
    #[serde(default)]
    pub commit: CommitChoice,
}

/// The connectors that rows can go to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "use", content = "config")]
pub enum DestinationConnector {
    /// Tables of a Postgres database.
    #[serde(rename = "dest-postgres")]
    Postgres(PostgresDestination),
    /// Counts rows and drops them, to measure a source alone.
    #[serde(rename = "dest-null")]
    Null,
}

/// Settings of `dest-postgres`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PostgresDestination {
    /// How to reach it.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// How rows are sent.
    #[serde(default)]
    pub load_method: LoadMethod,
    /// How large values that are copied are compressed.
    #[serde(default)]
    pub toast_compression: ToastCompression,
    /// What a worker's COMMIT waits for.
    #[serde(default)]
    pub synchronous_commit: SynchronousCommit,
}

/// How the destination compresses large values that a run copies; columns with a `COMPRESSION` of their own
/// keep to that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToastCompression {
    /// As the server's `default_toast_compression` says.
    #[default]
    Server,
    /// `pglz`: on every server.
    Pglz,
    /// `lz4`: several times as fast and a little larger; only where the server was built with it.
    Lz4,
}

impl ToastCompression {
    /// The value of `default_toast_compression`; none where the server's own stays.
    #[must_use]
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::Server => None,
            Self::Pglz => Some("pglz"),
            Self::Lz4 => Some("lz4"),
        }
    }
}

/// What a worker's COMMIT waits for. What the leader decides is always on disk when a run ends, and so is what
/// workers committed before that: only the COMMIT of a single worker can be lost with `Off`, and then with all its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SynchronousCommit {
    /// As the server's `synchronous_commit` says.
    #[default]
    Server,
    /// The server's own disk, no standby.
    Local,
    /// Nothing.
    Off,
}

impl SynchronousCommit {
    /// The value of `synchronous_commit`; none where the server's own stays.
    #[must_use]
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::Server => None,
            Self::Local => Some("local"),
            Self::Off => Some("off"),
        }
    }
}

/// How rows are sent to a Postgres destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadMethod {
    /// COPY FROM STDIN.
    #[default]
    Copy,
    /// Multi-row INSERT: the slow baseline.
    Insert,
}

/// What happens to rows that are already in the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// They stay; rows are added.
    #[default]
    Append,
    /// The table's contents are exchanged for the run's rows.
    Replace,
    /// Rows with the same key are updated.
    Upsert,
}

impl WriteMode {
    /// The mode as documents name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Upsert => "upsert",
        }
    }
}

/// The commit form a document asks for; `design.md` and ARCHITECTURE.md describe each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitChoice {
    /// The strongest form the destination allows.
    #[default]
    Auto,
    /// Prepared transactions, decided by the leader's COMMIT.
    TwoPhase,
    /// Transaction ids in a ledger first, then one COMMIT a worker.
    Ledger,
    /// One worker, one COMMIT.
    SingleWriter,
}

/// How much of the machine a run may use, and how often it may try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Workers over all streams: `auto`, or a number from 1.
    pub parallelism: PipelineParallelism,
    /// Whole-run retries after a failure that is safe to retry, 0 to 100.
    pub max_retries: u32,
    /// Bytes of a chunk, TOAST included, 8 KiB to 1 TiB; chosen from the run's size when omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// Bytes gathered before each send, 4 KiB to 16 MiB.
    pub buffer_bytes: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            parallelism: PipelineParallelism::Auto,
            max_retries: 3,
            chunk_bytes: None,
            buffer_bytes: 64 << 10,
        }
    }
}

/// How many shard workers a run may use at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PipelineParallelism {
    /// Sized by the heuristic in `parallelism`.
    #[default]
    Auto,
    /// Exactly that many; the validator refuses 0.
    Manual(u32),
}

impl fmt::Display for PipelineParallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Manual(n) => write!(f, "{n}"),
        }
    }
}

/// What `resources.parallelism` accepts, for every message about it.
pub const PARALLELISM_ACCEPTS: &str = "`auto` or a whole number from 1 to 4294967295";

impl FromStr for PipelineParallelism {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse()
            .map(Self::Manual)
            .map_err(|_| format!("`{text}` is not {PARALLELISM_ACCEPTS}"))
    }
}

impl Serialize for PipelineParallelism {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Manual(n) => serializer.serialize_u32(*n),
        }
    }
}

impl<'de> Deserialize<'de> for PipelineParallelism {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AutoOrCount;
        impl Visitor<'_> for AutoOrCount {
            type Value = PipelineParallelism;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PARALLELISM_ACCEPTS)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                if text == "auto" {
                    return Ok(PipelineParallelism::Auto);
                }
                Err(E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Self::Value, E> {
                u32::try_from(n)
                    .map(PipelineParallelism::Manual)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
        }
        deserializer.deserialize_any(AutoOrCount)
    }
}

/// A text that must not be printed: it shows as `***` and serializes as `***`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for connecting, never for printing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// Key-value settings in a stable order, as they are recorded.
pub type Settings = BTreeMap<String, String>;

#[cfg(test)]
mod tests;
