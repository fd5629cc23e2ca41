//! A document as a tree that owns its text and knows where every value was written.
//!
//! The reader builds it, the environment and overrides change it, the shape checks it. A scalar
//! keeps three things apart: what was written (which may be shown), what it says after `${VAR}` was
//! filled (which may be a password and is never shown), and the type YAML gives it.

use std::fmt;

use super::masking;
use super::problems::Place;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub content: Content,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map; the reader lets no key come twice.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub value: Node,
}

/// A single value.
#[derive(Clone)]
pub(super) struct Scalar {
    /// The text, variables filled: never shown.
    pub text: String,
    /// The text as written: shown, masked.
    pub written: String,
    /// Whether quotes (or `|`, `>`, `!!str`) make it a text whatever it looks like.
    pub quoted: bool,
    /// What the environment did to it.
    pub filled: Filled,
    /// Why it could not be filled.
    pub faults: Vec<String>,
}

/// What the environment did to a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// Nothing: it names no variable.
    No,
    /// A part of it came from a variable: it is a text.
    Partly,
    /// All of it came from one variable: it is what its text would be without quotes.
    Whole,
    /// A variable is missing or misspelt: it has no value.
    Failed,
}

/// A scalar by its YAML type (the core schema of YAML 1.2.2, section 10.3.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text,
}

impl Scalar {
    pub(super) fn new(text: String, quoted: bool) -> Self {
        Self {
            written: text.clone(),
            text,
            quoted,
            filled: Filled::No,
            faults: Vec::new(),
        }
    }

    /// The type of the value.
    pub(super) fn plain(&self) -> Plain {
        match self.filled {
            Filled::Partly => Plain::Text,
            Filled::No | Filled::Failed if self.quoted => Plain::Text,
            Filled::No | Filled::Failed | Filled::Whole => resolve(&self.text),
        }
    }

    /// The value as a message shows it: as written, masked, with its quotes.
    pub(super) fn shown(&self) -> String {
        let looks_otherwise = self.quoted && resolve(&self.written) != Plain::Text;
        let mut shown = if self.written.is_empty() {
            "`\"\"`".to_owned()
        } else if looks_otherwise {
            masking::quote(&format!("\"{}\"", self.written))
        } else {
            masking::quote(&self.written)
        };
        if matches!(self.filled, Filled::Partly | Filled::Whole) {
            shown.push_str(", filled from the environment");
        }
        shown
    }
}

/// Shows nothing of the value: it may be a password.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The type that YAML 1.2 gives a plain scalar. An integer of any size is one, so that the message
/// about one that is too big can say so.
pub(super) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Plain::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Plain::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Plain::Float(f64::NAN),
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            if digits.starts_with(['+', '-']) {
                return Plain::Text;
            }
            return i128::from_str_radix(digits, radix).map_or(Plain::Text, Plain::Integer);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let limit = if text.starts_with('-') {
            i128::MIN
        } else {
            i128::MAX
        };
        return Plain::Integer(text.parse().unwrap_or(limit));
    }
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(number) if numeric => Plain::Float(number),
        _ => Plain::Text,
    }
}

impl Node {
    /// The scalar, where it is one.
    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match &self.content {
            Content::Scalar(scalar) => Some(scalar),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// Whether it was left without a value.
    pub(super) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|s| s.plain() == Plain::Null)
    }

    /// The value under a key or, in a list, at an index.
    pub(super) fn child(&self, segment: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == segment).map(|e| &e.value),
            Content::List(items) => items.get(segment.parse::<usize>().ok()?),
            Content::Scalar(_) => None,
        }
    }

    /// The value at a dotted path.
    pub(super) fn at(&self, path: &str) -> Option<&Node> {
        segments(path).try_fold(self, |node, segment| node.child(segment))
    }

    /// Where a path was written, or the deepest key above it that was: what is missing is missed
    /// there.
    pub(super) fn place_of(&self, path: &str) -> Place {
        let mut node = self;
        let mut place = &self.place;
        for segment in segments(path) {
            match &node.content {
                Content::Map(entries) => match entries.iter().find(|e| e.key == segment) {
                    Some(entry) => (node, place) = (&entry.value, &entry.place),
                    None => return place.clone(),
                },
                _ => match node.child(segment) {
                    Some(item) => (node, place) = (item, &item.place),
                    None => return place.clone(),
                },
            }
        }
        node.place.clone()
    }

    /// What sort of value it is, as a message shows it.
    pub(super) fn shown(&self) -> String {
        match &self.content {
            Content::Scalar(scalar) if self.is_null() && !scalar.quoted => "no value".into(),
            Content::Scalar(scalar) => scalar.shown(),
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a map".into(),
        }
    }
}

/// The parts of a dotted path; the empty path has none.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|segment| !segment.is_empty())
}

/// A path with one more part.
pub(super) fn join(path: &str, segment: impl fmt::Display) -> String {
    if path.is_empty() {
        segment.to_string()
    } else {
        format!("{path}.{segment}")
    }
}
