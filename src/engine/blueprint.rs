//! A table that is missing in the destination: how to make it like the source's.
//!
//! Columns first, keys and indexes after the load. Foreign keys, triggers, policies and grants are
//! not brought along: a copy has no business to enforce what it was not told to. What is left out
//! is said in the notes. Types that are not built in must exist in the destination.

use std::collections::{BTreeMap, BTreeSet};

use super::fit::Fit;
use super::keys::{self, Later, What, keys_to_build};
use crate::error::Result;
use crate::postgres::catalog::{Column, Name, Relation, RelationKind};
use crate::postgres::{Session, quote_ident, quote_literal};

/// The longest identifier PostgreSQL keeps, bytes (NAMEDATALEN - 1).
const MAX_IDENTIFIER: usize = 63;

/// A sequence that a column owns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sequence {
    column: String,
    /// `ALWAYS` or `BY DEFAULT` for an identity column; none for a serial one.
    identity: Option<&'static str>,
    /// The name it ends up with.
    name: String,
    /// `INCREMENT BY ...`, as the source's sequence has it.
    options: String,
}

/// How to make one missing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// Where it goes in the end.
    pub target: Name,
    /// Names, and what stands after the name in CREATE TABLE.
    columns: Vec<(String, String)>,
    sequences: Vec<Sequence>,
    later: Vec<Later>,
    /// What of the source's table it does not have.
    pub notes: Vec<String>,
}

impl Blueprint {
    /// Reads from the source what is needed to make `target` like `relation`. Of a transformed one
    /// only the columns in `kept` may be in its keys: the others are not what the source's keys
    /// speak of.
    pub async fn read(
        session: &Session,
        relation: &Relation,
        fit: &Fit,
        kept: Option<&[String]>,
        target: Name,
    ) -> Result<Self> {
        let mut notes = Vec::new();
        let (mut columns, mut sequences) = (Vec::new(), Vec::new());
        let options = options(session, relation).await?;
        let computes = |column: &Column| column.generated && column.default_is_portable;
        let whole = relation
            .columns
            .iter()
            .all(|column| fit.columns.contains(&column.name) || computes(column));
        // its expression may need a column that is not copied
        let wanted = |name: &String| {
            fit.columns.contains(name) || whole && relation.column(name).is_some_and(computes)
        };
        for column in relation
            .columns
            .iter()
            .filter(|column| wanted(&column.name))
        {
            let mut sql = column.type_name.clone();
            if let Some(collation) = &column.collation {
                sql.push_str(" COLLATE ");
                sql.push_str(collation);
            }
            let mut own_sequence = |identity| {
                sequences.push(Sequence {
                    column: column.name.clone(),
                    identity,
                    name: sequence_name(&target.relation, &column.name),
                    options: options.get(&column.name).cloned().unwrap_or_default(),
                });
            };
            let copied = fit.columns.contains(&column.name);
            match (column.identity, &column.default) {
                (Some('a'), _) => own_sequence(Some("ALWAYS")),
                (Some(_), _) => own_sequence(Some("BY DEFAULT")),
                (None, Some(_)) if column.generated && copied => notes.push(format!(
                    "{target}: column `{}` is an ordinary one; the source generates it",
                    column.name
                )),
                (None, Some(expression)) if column.generated => {
                    sql = format!("{sql} GENERATED ALWAYS AS ({expression}) STORED");
                }
                (None, Some(_)) if column.serial => own_sequence(None),
                (None, Some(expression)) if column.default_is_portable => {
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
            columns.push((column.name.clone(), sql));
        }
        let later = match relation.kind {
            RelationKind::Table | RelationKind::Partitioned => {
                let in_keys = |name: &String| wanted(name) && kept.is_none_or(|k| k.contains(name));
                let whole = whole && kept.is_none();
                keys_to_build(session, relation, &in_keys, whole, &target, &mut notes).await?
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

    /// A table for generated rows with these columns.
    #[must_use]
    pub fn generated(target: Name, columns: &[String]) -> Self {
        let all = [("id", "bigint NOT NULL"), ("payload", "text NOT NULL")];
        let wanted = |name: &str| columns.iter().any(|column| column == name);
        let key = wanted("id").then(|| Later {
            name: object_name(&target.relation, None, "pkey"),
            what: What::Constraint("PRIMARY KEY (id)".to_owned()),
        });
        Self {
            target,
            columns: all
                .iter()
                .filter(|(name, _)| wanted(name))
                .map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned()))
                .collect(),
            sequences: Vec::new(),
            later: key.into_iter().collect(),
            notes: Vec::new(),
        }
    }

    /// Gives the table the key that an upsert of `relation` needs.
    pub fn require_key(&mut self, relation: &Relation, key: &[String]) {
        let Self {
            later,
            notes,
            target,
            ..
        } = self;
        keys::require(later, relation, target, key, notes);
        for (name, sql) in &mut self.columns {
            if key.contains(name) && !sql.ends_with(" NOT NULL") {
                sql.push_str(" NOT NULL");
            }
        }
    }

    /// Creates the table, without keys, under this name.
    #[must_use]
    pub fn create(&self, name: &Name) -> Vec<String> {
        let sequence_of = |column: &String| {
            let i = self.sequences.iter().position(|s| s.column == *column)?;
            Some((&self.sequences[i], self.sequence(name, i)))
        };
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(column, sql)| {
                let identity = match sequence_of(column) {
                    Some((
                        Sequence {
                            identity: Some(kind),
                            options,
                            ..
                        },
                        sequence,
                    )) => format!(
                        " GENERATED {kind} AS IDENTITY (SEQUENCE NAME {} {options})",
                        sequence.sql()
                    ),
                    _ => String::new(),
                };
                format!("{} {sql}{identity}", quote_ident(column))
            })
            .collect();
        let mut statements = vec![format!(
            "CREATE TABLE {} ({})",
            name.sql(),
            columns.join(", ")
        )];
        for (i, serial) in self.sequences.iter().enumerate() {
            if serial.identity.is_some() {
                continue;
            }
            let sequence = self.sequence(name, i);
            let (table, column) = (name.sql(), quote_ident(&serial.column));
            statements.push(format!(
                "CREATE SEQUENCE {} {}",
                sequence.sql(),
                serial.options
            ));
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

    /// What a sequence is called while the table is called `name`.
    fn sequence(&self, name: &Name, i: usize) -> Name {
        let own = if *name == self.target {
            self.sequences[i].name.clone()
        } else {
            format!("{}_s{i}", name.relation)
        };
        Name::new(&name.schema, own)
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
        for (i, sequence) in self.sequences.iter().enumerate() {
            let from = quote_ident(&self.sequence(hidden, i).relation);
            let to = quote_ident(&sequence.name);
            statements.push(format!("ALTER SEQUENCE {schema}.{from} RENAME TO {to}"));
        }
        statements
    }

    /// Gives keys, indexes and sequences names that are not taken in the target's schema, and
    /// takes those.
    pub fn avoid_names(&mut self, taken: &mut BTreeSet<String>) {
        let keys = self
            .later
            .iter_mut()
            .filter(|later| !matches!(later.what, What::Check(_)))
            .map(|later| &mut later.name);
        for name in keys.chain(self.sequences.iter_mut().map(|s| &mut s.name)) {
            if taken.contains(name.as_str()) {
                // among one more than are taken, one is free
                let free = (0..=taken.len())
                    .map(|n| match n {
                        0 => shorten(&format!("{}_{name}", self.target.relation)),
                        n => object_name(name, None, &n.to_string()),
                    })
                    .find(|candidate| !taken.contains(candidate));
                *name = free.unwrap_or_default();
            }
            taken.insert(name.clone());
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

/// The name PostgreSQL itself gives a column's sequence.
fn sequence_name(table: &str, column: &str) -> String {
    object_name(table, Some(column), "seq")
}

/// `first_second_label`, the longer of both cut until all fits (indexcmds.c: `makeObjectName`).
pub(super) fn object_name(first: &str, second: Option<&str>, label: &str) -> String {
    let (mut first, mut second) = (first.to_owned(), second.map(str::to_owned));
    loop {
        let name = match &second {
            Some(second) => format!("{first}_{second}_{label}"),
            None => format!("{first}_{label}"),
        };
        if name.len() <= MAX_IDENTIFIER {
            return name;
        }
        match &mut second {
            Some(second) if second.len() >= first.len() => second.pop(),
            _ => first.pop(),
        };
    }
}

/// How the sequences that columns of a relation own count, as SQL.
async fn options(session: &Session, relation: &Relation) -> Result<BTreeMap<String, String>> {
    let sql = format!(
        "SELECT a.attname, pg_catalog.format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', \
           s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' END) AS options \
           FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
            AND d.refobjid = {} AND d.deptype IN ('a', 'i')",
        relation.oid
    );
    let doing = format!("reading the sequences of {}", relation.name);
    let rows = session.rows(&sql, &doing).await?;
    let text = |row: &tokio_postgres::SimpleQueryRow, name: &str| {
        row.get(name).unwrap_or_default().to_owned()
    };
    Ok(rows
        .iter()
        .map(|row| (text(row, "attname"), text(row, "options")))
        .collect())
}

fn shorten(name: &str) -> String {
    let mut end = name.len().min(MAX_IDENTIFIER);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint() -> Blueprint {
        Blueprint {
            target: Name::new("raw", "Orders"),
            columns: vec![
                ("id".into(), "bigint NOT NULL".into()),
                ("n".into(), "integer".into()),
            ],
            sequences: vec![
                Sequence {
                    column: "id".into(),
                    identity: Some("ALWAYS"),
                    name: "Orders_id_seq".into(),
                    options: "INCREMENT BY -1".into(),
                },
                Sequence {
                    column: "n".into(),
                    identity: None,
                    name: "Orders_n_seq".into(),
                    options: String::new(),
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
                r#"ALTER SEQUENCE "raw"."aside_1_0_s0" RENAME TO "Orders_id_seq""#,
                r#"ALTER SEQUENCE "raw"."aside_1_0_s1" RENAME TO "Orders_n_seq""#,
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
        assert!(created[0].contains(
            r#""id" bigint NOT NULL GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "raw"."Orders_id_seq" INCREMENT BY -1)"#
        ));
    }

    #[test]
    fn taken_names_are_avoided() {
        let mut blueprint = blueprint();
        let mut taken = BTreeSet::from(["by_n", "Orders_by_n", "Orders_id_seq"].map(String::from));
        blueprint.avoid_names(&mut taken);
        assert_eq!(blueprint.later[2].name, "by_n_1");
        assert_eq!(blueprint.sequences[0].name, "Orders_Orders_id_seq");
        assert!(taken.contains("by_n_1") && taken.contains("orders_pkey"));
    }

    #[test]
    fn sequence_names_are_cut_as_the_server_cuts_them() {
        let name = sequence_name(&"t".repeat(60), "id");
        assert_eq!(name.len(), MAX_IDENTIFIER);
        assert!(name.ends_with("_id_seq"));
    }
}
