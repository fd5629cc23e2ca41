//! A document while it is judged: what it says, and everything found wrong with it so far.
//!
//! The shape check leaves a value that always has the document's shape: what was wrong stands in it
//! as a harmless stand-in, and its path is remembered as unsound. So the next step can judge all
//! that is sound, and never complains about a stand-in: [`Checked::refuse`] drops what is said of
//! an unsound path.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::masking::quote;
use super::problems::{Place, Problem, Problems};
use super::tree::{Node, join, segments};
use crate::error::{Error, Result};

/// A document (or values that no document holds) with what was found wrong with it.
#[derive(Debug)]
pub struct Checked<'d> {
    root: Option<&'d Node>,
    origin: Arc<str>,
    /// The path of what is being judged; what is refused is named below it.
    prefix: String,
    unsound: BTreeSet<String>,
    problems: Vec<Problem>,
    value: Value,
}

impl<'d> Checked<'d> {
    pub(super) fn of_document(root: &'d Node, origin: &Arc<str>, problems: Vec<Problem>) -> Self {
        Self {
            root: Some(root),
            ..Self::of_values(origin, problems)
        }
    }

    /// For values that were not read from a document: their problems have no line.
    pub(super) fn of_values(origin: &Arc<str>, problems: Vec<Problem>) -> Self {
        Self {
            root: None,
            origin: Arc::clone(origin),
            prefix: String::new(),
            unsound: BTreeSet::new(),
            problems,
            value: Value::Null,
        }
    }

    pub(super) fn set_value(&mut self, value: Value) {
        self.value = value;
    }

    /// The document as this type, stand-ins where it is wrong: for judging, not for use.
    #[must_use]
    pub fn tentative<T: DeserializeOwned>(&self) -> Option<T> {
        serde_yaml::from_value(self.value.clone()).ok()
    }

    /// Adds a problem with the value at `path`; `message` says what is wrong and what is accepted.
    /// Nothing is added if the shape check refused that value, for then only a stand-in was judged.
    pub fn refuse(&mut self, path: &str, message: impl Into<String>) {
        self.refuse_unless(path, &[], message);
    }

    /// The same for a problem that also depends on the values at other paths.
    pub fn refuse_unless(&mut self, path: &str, depends: &[&str], message: impl Into<String>) {
        let sound = self.is_sound(path) && depends.iter().all(|other| self.is_sound(other));
        if sound {
            let path = join(&self.prefix, path);
            let place = self.place(&path);
            self.report(place, path, message.into());
        }
    }

    /// Whether the value at a path, everything in it and everything around it had its right shape.
    #[must_use]
    pub fn is_sound(&self, path: &str) -> bool {
        let path = join(&self.prefix, path);
        let mut above = String::new();
        for segment in segments(&path) {
            above = join(&above, segment);
            if self.unsound.contains(&above) {
                return false;
            }
        }
        let below = format!("{path}.");
        !self
            .unsound
            .range(below.clone()..)
            .next()
            .is_some_and(|other| other.starts_with(&below))
    }

    /// The value at a path as a message may show it: as written, secrets masked; `otherwise` where no
    /// document holds it.
    #[must_use]
    pub fn shown(&self, path: &str, otherwise: &str) -> String {
        self.root
            .and_then(|root| root.at(&join(&self.prefix, path)))
            .map_or_else(|| quote(otherwise), Node::shown)
    }

    /// The line of a value, for "first in line 4".
    #[must_use]
    pub fn line(&self, path: &str) -> Option<u32> {
        self.place(&join(&self.prefix, path)).line()
    }

    fn place(&self, path: &str) -> Place {
        match self.root {
            Some(root) => root.place_of(path),
            None => Place::Whole(Arc::clone(&self.origin)),
        }
    }

    /// Judges a part of the document as a document of its own; paths inside are relative to it.
    pub(super) fn within(&mut self, path: &str, judge: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.prefix, path.to_owned());
        judge(self);
        self.prefix = outer;
    }

    /// Adds a problem at a place, whatever else is known of it; `path` is the whole path.
    pub(super) fn report(&mut self, place: Place, path: String, message: String) {
        self.problems.push(Problem {
            place,
            path,
            message,
        });
    }

    /// Remembers that the value at a whole path is a stand-in.
    pub(super) fn spoil(&mut self, path: &str) {
        self.unsound.insert(path.to_owned());
    }

    /// The place of a whole path, or of what should have held it.
    pub(super) fn place_of(&self, path: &str) -> Place {
        self.place(path)
    }

    /// What was found wrong.
    #[must_use]
    pub fn problems(&self) -> Problems {
        Problems::new(&self.origin, self.problems.clone())
    }

    /// The document as this type, or one error that tells every problem.
    pub fn finish<T: DeserializeOwned>(self) -> Result<T> {
        let problems = Problems::new(&self.origin, self.problems);
        if !problems.is_empty() {
            return Err(problems.into_error());
        }
        // serde's own text may quote a value, which may be a password.
        serde_yaml::from_value(self.value).map_err(|_| {
            Error::internal(format!(
                "{} has the shape of its kind of document, but its types do not take it",
                self.origin
            ))
        })
    }

    /// Nothing, or one error that tells every problem: for values that are there already.
    pub(super) fn verdict(self) -> Result<()> {
        let problems = Problems::new(&self.origin, self.problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.into_error())
        }
    }
}
