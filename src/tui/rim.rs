//! The rim: does what `update` asked for, and sends what came of it back as messages.
//!
//! Everything the workbench does to the world is done here or in [`terminal`](super::terminal): sessions,
//! files, the editor. Nothing here decides what is shown.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, SyncSender};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::choices;
use super::command;
use super::cost::Cost;
use super::editor;
use super::feed::Feed;
use super::memory::Memory;
use super::message::{Effect, Ended, Msg, Note, Start, Told};
use super::saved;
use super::sessions;
use super::snapshot::Shared;
use super::state::profile::Loaded;
use super::terminal::Guard;
use crate::bench::control::Control;
use crate::bench::progress::Progress;
use crate::bench::subject::Subject;
use crate::bench::target::Leftovers;
use crate::error::{Error, Kind, Result};

/// As much stack as the main thread has, on which the same future runs without a screen, bytes: that of a
/// tuning does not fit into the default.
const SESSION_STACK: usize = 8 << 20;

/// Where effects are performed from.
pub struct Rim {
    /// The runtime that sessions run on.
    pub runtime: Handle,
    /// Where messages go that must not be lost.
    pub replies: Sender<Msg>,
    /// Where events go that may be.
    pub events: SyncSender<Told>,
    /// Where snapshots go.
    pub snapshots: watch::Sender<Shared>,
    /// Events that found no room.
    pub dropped: Arc<AtomicU64>,
    /// What drawing costs.
    pub cost: Arc<Cost>,
    /// Directory of the artifacts.
    pub out: PathBuf,
    /// What is kept from one workbench to the next.
    pub memory: Memory,
    session: Option<Session>,
}

/// The session under way.
struct Session {
    control: Control,
    leftovers: Leftovers,
    thread: JoinHandle<()>,
}

impl Rim {
    /// A rim without a session.
    #[must_use]
    pub fn new(
        runtime: Handle,
        replies: Sender<Msg>,
        events: SyncSender<Told>,
        snapshots: watch::Sender<Shared>,
        out: PathBuf,
        memory: Memory,
    ) -> Self {
        Self {
            runtime,
            replies,
            events,
            snapshots,
            dropped: Arc::default(),
            cost: Arc::default(),
            out,
            memory,
            session: None,
        }
    }

    /// Does what was asked for.
    ///
    /// # Errors
    /// Only where the terminal is gone; whatever else fails is a message.
    pub fn perform(&mut self, effect: Effect, terminal: &mut Guard) -> Result<()> {
        match effect {
            Effect::Start(start) => self.start(*start),
            Effect::Ask(wish) => {
                if let Some(session) = &self.session {
                    session.control.ask(wish);
                }
            }
            Effect::Abort => {
                if let Some(session) = &self.session {
                    session.control.cancel().cancel();
                }
            }
            Effect::Copy(text) => {
                terminal.copy(&text)?;
                let lines = text.lines().count();
                self.reply(Msg::Note(Note::done(format!(
                    "copied {lines} lines, if this terminal takes OSC 52"
                ))));
            }
            Effect::Mouse(ours) => terminal.mouse(ours)?,
            Effect::Suspend => {
                terminal.suspend()?;
                self.reply(Msg::Resumed);
            }
            Effect::Redraw => terminal.redraw()?,
            Effect::Load(subject) => self.load(*subject),
            Effect::Edit(subject) => {
                let edited = editor::edit(&subject.what, terminal)?;
                self.reply(Msg::Edited(edited));
            }
            Effect::Command(words) => {
                let note = command::run(&words, terminal)?;
                self.reply(Msg::Ran(note));
            }
            Effect::Remember(what) => self.memory.remember(&what),
            Effect::Saved(request) => {
                let out = self.out.clone();
                self.aside(move || Msg::Saved(Box::new(saved::answer(*request, &out))));
            }
        }
        Ok(())
    }

    fn reply(&self, msg: Msg) {
        // nobody is there any more only when the workbench has ended
        let _ended = self.replies.send(msg);
    }

    /// Runs something that reads files, away from the thread that draws.
    pub fn aside(&self, work: impl FnOnce() -> Msg + Send + 'static) {
        let replies = self.replies.clone();
        self.runtime.spawn_blocking(move || {
            let _ended = replies.send(work());
        });
    }

    fn load(&self, subject: Subject) {
        self.aside(move || {
            Msg::Loaded(Box::new(Loaded {
                found: choices::beside(std::path::Path::new(".")),
                what: subject.what.clone(),
                outcome: subject.written().map_err(|error| error.to_string()),
            }))
        });
    }

    /// What a session tells goes to this workbench.
    fn feed(&self) -> Arc<dyn Progress> {
        self.cost.begin(self.dropped.load(Relaxed));
        Arc::new(Feed::new(
            self.snapshots.clone(),
            self.events.clone(),
            Arc::clone(&self.dropped),
            Arc::clone(&self.cost),
        ))
    }

    fn start(&mut self, start: Start) {
        let control = Control::new(CancellationToken::new());
        let leftovers = Leftovers::default();
        let context = sessions::Context {
            progress: self.feed(),
            control: control.clone(),
            leftovers: leftovers.clone(),
            out: self.out.clone(),
        };
        let (runtime, replies) = (self.runtime.clone(), self.replies.clone());
        // a thread of its own blocks on it: a session is one future, not a task among others
        let builder = std::thread::Builder::new()
            .name("session".to_owned())
            .stack_size(SESSION_STACK);
        let spawned = builder.spawn(move || {
            let run = || runtime.block_on(sessions::run(start, &context));
            let ended = match std::panic::catch_unwind(AssertUnwindSafe(run)) {
                Ok(ended) => ended,
                Err(_) => Ended {
                    error: Some(Error::internal(
                        "the session panicked; the log (l) says where",
                    )),
                    ..Ended::default()
                },
            };
            let ended = Ended {
                leftovers: context.leftovers.names(),
                ..ended
            };
            let _ended = replies.send(Msg::Ended(Box::new(ended)));
        });
        match spawned {
            Ok(thread) => {
                self.session = Some(Session {
                    control,
                    leftovers,
                    thread,
                });
            }
            Err(e) => {
                let error = Error::new(Kind::Io, format!("cannot start a thread: {e}"));
                self.reply(Msg::Ended(Box::new(Ended {
                    error: Some(error),
                    ..Ended::default()
                })));
            }
        }
    }

    /// Ends the session under way in good order and waits for it; what it could not clean up.
    pub fn end_session(&mut self) -> Vec<String> {
        let Some(session) = self.session.take() else {
            return Vec::new();
        };
        session.control.cancel().cancel();
        // it has told its panic itself
        let _told = session.thread.join();
        session.leftovers.names()
    }

    /// What the session under way would leave behind if we left now.
    #[must_use]
    pub fn would_leave(&self) -> Vec<String> {
        let session = self.session.as_ref();
        session.map_or_else(Vec::new, |session| session.leftovers.names())
    }
}
