//! Tuning: which value of a knob to use for these databases, and what `auto` loses against it.
//!
//! [`tuning`] sweeps the values of a [`knob`] in randomized blocks, takes the [`choice`], and confirms it
//! with fresh pairs; [`usl`] explains the sweep. [`isolate`] sets the whole copy beside each of its sides alone. Both
//! begin with a [`plan`] and keep what ran with a [`recorder`]; [`artifact`] is the saved form and [`summary`] what that says; [`beside`] sets each value beside
//! what `auto` resolves to, and [`document`] writes the choice down. Every iteration is run and verified as a benchmark's is, by the same rig.

pub mod artifact;
pub mod beside;
pub mod choice;
pub mod document;
pub mod isolate;
pub mod knob;
pub mod plan;
pub mod recorder;
pub mod summary;
pub mod tuning;
pub mod usl;
