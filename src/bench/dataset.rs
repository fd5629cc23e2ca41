//! A profile's rows as a definition: which table, which columns, which SQL makes each value.
//!
//! A definition is data. It knows its SQL and its digest, and never connects; `seed` makes the rows.
//! The digest covers everything the rows depend on and nothing else, so that the same rows are made
//! once, and another expression is other data.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::postgres::quote_ident;
use crate::units::Hex;

/// Changes when the same definition comes to make other rows.
const FORMAT: u32 = 1;

/// One table and how its rows are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// The table's name, without a schema.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// COPY bytes of a row, about: for lists and estimates, not for the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_bytes: Option<u64>,
    /// SQL run before the rows are made, in order, in a schema of its own that is dropped
    /// afterwards: tables that expressions read from. It must be deterministic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<String>,
    /// The columns, in order; at least one.
    pub columns: Vec<ColumnDefinition>,
}

/// One column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its SQL type, as CREATE TABLE takes it.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// Whether it belongs to the primary key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub primary_key: bool,
    /// Whether it refuses NULL.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_null: bool,
    /// SQL over `i`, the row's number as bigint, from 1. Deterministic.
    pub expr: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The digest of a dataset: SHA-256 of its canonical definition, as lowercase hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatasetDigest(String);

impl DatasetDigest {
    /// Enough of it to tell datasets apart in names.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..8]
    }

    /// The whole digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DatasetDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Dataset {
    /// The digest of these rows: table, row count, setup and columns.
    #[must_use]
    pub fn digest(&self) -> DatasetDigest {
        // every part with its length in front: no two definitions run together
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        part(&format!("rb-bench dataset {FORMAT}"));
        part(&self.table);
        part(&self.rows.to_string());
        part(&self.setup.len().to_string());
        for sql in &self.setup {
            part(sql);
        }
        for column in &self.columns {
            part(&column.name);
            part(&column.sql_type);
            part(if column.primary_key { "key" } else { "" });
            part(if column.not_null { "not null" } else { "" });
            part(&column.expr);
        }
        DatasetDigest(Hex(&hash.finalize()).to_string())
    }

    /// The schema that holds these rows in the managed source database: one for each digest, so that
    /// several row counts of a table can be kept.
    #[must_use]
    pub fn schema(&self) -> String {
        format!("d_{}", self.digest().short())
    }

    /// CREATE TABLE with the key, in this schema.
    #[must_use]
    pub fn create_table(&self, schema: &str, table: &str) -> String {
        let mut lines: Vec<String> = self
            .columns
            .iter()
            .map(|column| {
                let not_null = if column.not_null { " NOT NULL" } else { "" };
                format!(
                    "{} {}{not_null}",
                    quote_ident(&column.name),
                    column.sql_type
                )
            })
            .collect();
        let key: Vec<String> = self
            .columns
            .iter()
            .filter(|column| column.primary_key)
            .map(|column| quote_ident(&column.name))
            .collect();
        if !key.is_empty() {
            lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        format!(
            "CREATE TABLE {}.{} (\n  {}\n)",
            quote_ident(schema),
            quote_ident(table),
            lines.join(",\n  ")
        )
    }

    /// INSERT of the rows `first..=last`.
    #[must_use]
    pub fn insert_rows(&self, schema: &str, first: u64, last: u64) -> String {
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("({})", column.expr.trim()))
            .collect();
        format!(
            "INSERT INTO {}.{} SELECT\n  {}\nFROM generate_series({first}::bigint, {last}::bigint) AS i",
            quote_ident(schema),
            quote_ident(&self.table),
            values.join(",\n  ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_columns() -> Dataset {
        let column = |name: &str, sql_type: &str, key, expr: &str| ColumnDefinition {
            name: name.into(),
            sql_type: sql_type.into(),
            primary_key: key,
            not_null: !key,
            expr: expr.into(),
        };
        Dataset {
            table: "t".into(),
            rows: 10,
            row_bytes: Some(40),
            setup: Vec::new(),
            columns: vec![
                column("id", "bigint", true, "i"),
                column("Name", "text", false, "'n' || i\n"),
            ],
        }
    }

    #[test]
    fn a_digest_stays_what_it_was() {
        insta::assert_snapshot!(two_columns().digest(), @"51b28de3e1ccd04651d9233e2056801bce9967320bdbacf7dd61499bb289c1cc");
    }

    #[test]
    fn a_digest_changes_with_everything_the_rows_depend_on() {
        let base = two_columns().digest();
        let edits: [fn(&mut Dataset); 7] = [
            |d| d.table = "u".into(),
            |d| d.rows = 11,
            |d| d.setup.push("SELECT 1".into()),
            |d| d.columns[0].name = "ident".into(),
            |d| d.columns[0].sql_type = "int".into(),
            |d| d.columns[1].not_null = false,
            |d| d.columns[1].expr = "'m' || i".into(),
        ];
        for edit in edits {
            let mut changed = two_columns();
            edit(&mut changed);
            assert_ne!(changed.digest(), base);
        }
        let mut estimate = two_columns();
        estimate.row_bytes = None;
        assert_eq!(estimate.digest(), base);
    }

    #[test]
    fn the_sql_quotes_names_and_keeps_expressions() {
        insta::assert_snapshot!(two_columns().create_table("d_1", "t"), @r#"
        CREATE TABLE "d_1"."t" (
          "id" bigint,
          "Name" text NOT NULL,
          PRIMARY KEY ("id")
        )
        "#);
        insta::assert_snapshot!(two_columns().insert_rows("d_1", 1, 5), @r#"
        INSERT INTO "d_1"."t" SELECT
          (i),
          ('n' || i)
        FROM generate_series(1::bigint, 5::bigint) AS i
        "#);
    }
}
