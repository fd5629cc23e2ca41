//! Benchmarks: what is measured, in which order, under which conditions, and what it says.
//!
//! A [`profile`] is a [`dataset`], a pipeline without connections and settings. A [`session`] is a
//! profile bound to databases; [`runner`] runs it, [`stats`] and [`verdict`] judge it, [`artifact`] is its saved form
//! and [`store`] keeps it. This room drives the engine and never reaches into it; it never prints:
//! who wants to see what happens passes a [`progress::Progress`].

pub mod archive;
pub mod artifact;
pub mod attendant;
pub mod binary;
mod change_points;
pub mod compared;
pub mod conditions;
pub mod control;
pub mod dataset;
mod disturbance;
pub mod doctor;
#[cfg(test)]
pub(crate) mod examples;
pub mod guard;
pub mod host;
mod in_place;
mod iteration;
pub mod metric;
pub mod noise;
pub mod order;
pub mod profile;
pub mod progress;
mod rig;
pub mod rules;
pub mod runner;
mod sampler;
pub mod seed;
pub mod selftest;
mod server;
pub mod server_work;
pub mod session;
pub mod stats;
pub mod store;
pub mod subject;
pub mod summary;
pub mod target;
mod traces;
pub mod trend;
pub mod tune;
pub mod verdict;
