//! The Compare screen: which sessions are set against each other, and how.

/// What the screen keeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {}
