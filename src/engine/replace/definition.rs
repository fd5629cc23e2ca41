//! How a table is made, in the server's own words: statements that make another like it.
//!
//! Column for column by LIKE; the rest from the catalogs, so that every name, option and mark is
//! as it was. The session has an empty `search_path`: what the server prints is qualified.

use crate::error::Result;
use crate::postgres::catalog::{INDEX_BODY, Name};
use crate::postgres::{Session, quote_literal};

/// The statements that make a table like another, by when they are run. Two that are equal were
/// read from a table that did not change in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Definition {
    /// Makes the empty table under its hidden name.
    pub(super) create: Vec<String>,
    /// Builds what waits until the rows are in, foreign keys left out.
    pub(super) build: Vec<String>,
    /// Adds its foreign keys.
    pub(super) refer: Vec<String>,
    /// Gives its indexes and statistics their own names, once it is in its schema.
    pub(super) rename: Vec<String>,
    /// What LIKE copies without being told, to be compared.
    shape: Vec<String>,
}

impl Definition {
    /// Reads how the table `oid` is made, for one that is called `hidden`. `asides` are all tables
    /// that are replaced together: foreign keys between them are to hold between the new ones.
    pub(super) async fn read(
        session: &Session,
        oid: u32,
        hidden: &Name,
        asides: &[(u32, &Name)],
    ) -> Result<Self> {
        let mut definition = Self::default();
        for sql in [
            create_sql(oid, hidden),
            build_sql(oid, hidden),
            refer_sql(oid, hidden, asides),
            shape_sql(oid),
        ] {
            let rows = session.rows(&sql, "reading how a target is made").await?;
            for row in rows {
                let list = match row.get("part") {
                    Some("create") => &mut definition.create,
                    Some("build") => &mut definition.build,
                    Some("refer") => &mut definition.refer,
                    Some("rename") => &mut definition.rename,
                    _ => &mut definition.shape,
                };
                list.push(row.get("sql").unwrap_or_default().to_owned());
            }
        }
        Ok(definition)
    }
}

/// `name = 'value'` for each of an array of options.
fn options(array: &str, prefix: &str) -> String {
    format!(
        "(SELECT pg_catalog.string_agg('{prefix}' || pg_catalog.quote_ident(pg_catalog.split_part(o, '=', 1)) || ' = ' \
           || pg_catalog.quote_literal(pg_catalog.substr(o, 1 + pg_catalog.strpos(o, '='))), ', ') FROM pg_catalog.unnest({array}) o)"
    )
}

/// The tablespace of a relation `c`, as what is made next is put in; empty for the database's own.
const TABLESPACE: &str = "pg_catalog.format('SET LOCAL default_tablespace = %L', \
coalesce((SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace), ''))";

fn create_sql(oid: u32, hidden: &Name) -> String {
    let table = quote_literal(&hidden.sql());
    let own = options("c.reloptions", "");
    let toast = options(
        "(SELECT x.reloptions FROM pg_catalog.pg_class x WHERE x.oid = c.reltoastrelid)",
        "toast.",
    );
    let column = options("a.attoptions", "");
    format!(
        "SELECT 'create' AS part, sql FROM (
           SELECT 0 AS step, 0::int8 AS n, {TABLESPACE} AS sql FROM pg_catalog.pg_class c WHERE c.oid = {oid}
           UNION ALL SELECT 1, 0, pg_catalog.format('CREATE %sTABLE %s (LIKE %I.%I INCLUDING DEFAULTS INCLUDING GENERATED \
                INCLUDING IDENTITY INCLUDING STORAGE%s) USING %I%s', \
                CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' END, {table}, n.nspname, c.relname, \
                CASE WHEN pg_catalog.current_setting('server_version_num')::int4 >= 140000 THEN ' INCLUDING COMPRESSION' END, \
                (SELECT m.amname FROM pg_catalog.pg_am m WHERE m.oid = c.relam),
                ' WITH (' || nullif(pg_catalog.concat_ws(', ', {own}, {toast}), '') || ')')
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {oid}
           UNION ALL SELECT 2, a.attnum, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', {table}, a.attname, a.attstattarget)
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0
           UNION ALL SELECT 3, a.attnum, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', {table}, a.attname, {column})
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped AND a.attoptions IS NOT NULL
           UNION ALL SELECT 4, x.oid::int8, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', {table}, x.conname, pg_catalog.pg_get_constraintdef(x.oid))
             FROM pg_catalog.pg_constraint x WHERE x.conrelid = {oid} AND x.contype = 'c' AND x.convalidated
         ) statements ORDER BY step, n"
    )
}

fn build_sql(oid: u32, hidden: &Name) -> String {
    let table = quote_literal(&hidden.sql());
    let prefix = quote_literal(&hidden.relation);
    let schema = quote_literal(&hidden.schema);
    let options = options("o.reloptions", "");
    // a key that USING INDEX cannot make is made from its own definition
    format!(
        "WITH o AS (
           SELECT i.indexrelid::int8 AS id, {prefix} || '_i' || pg_catalog.row_number() OVER (ORDER BY i.indexrelid) AS own,
                  i.indisunique, i.indisclustered, i.indisreplident, c.relname, c.reloptions, n.nspname, {TABLESPACE} AS place, {INDEX_BODY} AS body,
                  x.conname, x.contype, x.condeferrable, x.condeferred, pg_catalog.pg_get_constraintdef(x.oid) AS definition,
                  x.contype IN ('p', 'u') AND m.amname = 'btree' AS by_index
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
             JOIN pg_catalog.pg_am m ON m.oid = c.relam
             LEFT JOIN pg_catalog.pg_constraint x ON x.conindid = c.oid AND x.conrelid = i.indrelid AND x.contype IN ('p', 'u', 'x')
            WHERE i.indrelid = {oid}),
         s AS (
           SELECT e.oid::int8 AS id, {prefix} || '_s' || pg_catalog.row_number() OVER (ORDER BY e.oid) AS own, e.stxname, (pg_catalog.to_jsonb(e) ->> 'stxstattarget')::int4 AS stxstattarget, sn.nspname,
                  pg_catalog.pg_get_statisticsobjdef(e.oid) AS definition,
                  pg_catalog.length(pg_catalog.format('CREATE STATISTICS %I.%I', sn.nspname, e.stxname)) AS before,
                  pg_catalog.length(pg_catalog.format(' FROM %I.%I', n.nspname, c.relname)) AS after
             FROM pg_catalog.pg_statistic_ext e JOIN pg_catalog.pg_namespace sn ON sn.oid = e.stxnamespace
             JOIN pg_catalog.pg_class c ON c.oid = e.stxrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE e.stxrelid = {oid})
         SELECT part, sql FROM (
           SELECT 'build' AS part, id, 0 AS step, place AS sql FROM o
           UNION ALL SELECT 'build', id, 1, pg_catalog.format('CREATE %sINDEX %I ON %s %s', CASE WHEN indisunique THEN 'UNIQUE ' END, own, {table}, body)
             FROM o WHERE contype IS NULL OR by_index
           UNION ALL SELECT 'build', id, 2, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s%s', {table}, own,
                CASE contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, own,
                CASE WHEN condeferrable THEN ' DEFERRABLE' END, CASE WHEN condeferred THEN ' INITIALLY DEFERRED' END)
             FROM o WHERE by_index
           UNION ALL SELECT 'build', id, 1, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', {table}, own, definition)
             FROM o WHERE contype IS NOT NULL AND NOT by_index
           UNION ALL SELECT 'build', id, 2, pg_catalog.format('ALTER INDEX %I.%I SET (%s)', {schema}::text, own, {options})
             FROM o WHERE contype IS NOT NULL AND NOT by_index AND reloptions IS NOT NULL
           UNION ALL SELECT 'build', id, 3, pg_catalog.format('ALTER INDEX %I.%I ALTER COLUMN %s SET STATISTICS %s', {schema}::text, own, a.attnum, a.attstattarget)
             FROM o JOIN pg_catalog.pg_attribute a ON a.attrelid = o.id::oid WHERE a.attnum > 0 AND a.attstattarget >= 0
           UNION ALL SELECT 'build', id, 4, pg_catalog.format('ALTER TABLE %s CLUSTER ON %I', {table}, own) FROM o WHERE indisclustered
           UNION ALL SELECT 'build', id, 5, pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', {table}, own) FROM o WHERE indisreplident
           UNION ALL SELECT 'build', x.oid::int8, 6, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', {table}, x.conname, pg_catalog.pg_get_constraintdef(x.oid))
             FROM pg_catalog.pg_constraint x WHERE x.conrelid = {oid} AND x.contype = 'c' AND NOT x.convalidated
           UNION ALL SELECT 'build', id, 7, pg_catalog.format('CREATE STATISTICS %I.%I%s FROM %s', {schema}::text, own,
                pg_catalog.substr(definition, 1 + before, pg_catalog.length(definition) - before - after), {table}) FROM s
           UNION ALL SELECT 'build', id, 8, pg_catalog.format('ALTER STATISTICS %I.%I SET STATISTICS %s', {schema}::text, own, stxstattarget)
             FROM s WHERE stxstattarget >= 0
           UNION ALL SELECT 'build', NULL, 9, 'SET LOCAL default_tablespace TO DEFAULT'
           UNION ALL SELECT 'rename', id, 0, pg_catalog.format('ALTER INDEX %I.%I RENAME TO %I', nspname, own, relname) FROM o
           UNION ALL SELECT 'rename', id, 0, pg_catalog.format('ALTER STATISTICS %I.%I SET SCHEMA %I', {schema}::text, own, nspname) FROM s
           UNION ALL SELECT 'rename', id, 1, pg_catalog.format('ALTER STATISTICS %I.%I RENAME TO %I', nspname, own, stxname) FROM s
         ) statements ORDER BY step >= 6, id, step"
    )
}

fn refer_sql(oid: u32, hidden: &Name, asides: &[(u32, &Name)]) -> String {
    let table = quote_literal(&hidden.sql());
    let among: Vec<String> = asides
        .iter()
        .map(|(oid, name)| format!("({oid}::oid, {})", quote_literal(&name.sql())))
        .collect();
    // the name after REFERENCES is measured, not searched: what stands before may hold anything
    format!(
        "SELECT 'refer' AS part, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', {table}, conname,
            CASE WHEN hidden IS NOT NULL AND pg_catalog.starts_with(definition, before || referred)
                 THEN before || hidden || pg_catalog.substr(definition, 1 + pg_catalog.length(before || referred)) ELSE definition END) AS sql
           FROM (SELECT x.oid, x.conname, pg_catalog.pg_get_constraintdef(x.oid) AS definition, x.confrelid::pg_catalog.regclass::text AS referred, among.hidden,
                   'FOREIGN KEY (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.n)
                      FROM pg_catalog.unnest(x.conkey) WITH ORDINALITY k(attnum, n)
                      JOIN pg_catalog.pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = k.attnum) || ') REFERENCES ' AS before
                   FROM pg_catalog.pg_constraint x LEFT JOIN (VALUES {}) among(oid, hidden) ON among.oid = x.confrelid
                  WHERE x.conrelid = {oid} AND x.contype = 'f') keys ORDER BY oid",
        among.join(", ")
    )
}

fn shape_sql(oid: u32) -> String {
    format!(
        "SELECT 'shape' AS part, pg_catalog.concat_ws(' ', pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation,
            a.attnotnull, a.attgenerated, a.attidentity, a.attstorage, pg_catalog.to_jsonb(a) ->> 'attcompression', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
            (SELECT pg_catalog.concat_ws(' ', s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle) FROM pg_catalog.pg_depend p
               JOIN pg_catalog.pg_sequence s ON s.seqrelid = p.objid
              WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'i')) AS sql
           FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
}
