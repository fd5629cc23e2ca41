//! The types that users made, and what makes them: for comparing them between two servers.
//!
//! Like the rest of the catalog, read with an empty `search_path`, so that names are qualified.

use super::catalog::{Column, FIRST_NORMAL_OID};
use super::quote_literal;
use super::session::Session;
use crate::error::Result;

/// A type that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserType {
    /// Its schema, quoted where it must be.
    pub schema: String,
    /// Its qualified name, quoted where it must be.
    pub name: String,
    /// `pg_type.typtype`: b, c, d, e, r.
    pub kind: char,
    /// What it is made of: fields, labels, the type below; empty for base types.
    pub body: String,
    /// The statement that creates it, where one statement does.
    pub create: Option<String>,
}

/// The columns of the query below: a type `t` as a [`UserType`]. There are multiranges since
/// PostgreSQL 14; what older catalogs lack, `to_jsonb` gives as NULL.
const DESCRIBED: &str = r"pg_catalog.quote_ident(n.nspname) AS schema, pg_catalog.format_type(t.oid, NULL) AS name, t.typtype,
  CASE t.typtype
    WHEN 'e' THEN (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
                     FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid)
    WHEN 'c' THEN (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(x.attname) || ' ' || pg_catalog.format_type(x.atttypid, x.atttypmod), ', ' ORDER BY x.attnum)
                     FROM pg_catalog.pg_attribute x WHERE x.attrelid = t.typrelid AND x.attnum > 0 AND NOT x.attisdropped)
    WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
    WHEN 'r' THEN (SELECT pg_catalog.format_type(r.rngsubtype, NULL) FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
  END AS body,
  CASE t.typtype
    WHEN 'd' THEN (SELECT CASE WHEN t.typdefault IS NULL THEN '' ELSE ' DEFAULT ' || t.typdefault END || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
                     || coalesce(pg_catalog.string_agg(' ' || pg_catalog.pg_get_constraintdef(k.oid), '' ORDER BY k.oid), '')
                     FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')
    WHEN 'r' THEN (SELECT CASE WHEN r.rngsubdiff = 0 THEN '' ELSE ', subtype_diff = ' || r.rngsubdiff::text END
                     || coalesce(', multirange_type_name = ' || pg_catalog.format_type((pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid, NULL), '') FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
  END AS more,
  (SELECT x.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e') AS extension";

fn user_type(row: &tokio_postgres::SimpleQueryRow) -> UserType {
    let text = |name: &str| row.try_get(name).ok().flatten().unwrap_or_default();
    let (name, body, more) = (text("name"), text("body"), text("more"));
    let kind = text("typtype").chars().next().unwrap_or('b');
    let create = match (text("extension"), kind) {
        ("", 'e') => Some(format!("CREATE TYPE {name} AS ENUM ({body})")),
        ("", 'c') => Some(format!("CREATE TYPE {name} AS ({body})")),
        ("", 'd') => Some(format!("CREATE DOMAIN {name} AS {body}{more}")),
        ("", 'r') => Some(format!(
            "CREATE TYPE {name} AS RANGE (subtype = {body}{more})"
        )),
        ("", _) => None,
        (extension, _) => Some(format!(
            "CREATE EXTENSION {}",
            super::quote_ident(extension)
        )),
    };
    UserType {
        schema: text("schema").to_owned(),
        name: name.to_owned(),
        kind,
        body: body.to_owned(),
        create,
    }
}

/// `used(oid, attnum, depth)`: the types of columns, by number from 0, and all that these are made of.
fn used(columns: &[Column]) -> String {
    let types: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| format!("({}::oid, {i}, 0)", column.type_oid))
        .collect();
    format!(
        "WITH RECURSIVE used(oid, attnum, depth) AS (
           VALUES {}
           UNION
           SELECT part.oid, u.attnum, u.depth + 1 FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid, LATERAL (
             SELECT t.typelem WHERE t.typtype = 'b' AND t.typcategory = 'A'
             UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
             UNION ALL SELECT x.atttypid FROM pg_catalog.pg_attribute x
                        WHERE t.typtype = 'c' AND x.attrelid = t.typrelid AND x.attnum > 0 AND NOT x.attisdropped
             UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
             UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid) part(oid))",
        types.join(", ")
    )
}

/// The first of these columns whose text has names of objects in it (the reg* types), which are
/// printed by what is on the `search_path`.
pub async fn naming_objects<'a>(
    session: &Session,
    columns: &'a [Column],
) -> Result<Option<&'a Column>> {
    if columns.is_empty() {
        return Ok(None);
    }
    let sql = format!(
        "{} SELECT min(u.attnum) FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid
          WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname LIKE 'reg%'",
        used(columns)
    );
    let first = session.value(&sql, "reading the types of columns").await?;
    let first = first.and_then(|number| number.parse::<usize>().ok());
    Ok(first.and_then(|i| columns.get(i)))
}

/// The made types that these columns need, each with the first column that needs it, what a type
/// is made of before the type itself.
pub async fn needed<'a>(
    session: &Session,
    columns: &'a [Column],
) -> Result<Vec<(&'a Column, UserType)>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "{},
         made AS (SELECT oid, min(attnum) AS attnum, max(depth) AS depth FROM used GROUP BY oid)
         SELECT m.attnum, {DESCRIBED}
           FROM made m JOIN pg_catalog.pg_type t ON t.oid = m.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
          WHERE t.oid >= {FIRST_NORMAL_OID} AND t.typtype <> 'm' AND NOT (t.typtype = 'b' AND t.typcategory = 'A')
          ORDER BY m.depth DESC, t.oid",
        used(columns)
    );
    let rows = session.rows(&sql, "reading the types of columns").await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let number: usize = row.get("attnum")?.parse().ok()?;
            Some((columns.get(number)?, user_type(row)))
        })
        .collect())
}

/// The type of this name, as SQL.
pub async fn find(session: &Session, name: &str) -> Result<Option<UserType>> {
    let sql = format!(
        "SELECT {DESCRIBED} FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
          WHERE t.oid = pg_catalog.to_regtype({})",
        quote_literal(name)
    );
    let rows = session.rows(&sql, "looking for a column's type").await?;
    Ok(rows.first().map(user_type))
}

/// Whether a schema, quoted where it must be, is there.
pub async fn has_schema(session: &Session, name: &str) -> Result<bool> {
    let sql = format!(
        "SELECT pg_catalog.to_regnamespace({}) IS NOT NULL",
        quote_literal(name)
    );
    Ok(session
        .value(&sql, "looking for a schema")
        .await?
        .as_deref()
        == Some("t"))
}
