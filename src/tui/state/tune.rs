//! The Tune screen: the sweep, its chart and the choice.

/// What the screen keeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {}
