//! Everything that is wrong with a document, as one list in the document's own order.
//!
//! A person who made five mistakes wants to read five, once. So nothing in this room returns at the
//! first problem; it adds to a [`Problems`], which becomes one [`Error`] at the end. A message must
//! never hold a password: whoever writes one shows values through `masking` only.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Kind};

/// How many problems are told in full; nobody reads more.
const SHOWN_PROBLEMS: usize = 200;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a document, at a line and column counted from 1; columns count characters.
    Text {
        /// The document's name, as the user gave it.
        file: Arc<str>,
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    },
    /// On the command line: the flag with its value, secrets masked.
    Flag(Arc<str>),
    /// In a document as a whole, or in values that no document holds.
    Whole(Arc<str>),
}

impl Place {
    pub(super) fn text(file: &Arc<str>, line: usize, column: usize) -> Self {
        Self::Text {
            file: Arc::clone(file),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    /// The line, where there is one.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Text { line, .. } => Some(*line),
            Self::Flag(_) | Self::Whole(_) => None,
        }
    }

    /// Documents as a whole first, then by position, then flags as they were given.
    fn order(&self) -> (u8, u32, u32) {
        match self {
            Self::Whole(_) => (0, 0, 0),
            Self::Text { line, column, .. } => (1, *line, *column),
            Self::Flag(_) => (2, 0, 0),
        }
    }
}

/// `file:line:column`, the flag, or the document's name.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Flag(text) | Self::Whole(text) => f.write_str(text),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The dotted key path, `source.streams.0.name`; empty for the whole document.
    pub path: String,
    /// What is wrong, the offending text, and what is accepted.
    pub message: String,
}

/// `place: path: message`; a flag names its key itself.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Flag(flag) => write!(f, "{flag}: {}", self.message),
            place if self.path.is_empty() => write!(f, "{place}: {}", self.message),
            place => write!(f, "{place}: {}: {}", self.path, self.message),
        }
    }
}

/// The problems of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    origin: Arc<str>,
    list: Vec<Problem>,
}

impl Problems {
    /// Puts problems in the document's order and drops what is said twice (an alias repeats its
    /// anchor's problems).
    pub(super) fn new(origin: &Arc<str>, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.place.order());
        let mut kept: Vec<Problem> = Vec::with_capacity(list.len());
        for problem in list {
            let said = kept
                .iter()
                .rev()
                .take_while(|other| other.place == problem.place)
                .any(|other| other.message == problem.message);
            if !said || matches!(problem.place, Place::Whole(_)) {
                kept.push(problem);
            }
        }
        Self {
            origin: Arc::clone(origin),
            list: kept,
        }
    }

    /// A single problem, for what ends the reading.
    pub(super) fn one(origin: &Arc<str>, place: Place, message: impl Into<String>) -> Self {
        let problem = Problem {
            place,
            path: String::new(),
            message: message.into(),
        };
        Self::new(origin, vec![problem])
    }

    /// The problems, in the document's order.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One error that tells all of them: of kind `Usage` if only flags are to blame.
    #[must_use]
    pub fn into_error(self) -> Error {
        let kind = if self.only_flags() {
            Kind::Usage
        } else {
            Kind::Config
        };
        Error::new(kind, self.to_string())
    }

    fn only_flags(&self) -> bool {
        self.list
            .iter()
            .all(|problem| matches!(problem.place, Place::Flag(_)))
    }
}

/// One problem a line, then how many there are and in which document.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().take(SHOWN_PROBLEMS).enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.list.len() > SHOWN_PROBLEMS {
            write!(f, "\nand {} more", self.list.len() - SHOWN_PROBLEMS)?;
        }
        if self.only_flags() {
            return Ok(());
        }
        match self.list.len() {
            1 => write!(f, "\n1 problem in {}", self.origin),
            n => write!(f, "\n{n} problems in {}", self.origin),
        }
    }
}
