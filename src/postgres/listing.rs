//! Which relations a pattern names.
//!
//! Reading only, like `catalog`.

use tokio_postgres::SimpleQueryRow;

use super::catalog::Name;
use super::quote_literal;
use super::session::Session;
use crate::error::Result;

/// The relations of a schema that a pattern with `*` and `?` names, sorted; views and foreign
/// tables too, partitions not, nor rb-bench's own state.
pub async fn matching(session: &Session, schema: &str, pattern: &str) -> Result<Vec<Name>> {
    let sql = format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname LIKE {} AND c.relname LIKE {} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'rb_bench') AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
         ORDER BY 1, 2",
        quote_literal(&like_pattern(schema)),
        quote_literal(&like_pattern(pattern))
    );
    let rows = session.rows(&sql, "listing relations").await?;
    Ok(names(&rows))
}

/// The relations that inherit, at whatever remove, from one of these.
pub async fn heirs(session: &Session, of: &[Name]) -> Result<Vec<Name>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = of
        .iter()
        .map(|name| {
            format!(
                "({}, {})",
                quote_literal(&name.schema),
                quote_literal(&name.relation)
            )
        })
        .collect();
    let sql = format!(
        "WITH RECURSIVE heirs AS (
           SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE (n.nspname, c.relname) IN ({})
           UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN heirs h ON h.inhrelid = i.inhparent)
         SELECT n.nspname, c.relname FROM heirs h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, 2",
        list.join(", ")
    );
    let rows = session
        .rows(&sql, "looking for tables that inherit")
        .await?;
    Ok(names(&rows))
}

fn names(rows: &[SimpleQueryRow]) -> Vec<Name> {
    let text = |row: &SimpleQueryRow, column: &str| row.get(column).unwrap_or_default().to_owned();
    rows.iter()
        .map(|row| Name::new(text(row, "nspname"), text(row, "relname")))
        .collect()
}

fn like_pattern(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => {
                like.push('\\');
                like.push(character);
            }
            other => like.push(other),
        }
    }
    like
}
