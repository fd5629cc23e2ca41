//! What is measured: a dataset, a pipeline and the settings of its two arms, from a profile or from
//! the user's own pipeline document.
//!
//! The shipped profiles are compiled in; a user's own file has the same shape and works wherever they
//! do. Everything that can be wrong with a profile or with `--before` and `--after` is found here,
//! before anything is started. Nothing here connects.

mod document;
pub mod settings;

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::dataset::Dataset;
use super::order::Arm;
use crate::config::types::{Pipeline, Settings};
use crate::config::{
    Connections, Document, Override, mask_secrets, nearest, process_environment, with_value_at,
};
use crate::error::{Error, Kind, Result};
use crate::units::Hex;
use document::{BenchSettings, Written, WrittenDataset};

/// The shipped profiles: name and document.
const SHIPPED: [(&str, &str); 7] = [
    ("small", include_str!("../../profiles/small.yaml")),
    ("medium", include_str!("../../profiles/medium.yaml")),
    ("large", include_str!("../../profiles/large.yaml")),
    ("transform", include_str!("../../profiles/transform.yaml")),
    (
        "transform-filter",
        include_str!("../../profiles/transform-filter.yaml"),
    ),
    ("many", include_str!("../../profiles/many.yaml")),
    ("skewed", include_str!("../../profiles/skewed.yaml")),
];

/// The names of the shipped profiles, smallest rows first.
pub fn shipped_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// A new profile's document, every key with a word on what it is.
const TEMPLATE: &str = include_str!("profile/template.yaml");

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
        let mut checked = document.check(&document::shape(document));
        document::judge(document, &mut checked);
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
            dataset: match written.dataset {
                WrittenDataset::Own(dataset) => Some(dataset),
                WrittenDataset::Of { of } => Self::find(&of)?.dataset,
            },
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

    /// The profile with another number of rows, over all tables.
    #[must_use]
    pub fn with_rows(mut self, rows: Option<u64>) -> Self {
        if let (Some(dataset), Some(rows)) = (&mut self.dataset, rows) {
            dataset.scale_to(rows);
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
        self.pipeline_with(self.overrides_of(arm))
    }

    /// The pipeline as it is written, without the settings of any arm.
    pub fn document(&self) -> Result<Pipeline> {
        self.document.pipeline(self.connections())
    }

    /// The profile as it is written, whatever its arms say.
    #[must_use]
    pub fn without_arms(mut self) -> Self {
        self.before.clear();
        self.after.clear();
        self
    }

    /// The profile with the after arm's settings in both arms: whatever differs then is noise.
    #[must_use]
    pub fn with_equal_arms(mut self) -> Self {
        self.before.clone_from(&self.after);
        self
    }

    /// The pipeline with further values; arms play no part.
    pub fn pipeline_with(&self, overrides: &[Override]) -> Result<Pipeline> {
        self.document
            .with_overrides(overrides)?
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
        let mut pipeline = self.document()?;
        without_connections(&mut pipeline);
        let text = serde_json::to_string(&pipeline)
            .map_err(|e| Error::internal(format!("serializing a pipeline: {e}")))?;
        Ok(Hex(&Sha256::digest(text.as_bytes())).to_string())
    }
}

/// The JSON Schema (draft 7) of a profile document.
#[must_use]
pub fn schema() -> serde_json::Value {
    document::schema()
}

/// Keys of a profile that may hold a password.
const SECRETS: [&str; 4] = [
    "pipeline.source.config.url",
    "pipeline.source.config.password",
    "pipeline.destination.config.url",
    "pipeline.destination.config.password",
];

/// The document of a profile as it is written, comments included, for reading: what may hold a password
/// is `***`.
pub fn shown_document(name: &str) -> Result<String> {
    let mut text = document_of(name)?;
    let document = Document::read(&text, name, &|_| None)?;
    for key in SECRETS.iter().filter(|key| document.at(key).is_some()) {
        text = with_value_at(&text, name, key, "\"***\"")?;
    }
    // an arm's settings and a comment may hold one as well
    Ok(text.split_inclusive('\n').map(without_secrets).collect())
}

/// A line of a document, what may be a password in it masked.
fn without_secrets(line: &str) -> String {
    let mut line = if line.contains("://") {
        mask_secrets(line)
    } else {
        line.to_owned()
    };
    let key = "password:";
    if let Some(at) = line.to_ascii_lowercase().find(key) {
        let value = at + key.len();
        let end = line[value..]
            .find([',', '}', '\n'])
            .map_or(line.len(), |n| value + n);
        line.replace_range(value..end, " \"***\"");
    }
    line
}

/// The document of a profile as it is written: a shipped one by name, or a file.
fn document_of(name: &str) -> Result<String> {
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok((*text).to_owned());
    }
    // what cannot be read as a profile is told as that
    Profile::find(name)?;
    std::fs::read_to_string(name).map_err(|e| Error::file("read", Path::new(name), e))
}

/// The document of a new profile of this name: a template, or the document of another profile.
pub fn new_document(name: &str, from: Option<&str>) -> Result<String> {
    let text = match from {
        Some(from) => document_of(from)?,
        None => TEMPLATE.to_owned(),
    };
    with_value_at(&text, from.unwrap_or("the template"), "profile", name)
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
mod tests;
