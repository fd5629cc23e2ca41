//! What a run does where the source's columns are no longer the target's (`schema_evolution`).
//!
//! The defaults lose nothing and change no column that is there: a new column is added, one that
//! is gone stays, types and NOT NULL stay as they are.

use serde::{Deserialize, Serialize};

/// One policy for each way in which a source's table drifts away from its target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchemaEvolution {
    /// A column of the source that the target does not have.
    pub new_column: NewColumn,
    /// A column of the target that the source does not have, and that the target does not fill.
    pub removed_column: RemovedColumn,
    /// A type of the source that the target's cannot hold.
    pub type_change: TypeChange,
    /// A column that the target declares NOT NULL and the source does not.
    pub nullability_change: NullabilityChange,
}

impl SchemaEvolution {
    /// Whether a document need not say it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of a column that is new in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewColumn {
    /// The target gets it, NULL in the rows that are there.
    #[default]
    Add,
    /// It is not copied.
    Ignore,
    /// It is an error.
    Refuse,
}

/// What becomes of a column that is gone from the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovedColumn {
    /// The target keeps it; new rows have its default, or NULL.
    #[default]
    Keep,
    /// It is an error.
    Refuse,
}

/// What becomes of a type that the target's cannot hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeChange {
    /// The target's column takes the source's type, where no value it has can be lost.
    Widen,
    /// It is an error.
    #[default]
    Refuse,
}

/// What becomes of a NOT NULL that only the target has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullabilityChange {
    /// The target gives it up, unless the column is part of its primary key.
    Relax,
    /// The target keeps it, and a NULL is an error.
    #[default]
    Refuse,
}
