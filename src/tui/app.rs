//! The workbench as a value: everything that decides what the next frame looks like.
//!
//! Only `update` changes it. It holds no handle on anything: no terminal, no session, no file.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use super::cost;
use super::grammar::Grammar;
use super::keymap::Context;
use super::message::{Ended, Note};
use super::snapshot::{IterationRow, Shared};
use super::state::{compare, history, profile, prompt, run, tune};
use super::theme::Theme;
use crate::bench::artifact::{Artifact, ComparisonRecord};
use crate::bench::control::Wish;
use crate::bench::noise::Calibration;
use crate::bench::subject::Subject;
use crate::error::Error;

/// Lines of the log that are kept.
const LOG_KEPT: usize = 2_000;

/// The five screens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Screen {
    /// What the engine does.
    Run,
    /// Which setting is best.
    Tune,
    /// Before against after.
    Compare,
    /// What was measured before.
    History,
    /// What is measured.
    #[default]
    Profile,
}

impl Screen {
    /// Every screen, in the order of their keys.
    pub const ALL: [Self; 5] = [
        Self::Run,
        Self::Tune,
        Self::Compare,
        Self::History,
        Self::Profile,
    ];

    /// The name on its tab.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "Run",
            Self::Tune => "Tune",
            Self::Compare => "Compare",
            Self::History => "History",
            Self::Profile => "Profile",
        }
    }
}

/// What lies over the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// The keys of the screen.
    Help,
    /// How the parallelism was resolved.
    Explain,
    /// Every event.
    Log,
    /// What a line of the prompt came to, where that is nothing to run.
    Said,
    /// What is to become of the run.
    Quitting,
}

/// A line of text that is being typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typing {
    /// What it is for, as shown before it.
    pub label: String,
    /// What was typed.
    pub text: String,
    /// Where the next character goes, in characters.
    pub cursor: usize,
    /// Whether the text is what was there before, which the first character replaces.
    pub is_untouched: bool,
    /// What is wrong with it as it stands.
    pub problem: Option<String>,
    /// Whether every change of it counts at once, as of a filter.
    pub is_live: bool,
}

/// What kind of session is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A benchmark.
    Benchmark,
    /// A tuning, or the sides alone.
    Tuning,
    /// A profile against itself.
    Calibration,
}

/// The session under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// What it is.
    pub kind: Kind,
    /// What it measures.
    pub subject: Subject,
    /// When it was begun, since the workbench was started.
    pub since: Duration,
    /// What was asked of it.
    pub wish: Wish,
    /// Whether it was aborted.
    pub is_aborted: bool,
    /// Whether the workbench ends when it does.
    pub then_quit: bool,
}

/// How the workbench ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it was asked to; what was running has ended.
    Quit,
    /// The same, leaving the summary in the terminal.
    WithSummary,
    /// As soon as what is running has ended, for the system says so.
    Terminated,
    /// At once.
    AtOnce,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Local wall time.
    pub at: String,
    /// What happened.
    pub text: String,
}

/// The workbench.
#[derive(Debug)]
pub struct App {
    /// Which screen is shown.
    pub screen: Screen,
    /// How it looks.
    pub theme: Theme,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    /// Since the workbench was started.
    pub now: Duration,
    /// Whether the display stands still.
    pub is_frozen: bool,
    /// Whether the mouse is ours.
    pub has_mouse: bool,
    /// What lies over the screen, and the first line shown of it.
    pub overlay: Option<Overlay>,
    /// How far the text of the overlay was scrolled, in lines.
    pub overlay_scroll: usize,
    /// What is being typed; it belongs to the screen.
    pub typing: Option<Typing>,
    /// What can be typed in the prompt.
    pub grammar: Grammar,
    /// The prompt's own.
    pub prompt: prompt::State,
    /// What a line of the prompt came to, where that is nothing to run: what it is, and the text.
    pub said: (String, String),
    /// The line at the bottom.
    pub note: Option<Note>,
    /// What is going to be measured.
    pub subject: Subject,
    /// The session under way.
    pub running: Option<Running>,
    /// The engine as it stands, or stood last.
    pub seen: Shared,
    /// What has come while the display stands still.
    pub pending: Option<Shared>,
    /// Iterations of the session under way, or of the last one.
    pub iterations: Vec<IterationRow>,
    /// What happened, oldest first.
    pub log: VecDeque<LogLine>,
    /// How the last session ended.
    pub last: Option<LastSession>,
    /// What the last benchmark says to who asks for an exit code.
    pub judged: Option<Judged>,
    /// What the workbench itself costs.
    pub cost: cost::Shown,
    /// Directory of the artifacts.
    pub out: PathBuf,
    /// Set when the workbench is to end.
    pub ending: Option<Ending>,
    /// The Run screen's own.
    pub run: run::State,
    /// The Tune screen's own.
    pub tune: tune::State,
    /// The Compare screen's own.
    pub compare: compare::State,
    /// The History screen's own.
    pub history: history::State,
    /// The Profile screen's own.
    pub profile: profile::State,
}

/// What the last benchmark says to who asks for an exit code.
#[derive(Debug)]
pub struct Judged {
    /// Its verdicts; none where nothing was measured.
    pub verdicts: Vec<ComparisonRecord>,
    /// The exit code of the error that it ended with.
    pub error: Option<u8>,
}

impl From<&Ended> for Judged {
    fn from(ended: &Ended) -> Self {
        let artifact = ended.artifact.iter();
        Self {
            verdicts: artifact
                .flat_map(|artifact| artifact.summary.verdicts().cloned())
                .collect(),
            error: ended.error.as_ref().map(Error::exit_code),
        }
    }
}

/// How the last session ended.
#[derive(Debug)]
pub struct LastSession {
    /// What was measured, if anything.
    pub artifact: Option<Artifact>,
    /// What it found of the noise of this machine, if that was what it was for.
    pub calibration: Option<Box<Calibration>>,
    /// Where it is kept.
    pub path: Option<PathBuf>,
    /// Why it did not end as planned.
    pub error: Option<String>,
    /// Whether that is because it was asked to end.
    pub is_stopped: bool,
}

impl From<Ended> for LastSession {
    fn from(ended: Ended) -> Self {
        Self {
            is_stopped: ended.is_stopped(),
            artifact: ended.artifact,
            calibration: ended.calibration,
            path: ended.path,
            error: ended.error.map(|error| error.to_string()),
        }
    }
}

impl App {
    /// A workbench that shows a screen and has done nothing yet.
    #[must_use]
    pub fn new(
        screen: Screen,
        subject: Subject,
        theme: Theme,
        out: PathBuf,
        grammar: Grammar,
    ) -> Self {
        Self {
            screen,
            theme,
            size: (80, 24),
            now: Duration::ZERO,
            is_frozen: false,
            has_mouse: false,
            overlay: None,
            overlay_scroll: 0,
            typing: None,
            grammar,
            prompt: prompt::State::default(),
            said: (String::new(), String::new()),
            note: None,
            subject,
            running: None,
            seen: Shared::default(),
            pending: None,
            iterations: Vec::new(),
            log: VecDeque::new(),
            last: None,
            judged: None,
            cost: cost::Shown::default(),
            out,
            ending: None,
            run: run::State::default(),
            tune: tune::State::default(),
            compare: compare::State::default(),
            history: history::State::default(),
            profile: profile::State::default(),
        }
    }

    /// Where the user is, for the table of keys.
    #[must_use]
    pub fn context(&self) -> Context {
        match self.overlay {
            Some(Overlay::Quitting) => Context::Quitting,
            Some(_) => Context::Overlay,
            None if self.prompt.line.is_some() => Context::Prompt,
            None => Context::Screen(self.screen),
        }
    }

    /// Adds a line to the log; the oldest goes when there are too many.
    pub fn log(&mut self, at: String, text: String) {
        if self.log.len() == LOG_KEPT {
            self.log.pop_front();
        }
        self.log.push_back(LogLine { at, text });
    }

    /// Shows a line at the bottom.
    pub fn done(&mut self, text: impl Into<String>) {
        self.note = Some(Note::done(text));
    }

    /// Shows at the bottom what could not be done.
    pub fn failed(&mut self, text: impl Into<String>) {
        self.note = Some(Note::failed(text));
    }
}
