//! What the engine said of an iteration, kept for as long as its session lasts.
//!
//! A tree of JSON values takes ten times the memory of its text, and a session may have thousands of
//! iterations. So the text is kept, without blanks, and those who have the same share it. In an artifact it is a
//! JSON document like any other: nothing of this shows in a file.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::error::{Error, Result};

/// A JSON document as compact text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(Arc<str>);

impl Document {
    /// The document that a value is written as, its keys in alphabetical order.
    ///
    /// # Errors
    /// `Kind::Internal` for a value that is no JSON.
    pub fn of(value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value)
            .map_err(|e| Error::internal(format!("serializing a result: {e}")))?;
        Ok(Self::from(&value))
    }

    /// What of it a type reads; none where the document is not of that type.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.0).ok()
    }

    /// Shares the text with another document that says the same.
    pub fn share(&mut self, other: &Self) {
        if self == other {
            self.0 = Arc::clone(&other.0);
        }
    }

    /// Whether both are one text in memory.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer).map_err(D::Error::custom)?;
        Ok(Self::from(&value))
    }
}

impl JsonSchema for Document {
    fn inline_schema() -> bool {
        Value::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        Value::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Value::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_written_as_it_was_read_to_the_last_digit() {
        let text = r#"{"a":53.75340915209791,"b":[{"c":4.016e-6},null],"d":0.1301849430847168}"#;
        let document: Document = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&document).unwrap(), text);
        let value = serde_json::to_value(&document).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(serde_json::to_string_pretty(&document).unwrap(), pretty);
        // and out of a value that is there already
        assert_eq!(serde_json::from_value::<Document>(value).unwrap(), document);
    }

    #[test]
    fn a_type_reads_what_it_knows_of_a_document() {
        #[derive(Deserialize)]
        struct Workers {
            workers: u32,
        }
        let document = Document::of(&json!({"commit": "none", "workers": 2})).unwrap();
        assert_eq!(document.read::<Workers>().map(|read| read.workers), Some(2));
        assert!(document.read::<Vec<u32>>().is_none());
    }

    #[test]
    fn only_the_same_text_is_shared() {
        let first = Document::of(&json!({"workers": 2})).unwrap();
        let mut same = Document::of(&json!({"workers": 2})).unwrap();
        assert!(!same.is_shared_with(&first));
        same.share(&first);
        assert!(same.is_shared_with(&first));
        let mut other = Document::of(&json!({"workers": 1})).unwrap();
        other.share(&first);
        assert!(!other.is_shared_with(&first) && other != first);
    }
}
