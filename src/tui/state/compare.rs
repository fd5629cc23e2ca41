//! The Compare screen: which two are set against each other, what that says, and how it is shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bench::compared::{Compared, Distribution};
use crate::bench::conditions::Condition;

/// Which two arms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pair {
    /// Both arms of the newest session.
    #[default]
    Newest,
    /// The after arm of the session of the same profile before the newest, and that of the newest.
    Previous,
    /// Both arms of this session, by the file's name.
    Within(String),
    /// The after arms of these two sessions, by their files' names.
    Between {
        /// What is compared with.
        before: String,
        /// What is in question.
        after: String,
    },
}

/// How latencies are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// Two histograms back to back.
    #[default]
    Mirror,
    /// Two histograms over each other.
    Overlay,
    /// Percentiles.
    Table,
}

impl Shape {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Mirror => Self::Overlay,
            Self::Overlay => Self::Table,
            Self::Table => Self::Mirror,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Overlay => "overlay",
            Self::Table => "table",
        }
    }
}

/// The panes, in the order Tab goes through them. Where two are compared that may not be, the first
/// pane lists why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    /// Latencies, or what differs.
    #[default]
    Latencies,
    /// The table of figures.
    Figures,
    /// Wall time of every iteration.
    Iterations,
}

impl Pane {
    /// Every pane.
    pub const ALL: [Self; 3] = [Self::Latencies, Self::Figures, Self::Iterations];
}

/// A comparison, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// What came of it.
    Compared(Arc<Compared>),
    /// Why it could not be made: what, and what to do.
    Failed(String),
}

/// What a line of text is being typed for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Question {
    /// Where a page for a browser goes.
    #[default]
    Page,
}

/// What the screen keeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The profile of the session that was measured last in this workbench.
    pub measured: Option<String>,
    /// Which two are compared.
    pub pair: Pair,
    /// Conditions that may differ, as the user has said.
    pub allowed: BTreeSet<Condition>,
    /// What came of it; none before it was asked for.
    pub outcome: Option<Outcome>,
    /// Whether it is being made.
    pub is_loading: bool,
    /// The pane that has the keys.
    pub pane: Pane,
    /// Whether that pane has the whole screen.
    pub is_zoomed: bool,
    /// How latencies are shown.
    pub shape: Shape,
    /// Which of the latencies, or of the differences, is chosen.
    pub chosen: usize,
    /// The first figure shown.
    pub scrolled: usize,
    /// What is being typed.
    pub question: Question,
}

impl State {
    /// The comparison, where there is one.
    #[must_use]
    pub fn compared(&self) -> Option<&Compared> {
        match &self.outcome {
            Some(Outcome::Compared(compared)) => Some(compared),
            _ => None,
        }
    }

    /// The latencies that are shown.
    #[must_use]
    pub fn distribution(&self) -> Option<&Distribution> {
        let all = &self.compared()?.distributions;
        all.get(self.chosen.min(all.len().saturating_sub(1)))
    }

    /// Every difference with whether it is waived: what keeps the two apart first.
    #[must_use]
    pub fn differences(&self) -> Vec<(bool, &crate::bench::conditions::Difference)> {
        let Some(compared) = self.compared() else {
            return Vec::new();
        };
        let kept = compared.differences.iter().map(|one| (false, one));
        kept.chain(compared.waived.iter().map(|one| (true, one)))
            .collect()
    }

    /// Asks for another two; what may differ is asked anew.
    pub fn ask(&mut self, pair: Pair) {
        if self.pair != pair {
            self.allowed.clear();
            (self.chosen, self.scrolled) = (0, 0);
            self.outcome = None;
        }
        self.pair = pair;
    }
}
