//! What rb-bench does when something goes wrong: at each step of a run, at its commit, and when it
//! is stopped or killed itself.
//!
//! Every test runs the binary as its user would, on two databases of the test's own, and brings
//! about the failure by real means: locks, triggers, terminated backends, connections that are cut
//! by a proxy. After each the destination is as it was or complete, and nothing of ours is left on
//! either server.

#[path = "../support/mod.rs"]
mod support;

mod commit;
mod connecting;
mod crash;
mod incremental;
mod interrupt;
mod killed;
mod ledger;
mod moving;
mod preparing;
mod proxy;
mod rehearsal;
mod retry;
mod run_id;
mod running;
mod runs;
mod session;
mod two_phase;
mod upsert;
mod verify;
