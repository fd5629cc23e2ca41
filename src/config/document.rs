//! A document that was read, and what is done with it before it becomes types: taking a part,
//! setting values from flags.
//!
//! Every value keeps the place it came from, so that a wrong value from a flag is told as that flag
//! and everything else by line and column. A document is never half-used: it becomes types only when
//! nothing is wrong with it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::environment::{self, Lookup};
use super::masking::mask_secrets;
use super::pipeline_shape::{self, Connections};
use super::problems::{Place, Problem, Problems};
use super::reader;
use super::report::Checked;
use super::shape::Shape;
use super::shape_check;
use super::tree::{Content, Entry, Node, Scalar, segments};
use super::types::Pipeline;
use crate::error::{Error, Kind, Result};

/// A YAML document with the position of every value, variables filled.
#[derive(Debug, Clone)]
pub struct Document {
    origin: Arc<str>,
    root: Node,
    /// What reading and filling found wrong without having to stop.
    problems: Vec<Problem>,
}

impl Document {
    /// Reads a file. It fails where there is no document (missing file, not UTF-8, not YAML, too big);
    /// lesser problems are told with those of its shape.
    pub fn load(path: &Path, environment: &Lookup<'_>) -> Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| {
                file.take(reader::MAX_BYTES as u64 + 1)
                    .read_to_end(&mut bytes)
            })
            .map_err(|error| Error::file("read", path, error))?;
        let origin = path.display().to_string();
        let text = reader::decode(bytes, &origin.as_str().into()).map_err(Problems::into_error)?;
        Self::read(&text, &origin, environment)
    }

    /// Reads a text; `origin` is its name in messages.
    pub fn read(text: &str, origin: &str, environment: &Lookup<'_>) -> Result<Self> {
        let origin: Arc<str> = origin.into();
        let (mut root, mut problems) = reader::read(text, &origin).map_err(Problems::into_error)?;
        problems.extend(environment::fill(&mut root, environment));
        Ok(Self {
            origin,
            root,
            problems,
        })
    }

    /// The part of the document at a dotted path, as a document: its messages name paths from there.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<Self> {
        let root = self.root.at(path)?.clone();
        let inside = |problem: &Problem| {
            let rest = problem.path.strip_prefix(path)?;
            let path = match rest.strip_prefix('.') {
                Some(rest) => rest,
                None if rest.is_empty() => rest,
                None => return None,
            };
            Some(Problem {
                path: path.to_owned(),
                ..problem.clone()
            })
        };
        Some(Self {
            origin: Arc::clone(&self.origin),
            root,
            problems: self.problems.iter().filter_map(inside).collect(),
        })
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    /// The document's name in messages.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The entries of the map at a dotted path as overrides of another document, each told by its
    /// own line (`before: { resources.parallelism: 1 }`).
    #[must_use]
    pub fn overrides_at(&self, path: &str) -> Vec<Override> {
        match self.root.at(path).map(|node| &node.content) {
            Some(Content::Map(entries)) => entries
                .iter()
                .map(|entry| Override {
                    key: entry.key.clone(),
                    place: entry.place.clone(),
                    value: entry.value.clone(),
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The document with these values set, in their order. It fails where a path leads nowhere; a key
    /// that does not exist, or a value that is not accepted, is told when the shape is checked.
    pub fn with_overrides(&self, overrides: &[Override]) -> Result<Self> {
        let mut changed = self.clone();
        let mut problems = Vec::new();
        for change in overrides {
            let path: Vec<&str> = segments(&change.key).collect();
            if let Err(message) = set(&mut changed.root, &path, "", change) {
                problems.push(Problem {
                    place: change.place.clone(),
                    path: change.key.clone(),
                    message,
                });
            }
        }
        if problems.is_empty() {
            Ok(changed)
        } else {
            Err(Problems::new(&self.origin, problems).into_error())
        }
    }

    /// Compares the document with a shape; what the result says together is for the caller to judge,
    /// with [`Checked::tentative`] and [`Checked::refuse`], before [`Checked::finish`].
    #[must_use]
    pub fn check(&self, shape: &Shape) -> Checked<'_> {
        let mut checked = Checked::of_document(&self.root, &self.origin, self.problems.clone());
        let value = shape_check::check(&self.root, shape, "", &mut checked);
        checked.set_value(value);
        checked
    }

    /// The document as a pipeline, every problem of shape and meaning in one error.
    pub fn pipeline(&self, connections: Connections) -> Result<Pipeline> {
        let mut checked = Checked::of_document(&self.root, &self.origin, self.problems.clone());
        let value = pipeline_shape::check(&self.root, connections, "", &mut checked);
        checked.set_value(value);
        checked.finish()
    }
}

/// A value to set in a document: a dotted key, list items by index from 0.
#[derive(Debug, Clone)]
pub struct Override {
    key: String,
    place: Place,
    value: Node,
}

impl Override {
    /// Reads `KEY=VALUE` as given to `flag`. The value is a YAML scalar, or a list in brackets; `${VAR}`
    /// in it is left as it is.
    pub fn flag(flag: &str, text: &str) -> Result<Self> {
        let usage = |what: &str| {
            let shown = match text.split_once('=') {
                Some((key, _)) if is_password(key) => format!("{key}=***"),
                _ => mask_secrets(text),
            };
            Error::new(
                Kind::Usage,
                format!(
                    "{flag} {shown}: {what}; accepted: KEY=VALUE, such as resources.parallelism=4"
                ),
            )
        };
        let (key, value) = text.split_once('=').ok_or_else(|| usage("no value"))?;
        let key = key.trim();
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err(usage("not a dotted key"));
        }
        let shown = if is_password(key) {
            "***".into()
        } else {
            mask_secrets(value)
        };
        let place = Place::Flag(format!("{flag} {key}={shown}").into());
        let mut node = if value.starts_with(['[', '"', '\'']) {
            let origin: Arc<str> = format!("{flag} {key}").into();
            match reader::read(value, &origin) {
                Ok((node, problems)) if problems.is_empty() => node,
                _ => return Err(usage("the value is not YAML")),
            }
        } else {
            Node {
                place: place.clone(),
                content: Content::Scalar(Scalar::new(value.to_owned(), false)),
            }
        };
        move_to(&mut node, &place);
        Ok(Self {
            key: key.to_owned(),
            place,
            value: node,
        })
    }

    /// The dotted key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where it was given.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The value as written, secrets masked.
    #[must_use]
    pub fn shown(&self) -> String {
        if is_password(&self.key) {
            return "***".into();
        }
        match &self.value.content {
            Content::Scalar(scalar) => mask_secrets(&scalar.written),
            Content::List(_) | Content::Map(_) => self.value.shown(),
        }
    }
}

/// Whether a key names a password, or was meant to.
pub(super) fn is_password(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    shape_check::nearest(last, ["password"].into_iter()).is_some()
}

/// Gives a value and everything in it one place.
fn move_to(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.content {
        Content::Scalar(_) => {}
        Content::List(items) => items.iter_mut().for_each(|item| move_to(item, place)),
        Content::Map(entries) => {
            for entry in entries {
                entry.place = place.clone();
                move_to(&mut entry.value, place);
            }
        }
    }
}

/// Sets a value at what is left of its path; maps on the way are made where there are none.
pub(super) fn set(
    node: &mut Node,
    path: &[&str],
    above: &str,
    change: &Override,
) -> Result<(), String> {
    let Some((segment, rest)) = path.split_first() else {
        *node = change.value.clone();
        return Ok(());
    };
    let here = super::tree::join(above, segment);
    if node.is_null() {
        node.content = Content::Map(Vec::new());
    }
    match &mut node.content {
        Content::Map(entries) => {
            let at = entries.iter().position(|entry| entry.key == *segment);
            let at = at.unwrap_or_else(|| {
                entries.push(Entry {
                    key: (*segment).to_owned(),
                    place: change.place.clone(),
                    value: Node {
                        place: change.place.clone(),
                        content: Content::Map(Vec::new()),
                    },
                });
                entries.len() - 1
            });
            set(&mut entries[at].value, rest, &here, change)
        }
        Content::List(items) => {
            let count = items.len();
            let item = segment.parse().ok().and_then(|n: usize| items.get_mut(n));
            match item {
                Some(item) => set(item, rest, &here, change),
                None => Err(format!(
                    "no item {segment} in {above}; accepted: an index from 0, below {count}"
                )),
            }
        }
        Content::Scalar(_) => Err(format!("{above} holds a value, not keys")),
    }
}

#[cfg(test)]
mod tests;
