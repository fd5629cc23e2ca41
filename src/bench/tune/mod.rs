//! Tuning: which value of a knob to use for these databases, and what `auto` loses against it.
//!
//! [`tuning`] sweeps the values of a [`knob`] in randomized blocks, takes the [`choice`], and confirms it
//! with fresh pairs; [`usl`] explains the sweep, [`artifact`] is its saved form and [`summary`] what that
//! says. Every iteration is run and verified as a benchmark's is, by the same rig.

pub mod artifact;
pub mod choice;
pub mod knob;
pub mod summary;
pub mod tuning;
pub mod usl;
