//! A table that is missing in the destination: how to make it like the source's.
//!
//! Columns first, keys and indexes after the load. Foreign keys, triggers, policies and grants are
//! not brought along: a copy has no business to enforce what it was not told to. What is left out
//! is said in the notes. Types that are not built in must exist in the destination.

use super::fit::Fit;
use crate::error::Result;
use crate::postgres::catalog::{Name, Relation, RelationKind};
use crate::postgres::{Session, quote_ident, quote_literal};

/// The longest identifier PostgreSQL keeps, bytes (NAMEDATALEN - 1).
const MAX_IDENTIFIER: usize = 63;

/// A key, constraint or index to build after the load.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Later {
    /// Its name in the source.
    name: String,
    /// `ADD CONSTRAINT <name> <definition>` or `CREATE INDEX <name> ON <table> <definition>`.
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// Primary key, unique or exclusion constraint: has an index of the same name.
    Constraint(String),
    /// CHECK: named within its table.
    Check(String),
    Index {
        unique: bool,
        using: String,
    },
}

/// A sequence that a column owns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sequence {
    column: String,
    /// Made by the server for an identity column; else ours to make, for a serial one.
    identity: bool,
}

/// How to make one missing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// Where it goes in the end.
    pub target: Name,
    columns: Vec<String>,
    sequences: Vec<Sequence>,
    later: Vec<Later>,
    /// What of the source's table it does not have.
    pub notes: Vec<String>,
}

impl Blueprint {
    /// Reads from the source what is needed to make `target` like `relation`.
    pub async fn read(
        session: &Session,
        relation: &Relation,
        fit: &Fit,
        target: Name,
    ) -> Result<Self> {
        let mut notes = Vec::new();
        let (mut columns, mut sequences) = (Vec::new(), Vec::new());
        let wanted = |name: &String| {
            fit.columns.contains(name)
                || relation.column(name).is_some_and(|column| column.generated)
        };
        let whole = relation.columns.iter().all(|column| wanted(&column.name));
        for column in relation
            .columns
            .iter()
            .filter(|column| wanted(&column.name))
        {
            if column.generated && !whole {
                // its expression may need a column that is not copied
                continue;
            }
            let mut sql = format!("{} {}", quote_ident(&column.name), column.type_name);
            if let Some(collation) = &column.collation {
                sql.push_str(" COLLATE ");
                sql.push_str(collation);
            }
            match (&column.identity, &column.default) {
                (Some(kind), _) => {
                    let kind = if *kind == 'a' { "ALWAYS" } else { "BY DEFAULT" };
                    sql = format!("{sql} GENERATED {kind} AS IDENTITY");
                    sequences.push(Sequence { column: column.name.clone(), identity: true });
                }
                (None, Some(expression)) if column.generated && column.default_is_portable => {
                    sql = format!("{sql} GENERATED ALWAYS AS ({expression}) STORED");
                }
                (None, Some(_)) if column.serial => {
                    sequences.push(Sequence { column: column.name.clone(), identity: false });
                }
                (None, Some(expression)) if column.default_is_portable && !column.generated => {
                    sql = format!("{sql} DEFAULT {expression}");
                }
                (None, Some(_)) => notes.push(format!(
                    "{target}: the default of column `{}` uses objects of the source and is left out",
                    column.name
                )),
                (None, None) => {}
            }
            if column.not_null {
                sql.push_str(" NOT NULL");
            }
            columns.push(sql);
        }
        let later = match relation.kind {
            RelationKind::Table | RelationKind::Partitioned => {
                keys_to_build(session, relation, &wanted, whole, &target, &mut notes).await?
            }
            _ => Vec::new(),
        };
        if relation.kind == RelationKind::Partitioned {
            notes.push(format!(
                "{target} is made as an ordinary table; the source's is partitioned"
            ));
        }
        Ok(Self {
            target,
            columns,
            sequences,
            later,
            notes,
        })
    }

    /// A table for generated rows.
    #[must_use]
    pub fn generated(target: Name) -> Self {
        let columns = vec![
            "\"id\" bigint NOT NULL".to_owned(),
            "\"payload\" text NOT NULL".to_owned(),
        ];
        let key = Later {
            name: format!("{}_pkey", target.relation),
            what: What::Constraint("PRIMARY KEY (id)".to_owned()),
        };
        Self {
            target,
            columns,
            sequences: Vec::new(),
            later: vec![key],
            notes: Vec::new(),
        }
    }

    /// Creates the table, without keys, under this name.
    #[must_use]
    pub fn create(&self, name: &Name) -> Vec<String> {
        let mut statements = vec![format!(
            "CREATE TABLE {} ({})",
            name.sql(),
            self.columns.join(", ")
        )];
        for Sequence { column, .. } in self.sequences.iter().filter(|sequence| !sequence.identity) {
            let sequence = Name::new(&name.schema, sequence_name(&name.relation, column));
            let (table, column) = (name.sql(), quote_ident(column));
            statements.push(format!("CREATE SEQUENCE {}", sequence.sql()));
            statements.push(format!(
                "ALTER SEQUENCE {} OWNED BY {table}.{column}",
                sequence.sql()
            ));
            statements.push(format!(
                "ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT pg_catalog.nextval({}::pg_catalog.regclass)",
                quote_literal(&sequence.sql())
            ));
        }
        statements
    }

    /// Builds keys and indexes, once the rows are in, on the table under this name.
    #[must_use]
    pub fn build_keys(&self, name: &Name) -> Vec<String> {
        let table = name.sql();
        let hidden = *name != self.target;
        self.later
            .iter()
            .enumerate()
            .map(|(i, later)| {
                let own = if hidden && !matches!(later.what, What::Check(_)) {
                    hidden_key(name, i)
                } else {
                    later.name.clone()
                };
                let own = quote_ident(&own);
                match &later.what {
                    What::Constraint(definition) | What::Check(definition) => {
                        format!("ALTER TABLE {table} ADD CONSTRAINT {own} {definition}")
                    }
                    What::Index { unique, using } => {
                        let unique = if *unique { "UNIQUE " } else { "" };
                        format!("CREATE {unique}INDEX {own} ON {table} {using}")
                    }
                }
            })
            .collect()
    }

    /// Moves the table from its hidden name to its own, with its keys and sequences.
    #[must_use]
    pub fn move_into_place(&self, hidden: &Name) -> Vec<String> {
        let schema = quote_ident(&self.target.schema);
        let mut statements = vec![
            format!("ALTER TABLE {} SET SCHEMA {schema}", hidden.sql()),
            format!(
                "ALTER TABLE {schema}.{} RENAME TO {}",
                quote_ident(&hidden.relation),
                quote_ident(&self.target.relation)
            ),
        ];
        for (i, later) in self.later.iter().enumerate() {
            if !matches!(later.what, What::Check(_)) {
                let from = quote_ident(&hidden_key(hidden, i));
                statements.push(format!(
                    "ALTER INDEX {schema}.{from} RENAME TO {}",
                    quote_ident(&later.name)
                ));
            }
        }
        for Sequence { column, .. } in &self.sequences {
            let from = quote_ident(&sequence_name(&hidden.relation, column));
            let to = quote_ident(&sequence_name(&self.target.relation, column));
            statements.push(format!("ALTER SEQUENCE {schema}.{from} RENAME TO {to}"));
        }
        statements
    }

    /// Names that will be taken in the target's schema beside the table's own.
    #[must_use]
    pub fn names_taken(&self) -> Vec<String> {
        self.later
            .iter()
            .filter(|later| !matches!(later.what, What::Check(_)))
            .map(|later| later.name.clone())
            .chain(
                self.sequences
                    .iter()
                    .map(|s| sequence_name(&self.target.relation, &s.column)),
            )
            .collect()
    }

    /// Gives keys and indexes whose name is taken another one.
    pub fn rename_keys(&mut self, taken: &[String]) {
        for later in &mut self.later {
            if taken.contains(&later.name) {
                later.name = shorten(&format!("{}_{}", self.target.relation, later.name));
            }
        }
    }

    /// All it will do, as SQL for a reader.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        let mut statements = self.create(&self.target);
        statements.extend(self.build_keys(&self.target));
        statements
    }
}

fn hidden_key(hidden: &Name, i: usize) -> String {
    format!("{}_k{i}", hidden.relation)
}

/// The name PostgreSQL itself gives an identity's sequence, where nothing has to be cut.
fn sequence_name(table: &str, column: &str) -> String {
    if table.len() + column.len() + "__seq".len() <= MAX_IDENTIFIER {
        return format!("{table}_{column}_seq");
    }
    // makeObjectName cuts the longer of both until they fit
    let (mut table, mut column) = (table.to_owned(), column.to_owned());
    while table.len() + column.len() + "__seq".len() > MAX_IDENTIFIER {
        let longer = if table.len() > column.len() {
            &mut table
        } else {
            &mut column
        };
        longer.pop();
    }
    format!("{table}_{column}_seq")
}

fn shorten(name: &str) -> String {
    let mut end = name.len().min(MAX_IDENTIFIER);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

async fn keys_to_build(
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
            pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(c.oid), '^.*? USING ', 'USING ') AS using_text,
            pg_catalog.pg_get_constraintdef(x.oid) AS definition,
            (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.unnest(i.indkey::int2[]) k(attnum)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) AS columns,
            i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS has_expressions,
            NOT EXISTS (SELECT FROM pg_catalog.pg_depend p WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND p.objid = c.oid AND p.refobjid >= 16384 AND p.refobjid <> i.indrelid
                        AND p.refclassid <> 'pg_catalog.pg_constraint'::pg_catalog.regclass) AS portable
           FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
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
        oid = relation.oid
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
                "needs columns that are not copied"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint() -> Blueprint {
        Blueprint {
            target: Name::new("raw", "Orders"),
            columns: vec![
                "\"id\" bigint GENERATED ALWAYS AS IDENTITY NOT NULL".into(),
                "\"n\" integer".into(),
            ],
            sequences: vec![
                Sequence {
                    column: "id".into(),
                    identity: true,
                },
                Sequence {
                    column: "n".into(),
                    identity: false,
                },
            ],
            later: vec![
                Later {
                    name: "orders_pkey".into(),
                    what: What::Constraint("PRIMARY KEY (id)".into()),
                },
                Later {
                    name: "positive".into(),
                    what: What::Check("CHECK ((n > 0))".into()),
                },
                Later {
                    name: "by_n".into(),
                    what: What::Index {
                        unique: true,
                        using: "USING btree (n)".into(),
                    },
                },
            ],
            notes: vec![],
        }
    }

    #[test]
    fn a_hidden_table_gets_its_names_when_it_moves() {
        let hidden = Name::new("rb_bench", "aside_1_0");
        assert_eq!(
            blueprint().build_keys(&hidden),
            [
                r#"ALTER TABLE "rb_bench"."aside_1_0" ADD CONSTRAINT "aside_1_0_k0" PRIMARY KEY (id)"#,
                r#"ALTER TABLE "rb_bench"."aside_1_0" ADD CONSTRAINT "positive" CHECK ((n > 0))"#,
                r#"CREATE UNIQUE INDEX "aside_1_0_k2" ON "rb_bench"."aside_1_0" USING btree (n)"#,
            ]
        );
        assert_eq!(
            blueprint().move_into_place(&hidden),
            [
                r#"ALTER TABLE "rb_bench"."aside_1_0" SET SCHEMA "raw""#,
                r#"ALTER TABLE "raw"."aside_1_0" RENAME TO "Orders""#,
                r#"ALTER INDEX "raw"."aside_1_0_k0" RENAME TO "orders_pkey""#,
                r#"ALTER INDEX "raw"."aside_1_0_k2" RENAME TO "by_n""#,
                r#"ALTER SEQUENCE "raw"."aside_1_0_id_seq" RENAME TO "Orders_id_seq""#,
                r#"ALTER SEQUENCE "raw"."aside_1_0_n_seq" RENAME TO "Orders_n_seq""#,
            ]
        );
    }

    #[test]
    fn serial_columns_get_a_sequence_of_their_own_and_identity_columns_do_not() {
        let created = blueprint().create(&Name::new("raw", "Orders"));
        assert_eq!(
            created
                .iter()
                .filter(|sql| sql.starts_with("CREATE SEQUENCE"))
                .count(),
            1
        );
        assert!(created[1].contains(r#""Orders_n_seq""#));
    }

    #[test]
    fn taken_names_are_avoided() {
        let mut blueprint = blueprint();
        blueprint.rename_keys(&["by_n".into()]);
        assert!(blueprint.names_taken().contains(&"Orders_by_n".to_owned()));
    }

    #[test]
    fn sequence_names_are_cut_as_the_server_cuts_them() {
        let name = sequence_name(&"t".repeat(60), "id");
        assert_eq!(name.len(), MAX_IDENTIFIER);
        assert!(name.ends_with("_id_seq"));
    }
}
