//! What a person or a program reads: summaries, tables, progress, JSON, from recorded values only.
//!
//! Nothing here measures, decides or connects; colour is used only where a [`Paper`] says so.

pub mod cdc;
pub mod citation;
pub mod compared;
pub mod doctor;
pub mod export;
mod figures;
pub mod history;
pub mod html;
pub mod marks;
pub mod noise;
pub mod paper;
pub mod profile_pages;
pub mod profiles;
pub mod progress;
pub mod progress_run;
pub mod run;
pub mod runs;
pub mod selftest;
pub mod summary;
pub mod tables;
pub mod tune;

pub use paper::Paper;
