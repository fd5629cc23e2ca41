//! The same values for a person and for a program: nothing here measures, decides or connects.

pub mod run;
