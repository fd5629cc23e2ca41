//! What is made from saved artifacts: pages, looked at in a real browser, and documents.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod documents;
mod page;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
