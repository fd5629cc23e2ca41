//! What each screen keeps between two messages. Plain values, changed by `update` alone.

pub mod compare;
pub mod history;
pub mod measured;
pub mod profile;
pub mod prompt;
pub mod run;
pub mod tune;
