//! What a new table gets at the moment of the exchange: owner, privileges, row security, triggers,
//! comments, sequences. Read from the target as it is at that moment, applied under its name.

use super::dependents::own;
use crate::error::Result;
use crate::postgres::catalog::Name;
use crate::postgres::{Session, quote_ident, quote_literal};

/// The statements, by when they are run.
#[derive(Debug, Default)]
pub(super) struct Dress {
    /// Before the target is dropped: the new table is in its schema, under its hidden name.
    pub(super) before: Vec<String>,
    /// Once the new table has the target's name.
    pub(super) after: Vec<String>,
}

impl Dress {
    /// Reads what the table `oid`, called `target`, has, for the new one called `hidden`.
    pub(super) async fn read(
        session: &Session,
        oid: u32,
        target: &Name,
        hidden: &Name,
    ) -> Result<Self> {
        let mut dress = Self::default();
        for sql in [
            sequences_sql(oid, target, hidden),
            grants_sql(oid, target, hidden),
            rules_sql(oid, target),
            comments_sql(oid),
        ] {
            let rows = session
                .rows(&sql, &format!("reading what {target} has"))
                .await?;
            for row in rows {
                let list = match row.get("part") {
                    Some("before") => &mut dress.before,
                    _ => &mut dress.after,
                };
                list.push(row.get("sql").unwrap_or_default().to_owned());
            }
        }
        Ok(dress)
    }
}

/// The owner; then sequences: a serial column's is handed over, an identity column's is made anew
/// by LIKE and goes on where the old one stands, which nobody can use meanwhile.
fn sequences_sql(oid: u32, target: &Name, hidden: &Name) -> String {
    let moved = quote_literal(&Name::new(&target.schema, &hidden.relation).sql());
    let aside = quote_literal(&hidden.sql());
    let prefix = quote_literal(&hidden.relation);
    format!(
        "WITH s AS (
           SELECT q.oid, q.relname, n.nspname, a.attname, a.attnum, d.deptype, k.seqincrement < 0 AS down,
                  {prefix} || '_o' || a.attnum AS old,
                  (SELECT x.relname FROM pg_catalog.pg_class x WHERE d.deptype = 'i' AND x.oid =
                     pg_catalog.pg_get_serial_sequence({aside}, a.attname)::pg_catalog.regclass) AS new
             FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'
             JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace
             JOIN pg_catalog.pg_sequence k ON k.seqrelid = q.oid
             JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
              AND d.refobjid = {oid} AND d.deptype IN ('a', 'i'))
         SELECT part, sql FROM (
           SELECT 'before' AS part, 0 AS step, 0 AS attnum, pg_catalog.format('ALTER TABLE %s OWNER TO %I', {moved}, pg_catalog.pg_get_userbyid(relowner)) AS sql
             FROM pg_catalog.pg_class WHERE oid = {oid}
           UNION ALL SELECT 'before', 1, attnum, pg_catalog.format('ALTER SEQUENCE %I.%I OWNED BY %s.%I', nspname, relname, {moved}, attname)
             FROM s WHERE deptype = 'a'
           UNION ALL SELECT 'before', 2, attnum, pg_catalog.format('ALTER SEQUENCE %I.%I RENAME TO %I', nspname, relname, old)
             FROM s WHERE deptype = 'i'
           UNION ALL SELECT 'before', 3, attnum, pg_catalog.format('ALTER SEQUENCE %I.%I RENAME TO %I', nspname, new, relname)
             FROM s WHERE deptype = 'i'
           UNION ALL SELECT 'before', 4, attnum, pg_catalog.format('SELECT pg_catalog.setval(%L, o.last_value, o.is_called) FROM %I.%I o, %I.%I n \
                WHERE o.last_value %s n.last_value OR o.last_value = n.last_value AND o.is_called',
                pg_catalog.format('%I.%I', nspname, relname), nspname, old, nspname, relname, CASE WHEN down THEN '<' ELSE '>' END)
             FROM s WHERE deptype = 'i') statements ORDER BY step, attnum"
    )
}

/// Privileges on the table, its columns, and the sequences that are made anew. Default privileges
/// may have given the new ones others.
fn grants_sql(oid: u32, target: &Name, hidden: &Name) -> String {
    let table = quote_literal(&target.sql());
    let aside = quote_literal(&hidden.sql());
    let who = "CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END";
    format!(
        "WITH own AS (
           SELECT 'TABLE ' || {table} AS what, c.relowner, c.relacl AS acl, pg_catalog.acldefault('r', c.relowner) AS standard,
                  (SELECT h.relacl FROM pg_catalog.pg_class h WHERE h.oid = {aside}::pg_catalog.regclass) AS given
             FROM pg_catalog.pg_class c WHERE c.oid = {oid}
           UNION ALL
           SELECT pg_catalog.format('SEQUENCE %I.%I', n.nspname, q.relname), c.relowner, q.relacl, pg_catalog.acldefault('s', c.relowner),
                  (SELECT h.relacl FROM pg_catalog.pg_class h WHERE h.oid = pg_catalog.pg_get_serial_sequence({aside}, a.attname)::pg_catalog.regclass)
             FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'
             JOIN pg_catalog.pg_class c ON c.oid = d.refobjid JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace
             JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
              AND d.refobjid = {oid} AND d.deptype = 'i')
         SELECT 'after' AS part, sql FROM (
           SELECT 0 AS step, pg_catalog.format('REVOKE ALL ON %s FROM PUBLIC, %I', what, pg_catalog.pg_get_userbyid(relowner)) AS sql
             FROM own WHERE acl IS NOT NULL OR given IS NOT NULL
           UNION ALL SELECT 0, pg_catalog.format('REVOKE ALL ON %s FROM %I', what, pg_catalog.pg_get_userbyid(x.grantee))
             FROM own, LATERAL pg_catalog.aclexplode(given) x WHERE x.grantee NOT IN (0, relowner)
           UNION ALL SELECT 1, pg_catalog.format('GRANT %s ON %s TO %s%s', x.privilege_type, what, {who}, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END)
             FROM own, LATERAL pg_catalog.aclexplode(coalesce(acl, standard)) x WHERE acl IS NOT NULL OR given IS NOT NULL
           UNION ALL SELECT 1, pg_catalog.format('GRANT %s (%I) ON TABLE %s TO %s%s', x.privilege_type, a.attname, {table}, {who}, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END)
             FROM pg_catalog.pg_attribute a, LATERAL pg_catalog.aclexplode(a.attacl) x WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped
         ) statements ORDER BY step"
    )
}

/// Row security, triggers, replica identity, owners of statistics.
fn rules_sql(oid: u32, target: &Name) -> String {
    let table = quote_literal(&target.sql());
    format!(
        "SELECT 'after' AS part, sql FROM (
           SELECT 0 AS step, 0::int8 AS n, pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', {table}) AS sql FROM pg_catalog.pg_class WHERE oid = {oid} AND relrowsecurity
           UNION ALL SELECT 0, 1, pg_catalog.format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', {table}) FROM pg_catalog.pg_class WHERE oid = {oid} AND relforcerowsecurity
           UNION ALL SELECT 0, 2, pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s', {table}, CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
             FROM pg_catalog.pg_class WHERE oid = {oid} AND relreplident IN ('f', 'n')
           UNION ALL SELECT 1, p.oid::int8, pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, {table},
                CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                (SELECT pg_catalog.string_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o)) END, ', ') FROM pg_catalog.unnest(p.polroles) o),
                ' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')')
             FROM pg_catalog.pg_policy p WHERE p.polrelid = {oid}
           UNION ALL SELECT 2, g.oid::int8, pg_catalog.pg_get_triggerdef(g.oid) FROM pg_catalog.pg_trigger g WHERE g.tgrelid = {oid} AND NOT g.tgisinternal
           UNION ALL SELECT 3, g.oid::int8, pg_catalog.format('ALTER TABLE %s %s TRIGGER %I', {table},
                CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, g.tgname)
             FROM pg_catalog.pg_trigger g WHERE g.tgrelid = {oid} AND NOT g.tgisinternal AND g.tgenabled <> 'O'
           UNION ALL SELECT 4, e.oid::int8, pg_catalog.format('ALTER STATISTICS %I.%I OWNER TO %I', n.nspname, e.stxname, pg_catalog.pg_get_userbyid(e.stxowner))
             FROM pg_catalog.pg_statistic_ext e JOIN pg_catalog.pg_namespace n ON n.oid = e.stxnamespace WHERE e.stxrelid = {oid}
         ) statements ORDER BY step, n"
    )
}

/// Comments on the table and all its parts.
fn comments_sql(oid: u32) -> String {
    let own = own(&[oid]);
    format!(
        "WITH {own} SELECT 'after' AS part, pg_catalog.format('COMMENT ON %s %s IS %L', CASE i.type WHEN 'table column' THEN 'COLUMN' \
              WHEN 'table constraint' THEN 'CONSTRAINT' WHEN 'statistics object' THEN 'STATISTICS' ELSE pg_catalog.upper(i.type) END, i.identity, d.description) AS sql
           FROM own o JOIN pg_catalog.pg_description d ON d.classoid = o.classid AND d.objoid = o.objid,
                LATERAL pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) i
          WHERE NOT o.kept ORDER BY d.classoid, d.objoid, d.objsubid"
    )
}

/// Puts the new table under the target's own name.
pub(super) fn take_name(target: &Name, hidden: &Name) -> String {
    format!(
        "ALTER TABLE {} RENAME TO {}",
        Name::new(&target.schema, &hidden.relation).sql(),
        quote_ident(&target.relation)
    )
}
