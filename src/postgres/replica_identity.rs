//! What of a changed row the source's log keeps, so that it can be found elsewhere.
//!
//! PostgreSQL manual, "ALTER TABLE", "REPLICA IDENTITY".

/// The columns by which the log tells which row of table `c` changed, as a list in JSON: of the key
/// that is its replica identity, where that is one.
pub const COLUMNS: &str = "(SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_index i \
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[]) \
WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate \
AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END)";
