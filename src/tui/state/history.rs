//! The History screen: the saved sessions.

/// What the screen keeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {}
