//! The pipeline document: what it may say, how it is read, and what of it is allowed.
//!
//! [`types`] are plain serde types, [`parser`] turns text into them with the position of every
//! problem, [`validator`] judges what parsed. None of them connects to anything.

pub mod parser;
pub mod types;
pub mod validator;
