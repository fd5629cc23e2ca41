//! The sequences that a target's columns draw from, moved past the values that were copied.

use super::settings;
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::Name;
use crate::postgres::{Session, quote_ident, quote_literal};

/// A sequence that a target's column draws from, to be moved past what is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The table whose column it is; the hidden one while a table is built aside.
    pub table: Name,
    /// The column.
    pub column: String,
    /// Its name, as SQL.
    name: String,
    /// Whether it counts down.
    descending: bool,
}

impl Sequence {
    /// The value furthest along among the rows that this session's transaction can see.
    pub async fn extreme(&self, session: &Session) -> Result<Option<String>> {
        let which = if self.descending { "min" } else { "max" };
        let sql = format!(
            "SELECT pg_catalog.{which}({}) FROM {}",
            quote_ident(&self.column),
            self.table.sql()
        );
        session
            .value(&sql, "reading how far a sequence must be")
            .await
    }

    /// Moves the sequence to `value`, unless it is past it or cannot be there.
    pub async fn advance(&self, session: &Session, value: &str) -> Result<()> {
        self.advance_by(session, &self.moving_to(value)).await
    }

    /// The same outside of a transaction.
    pub async fn advance_alone(&self, session: &Session, value: &str) -> Result<()> {
        self.advance_by(session, &settings::alone(&self.moving_to(value)))
            .await
    }

    async fn advance_by(&self, session: &Session, sql: &str) -> Result<()> {
        session
            .execute(sql, &format!("moving sequence {}", self.name))
            .await
    }

    fn moving_to(&self, value: &str) -> String {
        let further = if self.descending { "<" } else { ">" };
        // a bare -9223372036854775808 would be a numeric
        let value = format!("{}::pg_catalog.int8", quote_literal(value));
        let sequence = quote_literal(&self.name);
        format!(
            "SELECT pg_catalog.setval({sequence}::pg_catalog.regclass, {value}) \
               FROM {} now, pg_catalog.pg_sequence s \
              WHERE s.seqrelid = {sequence}::pg_catalog.regclass AND {value} BETWEEN s.seqmin AND s.seqmax \
                AND ({value} {further} now.last_value OR ({value} = now.last_value AND NOT now.is_called))",
            self.name
        )
    }
}

/// The sequences that whole-numbered columns of a table draw from.
pub async fn sequences(
    session: &Session,
    table: &Name,
    columns: &[String],
) -> Result<Vec<Sequence>> {
    let doing = format!("looking for the sequences of {table}");
    let list: Vec<String> = columns.iter().map(|column| quote_literal(column)).collect();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT a.attname, pg_catalog.quote_ident(sn.nspname) || '.' || pg_catalog.quote_ident(s.relname) AS seq, q.seqincrement < 0 AS descending, \
           pg_catalog.has_sequence_privilege(s.oid, 'UPDATE') AND pg_catalog.has_sequence_privilege(s.oid, 'SELECT') AS moves, \
           pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') AS reads \
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname IN ({}) \
             AND a.atttypid IN ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype, 'int8'::pg_catalog.regtype) \
           JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid \
             AND d.refobjsubid = a.attnum AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i') \
           JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
           JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace \
           JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid \
          WHERE n.nspname = {} AND c.relname = {}",
        list.join(", "),
        quote_literal(&table.schema),
        quote_literal(&table.relation)
    );
    let rows = session.rows(&sql, &doing).await?;
    rows.iter()
        .map(|row| {
            let text = |name: &str| row.get(name).unwrap_or_default().to_owned();
            let (sequence, column) = (text("seq"), text("attname"));
            let grant = if text("moves") != "t" {
                Some(format!("SELECT, UPDATE ON SEQUENCE {sequence}"))
            } else if text("reads") != "t" {
                Some(format!("SELECT ({}) ON {}", quote_ident(&column), table.sql()))
            } else {
                None
            };
            if let Some(grant) = grant {
                return Err(Error::new(
                    Kind::Permission,
                    format!("sequence {sequence} of {table} must be moved past the copied values, and this role may not"),
                )
                .remedy(format!("GRANT {grant} to this role")));
            }
            Ok(Sequence {
                table: table.clone(),
                column,
                name: sequence,
                descending: text("descending") == "t",
            })
        })
        .collect()
}
