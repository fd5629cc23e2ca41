//! Connecting: TLS in every mode, certificates of both sides, channel binding, lists of servers,
//! service files and environment, and every kind of place a server can be at.
//!
//! The servers are real, their certificates made here. One server has TLS and serves most tests.

#[path = "../faults/running.rs"]
#[expect(dead_code, reason = "connecting uses its part")]
mod running;
#[path = "../support/mod.rs"]
mod support;

mod authority;
mod certificates;
mod copying;
mod environment;
mod hosts;
mod modes;
mod places;
mod server;
mod strangers;
