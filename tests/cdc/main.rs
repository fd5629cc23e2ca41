//! Change data capture: setting it up, the handover from the initial copy, every kind of change,
//! the change log, and what happens when something dies in between.
//!
//! Every test runs the binary as its user would, on databases of the test's own.

#[path = "../faults/proxy.rs"]
#[expect(dead_code, reason = "capture uses its part")]
mod proxy;
#[path = "../faults/running.rs"]
#[expect(dead_code, reason = "capture uses its part")]
mod running;
#[path = "../faults/session.rs"]
#[expect(dead_code, reason = "capture uses its part")]
mod session;
#[path = "../support/mod.rs"]
mod support;

mod capture;
mod changes;
mod crash;
mod handover;
mod log;
#[cfg(feature = "fail-points")]
mod meanwhile;
mod refusals;
mod schema;
mod standby;
mod standing;
