//! What a document may look like, as a value: its keys, which of them it must have, and what each
//! may hold.
//!
//! A shape is data: it describes, `shape_check` compares. It knows nothing of what values mean
//! together; that is for whoever judges the typed document.

use serde_yaml::{Mapping, Value};

use super::pipeline_shape::{self, Connections};

/// What a value may be.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A text; numbers and `true` are taken as they are written.
    Text,
    /// A text that no message shows.
    Secret,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The least.
        min: i128,
        /// The greatest.
        max: i128,
    },
    /// A number, with or without a fraction.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// One of these words.
    Word(Vec<&'static str>),
    /// One of these words, or a whole number.
    WordOrInteger {
        /// The words.
        words: &'static [&'static str],
        /// The least number.
        min: i128,
        /// The greatest number.
        max: i128,
        /// What a message says is accepted.
        accepts: &'static str,
    },
    /// Any single value.
    Scalar,
    /// Any value whatever; nothing of it is checked.
    Raw,
    /// A list, each item of this shape.
    List {
        /// The shape of an item.
        item: Box<Shape>,
        /// The fewest items.
        least: usize,
    },
    /// A map with these keys.
    Map(Vec<Field>),
    /// A map with any keys, each value of this shape.
    FreeMap(Box<Shape>),
    /// A map with `use:`, one of these words, which decides what `config:` holds.
    Connector {
        /// The words, and the keys of `config` with each.
        kinds: Vec<(&'static str, Vec<Field>)>,
        /// Further keys, the same for all.
        beside: Vec<Field>,
    },
    /// A pipeline document inside another; what it means is judged too.
    Pipeline(Connections),
}

/// A key of a map.
#[derive(Debug, Clone)]
pub struct Field {
    pub(super) key: &'static str,
    pub(super) required: bool,
    pub(super) shape: Shape,
    /// What it is, as an editor shows it; empty where nobody said.
    pub(super) about: &'static str,
}

impl Field {
    /// A key that must be there.
    #[must_use]
    pub fn required(key: &'static str, shape: Shape) -> Self {
        Self {
            key,
            required: true,
            shape,
            about: "",
        }
    }

    /// A key that may be left out.
    #[must_use]
    pub fn optional(key: &'static str, shape: Shape) -> Self {
        Self {
            key,
            required: false,
            shape,
            about: "",
        }
    }

    /// The same, with what the key is, in a sentence; for whoever writes a document in an editor.
    #[must_use]
    pub fn about(mut self, text: &'static str) -> Self {
        self.about = text;
        self
    }
}

impl Shape {
    /// A list that may be empty.
    #[must_use]
    pub fn list(item: Shape) -> Self {
        Self::List {
            item: Box::new(item),
            least: 0,
        }
    }

    /// A list of at least one item.
    #[must_use]
    pub fn nonempty_list(item: Shape) -> Self {
        Self::List {
            item: Box::new(item),
            least: 1,
        }
    }

    /// One of these words.
    #[must_use]
    pub fn word(words: &[&'static str]) -> Self {
        Self::Word(words.to_vec())
    }

    /// A whole number in a range.
    #[must_use]
    pub fn integer(min: impl Into<i128>, max: impl Into<i128>) -> Self {
        Self::Integer {
            min: min.into(),
            max: max.into(),
        }
    }

    /// What a message says is accepted.
    pub(super) fn accepts(&self) -> String {
        match self {
            Self::Text | Self::Secret => "a text".into(),
            Self::Bool => "true or false".into(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Word(words) => words.join(", "),
            Self::WordOrInteger { accepts, .. } => (*accepts).to_owned(),
            Self::Scalar => "a single value".into(),
            Self::Raw => "anything".into(),
            Self::List { item, least: 0 } => format!("a list; each item: {}", item.accepts()),
            Self::List { item, .. } => {
                format!("a list of at least one item; each item: {}", item.accepts())
            }
            Self::Map(fields) => format!("a map with the keys {}", keys(fields)),
            Self::FreeMap(_) => "a map".into(),
            Self::Connector { .. } => "a map with the keys use and config".into(),
            Self::Pipeline(_) => pipeline_shape::shape().accepts(),
        }
    }

    /// What stands for a value that is not there or not right.
    pub(super) fn stand_in(&self) -> Value {
        match self {
            Self::Text | Self::Secret | Self::Scalar | Self::Raw => Value::String(String::new()),
            Self::Bool => Value::Bool(false),
            Self::Integer { min, .. } => whole(*min),
            Self::Number { min, .. } => Value::Number((*min).into()),
            Self::Word(words) => first(words),
            Self::WordOrInteger { words, .. } => first(words),
            Self::List { .. } => Value::Sequence(Vec::new()),
            Self::FreeMap(_) => Value::Mapping(Mapping::new()),
            Self::Map(fields) => Value::Mapping(required_of(fields)),
            Self::Connector { kinds, beside } => {
                let mut map = required_of(beside);
                if let Some((kind, config)) = kinds.first() {
                    map.insert("use".into(), (*kind).into());
                    map.insert("config".into(), Value::Mapping(required_of(config)));
                }
                Value::Mapping(map)
            }
            Self::Pipeline(_) => pipeline_shape::shape().stand_in(),
        }
    }

    /// The keys a map of this shape may have; none for what is not a map.
    pub(super) fn fields(&self) -> Vec<&Field> {
        match self {
            Self::Map(fields) => fields.iter().collect(),
            Self::Connector { beside, .. } => beside.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether `key:` with nothing after it stands for an empty list or map.
    pub(super) fn may_be_empty(&self) -> bool {
        match self {
            Self::List { least, .. } => *least == 0,
            Self::Map(fields) => fields.iter().all(|field| !field.required),
            Self::FreeMap(_) => true,
            _ => false,
        }
    }
}

fn first(words: &[&'static str]) -> Value {
    words.first().copied().unwrap_or_default().into()
}

pub(super) fn required_of(fields: &[Field]) -> Mapping {
    fields
        .iter()
        .filter(|field| field.required)
        .map(|field| (field.key.into(), field.shape.stand_in()))
        .collect()
}

/// The keys as a message lists them.
pub(super) fn keys(fields: &[Field]) -> String {
    let keys: Vec<_> = fields.iter().map(|field| field.key).collect();
    keys.join(", ")
}

/// An integer as a YAML value; one beyond its range has been refused before.
pub(super) fn whole(number: i128) -> Value {
    u64::try_from(number)
        .map(Value::from)
        .or_else(|_| i64::try_from(number).map(Value::from))
        .unwrap_or(Value::Null)
}
