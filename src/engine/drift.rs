//! Schema drift: where the source's columns are no longer the target's, and what the document
//! wants done about it. Pure.
//!
//! What is changed is changed in the transaction that loads the rows: a run that fails leaves the
//! target as it was. The rest of the engine sees the target as it will be.

use super::fit::{self, Fit};
use crate::config::evolution::{
    NewColumn, NullabilityChange, RemovedColumn, SchemaEvolution, TypeChange,
};
use crate::error::Error;
use crate::postgres::catalog::{Column, FIRST_UNSTABLE_OID, Name, Relation};
use crate::postgres::{quote_ident, quote_literal};

/// What is going to be changed in a target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drift {
    /// The changes; none where nothing drifted.
    pub changes: Vec<Change>,
    /// The target's columns before them.
    pub was: Vec<Column>,
    /// What of the source is left out, or cannot be changed.
    pub notes: Vec<String>,
}

/// One change to a target.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new column: name, type and collation.
    Add(String, String),
    /// A wider type: name, type.
    Widen(String, String),
    /// No NOT NULL any more.
    Relax(String),
}

impl Change {
    fn action(&self) -> String {
        match self {
            Self::Add(column, definition) => {
                format!("ADD COLUMN {} {definition}", quote_ident(column))
            }
            Self::Widen(column, type_name) => {
                format!("ALTER COLUMN {} TYPE {type_name}", quote_ident(column))
            }
            Self::Relax(column) => {
                format!("ALTER COLUMN {} DROP NOT NULL", quote_ident(column))
            }
        }
    }
}

impl Drift {
    /// The statement that changes `table`; none where nothing is to be changed.
    #[must_use]
    pub fn alter(&self, table: &Name) -> Option<String> {
        let actions: Vec<String> = self.changes.iter().map(Change::action).collect();
        (!actions.is_empty()).then(|| format!("ALTER TABLE {} {}", table.sql(), actions.join(", ")))
    }

    /// What a column of the target will hold in the rows that are there, before it is changed.
    #[must_use]
    pub fn beforehand(&self, column: &str) -> String {
        let quoted = quote_ident(column);
        self.changes
            .iter()
            .find_map(|change| match change {
                Change::Add(name, definition) if name == column => {
                    Some(format!("NULL::{definition}"))
                }
                Change::Widen(name, type_name) if name == column => {
                    Some(format!("{quoted}::{type_name}"))
                }
                _ => None,
            })
            .unwrap_or(quoted)
    }
}

/// A target as it will be, how the source fits it then, and what has to be done for that.
pub type Evolved = (Relation, Fit, Drift);

/// Compares the source with the target, by the document's policies. `knows_nulls` is whether the
/// source is a table that says which columns may be NULL: a view or a transform says nothing.
/// `primary` is the target's primary key, whose columns stay NOT NULL.
///
/// # Errors
/// Every problem there is, each as a sentence.
pub fn evolve(
    policies: SchemaEvolution,
    source: &Relation,
    knows_nulls: bool,
    chosen: Option<&[String]>,
    target: Relation,
    primary: &[String],
) -> Result<Evolved, Vec<String>> {
    let mut drifting = Drifting {
        policies,
        knows_nulls,
        source,
        was: target.columns.clone(),
        target,
        drift: Drift::default(),
        problems: Vec::new(),
    };
    let is_chosen = |column: &&Column| chosen.is_none_or(|chosen| chosen.contains(&column.name));
    let mut copied = Vec::new();
    for column in source.columns.iter().filter(is_chosen) {
        if drifting.meet(column, primary) {
            copied.push(column.name.clone());
        }
    }
    drifting.miss(primary);
    let Drifting {
        target,
        mut drift,
        mut problems,
        was,
        ..
    } = drifting;
    let known = |name: &String| was.iter().any(|column| column.name == *name);
    if !was.is_empty() && !copied.is_empty() && !copied.iter().any(known) {
        problems.push(format!(
            "{} and {} have no column in common; correct the stream's `target`",
            source.name, target.name
        ));
    }
    // what the document names and the source does not have is `fit`'s to refuse
    copied.extend(
        chosen
            .unwrap_or_default()
            .iter()
            .filter(|name| source.column(name).is_none())
            .cloned(),
    );
    let whole = chosen.is_none() && copied.len() == source.columns.len();
    match fit::fit(source, (!whole).then_some(copied.as_slice()), &target) {
        Ok(fit) if problems.is_empty() => {
            if !drift.changes.is_empty() {
                drift.was = was;
            }
            Ok((target, fit, drift))
        }
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// A comparison under way.
struct Drifting<'a> {
    policies: SchemaEvolution,
    knows_nulls: bool,
    source: &'a Relation,
    was: Vec<Column>,
    target: Relation,
    drift: Drift,
    problems: Vec<String>,
}

impl Drifting<'_> {
    /// A column of the source; whether it is copied.
    fn meet(&mut self, column: &Column, primary: &[String]) -> bool {
        let (name, table) = (&column.name, &self.target.name);
        let Some(i) = self.target.columns.iter().position(|c| c.name == *name) else {
            match self.policies.new_column {
                NewColumn::Add => self.add(column),
                NewColumn::Ignore => {
                    self.drift.notes.push(format!(
                        "{table}: column `{name}` of {} is not copied (schema_evolution.new_column: ignore)",
                        self.source.name
                    ));
                    return false;
                }
                NewColumn::Refuse => {
                    self.problems.push(format!(
                        "column `{name}` of {} is missing in {table}; schema_evolution: {{ new_column: add }} adds it there, \
                         ignore leaves it out",
                        self.source.name
                    ));
                    return false;
                }
            }
            return true;
        };
        if !self.target.columns[i].generated {
            self.widen(column, i);
            if self.knows_nulls && !column.not_null {
                self.relax(i, primary);
            }
        }
        true
    }

    fn add(&mut self, column: &Column) {
        let collation = column.collation.as_ref();
        let definition = collation.map_or_else(
            || column.type_name.clone(),
            |collation| format!("{} COLLATE {collation}", column.type_name),
        );
        self.drift
            .changes
            .push(Change::Add(column.name.clone(), definition));
        if column.not_null || column.default.is_some() || column.identity.is_some() {
            self.drift.notes.push(format!(
                "{}: column `{}` is added without the NOT NULL, default or generation it has in the source",
                self.target.name, column.name
            ));
        }
        self.target.columns.push(Column {
            // an OID that may be another one over there
            type_oid: if column.type_oid < FIRST_UNSTABLE_OID {
                column.type_oid
            } else {
                0
            },
            not_null: false,
            generated: false,
            identity: None,
            default: None,
            serial: false,
            ..column.clone()
        });
    }

    fn widen(&mut self, column: &Column, i: usize) {
        let theirs = &mut self.target.columns[i];
        if fit::accepts(column, theirs).is_ok() || !fit::widens(theirs, column) {
            return;
        }
        match self.policies.type_change {
            TypeChange::Widen => self.drift.changes.push(Change::Widen(
                column.name.clone(),
                column.type_name.clone(),
            )),
            TypeChange::Refuse => self.problems.push(format!(
                "column `{}` of {} is {} and {} in the source; schema_evolution: {{ type_change: widen }} alters it",
                column.name, self.target.name, theirs.type_name, column.type_name
            )),
        }
        *theirs = Column {
            name: theirs.name.clone(),
            type_name: column.type_name.clone(),
            base_type: column.base_type.clone(),
            type_oid: if column.type_oid < FIRST_UNSTABLE_OID {
                column.type_oid
            } else {
                0
            },
            type_body: column.type_body.clone(),
            type_kind: column.type_kind,
            type_modifier: column.type_modifier,
            binary_io: column.binary_io,
            ..theirs.clone()
        };
    }

    /// Lets a column be NULL, where the document wants it and the table can.
    fn relax(&mut self, i: usize, primary: &[String]) {
        let theirs = &mut self.target.columns[i];
        if !theirs.not_null
            || theirs.identity.is_some()
            || self.policies.nullability_change == NullabilityChange::Refuse
        {
            return;
        }
        if primary.contains(&theirs.name) {
            self.drift.notes.push(format!(
                "{}: column `{}` stays NOT NULL, for it is part of the primary key",
                self.target.name, theirs.name
            ));
            return;
        }
        theirs.not_null = false;
        self.drift.changes.push(Change::Relax(theirs.name.clone()));
    }

    /// The columns that only the target has.
    fn miss(&mut self, primary: &[String]) {
        for i in 0..self.target.columns.len() {
            let theirs = &self.target.columns[i];
            let filled = theirs.generated || theirs.identity.is_some() || theirs.default.is_some();
            if filled || self.source.column(&theirs.name).is_some() {
                continue;
            }
            match self.policies.removed_column {
                RemovedColumn::Keep => self.relax(i, primary),
                RemovedColumn::Refuse => self.problems.push(format!(
                    "column `{}` of {} is not in {} (any more); drop it, or use schema_evolution: {{ removed_column: keep }}",
                    theirs.name, self.target.name, self.source.name
                )),
            }
        }
    }
}

/// Says what lets a NULL in, and what takes a row that has no partition.
pub fn explain_refusal(error: Error) -> Error {
    match error.sqlstate() {
        // a check has a name, and being outside of all partitions has none
        Some("23514") if error.server().is_some_and(|said| said.constraint.is_none()) => error
            .remedy("create the partition that it belongs in, or a DEFAULT one; or leave the row out of the source"),
        Some("23502") => error.remedy(
            "the target is NOT NULL where the source has a NULL; schema_evolution: { nullability_change: relax } lets it be NULL",
        ),
        _ => error,
    }
}

/// The query for the columns of a table's primary key.
#[must_use]
pub fn primary_key_sql(table: &Name) -> String {
    format!(
        "SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
          WHERE i.indisprimary AND i.indrelid = {}::pg_catalog.regclass",
        quote_literal(&table.sql())
    )
}
