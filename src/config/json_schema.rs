//! A shape as a JSON Schema, so that an editor completes and checks a document while it is written.
//!
//! The shape is the one description of a document; nothing may be said here that is not in it. A schema
//! is never stricter than the reader: what it refuses, `rb-bench check` refuses too. What values mean
//! together is beyond it.
//!
//! Draft 7, because that is what editors' YAML servers know best.

use serde_json::{Map, Value, json};

use super::pipeline_shape;
use super::shape::{Field, Shape};

/// A text with `${NAME}` in it stands for whatever the environment holds.
const FROM_ENVIRONMENT: &str = r"\$\{";

/// The schema of a whole document.
#[must_use]
pub fn document(title: &str, description: &str, shape: &Shape) -> Value {
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "description": description,
    });
    if let (Some(all), Value::Object(own)) = (schema.as_object_mut(), of(shape)) {
        all.extend(own);
    }
    schema
}

/// The schema of a pipeline document.
#[must_use]
pub fn pipeline() -> Value {
    document(
        "rb-bench pipeline",
        "What rb-bench copies from where to where, and how: the document of rb-bench run.",
        &pipeline_shape::shape(),
    )
}

/// The schema of a value of this shape.
#[must_use]
pub fn of(shape: &Shape) -> Value {
    let mut schema = described(shape);
    if shape.may_be_empty()
        && let Some(kind) = schema.get_mut("type")
    {
        // `key:` with nothing after it
        *kind = json!([kind.clone(), "null"]);
    }
    schema
}

fn described(shape: &Shape) -> Value {
    match shape {
        Shape::Text | Shape::Secret | Shape::Scalar => {
            json!({ "type": ["string", "number", "boolean"] })
        }
        Shape::Bool => or_from_environment(&json!({ "type": "boolean" })),
        Shape::Integer { min, max } => or_from_environment(&integer(*min, *max)),
        Shape::Number { min, max } => {
            or_from_environment(&json!({ "type": "number", "minimum": min, "maximum": max }))
        }
        Shape::Word(words) => or_from_environment(&json!({ "enum": words })),
        Shape::WordOrInteger {
            words, min, max, ..
        } => json!({ "anyOf": [{ "enum": words }, integer(*min, *max), from_environment()] }),
        Shape::Raw => json!({}),
        Shape::List { item, least } => {
            json!({ "type": "array", "items": of(item), "minItems": least })
        }
        Shape::Map(fields) => map(fields),
        Shape::FreeMap(each) => json!({ "type": "object", "additionalProperties": of(each) }),
        Shape::Connector { kinds, beside } => connector(kinds, beside),
        Shape::Pipeline(_) => of(&pipeline_shape::shape()),
    }
}

fn integer(min: i128, max: i128) -> Value {
    json!({ "type": "integer", "minimum": whole(min), "maximum": whole(max) })
}

fn whole(number: i128) -> Value {
    u64::try_from(number)
        .map(Value::from)
        .or_else(|_| i64::try_from(number).map(Value::from))
        .unwrap_or_else(|_| json!(number as f64))
}

fn from_environment() -> Value {
    json!({ "type": "string", "pattern": FROM_ENVIRONMENT })
}

fn or_from_environment(schema: &Value) -> Value {
    json!({ "anyOf": [schema, from_environment()] })
}

fn map(fields: &[Field]) -> Value {
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.key)
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties(fields),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn properties(fields: &[Field]) -> Map<String, Value> {
    fields
        .iter()
        .map(|field| {
            let mut schema = of(&field.shape);
            if !field.about.is_empty() {
                schema["description"] = field.about.into();
            }
            (field.key.to_owned(), schema)
        })
        .collect()
}

/// `use:` decides what `config:` holds.
fn connector(kinds: &[(&'static str, Vec<Field>)], beside: &[Field]) -> Value {
    let words: Vec<&'static str> = kinds.iter().map(|(kind, _)| *kind).collect();
    let mut fields = vec![
        Field::required("use", Shape::Word(words)).about("Which connector."),
        Field::optional("config", Shape::Raw).about("What the connector needs to know."),
    ];
    fields.extend_from_slice(beside);
    let mut schema = map(&fields);
    let by_kind = kinds.iter().map(|(kind, config)| {
        let needs = config.iter().any(|field| field.required);
        let required = if needs { vec!["config"] } else { Vec::new() };
        json!({
            "if": { "properties": { "use": { "const": kind } }, "required": ["use"] },
            "then": {
                "properties": { "config": of(&Shape::Map(config.clone())) },
                "required": required,
            },
        })
    });
    schema["allOf"] = by_kind.collect();
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                for (key, value) in map {
                    let path = format!("{path}/{key}");
                    if key == "properties" && !path.contains("/if/") {
                        for (name, property) in value.as_object().into_iter().flatten() {
                            // what `config` is stands beside `use`; here is what it holds
                            let told = property.get("description").is_some()
                                || (name == "config" && path.ends_with("then/properties"));
                            if !told {
                                found.push(format!("{path}/{name}"));
                            }
                        }
                    }
                    undescribed(value, &path, found);
                }
            }
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    undescribed(item, &format!("{path}/{n}"), found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_key_says_what_it_is() {
        let mut found = Vec::new();
        undescribed(&pipeline(), "", &mut found);
        assert!(found.is_empty(), "no word on {found:#?}");
        undescribed(
            &of(&Shape::Map(vec![Field::optional("a", Shape::Bool)])),
            "",
            &mut found,
        );
        assert_eq!(found, ["/properties/a"]);
    }

    #[test]
    fn what_the_environment_fills_in_may_be_anything() {
        assert_eq!(
            of(&Shape::integer(1, u16::MAX)),
            json!({ "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": 65535 },
                { "type": "string", "pattern": r"\$\{" },
            ] })
        );
        assert_eq!(
            of(&Shape::integer(0, u64::MAX))["anyOf"][0]["maximum"],
            json!(u64::MAX)
        );
    }

    #[test]
    fn a_list_or_map_that_may_be_empty_may_be_left_open() {
        assert_eq!(
            of(&Shape::list(Shape::Bool))["type"],
            json!(["array", "null"])
        );
        assert_eq!(of(&Shape::nonempty_list(Shape::Bool))["type"], "array");
        let map = |field| of(&Shape::Map(vec![field]))["type"].clone();
        assert_eq!(
            map(Field::optional("a", Shape::Bool)),
            json!(["object", "null"])
        );
        assert_eq!(map(Field::required("a", Shape::Bool)), "object");
    }
}
