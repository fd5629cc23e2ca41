//! The heaps that a relation's rows lie in: itself, or its leaf partitions.
//!
//! Reading only; what is made of them is decided elsewhere.

use super::catalog::{Fields, Name};
use super::session::Session;
use crate::error::Result;

/// How a heap can be read in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// By ranges of row addresses.
    Address,
    /// By ranges of a unique key that is never NULL.
    Key {
        /// The key's column, a whole number.
        column: String,
        /// Where a range may begin: in order, each once.
        bounds: Vec<i64>,
    },
    /// Not at all.
    Whole,
}

/// A table or partition whose rows lie in one heap of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its name.
    pub name: Name,
    /// Whether it is a heap table (or a materialised view) that can be cut by row address.
    pub heap: bool,
    /// Whether this role may SELECT from it.
    pub selectable: bool,
    /// Whether row security applies to this role on it.
    pub row_security: bool,
    /// Blocks of its main fork.
    pub blocks: u32,
    /// Bytes, TOAST included.
    pub bytes: u64,
    /// How it can be read in parts.
    pub cut: Cut,
}

/// The leaves of the relation with this OID; none for views and the like.
pub(super) async fn leaves(session: &Session, oid: u32, doing: &str) -> Result<Vec<Leaf>> {
    let sql = format!(
        "SELECT n.nspname, c.relname,
            c.relkind IN ('r', 'm') AND coalesce(am.amname = 'heap', false) AS heap,
            pg_catalog.has_table_privilege(c.oid, 'SELECT') AS selectable,
            pg_catalog.row_security_active(c.oid) AS row_security,
            CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int ELSE 0 END AS blocks,
            CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END AS bytes
         FROM (SELECT {oid}::oid AS relid WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class p WHERE p.oid = {oid} AND p.relkind = 'p')
               UNION ALL
               SELECT t.relid::oid FROM pg_catalog.pg_partition_tree({oid}) t
               WHERE t.isleaf AND EXISTS (SELECT FROM pg_catalog.pg_class p WHERE p.oid = {oid} AND p.relkind = 'p')) l
         JOIN pg_catalog.pg_class c ON c.oid = l.relid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
         WHERE c.relkind IN ('r', 'm', 'f') ORDER BY 1, 2"
    );
    let rows = session.rows(&sql, doing).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let fields = Fields(row);
            Leaf {
                name: Name::new(fields.text("nspname"), fields.text("relname")),
                heap: fields.yes("heap"),
                selectable: fields.yes("selectable"),
                row_security: fields.yes("row_security"),
                blocks: fields.number("blocks"),
                bytes: fields.number("bytes"),
                cut: Cut::Address,
            }
        })
        .collect())
}
