//! What a person or a program reads: summaries, tables, progress, JSON, from recorded values only.
//!
//! Nothing here measures or decides. Text goes to the writer it is given, colour only where a
//! [`Paper`] says so.

pub mod paper;
pub mod profiles;
pub mod progress;
pub mod summary;

pub use paper::Paper;
