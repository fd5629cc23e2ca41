//! What can happen to the workbench, and what it can ask for in return.
//!
//! [`Msg`] goes into `update`, [`Effect`] comes out of it. Both are plain values: whoever makes a [`Msg`]
//! has done its reading and waiting before, whoever gets an [`Effect`] does its own after.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event;

use super::saved;
use super::snapshot::Snapshot;
use super::state::profile::{Edited, Loaded};
use crate::bench::artifact::Artifact;
use crate::bench::control::Wish;
use crate::bench::noise::Calibration;
use crate::bench::subject::{Subject, What};
use crate::bench::tune::artifact::TuneArtifact;
use crate::error::{Error, Kind};

/// Something that happened.
#[derive(Debug)]
pub enum Msg {
    /// A key, a mouse click, another size.
    Input(Event),
    /// Time has passed: since the workbench was started.
    Tick(Duration),
    /// The engine stands so.
    Seen(Arc<Snapshot>),
    /// The session tells something.
    Told(Told),
    /// The session under way has ended.
    Ended(Box<Ended>),
    /// The system wants us to do something.
    Signal(Signal),
    /// The terminal is ours again after a stop or an editor.
    Resumed,
    /// Something that was asked for could not be done, or was done: a line for the user.
    Note(Note),
    /// A profile was read, or could not be.
    Loaded(Box<Loaded>),
    /// A command of the prompt has ended: how, in a line for the user.
    Ran(Note),
    /// The editor is done with a document.
    Edited(Edited),
    /// Saved artifacts were looked up, compared or written.
    Saved(Box<saved::Reply>),
}

/// A rare event of the session.
#[derive(Debug, Clone)]
pub enum Told {
    /// A sentence for the log.
    Line {
        /// Local wall time, `12:04:31`.
        at: String,
        /// What.
        text: String,
    },
    /// An iteration is done.
    Iteration(super::snapshot::IterationRow),
    /// The tuning under way has one iteration more.
    Tuning(Arc<TuneArtifact>),
}

/// How a session ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// What was measured, with its place; none where nothing was, or it is no benchmark.
    pub artifact: Option<Artifact>,
    /// The same of a tuning.
    pub tuning: Option<Arc<TuneArtifact>>,
    /// The same of a calibration.
    pub calibration: Option<Box<Calibration>>,
    /// The file that was written.
    pub path: Option<PathBuf>,
    /// Why it did not end as planned.
    pub error: Option<Error>,
    /// What could not be cleaned up.
    pub leftovers: Vec<String>,
}

impl Ended {
    /// Whether it ended early because it was asked to.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let error = self.error.as_ref();
        error.is_some_and(|error| error.kind() == Kind::Interrupted)
    }
}

/// What the system asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT from elsewhere: as Ctrl-C.
    Interrupt,
    /// SIGTERM or SIGHUP: end in good order, now.
    Terminate,
    /// SIGTSTP from elsewhere: as Ctrl-Z.
    Stop,
}

/// A line for the user at the bottom of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether something went wrong.
    pub is_error: bool,
    /// What.
    pub text: String,
}

impl Note {
    /// Something that was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self {
            is_error: false,
            text: text.into(),
        }
    }

    /// Something that was not.
    pub fn failed(text: impl Into<String>) -> Self {
        Self {
            is_error: true,
            text: text.into(),
        }
    }
}

/// Something to do outside of `update`.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Begin a session.
    Start(Box<Start>),
    /// Ask the session under way for something at the end of its pair.
    Ask(Wish),
    /// End the session under way at once, in good order.
    Abort,
    /// Put this into the terminal's clipboard.
    Copy(String),
    /// Take the mouse from the terminal, or give it back.
    Mouse(bool),
    /// Stop this process as Ctrl-Z does, with the terminal as it was.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Read the profile of this subject.
    Load(Box<Subject>),
    /// Give the terminal to the user's editor for this profile's document.
    Edit(Box<Subject>),
    /// Give the terminal to another rb-bench that runs these words.
    Command(Vec<String>),
    /// Keep in mind what was chosen last.
    Remember(What),
    /// Look something up among saved artifacts, or write something that is made of them.
    Saved(Box<saved::Request>),
}

/// What kind of session to begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// A benchmark of two arms, or of one.
    Benchmark(Subject),
    /// A tuning of parallelism.
    Tuning(Subject),
    /// The rest of a tuning that was interrupted.
    Resumed {
        /// On which databases.
        subject: Subject,
        /// Its file, or `latest`.
        tuning: String,
    },
    /// The whole and each side alone.
    Sides(Subject),
    /// Two equal arms.
    Calibration(Subject),
}
