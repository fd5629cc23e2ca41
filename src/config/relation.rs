//! The name of a table as a document writes it: `table`, `schema.table`, each part plain or in double
//! quotes as SQL has them (`"Order.Lines"`, `""` for a quote inside).
//!
//! Unlike SQL it never folds case: `Orders` is the table `Orders`. It makes no SQL; quoting for the
//! server is the server's client's business.

/// The most bytes of a Postgres identifier; the server cuts off the rest.
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// As a destination's schema: each stream keeps its own.
pub const SAME_SCHEMA: &str = "*";

/// A schema, where one is named, and a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationName {
    /// The schema.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
}

impl RelationName {
    /// Reads `table` or `schema.table`; the error says what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        const ACCEPTED: &str =
            "accepted: table or schema.table, with a part in double quotes where it has a dot";
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
                quoted_part(quoted).ok_or(format!("an open quote in a name; {ACCEPTED}"))?
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            };
            parts.push(part);
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => break,
                None => return Err(format!("text after a closing quote; {ACCEPTED}")),
            }
        }
        if parts.iter().any(String::is_empty) {
            return Err(format!("an empty name; {ACCEPTED}"));
        }
        let table = parts.pop().unwrap_or_default();
        match parts.len() {
            0 | 1 => Ok(Self {
                schema: parts.pop(),
                table,
            }),
            more => Err(format!("a name of {} parts; {ACCEPTED}", more + 1)),
        }
    }

    /// The text that [`RelationName::parse`] reads as this name.
    #[must_use]
    pub fn to_text(&self) -> String {
        let part = |name: &str| {
            if name.contains(['.', '"']) || name.is_empty() {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.to_owned()
            }
        };
        match &self.schema {
            Some(schema) => format!("{}.{}", part(schema), part(&self.table)),
            None => part(&self.table),
        }
    }
}

/// The name up to the closing quote, and what follows it.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let at = rest.find('"')?;
        name.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// Whether a stream's name or schema is a pattern (`*` any characters, `?` one).
#[must_use]
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relation_name_is_read_and_written_back() {
        for (text, schema, table) in [
            ("orders", None, "orders"),
            ("raw.Orders", Some("raw"), "Orders"),
            ("\"a.b\".c", Some("a.b"), "c"),
            ("\"a\"\"b\"", None, "a\"b"),
            ("raw.\"über.x\"", Some("raw"), "über.x"),
        ] {
            let name = RelationName::parse(text).unwrap();
            assert_eq!(
                (name.schema.as_deref(), name.table.as_str()),
                (schema, table)
            );
            assert_eq!(name.to_text(), text);
        }
    }

    #[test]
    fn what_is_not_a_relation_name_says_why() {
        for (text, why) in [
            (
                "",
                "an empty name; accepted: table or schema.table, with a part in double quotes where it has a dot",
            ),
            ("a.", "an empty name"),
            ("a.b.c", "a name of 3 parts"),
            (
                "\"a",
                "an open quote in a name; accepted: table or schema.table",
            ),
            ("\"a\"b", "text after a closing quote"),
        ] {
            let error = RelationName::parse(text).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
