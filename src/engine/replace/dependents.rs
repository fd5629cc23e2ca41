//! What keeps a table from being replaced: whatever refers to it and could not come along, and
//! whatever this role may not do.
//!
//! Deny by default: what depends on the table, or on anything that is part of it, and is neither
//! part of it itself nor known to survive, is named. Nothing here changes anything.

use crate::error::Result;
use crate::postgres::Session;

/// The objects that are parts of these tables and come along, as a CTE `own(root, classid, objid,
/// kept)`: which table it is part of, and whether the object itself is kept rather than made anew.
/// Before PostgreSQL 14 TOAST tables and sequences have row types.
pub(super) fn own(oids: &[u32]) -> String {
    let list: Vec<String> = oids.iter().map(u32::to_string).collect();
    let (class, kind) = (
        "'pg_catalog.pg_class'::pg_catalog.regclass",
        "'pg_catalog.pg_type'::pg_catalog.regclass",
    );
    format!(
        "root AS (SELECT c.* FROM pg_catalog.pg_class c WHERE c.oid IN ({})),
         own(root, classid, objid, kept) AS (
           SELECT oid, {class}, oid, false FROM root
           UNION ALL SELECT root.oid, {kind}, y.oid, false FROM root JOIN pg_catalog.pg_type y ON y.oid = reltype OR y.typelem = reltype AND y.typcategory = 'A'
           UNION ALL SELECT root.oid, {class}, x.oid, false FROM root JOIN pg_catalog.pg_class x ON x.oid = root.reltoastrelid
           UNION ALL SELECT root.oid, {kind}, x.reltype, false FROM root JOIN pg_catalog.pg_class x ON x.oid = root.reltoastrelid AND x.reltype <> 0
           UNION ALL SELECT root.oid, {kind}, s.reltype, d.deptype = 'a' FROM root
             JOIN pg_catalog.pg_depend d ON d.refclassid = {class} AND d.refobjid = root.oid AND d.classid = {class} AND d.deptype IN ('a', 'i')
             JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' AND s.reltype <> 0
           UNION ALL SELECT root.oid, {class}, i.indexrelid, false FROM root JOIN pg_catalog.pg_index i ON i.indrelid IN (root.oid, nullif(root.reltoastrelid, 0))
           UNION ALL SELECT root.oid, 'pg_catalog.pg_constraint'::pg_catalog.regclass, x.oid, false FROM root JOIN pg_catalog.pg_constraint x ON x.conrelid = root.oid
           UNION ALL SELECT root.oid, 'pg_catalog.pg_attrdef'::pg_catalog.regclass, x.oid, false FROM root JOIN pg_catalog.pg_attrdef x ON x.adrelid = root.oid
           UNION ALL SELECT root.oid, 'pg_catalog.pg_trigger'::pg_catalog.regclass, x.oid, false FROM root JOIN pg_catalog.pg_trigger x ON x.tgrelid = root.oid
           UNION ALL SELECT root.oid, 'pg_catalog.pg_trigger'::pg_catalog.regclass, x.oid, false FROM root JOIN pg_catalog.pg_constraint k ON k.conrelid = root.oid
             JOIN pg_catalog.pg_trigger x ON x.tgconstraint = k.oid AND x.tgisinternal AND x.tgrelid <> root.oid
           UNION ALL SELECT root.oid, 'pg_catalog.pg_policy'::pg_catalog.regclass, x.oid, false FROM root JOIN pg_catalog.pg_policy x ON x.polrelid = root.oid
           UNION ALL SELECT root.oid, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, x.oid, false FROM root JOIN pg_catalog.pg_statistic_ext x ON x.stxrelid = root.oid
           UNION ALL SELECT root.oid, {class}, s.oid, d.deptype = 'a' FROM root
             JOIN pg_catalog.pg_depend d ON d.refclassid = {class} AND d.refobjid = root.oid AND d.classid = {class} AND d.deptype IN ('a', 'i')
             JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S')",
        list.join(", ")
    )
}

/// Everything that keeps these tables from being replaced together, each as a sentence.
pub async fn problems(session: &Session, oids: &[u32]) -> Result<Vec<String>> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let own = own(oids);
    let sql = format!(
        "WITH {own}, {REFERRING}, {KINDS}, {RIGHTS} \
         SELECT DISTINCT pg_catalog.format('%s %s', root::pg_catalog.regclass, problem) FROM \
           (SELECT root, problem FROM referring UNION ALL SELECT oid, problem FROM kinds UNION ALL SELECT oid, problem FROM rights) p \
          WHERE problem IS NOT NULL ORDER BY 1"
    );
    let rows = session
        .rows(&sql, "looking for what refers to the targets")
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.get(0).map(str::to_owned))
        .collect())
}

/// What depends on a part of a table and is none, and what such a part belongs to.
const REFERRING: &str = "referring(root, problem) AS (
  SELECT o.root, 'is used by ' || CASE WHEN r.rulename = '_RETURN'
           THEN pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0)
           ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END
    FROM own o JOIN pg_catalog.pg_depend d ON d.refclassid = o.classid AND d.refobjid = o.objid
    LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid
   WHERE NOT o.kept AND d.classid <> 'pg_catalog.pg_publication_rel'::pg_catalog.regclass
     AND NOT EXISTS (SELECT FROM own other WHERE other.classid = d.classid AND other.objid = d.objid)
  UNION ALL
  SELECT o.root, 'belongs to ' || pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
    FROM own o JOIN pg_catalog.pg_depend d ON d.classid = o.classid AND d.objid = o.objid AND d.deptype IN ('e', 'x')
  UNION ALL
  SELECT o.root, 'is tied to ' || pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
    FROM own o JOIN pg_catalog.pg_shdepend d ON d.classid = o.classid AND d.objid = o.objid AND d.deptype NOT IN ('o', 'a', 'r', 't')
     AND d.dbid = (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = pg_catalog.current_database())
  UNION ALL
  SELECT o.root, pg_catalog.format('has a security label (%s)', l.provider)
    FROM own o JOIN pg_catalog.pg_seclabel l ON l.classoid = o.classid AND l.objoid = o.objid
  UNION ALL
  SELECT r.oid, pg_catalog.format('is published by %I', p.pubname)
    FROM root r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_catalog.pg_publication_tables p ON p.schemaname = n.nspname AND p.tablename = r.relname
  UNION ALL
  SELECT r.oid, 'is filled by a subscription' FROM root r WHERE EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = r.oid))";

/// What sort of table cannot be replaced.
const KINDS: &str = "kinds(oid, problem) AS (
  SELECT oid, CASE WHEN relkind <> 'r' THEN 'is not an ordinary table' WHEN relpersistence = 't' THEN 'is a temporary table' END FROM root
  UNION ALL
  SELECT oid, 'is a table of a type' FROM root WHERE reloftype <> 0
  UNION ALL
  SELECT r.oid, CASE WHEN r.relispartition THEN 'is a partition of ' ELSE 'inherits from ' END || h.inhparent::pg_catalog.regclass
    FROM root r JOIN pg_catalog.pg_inherits h ON h.inhrelid = r.oid
  UNION ALL
  SELECT r.oid, pg_catalog.format('has an invalid index, %s', i.indexrelid::pg_catalog.regclass)
    FROM root r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid WHERE NOT i.indisvalid
  UNION ALL
  SELECT o.root, pg_catalog.format('has a foreign key that is switched off (%s)', x.conname)
    FROM own o JOIN pg_catalog.pg_trigger g ON o.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND g.oid = o.objid
    JOIN pg_catalog.pg_constraint x ON x.oid = g.tgconstraint WHERE g.tgisinternal AND g.tgenabled <> 'O')";

/// What this role may not do, though the exchange needs it.
const RIGHTS: &str = "rights(oid, problem) AS (
  SELECT oid, pg_catalog.format('belongs to %I, whose member this role is not', pg_catalog.pg_get_userbyid(relowner)) FROM root
   WHERE NOT CASE WHEN pg_catalog.current_setting('server_version_num')::int4 >= 160000
                  THEN pg_catalog.pg_has_role(relowner, 'SET') AND pg_catalog.pg_has_role(relowner, 'USAGE')
                  ELSE pg_catalog.pg_has_role(relowner, 'MEMBER') AND pg_catalog.pg_has_role(relowner, 'USAGE') END
  UNION ALL
  SELECT r.oid, pg_catalog.format('needs CREATE on schema %I, which %I does not have', n.nspname, w.name)
    FROM root r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace,
         LATERAL (VALUES (current_user), (pg_catalog.pg_get_userbyid(r.relowner))) w(name)
   WHERE NOT pg_catalog.has_schema_privilege(w.name, n.oid, 'CREATE')
  UNION ALL
  SELECT r.oid, pg_catalog.format('needs REFERENCES on %s for its foreign key %I', x.confrelid::pg_catalog.regclass, x.conname)
    FROM root r JOIN pg_catalog.pg_constraint x ON x.conrelid = r.oid AND x.contype = 'f'
   WHERE NOT pg_catalog.has_table_privilege(x.confrelid, 'REFERENCES')
  UNION ALL
  SELECT r.oid, pg_catalog.format('needs EXECUTE on %s for its trigger %I', g.tgfoid::pg_catalog.regprocedure, g.tgname)
    FROM root r JOIN pg_catalog.pg_trigger g ON g.tgrelid = r.oid AND NOT g.tgisinternal
   WHERE NOT pg_catalog.has_function_privilege(g.tgfoid, 'EXECUTE')
  UNION ALL
  SELECT r.oid, pg_catalog.format('needs its statistics %I to belong to a role of which this one is a member, and CREATE on their schema', e.stxname)
    FROM root r JOIN pg_catalog.pg_statistic_ext e ON e.stxrelid = r.oid,
         LATERAL (VALUES (current_user), (pg_catalog.pg_get_userbyid(e.stxowner))) w(name)
   WHERE NOT pg_catalog.pg_has_role(e.stxowner, 'MEMBER') OR NOT pg_catalog.has_schema_privilege(w.name, e.stxnamespace, 'CREATE')
  UNION ALL
  SELECT r.oid, pg_catalog.format('has privileges that %I granted and not its owner', pg_catalog.pg_get_userbyid(a.grantor))
    FROM root r, LATERAL (SELECT r.relacl AS acl UNION ALL SELECT c.attacl FROM pg_catalog.pg_attribute c WHERE c.attrelid = r.oid AND NOT c.attisdropped
      UNION ALL SELECT s.relacl FROM own o JOIN pg_catalog.pg_class s ON s.oid = o.objid AND s.relkind = 'S' WHERE o.root = r.oid) l,
      LATERAL pg_catalog.aclexplode(l.acl) a
   WHERE a.grantor <> r.relowner)";
