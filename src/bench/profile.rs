//! What is measured: a dataset, a pipeline and the settings of its two arms, from a profile or from
//! the user's own pipeline document.
//!
//! The shipped profiles are compiled in; a user's own file has the same shape and works wherever they
//! do. Everything that can be wrong with a profile or with `--before` and `--after` is found here,
//! before anything is started. Nothing here connects.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::dataset::Dataset;
use super::order::Arm;
use crate::config::relation::{MAX_IDENTIFIER_BYTES, is_pattern};
use crate::config::shape::Field;
use crate::config::types::{Pipeline, Settings};
use crate::config::{
    Checked, Connections, Document, Override, Shape, nearest, process_environment,
};
use crate::error::{Error, Kind, Result};
use crate::units::Hex;

/// The shipped profiles: name and document.
const SHIPPED: [(&str, &str); 3] = [
    ("small", include_str!("../../profiles/small.yaml")),
    ("medium", include_str!("../../profiles/medium.yaml")),
    ("large", include_str!("../../profiles/large.yaml")),
];

/// The target table before the clock starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// There, empty, with its key.
    #[default]
    Existing,
    /// Not there: the engine makes it.
    Missing,
}

impl TargetState {
    /// The state as documents and artifacts name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Existing => "existing",
            Self::Missing => "missing",
        }
    }
}

/// Where a profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Shipped,
    /// A profile file of the user's.
    File(String),
    /// A pipeline document of the user's, on its own databases.
    Pipeline(String),
}

impl Origin {
    /// The origin as artifacts name it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Shipped => "shipped",
            Self::File(path) | Self::Pipeline(path) => path,
        }
    }
}

/// Something to measure.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub description: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// How its rows are made; none where the data are the user's own.
    pub dataset: Option<Dataset>,
    /// Warm-up iterations of each arm.
    pub warmup: u32,
    /// Pairs to measure.
    pub iters: u32,
    /// The target before the clock starts.
    pub target: TargetState,
    document: Document,
    before: Vec<Override>,
    after: Vec<Override>,
}

/// The serde side of a profile document.
#[derive(Deserialize)]
struct Written {
    profile: String,
    description: Option<String>,
    dataset: Dataset,
    pipeline: Pipeline,
    #[serde(default)]
    bench: BenchSettings,
}

/// The serde side of `bench:`; arms are read with their positions, not here.
#[derive(Deserialize)]
#[serde(default)]
struct BenchSettings {
    warmup: u32,
    iters: u32,
    target: TargetState,
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

fn shape() -> Shape {
    let column = Shape::Map(vec![
        Field::required("name", Shape::Text),
        Field::required("type", Shape::Text),
        Field::optional("primary_key", Shape::Bool),
        Field::optional("not_null", Shape::Bool),
        Field::required("expr", Shape::Text),
    ]);
    let dataset = Shape::Map(vec![
        Field::required("table", Shape::Text),
        Field::required("rows", Shape::integer(1, i64::MAX)),
        Field::optional("row_bytes", Shape::integer(1, i64::MAX)),
        Field::optional("setup", Shape::list(Shape::Text)),
        Field::required("columns", Shape::nonempty_list(column)),
    ]);
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
        Field::required("dataset", dataset),
        Field::required("pipeline", Shape::Pipeline(Connections::Later)),
        Field::optional("bench", bench),
    ])
}

/// What a profile says together that its shape cannot.
fn judge(checked: &mut Checked<'_>) {
    let Some(written) = checked.tentative::<Written>() else {
        return;
    };
    let too_long = |name: &str| name.is_empty() || name.len() > MAX_IDENTIFIER_BYTES;
    let accepted = format!("accepted: 1 to {MAX_IDENTIFIER_BYTES} bytes");
    if too_long(&written.dataset.table) {
        checked.refuse("dataset.table", format!("not a table's name; {accepted}"));
    }
    let columns = &written.dataset.columns;
    for (n, column) in columns.iter().enumerate() {
        let path = format!("dataset.columns.{n}.name");
        if too_long(&column.name) {
            checked.refuse(&path, format!("not a column's name; {accepted}"));
        }
        if columns[..n].iter().any(|other| other.name == column.name) {
            checked.refuse(
                &path,
                format!(
                    "`{}` is there already; accepted: each name once",
                    column.name
                ),
            );
        }
    }
    for (n, stream) in written.pipeline.source.streams.iter().enumerate() {
        if stream.name != written.dataset.table && !is_pattern(&stream.name) {
            checked.refuse_unless(
                &format!("pipeline.source.streams.{n}.name"),
                &["dataset.table"],
                format!(
                    "the dataset has no table `{}`; accepted: {}",
                    stream.name, written.dataset.table
                ),
            );
        }
    }
}

impl Profile {
    /// Finds a profile: a shipped one by name, or a file by its path.
    ///
    /// # Errors
    /// `Kind::NotFound` for an unknown name, with the nearest known one; `Kind::Config` with every
    /// problem of the document.
    pub fn find(name: &str) -> Result<Self> {
        if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            let document = Document::read(text, &format!("profile {name}"), &|_| None)?;
            return Self::read(&document, Origin::Shipped);
        }
        let path = Path::new(name);
        let is_path = name.contains(std::path::MAIN_SEPARATOR)
            || path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if is_path || path.is_file() {
            let document = Document::load(path, &process_environment)?;
            return Self::read(&document, Origin::File(name.to_owned()));
        }
        let known: Vec<&str> = SHIPPED.iter().map(|(shipped, _)| *shipped).collect();
        let meant = nearest(name, known.iter().copied())
            .map(|meant| format!("; did you mean `{meant}`?"))
            .unwrap_or_default();
        Err(
            Error::new(Kind::NotFound, format!("unknown profile `{name}`{meant}")).remedy(format!(
                "use one of {}, or the path of a profile file",
                known.join(", ")
            )),
        )
    }

    /// Every shipped profile, smallest rows first.
    pub fn shipped() -> Result<Vec<Self>> {
        SHIPPED.iter().map(|(name, _)| Self::find(name)).collect()
    }

    /// A user's pipeline document, measured on its own databases.
    pub fn of_pipeline(path: &Path) -> Result<Self> {
        let document = Document::load(path, &process_environment)?;
        let pipeline = document.pipeline(Connections::Required)?;
        let defaults = BenchSettings::default();
        Ok(Self {
            name: pipeline.pipeline,
            description: None,
            origin: Origin::Pipeline(path.display().to_string()),
            dataset: None,
            warmup: defaults.warmup,
            iters: defaults.iters,
            target: defaults.target,
            document,
            before: default_arm("1")?,
            after: default_arm("auto")?,
        })
    }

    fn read(document: &Document, origin: Origin) -> Result<Self> {
        let mut checked = document.check(&shape());
        judge(&mut checked);
        let written: Written = checked.finish()?;
        let arm = |path: &str, default: &str| {
            let overrides = document.overrides_at(path);
            if overrides.is_empty() {
                default_arm(default)
            } else {
                Ok(overrides)
            }
        };
        let pipeline = document
            .at("pipeline")
            .ok_or_else(|| Error::internal("a checked profile without its pipeline"))?;
        let profile = Self {
            name: written.profile,
            description: written.description,
            origin,
            dataset: Some(written.dataset),
            warmup: written.bench.warmup,
            iters: written.bench.iters,
            target: written.bench.target,
            before: arm("bench.before", "1")?,
            after: arm("bench.after", "auto")?,
            document: pipeline,
        };
        for arm in [Arm::Before, Arm::After] {
            profile.pipeline(arm)?;
        }
        Ok(profile)
    }

    /// The profile with another number of rows.
    #[must_use]
    pub fn with_rows(mut self, rows: Option<u64>) -> Self {
        if let (Some(dataset), Some(rows)) = (&mut self.dataset, rows) {
            dataset.rows = rows;
        }
        self
    }

    /// The profile with further settings of its arms, as typed after `--before` and `--after`; the
    /// later of two settings of one key wins.
    pub fn with_flags(mut self, before: &[String], after: &[String]) -> Result<Self> {
        for text in before {
            self.before.push(Override::flag("--before", text)?);
        }
        for text in after {
            self.after.push(Override::flag("--after", text)?);
        }
        for arm in [Arm::Before, Arm::After] {
            self.pipeline(arm)?;
        }
        Ok(self)
    }

    fn connections(&self) -> Connections {
        match self.origin {
            Origin::Pipeline(_) => Connections::Required,
            Origin::Shipped | Origin::File(_) => Connections::Later,
        }
    }

    fn overrides_of(&self, arm: Arm) -> &[Override] {
        match arm {
            Arm::Before => &self.before,
            Arm::After => &self.after,
        }
    }

    /// The pipeline of an arm, its settings in it; without connections unless it is the user's own.
    pub fn pipeline(&self, arm: Arm) -> Result<Pipeline> {
        self.document
            .with_overrides(self.overrides_of(arm))?
            .pipeline(self.connections())
    }

    /// The settings of an arm, as artifacts keep them.
    #[must_use]
    pub fn settings(&self, arm: Arm) -> Settings {
        self.overrides_of(arm)
            .iter()
            .map(|o| (o.key().to_owned(), o.shown()))
            .collect()
    }

    /// SHA-256 of the pipeline as it is without the arms' settings and without connections.
    pub fn pipeline_digest(&self) -> Result<String> {
        let mut pipeline = self.document.pipeline(self.connections())?;
        without_connections(&mut pipeline);
        let text = serde_json::to_string(&pipeline)
            .map_err(|e| Error::internal(format!("serializing a pipeline: {e}")))?;
        Ok(Hex(&Sha256::digest(text.as_bytes())).to_string())
    }
}

/// The setting that an arm has where a profile names none.
fn default_arm(parallelism: &str) -> Result<Vec<Override>> {
    Ok(vec![Override::flag(
        "bench",
        &format!("resources.parallelism={parallelism}"),
    )?])
}

fn without_connections(pipeline: &mut Pipeline) {
    use crate::config::types::{DestinationConnector, Endpoint, SourceConnector};
    let blank = |endpoint: &mut Endpoint| {
        *endpoint = Endpoint {
            schema: std::mem::take(&mut endpoint.schema),
            ..Endpoint::default()
        };
    };
    if let SourceConnector::Postgres(endpoint) = &mut pipeline.source.connector {
        blank(endpoint);
    }
    if let DestinationConnector::Postgres(postgres) = &mut pipeline.destination.connector {
        blank(&mut postgres.endpoint);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::config::types::PipelineParallelism;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn find(text: &str) -> Result<Profile> {
        Profile::find(file(text).path().to_str().unwrap())
    }

    const TINY: &str = r#"
profile: tiny
dataset:
  table: t
  rows: 10
  columns:
    - { name: id, type: bigint, primary_key: true, expr: "i" }
pipeline:
  version: "1.0"
  pipeline: tiny
  source: { use: source-postgres, streams: [{ name: t }] }
  destination: { use: dest-postgres }
"#;

    #[test]
    fn the_shipped_profiles_compare_one_worker_with_auto() {
        let columns = [("small", 15), ("medium", 22), ("large", 20)];
        for (profile, (name, columns)) in Profile::shipped().unwrap().iter().zip(columns) {
            assert_eq!(profile.name, name);
            assert_eq!(profile.dataset.as_ref().unwrap().columns.len(), columns);
            let parallelism = |arm| profile.pipeline(arm).unwrap().resources.parallelism;
            assert_eq!(parallelism(Arm::Before), PipelineParallelism::Manual(1));
            assert_eq!(parallelism(Arm::After), PipelineParallelism::Auto);
        }
    }

    #[test]
    fn a_profile_file_needs_no_bench_settings() {
        let profile = find(TINY).unwrap().with_rows(Some(99));
        assert_eq!((profile.warmup, profile.iters), (1, 3));
        assert_eq!(profile.dataset.unwrap().rows, 99);
    }

    #[test]
    fn an_unknown_profile_names_the_nearest_and_all() {
        let error = Profile::find("larg").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        insta::assert_snapshot!(error, @"
        unknown profile `larg`; did you mean `large`?
          what to do: use one of small, medium, large, or the path of a profile file
        ");
    }

    #[test]
    fn flags_come_after_the_profiles_own_settings() {
        let flags = ["resources.parallelism=4".to_owned()];
        let profile = find(TINY).unwrap().with_flags(&[], &flags).unwrap();
        assert_eq!(
            profile.pipeline(Arm::After).unwrap().resources.parallelism,
            PipelineParallelism::Manual(4)
        );
        assert_eq!(profile.settings(Arm::After)["resources.parallelism"], "4");
    }

    #[test]
    fn a_wrong_flag_is_wrong_use() {
        let flags = ["resources.parallelism=0".to_owned()];
        let error = find(TINY).unwrap().with_flags(&[], &flags).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(
            error
                .to_string()
                .contains("--after resources.parallelism=0"),
            "{error}"
        );
    }

    #[test]
    fn every_problem_of_a_profile_is_told_at_once() {
        let wrong = TINY
            .replace("rows: 10", "rows: 0")
            .replace(
                "expr: \"i\" }",
                "expr: \"i\" }\n    - { name: id, type: int, exp: \"1\" }",
            )
            .replace("{ name: t }", "{ name: u }")
            + "bench:\n  target: gone\n  before: { resources.paralelism: 1 }\n";
        let error = find(&wrong).unwrap_err().to_string();
        for part in ["rows", "exp", "streams.0.name", "target"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }

    #[test]
    fn the_pipeline_digest_knows_no_connection() {
        let pipeline = |url: &str| {
            let text = format!(
                "version: \"1.0\"\npipeline: p\nsource: {{ use: source-postgres, config: {{ url: \"{url}\" }}, streams: [{{ name: t }}] }}\ndestination: {{ use: dest-null }}\n"
            );
            Profile::of_pipeline(file(&text).path())
                .unwrap()
                .pipeline_digest()
                .unwrap()
        };
        assert_eq!(pipeline("postgres://a@h/x"), pipeline("postgres://b@i/y"));
    }
}
