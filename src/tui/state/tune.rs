//! The Tune screen: the tuning that is shown, live or saved, and which of its values is chosen.

use std::path::PathBuf;
use std::sync::Arc;

use crate::bench::tune::artifact::TuneArtifact;

/// The panes, in the order Tab goes through them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    /// One line a value.
    #[default]
    Values,
    /// Throughput over workers, with the curve.
    Chart,
    /// The choice, what it was confirmed against, and what explains it.
    Choice,
}

impl Pane {
    /// Every pane.
    pub const ALL: [Self; 3] = [Self::Values, Self::Chart, Self::Choice];
}

/// What a line of text is being typed for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Question {
    /// Which document takes the choice.
    #[default]
    Write,
    /// Where a page for a browser goes.
    Page,
}

/// What the screen keeps.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The tuning; none before one was begun or opened.
    pub shown: Option<Arc<TuneArtifact>>,
    /// The file it is kept in; none while it is not known.
    pub path: Option<PathBuf>,
    /// Whether it is under way.
    pub is_live: bool,
    /// What has come while the display stands still.
    pub pending: Option<Arc<TuneArtifact>>,
    /// The pane that has the keys.
    pub pane: Pane,
    /// Whether that pane has the whole screen.
    pub is_zoomed: bool,
    /// The chosen one of the values; the first line shown of the choice.
    pub scrolled: [usize; 3],
    /// What is being typed.
    pub question: Question,
}
