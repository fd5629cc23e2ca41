//! What is here, what is missing, and how to get it: everything that a benchmark needs, looked at before
//! anybody waits for one.
//!
//! Nothing is started, made or changed, here or on a server. A question that cannot be answered is a
//! finding of its own, never the end of the others.

mod cores;
mod machine;
mod managed;
mod saved;
mod server;
mod terminal;

use std::path::PathBuf;

use serde::Serialize;

use crate::cluster::ClusterOptions;
use crate::error::Error;
use crate::postgres::Server;

pub use terminal::Terminal;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// A benchmark runs; with what it says, it measures less, or less well.
    Warn,
    /// No benchmark runs.
    Fail,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to: `postgres`, `machine`, `results`, `terminal`, `source`, `destination`.
    pub area: &'static str,
    /// What it is.
    pub what: &'static str,
    /// How it is.
    pub state: State,
    /// What was found.
    pub text: String,
    /// What to do about it, where there is something to do.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(area: &'static str, what: &'static str, state: State, text: impl Into<String>) -> Self {
        Self {
            area,
            what,
            state,
            text: text.into(),
            remedy: None,
        }
    }

    fn ok(area: &'static str, what: &'static str, text: impl Into<String>) -> Self {
        Self::new(area, what, State::Ok, text)
    }

    fn warn(area: &'static str, what: &'static str, text: impl Into<String>) -> Self {
        Self::new(area, what, State::Warn, text)
    }

    fn fail(area: &'static str, what: &'static str, text: impl Into<String>) -> Self {
        Self::new(area, what, State::Fail, text)
    }

    fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = Some(text.into());
        self
    }

    /// What an error says, with its remedy.
    fn of_error(area: &'static str, what: &'static str, state: State, error: &Error) -> Self {
        Self {
            remedy: error.remedy_text().map(str::to_owned),
            ..Self::new(area, what, state, error.message())
        }
    }
}

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The managed server.
    pub cluster: ClusterOptions,
    /// Where artifacts are kept.
    pub out: PathBuf,
    /// The user's own source, where one is named.
    pub source: Option<Server>,
    /// The user's own destination, where one is named.
    pub destination: Option<Server>,
    /// What the program talks to.
    pub terminal: Terminal,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether a benchmark can run.
    pub can_run: bool,
    /// In the order of areas.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    fn of(findings: Vec<Finding>) -> Self {
        Self {
            can_run: findings.iter().all(|f| f.state != State::Fail),
            findings,
        }
    }

    /// How many findings are in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.findings.iter().filter(|f| f.state == state).count()
    }
}

/// Looks at everything; takes half a second, and what servers take to answer.
pub async fn diagnose(question: &Question) -> Diagnosis {
    // with both databases given, nothing of ours is started
    let needs_managed = question.source.is_none() || question.destination.is_none();
    let mut findings = managed::findings(&question.cluster, needs_managed);
    findings.extend(machine::findings(&question.cluster).await);
    findings.extend(saved::findings(&question.cluster, &question.out));
    findings.extend(question.terminal.findings());
    if let Some(server) = &question.source {
        findings.extend(server::findings(server, server::Side::Source).await);
    }
    if let Some(server) = &question.destination {
        findings.extend(server::findings(server, server::Side::Destination).await);
    }
    Diagnosis::of(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benchmark_can_run_unless_something_fails() {
        let (ok, warn) = (Finding::ok("a", "b", "c"), Finding::warn("a", "b", "c"));
        let fair = Diagnosis::of(vec![ok.clone(), warn.clone()]);
        assert!(fair.can_run);
        assert_eq!((fair.count(State::Ok), fair.count(State::Warn)), (1, 1));
        assert!(!Diagnosis::of(vec![ok, Finding::fail("a", "b", "c"), warn]).can_run);
    }
}
