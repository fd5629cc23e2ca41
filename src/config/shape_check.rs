//! A tree against its shape: every difference reported, and a value of that shape made of the rest.
//!
//! It must never stop at a difference, and never hand on a value of another shape: where the document
//! is wrong a stand-in stands, and the report knows its path.

use serde_yaml::{Mapping, Value};

use super::pipeline_shape;
use super::report::Checked;
use super::shape::{Field, Shape, keys, required_of, whole};
use super::tree::{Content, Entry, Filled, Node, Plain, Scalar, join, resolve};

/// Compares a value with its shape. Always returns a value of that shape; where the document is
/// wrong, stand-ins stand in it and `report` knows their paths.
pub(super) fn check(node: &Node, shape: &Shape, path: &str, report: &mut Checked<'_>) -> Value {
    match check_value(node, shape, path, report) {
        Ok(value) => value,
        Err(message) => {
            if let Some(message) = message {
                report.report(node.place.clone(), path.to_owned(), message);
            }
            report.spoil(path);
            shape.stand_in()
        }
    }
}

/// The value, or what is wrong with it as a whole (nothing, where that has been told).
fn check_value(
    node: &Node,
    shape: &Shape,
    path: &str,
    report: &mut Checked<'_>,
) -> Result<Value, Option<String>> {
    if let Shape::Raw = shape {
        return Ok(raw(node));
    }
    if let Shape::Pipeline(connections) = shape {
        return Ok(pipeline_shape::check(node, *connections, path, report));
    }
    if let Some(scalar) = node.scalar().filter(|s| s.filled == Filled::Failed) {
        // Told once by the whole document, but a value may have come from another.
        for fault in &scalar.faults {
            report.report(node.place.clone(), path.to_owned(), fault.clone());
        }
        return Err(None);
    }
    if node.is_null() && shape.may_be_empty() {
        return Ok(shape.stand_in());
    }
    match (&node.content, shape) {
        (Content::Scalar(scalar), _) => scalar_value(scalar, shape).map_err(Some),
        (Content::List(items), Shape::List { item, least }) => {
            if items.len() < *least {
                return Err(Some(format!(
                    "an empty list; accepted: {}",
                    shape.accepts()
                )));
            }
            let check_item = |(n, node)| check(node, item, &join(path, n), report);
            Ok(Value::Sequence(
                items.iter().enumerate().map(check_item).collect(),
            ))
        }
        (Content::Map(entries), Shape::FreeMap(each)) => Ok(Value::Mapping(
            entries
                .iter()
                .map(|entry| {
                    let value = check(&entry.value, each, &join(path, &entry.key), report);
                    (entry.key.as_str().into(), value)
                })
                .collect(),
        )),
        (Content::Map(entries), Shape::Map(fields)) => {
            Ok(Value::Mapping(check_map(entries, fields, path, report)))
        }
        (Content::Map(entries), Shape::Connector { kinds, beside }) => Ok(Value::Mapping(
            check_connector(entries, kinds, beside, path, report),
        )),
        (Content::List(_), _) => Err(Some(format!("a list; accepted: {}", shape.accepts()))),
        (Content::Map(_), _) => Err(Some(format!("a map; accepted: {}", shape.accepts()))),
    }
}

/// The map with every required key in it, whatever the document has.
fn check_map(entries: &[Entry], fields: &[Field], path: &str, report: &mut Checked<'_>) -> Mapping {
    let mut map = Mapping::new();
    for entry in entries {
        match fields.iter().find(|field| field.key == entry.key) {
            Some(field) => {
                let value = check(&entry.value, &field.shape, &join(path, field.key), report);
                map.insert(field.key.into(), value);
            }
            None => refuse_key(entry, fields, path, report),
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        if map.contains_key(field.key) {
            continue;
        }
        let key = join(path, field.key);
        map.insert(field.key.into(), field.shape.stand_in());
        // A misspelt key that was told is not missed as well.
        if report.is_sound(&key) {
            let message = format!("the key is missing; accepted: {}", field.shape.accepts());
            report.report(report.place_of(&key), key.clone(), message);
            report.spoil(&key);
        }
    }
    map
}

/// An unknown key, with the one that was probably meant: of similar spelling here, or of the same
/// spelling one map further in.
fn refuse_key(entry: &Entry, fields: &[Field], path: &str, report: &mut Checked<'_>) {
    let here = fields.iter().map(|field| field.key);
    let meant = nearest(&entry.key, here)
        .map(|key| join(path, key))
        .or_else(|| {
            let inner = |field: &&Field| field.shape.fields().iter().any(|f| f.key == entry.key);
            let field = fields.iter().find(inner)?;
            Some(join(&join(path, field.key), &entry.key))
        });
    let known = keys(fields);
    let message = match &meant {
        _ if fields.is_empty() => "unknown key; no keys are accepted here".to_owned(),
        Some(meant) => format!("unknown key; did you mean {meant}? known here: {known}"),
        None => format!("unknown key; known here: {known}"),
    };
    report.report(entry.place.clone(), join(path, &entry.key), message);
    if let Some(meant) = meant {
        report.spoil(&meant);
    }
}

fn check_connector(
    entries: &[Entry],
    kinds: &[(&'static str, Vec<Field>)],
    beside: &[Field],
    path: &str,
    report: &mut Checked<'_>,
) -> Mapping {
    let used = entries
        .iter()
        .find(|e| e.key == "use")
        .and_then(|e| e.value.scalar());
    let known = used.and_then(|used| kinds.iter().find(|(kind, _)| *kind == used.text));
    let config = match known {
        Some((_, fields)) => {
            let shape = Shape::Map(fields.clone());
            if fields.iter().any(|field| field.required) {
                Field::required("config", shape)
            } else {
                Field::optional("config", shape)
            }
        }
        None => Field::optional("config", Shape::Raw),
    };
    let mut fields = vec![
        Field::required(
            "use",
            Shape::Word(kinds.iter().map(|(kind, _)| *kind).collect()),
        ),
        config,
    ];
    fields.extend_from_slice(beside);
    let mut map = check_map(entries, &fields, path, report);
    let Some((kind, config)) = known.or(kinds.first()) else {
        return map;
    };
    map.insert("use".into(), (*kind).into());
    if config.is_empty() {
        map.remove("config");
    } else if known.is_none() || !map.contains_key("config") {
        map.insert("config".into(), Value::Mapping(required_of(config)));
    }
    map
}

/// A single value as its shape wants it, or what is wrong with it.
fn scalar_value(scalar: &Scalar, shape: &Shape) -> Result<Value, String> {
    let text = || Value::String(scalar.text.clone());
    let plain = scalar.plain();
    let from_environment = scalar.filled == Filled::Whole;
    match (shape, plain) {
        (Shape::Text | Shape::Secret, Plain::Null) if from_environment => Ok(text()),
        (_, Plain::Null) => Err(format!("no value; accepted: {}", shape.accepts())),
        (Shape::Text | Shape::Secret, _) | (Shape::Scalar, Plain::Text) => Ok(text()),
        (Shape::Bool | Shape::Scalar, Plain::Bool(value)) => Ok(Value::Bool(value)),
        (Shape::Scalar, Plain::Integer(number)) => Ok(whole(number)),
        (Shape::Scalar, Plain::Float(number)) => Ok(Value::Number(number.into())),
        (
            Shape::Integer { min, max } | Shape::WordOrInteger { min, max, .. },
            Plain::Integer(number),
        ) => {
            if (*min..=*max).contains(&number) {
                Ok(whole(number))
            } else {
                Err(refused("out of range", scalar, shape))
            }
        }
        (Shape::Number { min, max }, Plain::Integer(_) | Plain::Float(_)) => {
            let number = match plain {
                Plain::Float(number) => number,
                Plain::Integer(number) => number as f64,
                _ => f64::NAN,
            };
            if (*min..=*max).contains(&number) {
                Ok(Value::Number(number.into()))
            } else {
                Err(refused("out of range", scalar, shape))
            }
        }
        (Shape::Word(words), _) if words.contains(&scalar.text.as_str()) => Ok(text()),
        (Shape::WordOrInteger { words, .. }, Plain::Text)
            if words.contains(&scalar.text.as_str()) =>
        {
            Ok(text())
        }
        (Shape::Word(words), _) => Err(match nearest(&scalar.text, words.iter().copied()) {
            Some(word) => format!(
                "unknown word ({}); did you mean {word}? accepted: {}",
                scalar.shown(),
                shape.accepts()
            ),
            None => refused("unknown word", scalar, shape),
        }),
        (
            Shape::Integer { .. } | Shape::WordOrInteger { .. } | Shape::Number { .. },
            Plain::Text,
        ) => {
            let as_number = scalar.quoted && resolve(&scalar.text) != Plain::Text;
            let wrong = if as_number {
                "a text, because of its quotes"
            } else {
                "not a number"
            };
            Err(refused(wrong, scalar, shape))
        }
        (Shape::Integer { .. } | Shape::WordOrInteger { .. }, Plain::Float(_)) => {
            Err(refused("not a whole number", scalar, shape))
        }
        (Shape::List { .. }, _) => Err(refused("not a list", scalar, shape)),
        (Shape::Map(_) | Shape::FreeMap(_) | Shape::Connector { .. }, _) => {
            Err(refused("not a map", scalar, shape))
        }
        _ => Err(refused("wrong value", scalar, shape)),
    }
}

fn refused(wrong: &str, scalar: &Scalar, shape: &Shape) -> String {
    format!(
        "{wrong} ({}); accepted: {}",
        scalar.shown(),
        shape.accepts()
    )
}

/// A value as it is, nothing checked.
fn raw(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(scalar) => match scalar.plain() {
            Plain::Null => Value::Null,
            Plain::Bool(value) => Value::Bool(value),
            Plain::Integer(number) => whole(number),
            Plain::Float(number) => Value::Number(number.into()),
            Plain::Text => Value::String(scalar.text.clone()),
        },
        Content::List(items) => Value::Sequence(items.iter().map(raw).collect()),
        Content::Map(entries) => Value::Mapping(
            entries
                .iter()
                .map(|entry| (entry.key.as_str().into(), raw(&entry.value)))
                .collect(),
        ),
    }
}

/// The word that a misspelt one was probably meant to be.
#[must_use]
pub fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .map(|other| {
            let spelt = other.to_lowercase().replace('-', "_");
            (strsim::damerau_levenshtein(&word, &spelt), other)
        })
        .filter(|(distance, other)| *distance <= (other.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests;
