//! The keys, constraints and indexes that a new table gets once its rows are in.

use super::blueprint::object_name;
use crate::error::Result;
use crate::postgres::catalog::{self, Name, Relation};
use crate::postgres::{Session, quote_ident};

/// A key, constraint or index to build after the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Later {
    /// Its name in the source.
    pub(super) name: String,
    /// `ADD CONSTRAINT <name> <definition>` or `CREATE INDEX <name> ON <table> <definition>`.
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Primary key, unique or exclusion constraint: has an index of the same name.
    Constraint(String),
    /// CHECK: named within its table.
    Check(String),
    Index {
        unique: bool,
        using: String,
    },
}

/// The keys, constraints and indexes of `relation` that the copied columns allow; what is left
/// out is noted.
pub(super) async fn keys_to_build(
    session: &Session,
    relation: &Relation,
    wanted: &impl Fn(&String) -> bool,
    whole: bool,
    target: &Name,
    notes: &mut Vec<String>,
) -> Result<Vec<Later>> {
    let doing = format!("reading the keys of {}", relation.name);
    // a key is portable where it needs nothing but built-in objects and its own table's columns
    let sql = format!(
        "SELECT coalesce(x.conname, c.relname) AS name, coalesce(x.contype::text, 'i') AS kind, i.indisunique,
            {index_body} AS using_text,
            pg_catalog.pg_get_constraintdef(x.oid) AS definition,
            (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.unnest(i.indkey::int2[]) k(attnum)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) AS columns,
            i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS has_expressions,
            NOT EXISTS (SELECT FROM pg_catalog.pg_depend p WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND p.objid = c.oid AND p.refobjid >= 16384 AND p.refobjid <> i.indrelid
                        AND p.refclassid <> 'pg_catalog.pg_constraint'::pg_catalog.regclass) AS portable
           FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
           JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
           LEFT JOIN pg_catalog.pg_constraint x ON x.conindid = c.oid AND x.conrelid = i.indrelid AND x.contype IN ('p', 'u', 'x')
          WHERE i.indrelid = {oid} AND i.indisvalid
         UNION ALL
         SELECT x.conname, 'c', false, NULL, pg_catalog.pg_get_constraintdef(x.oid),
            (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.unnest(x.conkey) k(attnum)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = k.attnum),
            false,
            NOT EXISTS (SELECT FROM pg_catalog.pg_depend p WHERE p.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
                        AND p.objid = x.oid AND p.refobjid >= 16384 AND p.refobjid <> x.conrelid)
           FROM pg_catalog.pg_constraint x WHERE x.conrelid = {oid} AND x.contype = 'c'
         ORDER BY 2 DESC, 1",
        oid = relation.oid,
        index_body = catalog::INDEX_BODY
    );
    let mut later = Vec::new();
    for row in session.rows(&sql, &doing).await? {
        let text = |name: &str| {
            row.try_get(name)
                .ok()
                .flatten()
                .unwrap_or_default()
                .to_owned()
        };
        let yes = |name: &str| text(name) == "t";
        let columns: Vec<String> = serde_json::from_str(&text("columns")).unwrap_or_default();
        let name = text("name");
        let complete = columns.iter().all(wanted) && (whole || !yes("has_expressions"));
        if !complete || !yes("portable") {
            let why = if complete {
                "uses objects of the source"
            } else {
                "needs columns that are not copied as they are"
            };
            notes.push(format!("{target}: `{name}` {why} and is left out"));
            continue;
        }
        let what = match text("kind").as_str() {
            "i" => What::Index {
                unique: yes("indisunique"),
                using: text("using_text"),
            },
            "c" => What::Check(text("definition")),
            _ => What::Constraint(text("definition")),
        };
        later.push(Later { name, what });
    }
    Ok(later)
}

/// Sees that a new table gets a key by which its rows can be upserted, where the source's are none.
pub(super) fn require(
    later: &mut Vec<Later>,
    source: &Relation,
    target: &Name,
    key: &[String],
    notes: &mut Vec<String>,
) {
    let over_these = source.keys.iter().filter(|k| {
        k.columns.len() == key.len()
            && k.columns.iter().all(|column| key.contains(column))
            && !(k.partial || k.exclusion || k.of_partition)
    });
    for k in over_these.clone().filter(|k| k.deferrable) {
        later.retain(|l| l.name != k.name);
        notes.push(format!(
            "{target}: `{}` is not DEFERRABLE, for an upsert cannot use such a key",
            k.name
        ));
    }
    let generated = What::Constraint(format!("PRIMARY KEY ({})", key.join(", ")));
    let there = |l: &Later| l.what == generated || over_these.clone().any(|k| k.name == l.name);
    if later.iter().any(there) {
        return;
    }
    let columns: Vec<String> = key.iter().map(|column| quote_ident(column)).collect();
    let has_primary = later
        .iter()
        .any(|l| matches!(&l.what, What::Constraint(text) if text.starts_with("PRIMARY KEY")));
    let (name, kind) = if has_primary {
        let name = object_name(&target.relation, Some(&key.join("_")), "key");
        (name, "UNIQUE")
    } else {
        (object_name(&target.relation, None, "pkey"), "PRIMARY KEY")
    };
    later.push(Later {
        name,
        what: What::Constraint(format!("{kind} ({})", columns.join(", "))),
    });
}
