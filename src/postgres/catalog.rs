//! What the catalogs say of a relation: kind, columns, partitions, keys.
//!
//! Reading only, in whatever transaction the session is in. The caller pins `search_path` to
//! empty, so that every type name comes back qualified unless it is built in.

use tokio_postgres::SimpleQueryRow;

use super::leaf::leaves;
pub use super::leaf::{Cut, Leaf};
use super::replica_identity::COLUMNS;
use super::session::Session;
use super::{quote_ident, quote_literal};
use crate::config::relation::RelationName;
use crate::error::{Error, Kind, Result};

/// OIDs below this are assigned by PostgreSQL itself (`FirstNormalObjectId`).
pub const FIRST_NORMAL_OID: u32 = 16384;

/// OIDs from here on are given while a cluster is made and differ between versions
/// (`FirstGenbkiObjectId`).
pub const FIRST_UNSTABLE_OID: u32 = 10_000;

/// Types whose binary form of an empty value the server does not read back (tested).
const UNREADABLE: &str = "'pg_catalog.int2vector'::pg_catalog.regtype, 'pg_catalog.oidvector'::pg_catalog.regtype, \
'pg_catalog.tsquery'::pg_catalog.regtype";

/// The definition of index `c` (entry `i`) from its `USING` on, of table `t` in schema `n`. The names
/// before may hold anything, so they are measured and not searched.
pub const INDEX_BODY: &str = "pg_catalog.substr(pg_catalog.pg_get_indexdef(c.oid), 1 + pg_catalog.length(pg_catalog.format( \
'CREATE %sINDEX %I ON %s%I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, c.relname, CASE WHEN c.relkind = 'I' THEN 'ONLY ' END, \
n.nspname, t.relname)))";

/// A schema-qualified name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Schema.
    pub schema: String,
    /// Relation.
    pub relation: String,
}

impl Name {
    /// A name from its two parts.
    pub fn new(schema: impl Into<String>, relation: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            relation: relation.into(),
        }
    }

    /// The name as SQL, quoted.
    #[must_use]
    pub fn sql(&self) -> String {
        format!(
            "{}.{}",
            quote_ident(&self.schema),
            quote_ident(&self.relation)
        )
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = RelationName {
            schema: Some(self.schema.clone()),
            table: self.relation.clone(),
        };
        f.write_str(&name.to_text())
    }
}

/// What sort of relation it is (`pg_class.relkind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A view.
    View,
    /// A materialised view.
    MaterialisedView,
    /// A foreign table.
    Foreign,
    /// Anything else, which cannot be copied.
    Other,
}

impl RelationKind {
    fn from_relkind(relkind: &str) -> Self {
        match relkind {
            "r" => Self::Table,
            "p" => Self::Partitioned,
            "v" => Self::View,
            "m" => Self::MaterialisedView,
            "f" => Self::Foreign,
            _ => Self::Other,
        }
    }

    /// The kind as a person says it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Partitioned => "partitioned table",
            Self::View => "view",
            Self::MaterialisedView => "materialised view",
            Self::Foreign => "foreign table",
            Self::Other => "relation",
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type with modifiers, as `format_type` prints it.
    pub type_name: String,
    /// Its type without modifiers.
    pub base_type: String,
    /// The type's OID.
    pub type_oid: u32,
    /// What the type is made of: composite fields, enum labels, domain base; empty for others.
    pub type_body: String,
    /// `pg_type.typtype`: b, c, d, e, r, m.
    pub type_kind: char,
    /// The modifier; -1 where there is none.
    pub type_modifier: i32,
    /// Whether the type has binary input and output, and neither it nor its element is reg*.
    pub binary_io: bool,
    /// Whether it is NOT NULL.
    pub not_null: bool,
    /// Whether it is GENERATED ALWAYS AS (...) STORED or VIRTUAL.
    pub generated: bool,
    /// Identity: `a` always, `d` by default.
    pub identity: Option<char>,
    /// The default, or the generation expression.
    pub default: Option<String>,
    /// Whether that expression depends on nothing but built-in objects and its own table.
    pub default_is_portable: bool,
    /// Whether the default is a sequence the column owns (serial).
    pub serial: bool,
    /// The collation, where it is not the type's own.
    pub collation: Option<String>,
    /// The collation's name, whichever it is; what a unique key compares by.
    pub effective_collation: String,
}

impl Column {
    /// A nullable column of a built-in type (OID: `pg_type.dat`), without default or modifier.
    #[must_use]
    pub fn plain(name: &str, type_name: &str, type_oid: u32) -> Self {
        Self {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            base_type: type_name.to_owned(),
            type_oid,
            type_body: String::new(),
            type_kind: 'b',
            type_modifier: -1,
            binary_io: true,
            not_null: false,
            generated: false,
            identity: None,
            default: None,
            default_is_portable: true,
            serial: false,
            collation: None,
            effective_collation: String::new(),
        }
    }
}

/// A unique or exclusion index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Its columns, where all are plain columns; empty where one is an expression.
    pub columns: Vec<String>,
    /// Its definition after the table's name, for comparing whole.
    pub definition: String,
    /// Whether it is partial.
    pub partial: bool,
    /// Whether it may be checked at the end of a transaction only: ON CONFLICT cannot use it.
    pub deferrable: bool,
    /// Whether it is an exclusion constraint rather than a unique index.
    pub exclusion: bool,
    /// Whether two NULLs count as equal.
    pub nulls_equal: bool,
    /// Whether it is a partition's: it says nothing of the other partitions' rows.
    pub of_partition: bool,
}

/// A relation as the catalogs describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Name,
    /// What sort it is.
    pub kind: RelationKind,
    /// Whether other tables inherit from it (partitions are leaves, not children).
    pub has_children: bool,
    /// Its columns, in order, dropped ones left out.
    pub columns: Vec<Column>,
    /// Where its rows lie: itself, or its leaf partitions; empty for views and the like.
    pub leaves: Vec<Leaf>,
    /// Its valid unique and exclusion indexes, those of partitions included.
    pub keys: Vec<Key>,
    /// The columns of its replica identity; none where it has none, or where all of it is.
    pub identity: Vec<String>,
}

impl Relation {
    /// Bytes over all leaves, TOAST included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.bytes).sum()
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A row of text values, read by name.
pub(super) struct Fields<'a>(pub(super) &'a SimpleQueryRow);

impl Fields<'_> {
    pub(super) fn text(&self, column: &str) -> String {
        self.optional(column).unwrap_or_default()
    }

    pub(super) fn optional(&self, column: &str) -> Option<String> {
        self.0.try_get(column).ok().flatten().map(str::to_owned)
    }

    pub(super) fn yes(&self, column: &str) -> bool {
        self.optional(column).as_deref() == Some("t")
    }

    pub(super) fn number<T: std::str::FromStr + Default>(&self, column: &str) -> T {
        self.optional(column)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    fn letter(&self, column: &str) -> Option<char> {
        self.optional(column)?.chars().next()
    }
}

/// Reads a relation, or says that there is none.
pub async fn relation(session: &Session, name: &Name) -> Result<Option<Relation>> {
    let doing = format!("reading the catalog entry of {name}");
    let sql = format!(
        "SELECT c.oid, c.relkind, c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS has_children,
            {COLUMNS} AS identity
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = {} AND c.relname = {}",
        quote_literal(&name.schema),
        quote_literal(&name.relation)
    );
    let Some(row) = session.rows(&sql, &doing).await?.into_iter().next() else {
        return Ok(None);
    };
    let fields = Fields(&row);
    let oid = fields.number("oid");
    let kind = RelationKind::from_relkind(&fields.text("relkind"));
    Ok(Some(Relation {
        oid,
        name: name.clone(),
        kind,
        has_children: fields.yes("has_children"),
        columns: columns(
            session,
            &format!(
                "SELECT * FROM pg_catalog.pg_attribute \
                 WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped"
            ),
            &doing,
        )
        .await?,
        leaves: leaves(session, oid, &doing).await?,
        keys: keys(session, oid, &doing).await?,
        identity: serde_json::from_str(&fields.text("identity")).unwrap_or_default(),
    }))
}

/// A column of a query's result, as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type's OID.
    pub type_oid: u32,
    /// Its type's modifier; -1 where there is none.
    pub type_modifier: i32,
}

/// The columns of a query's result as those of a table: nullable, without defaults, each with its
/// type's own collation.
pub async fn result_columns(session: &Session, result: &[ResultColumn]) -> Result<Vec<Column>> {
    let values: Vec<String> = result
        .iter()
        .enumerate()
        .map(|(i, column)| {
            format!(
                "({i}, {}::name, {}::oid, {})",
                quote_literal(&column.name),
                column.type_oid,
                column.type_modifier
            )
        })
        .collect();
    let attributes = format!(
        "SELECT v.*, 0::oid AS attrelid, false AS attnotnull, '' AS attgenerated, '' AS attidentity, y.typcollation AS attcollation
           FROM (VALUES {}) v(attnum, attname, atttypid, atttypmod) JOIN pg_catalog.pg_type y ON y.oid = v.atttypid",
        values.join(", ")
    );
    columns(
        session,
        &attributes,
        "reading the types of a query's columns",
    )
    .await
}

/// The columns that `attributes` selects, which has the columns of `pg_attribute` that are read here.
async fn columns(session: &Session, attributes: &str, doing: &str) -> Result<Vec<Column>> {
    // the body of a type is compared as text between two servers, so OIDs must not be in it
    let sql = format!(
        r"SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
            pg_catalog.format_type(a.atttypid, NULL) AS base_type, a.atttypid, a.atttypmod, t.typtype,
            a.attnotnull, a.attgenerated <> '' AS generated, nullif(a.attidentity, '') AS identity,
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_value,
            NOT EXISTS (SELECT FROM pg_catalog.pg_depend p
                        WHERE p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND p.objid = d.oid
                          AND p.refobjid >= {FIRST_NORMAL_OID} AND p.refobjid <> a.attrelid) AS portable,
            a.attidentity = '' AND EXISTS (SELECT FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_class s ON s.oid = p.objid
                        WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refobjid = a.attrelid
                          AND p.refobjsubid = a.attnum AND p.deptype = 'a' AND s.relkind = 'S') AS serial,
            CASE WHEN a.attcollation <> t.typcollation THEN pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname) END AS collation,
            coalesce(co.collname, '') AS effective_collation,
            t.typsend <> 0 AND t.typreceive <> 0
              AND NOT (t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname LIKE 'reg%')
              AND NOT coalesce(e.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND e.typname LIKE 'reg%', false)
              AND coalesce(e.typsend <> 0 AND e.typreceive <> 0, true)
              AND t.oid NOT IN ({UNREADABLE}) AND coalesce(e.oid NOT IN ({UNREADABLE}), true) AS binary_io,
            coalesce(
              (SELECT pg_catalog.string_agg(x.attname || ' ' || pg_catalog.format_type(x.atttypid, x.atttypmod), ', ' ORDER BY x.attnum)
                 FROM pg_catalog.pg_attribute x
                WHERE b.typtype = 'c' AND x.attrelid = b.typrelid AND x.attnum > 0 AND NOT x.attisdropped),
              (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
                 FROM pg_catalog.pg_enum l WHERE l.enumtypid = b.oid),
              CASE WHEN b.typtype = 'd' THEN pg_catalog.format_type(b.typbasetype, b.typtypmod) END,
              (SELECT pg_catalog.format_type(r.rngsubtype, NULL) FROM pg_catalog.pg_range r WHERE r.rngtypid = b.oid AND b.oid >= {FIRST_NORMAL_OID}),
              '') AS body
         FROM ({attributes}) a
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
         LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
         JOIN pg_catalog.pg_type b ON b.oid = coalesce(e.oid, t.oid)
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
         LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
         ORDER BY a.attnum"
    );
    let rows = session.rows(&sql, doing).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let fields = Fields(row);
            Column {
                name: fields.text("attname"),
                type_name: fields.text("type_name"),
                base_type: fields.text("base_type"),
                type_oid: fields.number("atttypid"),
                type_body: fields.text("body"),
                type_kind: fields.letter("typtype").unwrap_or('b'),
                type_modifier: fields.number("atttypmod"),
                binary_io: fields.yes("binary_io"),
                not_null: fields.yes("attnotnull"),
                generated: fields.yes("generated"),
                identity: fields.letter("identity"),
                default: fields.optional("default_value"),
                default_is_portable: fields.yes("portable"),
                serial: fields.yes("serial"),
                collation: fields.optional("collation"),
                effective_collation: fields.text("effective_collation"),
            }
        })
        .collect())
}

async fn keys(session: &Session, oid: u32, doing: &str) -> Result<Vec<Key>> {
    // to_jsonb gives NULLs a name of their own before PostgreSQL 15, where the column does not exist
    let sql = format!(
        "SELECT c.relname, i.indrelid <> {oid} AS of_partition, i.indisexclusion, i.indpred IS NOT NULL AS partial, NOT i.indimmediate AS deferrable,
            coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_equal,
            CASE WHEN i.indexprs IS NULL THEN
              (SELECT pg_catalog.json_agg(a.attname ORDER BY k.n) FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts)
            END AS columns,
            coalesce(pg_catalog.pg_get_constraintdef(x.oid),
                     {INDEX_BODY}) AS definition
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
         JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
         LEFT JOIN pg_catalog.pg_constraint x ON x.conindid = i.indexrelid AND x.contype = 'x'
         WHERE (i.indisunique OR i.indisexclusion) AND i.indisvalid
           AND (i.indrelid = {oid} OR i.indrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree({oid})))
         ORDER BY c.relname"
    );
    let rows = session.rows(&sql, doing).await?;
    rows.iter()
        .map(|row| {
            let fields = Fields(row);
            let columns = match fields.optional("columns") {
                Some(json) => serde_json::from_str(&json)
                    .map_err(|e| Error::internal(format!("{doing}: {e}")))?,
                None => Vec::new(),
            };
            Ok(Key {
                name: fields.text("relname"),
                columns,
                definition: fields.text("definition"),
                partial: fields.yes("partial"),
                deferrable: fields.yes("deferrable"),
                exclusion: fields.yes("indisexclusion"),
                nulls_equal: fields.yes("nulls_equal"),
                of_partition: fields.yes("of_partition"),
            })
        })
        .collect()
}

/// The OID of the database that this session is in.
pub async fn database(session: &Session) -> Result<String> {
    let sql =
        "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
    let oid = session.value(sql, "asking for the database's OID").await?;
    oid.ok_or_else(|| Error::internal("a database without an OID"))
}

/// The server's version as a number: 150018 is 15.18.
pub async fn version(session: &Session) -> Result<u32> {
    let text = session
        .value("SHOW server_version_num", "asking for the server's version")
        .await?;
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::new(Kind::Server, "the server does not tell its version"))
}
