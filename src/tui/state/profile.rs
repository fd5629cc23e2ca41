//! The Profile screen: the profile as it was read, what of it is chosen, and what is wrong with a change.

use crate::bench::profile::Profile;

/// A profile that was read, or why it could not be.
#[derive(Debug)]
pub struct Loaded {
    /// The name or path it was asked for by.
    pub name: String,
    /// What was read.
    pub outcome: Result<Profile, String>,
}

/// What came of a document that was given to the editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// It was changed, and is a file of this path.
    Changed(String),
    /// It was left as it was.
    Unchanged,
    /// It could not be edited.
    Failed(String),
}

/// What the screen keeps.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The profile as it is written; none until it was read.
    pub base: Option<Profile>,
    /// Why it could not be read.
    pub problem: Option<String>,
    /// The line that is chosen.
    pub chosen: usize,
}
