//! What a session tells while it runs, to whoever shows it.
//!
//! The session calls, a terminal (or the workbench) shows. Calls come from several tasks and must
//! return at once: a viewer that waits would be measured with the copy.

use std::sync::Arc;

use super::artifact::{Iteration, ScreenRecord};
use super::order::Arm;
use super::server_work::ServerWork;
use super::tune::artifact::TuneArtifact;
use crate::telemetry::counters::{Phase, Telemetry, Totals};

/// The iteration that is about to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// Which setting runs.
    pub arm: Arm,
    /// Whether it is a warm-up.
    pub warmup: bool,
    /// Its number among the iterations of the session, from 1.
    pub number: u32,
    /// Iterations of the session.
    pub of: u32,
    /// Its pair, from 1; none for warm-ups and with one arm.
    pub pair: Option<u32>,
    /// What runs, in the words of who measures more than two arms; none for arms and pairs.
    pub setting: Option<Arc<str>>,
}

/// How the iteration stands, five times a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Seconds since the engine was started.
    pub at_s: f64,
    /// What the engine is doing.
    pub phase: Phase,
    /// What it has moved.
    pub totals: Totals,
    /// Megabytes a second since the last sample.
    pub mb_per_s: f64,
    /// Rows a second since the last sample.
    pub rows_per_s: f64,
    /// Cores that rb-bench was busy on since the last sample.
    pub cpu_rb_bench: f64,
    /// The same of the source's backends; none for a server on another host.
    pub cpu_source: Option<f64>,
    /// The same of the destination's backends.
    pub cpu_destination: Option<f64>,
    /// Busy share of each core of this machine, 0 to 1; empty where the system does not tell.
    pub busy_per_core: Vec<f64>,
}

/// Someone who wants to see what a session does.
pub trait Progress: Send + Sync {
    /// Something began or was decided: a sentence without an end.
    fn step(&self, text: &str);

    /// Rows of a dataset were made.
    fn seeded(&self, done: u64, total: u64);

    /// An iteration begins.
    fn iteration_began(&self, upcoming: &Upcoming);

    /// The engine starts on an iteration, and tells there what it does.
    fn engine_starts(&self, _upcoming: &Upcoming, _telemetry: &Arc<Telemetry>) {}

    /// An iteration stands so.
    fn sampled(&self, upcoming: &Upcoming, sample: &Sample);

    /// The clock was stopped; both sides are being compared.
    fn verifying(&self, upcoming: &Upcoming);

    /// An iteration is done and recorded.
    fn iteration_ended(&self, upcoming: &Upcoming, iteration: &Iteration);

    /// A tuning has one iteration more, and is saved.
    fn tuned(&self, _tuning: &TuneArtifact) {}

    /// Whether the servers should be asked what they do for the run, once a second.
    fn wants_server_work(&self) -> bool {
        false
    }

    /// What a server does for the run.
    fn server_works(&self, _work: &ServerWork) {}

    /// What showing it has cost until now; none where there is no screen.
    fn screen(&self) -> Option<ScreenRecord> {
        None
    }
}

/// How a session is shown, as artifacts name it: with a screen, or headless.
pub(super) fn mode(progress: &Arc<dyn Progress>) -> &'static str {
    match progress.screen() {
        Some(_) => "tui",
        None => "headless",
    }
}

/// Shows nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _text: &str) {}
    fn seeded(&self, _done: u64, _total: u64) {}
    fn iteration_began(&self, _upcoming: &Upcoming) {}
    fn sampled(&self, _upcoming: &Upcoming, _sample: &Sample) {}
    fn verifying(&self, _upcoming: &Upcoming) {}
    fn iteration_ended(&self, _upcoming: &Upcoming, _iteration: &Iteration) {}
}
