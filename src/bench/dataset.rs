//! A profile's rows as a definition: which tables, which columns, which SQL makes each value.
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

/// Tables and how their rows are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Dataset {
    /// SQL run before the rows are made, in order, in a schema of its own that is dropped
    /// afterwards: tables that expressions read from. It must be deterministic.
    pub setup: Vec<String>,
    /// The tables, in order; at least one, each name once.
    pub tables: Vec<TableDefinition>,
}

/// One table and how its rows are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// The table's name, without a schema.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// COPY bytes of a row, about: for lists and estimates, not for the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_bytes: Option<u64>,
    /// The columns, in order; at least one.
    pub columns: Vec<ColumnDefinition>,
}

/// A dataset as documents write it: the keys of its only table, or `tables` with those of each.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    setup: Vec<String>,
    #[serde(default)]
    tables: Vec<TableDefinition>,
    #[serde(flatten)]
    only: Option<TableDefinition>,
}

impl From<Written> for Dataset {
    fn from(written: Written) -> Self {
        let mut tables = written.tables;
        tables.extend(written.only);
        Self {
            setup: written.setup,
            tables,
        }
    }
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
    /// The digest of these rows: tables, row counts, setup and columns.
    #[must_use]
    pub fn digest(&self) -> DatasetDigest {
        if let [only] = self.tables.as_slice() {
            return self.digest_of(only);
        }
        let mut hash = Parts::new();
        hash.part("tables");
        for table in &self.tables {
            hash.part(self.digest_of(table).as_str());
        }
        hash.digest()
    }

    fn digest_of(&self, table: &TableDefinition) -> DatasetDigest {
        let mut hash = Parts::new();
        hash.part(&table.table);
        hash.part(&table.rows.to_string());
        hash.part(&self.setup.len().to_string());
        for sql in &self.setup {
            hash.part(sql);
        }
        for column in &table.columns {
            hash.part(&column.name);
            hash.part(&column.sql_type);
            hash.part(if column.primary_key { "key" } else { "" });
            hash.part(if column.not_null { "not null" } else { "" });
            hash.part(&column.expr);
        }
        hash.digest()
    }

    /// The schema that holds these rows in the managed source database: one for each digest, so that
    /// several row counts of a table can be kept.
    #[must_use]
    pub fn schema(&self) -> String {
        format!("d_{}", self.digest().short())
    }

    /// The names of its tables, for lists and messages.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.tables.iter().map(|t| t.table.as_str()).collect();
        names.join(", ")
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableDefinition> {
        self.tables.iter().find(|table| table.table == name)
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// COPY bytes of a row over all tables, about; none where a table does not say.
    #[must_use]
    pub fn row_bytes(&self) -> Option<u64> {
        let bytes: Option<u64> = self
            .tables
            .iter()
            .map(|table| Some(table.row_bytes? * table.rows))
            .sum();
        bytes?.checked_div(self.rows())
    }

    /// Changes the rows of all tables to this many in all, each with the share it had and at least one.
    pub fn scale_to(&mut self, rows: u64) {
        let whole = u128::from(self.rows()).max(1);
        let (mut before, mut made) = (0, 0);
        for table in &mut self.tables {
            before += u128::from(table.rows);
            let until = (u128::from(rows) * before / whole) as u64;
            table.rows = until.saturating_sub(made).max(1);
            made += table.rows;
        }
    }
}

/// A hash of parts, each with its length in front: no two definitions run together.
struct Parts(Sha256);

impl Parts {
    fn new() -> Self {
        let mut parts = Self(Sha256::new());
        parts.part(&format!("rb-bench dataset {FORMAT}"));
        parts
    }

    fn part(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn digest(self) -> DatasetDigest {
        DatasetDigest(Hex(&self.0.finalize()).to_string())
    }
}

impl TableDefinition {
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
    use proptest::prelude::*;

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
            setup: Vec::new(),
            tables: vec![TableDefinition {
                table: "t".into(),
                rows: 10,
                row_bytes: Some(40),
                columns: vec![
                    column("id", "bigint", true, "i"),
                    column("Name", "text", false, "'n' || i\n"),
                ],
            }],
        }
    }

    fn tables_of(rows: &[u64]) -> Dataset {
        let mut dataset = two_columns();
        let table = dataset.tables.remove(0);
        let numbered = |(n, rows): (usize, &u64)| TableDefinition {
            table: format!("t{n}"),
            rows: *rows,
            ..table.clone()
        };
        dataset.tables = rows.iter().enumerate().map(numbered).collect();
        dataset
    }

    #[test]
    fn a_digest_stays_what_it_was() {
        insta::assert_snapshot!(two_columns().digest(), @"51b28de3e1ccd04651d9233e2056801bce9967320bdbacf7dd61499bb289c1cc");
    }

    #[test]
    fn a_digest_changes_with_everything_the_rows_depend_on() {
        let base = two_columns().digest();
        let edits: [fn(&mut Dataset); 8] = [
            |d| d.tables[0].table = "u".into(),
            |d| d.tables[0].rows = 11,
            |d| d.setup.push("SELECT 1".into()),
            |d| d.tables[0].columns[0].name = "ident".into(),
            |d| d.tables[0].columns[0].sql_type = "int".into(),
            |d| d.tables[0].columns[1].not_null = false,
            |d| d.tables[0].columns[1].expr = "'m' || i".into(),
            |d| d.tables.push(d.tables[0].clone()),
        ];
        for edit in edits {
            let mut changed = two_columns();
            edit(&mut changed);
            assert_ne!(changed.digest(), base);
        }
        let mut estimate = two_columns();
        estimate.tables[0].row_bytes = None;
        assert_eq!(estimate.digest(), base);
        assert_ne!(tables_of(&[1, 2]).digest(), tables_of(&[2, 1]).digest());
    }

    #[test]
    fn the_sql_quotes_names_and_keeps_expressions() {
        let table = &two_columns().tables[0];
        insta::assert_snapshot!(table.create_table("d_1", "t"), @r#"
        CREATE TABLE "d_1"."t" (
          "id" bigint,
          "Name" text NOT NULL,
          PRIMARY KEY ("id")
        )
        "#);
        insta::assert_snapshot!(table.insert_rows("d_1", 1, 5), @r#"
        INSERT INTO "d_1"."t" SELECT
          (i),
          ('n' || i)
        FROM generate_series(1::bigint, 5::bigint) AS i
        "#);
    }

    proptest! {
        #[test]
        fn a_scaled_dataset_has_as_many_rows_as_asked_for(
            rows in prop::collection::vec(1u64..10_000, 1..12),
            asked in 1u64..100_000,
        ) {
            let mut dataset = tables_of(&rows);
            dataset.scale_to(asked);
            prop_assert!(dataset.tables.iter().all(|table| table.rows >= 1));
            if rows.len() == 1 {
                prop_assert_eq!(dataset.rows(), asked);
            }
            // a table that would have none still has one
            prop_assert!(dataset.rows() >= asked && dataset.rows() < asked + rows.len() as u64);
        }
    }
}
