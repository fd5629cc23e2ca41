//! The pipeline document: what it may say, how it is read, and what of it is allowed.
//!
//! A document goes through four steps, each a file: `reader` turns text into a tree whose every
//! value knows its line and column, `environment` fills `${VAR}`, [`shape`] checks the tree against
//! a declarative description ([`pipeline_shape`] is the pipeline's), and [`validator`] judges what
//! the typed document means. [`json_schema`] tells editors what the shape is. The problems of all steps are collected and told in one go.
//! [`document`] holds these together, `edit` changes a value where it is written, [`parser`] is the short way from a file to a [`Pipeline`].
//!
//! Nothing here connects to anything, and no message shows a password.
//!
//! [`Pipeline`]: types::Pipeline

pub mod connection;
pub mod document;
mod edit;
mod environment;
pub mod evolution;
pub mod json_schema;
mod masking;
pub mod parser;
pub mod pipeline_shape;
pub mod problems;
mod reader;
pub mod relation;
pub mod report;
pub mod settings;
pub mod shape;
mod shape_check;
mod tree;
pub mod types;
pub mod validator;

pub use document::{Document, Override};
pub use edit::with_value_at;
pub use environment::{Lookup, process_environment};
pub use masking::{holds_masked, mask_secrets, quote, without_masked};
pub use parser::{load_pipeline, parse_pipeline};
pub use pipeline_shape::Connections;
pub use problems::{Place, Problem, Problems};
pub use report::Checked;
pub use shape::{Field, Shape};
pub use shape_check::nearest;
