//! The workbench: what runs where.
//!
//! ```text
//! terminal -> event::poll --+
//! session -> feed --------- +-> Msg -> update(&mut App, Msg) -> Vec<Effect> -> rim -> session, files
//! signals ------------------+              |
//!                                          v
//!                                view(&mut App, &mut Frame) -> terminal
//! ```
//!
//! One thread reads keys and draws, at most ten times a second and only when something changed. A session
//! runs on the runtime as it does without a screen; it never waits for this thread. However the workbench
//! ends, the session is ended in good order and its artifact kept, and the terminal is given back once.

mod action;
mod app;
mod choices;
mod command;
mod cost;
mod editor;
#[cfg(test)]
mod examples;
mod fail_point;
mod feed;
mod foreground;
pub mod grammar;
pub mod keymap;
mod live;
mod memory;
mod message;
mod rim;
mod saved;
mod sessions;
pub mod snapshot;
mod state;
mod terminal;
mod theme;
mod update;
mod view;

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub use app::{Ending, Judged, LastSession, Screen};
pub use memory::{Last, Memory};
pub use theme::{Colours, Environment};

use crate::bench::subject::Subject;
use crate::error::{Error, Kind, Result};
use app::App;
use grammar::Grammar;
use message::{Effect, Msg, Signal, Told};
use rim::Rim;
use snapshot::Shared;
use terminal::Guard;
use theme::Theme;

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// How long is waited for keys that are there already: no time at all would not look.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Events of a session that may wait for the workbench.
const EVENTS: usize = 256;
/// The exit code of a command that the system ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// How the workbench is to begin.
#[derive(Debug)]
pub struct Options {
    /// What is going to be measured.
    pub subject: Subject,
    /// Whether it is measured at once.
    pub starts: bool,
    /// Whether to use colours.
    pub colours: Colours,
    /// Directory of the artifacts.
    pub out: PathBuf,
    /// What can be typed in the prompt.
    pub grammar: Grammar,
    /// What is kept from one workbench to the next.
    pub memory: Memory,
    /// What the user is to know at once, if anything.
    pub remark: Option<String>,
}

/// How it has ended.
#[derive(Debug)]
pub struct Closed {
    /// How.
    pub ending: Ending,
    /// What the last session has measured, if there was one.
    pub last: Option<LastSession>,
    /// What the last benchmark says to who asks for an exit code; none where none was begun.
    pub judged: Option<Judged>,
    /// What could not be cleaned up.
    pub leftovers: Vec<String>,
}

/// Whether this is a place for a workbench.
///
/// # Errors
/// `Kind::Usage` with the reason where it is not.
pub fn require_terminal(environment: &Environment) -> Result<()> {
    let why = if !std::io::stdin().is_terminal() {
        "standard input is no terminal"
    } else if !std::io::stdout().is_terminal() {
        "standard output is no terminal"
    } else if environment.term.as_deref() == Some("dumb") {
        "this terminal cannot move its cursor (TERM=dumb)"
    } else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Usage,
        format!("the workbench needs a terminal: {why}"),
    )
    .remedy("`rb-bench` without `tui` measures the same and prints what it finds"))
}

/// Runs the workbench on this thread until it ends; sessions run on the runtime.
///
/// # Errors
/// `Kind::Usage` where this is no place for it, `Kind::Io` where the terminal went away. What a session
/// ended with is no error of the workbench.
pub fn run(options: Options, runtime: &Handle) -> Result<Closed> {
    let environment = Environment::of_process();
    require_terminal(&environment)?;
    let theme = Theme::of(options.colours, &environment);
    let screen = if options.starts {
        Screen::Run
    } else {
        Screen::Profile
    };
    let (replies, received) = mpsc::channel();
    let (events, told) = mpsc::sync_channel(EVENTS);
    let (snapshots, seen) = watch::channel(Shared::default());
    let leaving = Arc::new(AtomicBool::new(false));
    listen(runtime, &replies, &leaving)?;
    let mut workbench = Workbench {
        app: App::new(
            screen,
            options.subject,
            theme,
            options.out.clone(),
            options.grammar,
        ),
        rim: Rim::new(
            runtime.clone(),
            replies,
            events,
            snapshots,
            options.out,
            options.memory,
        ),
        received,
        told,
        seen,
        started: Instant::now(),
    };
    if let Some(remark) = options.remark {
        workbench.app.done(remark);
    }
    // a defect in drawing must not take the session with it
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| workbench.lives(options.starts)));
    leaving.store(true, Relaxed);
    terminal::give_back();
    workbench.close(outcome)
}

/// Hears signals: as messages while the workbench lives, as the wish to leave at once while it ends.
fn listen(runtime: &Handle, replies: &mpsc::Sender<Msg>, leaving: &Arc<AtomicBool>) -> Result<()> {
    let _entered = runtime.enter();
    let kinds = [
        (
            SignalKind::interrupt(),
            Msg::Signal as fn(Signal) -> Msg,
            Signal::Interrupt,
        ),
        (SignalKind::terminate(), Msg::Signal, Signal::Terminate),
        (SignalKind::hangup(), Msg::Signal, Signal::Terminate),
        (
            SignalKind::from_raw(nix::libc::SIGTSTP),
            Msg::Signal,
            Signal::Stop,
        ),
    ];
    for (kind, message, meaning) in kinds {
        let mut signals = signal(kind)
            .map_err(|e| Error::new(Kind::Io, format!("cannot listen for signals: {e}")))?;
        let (replies, leaving) = (replies.clone(), Arc::clone(leaving));
        runtime.spawn(async move {
            let mut heard = 0_u32;
            while signals.recv().await.is_some() {
                if terminal::is_lent() {
                    match meaning {
                        Signal::Interrupt => continue,
                        Signal::Terminate => foreground::end(),
                        Signal::Stop => {}
                    }
                }
                heard += 1;
                let again = meaning == Signal::Terminate && heard > 1;
                if meaning != Signal::Stop && (leaving.load(Relaxed) || again) {
                    terminal::give_back();
                    std::process::exit(INTERRUPTED);
                }
                let _ended = replies.send(message(meaning));
            }
        });
    }
    Ok(())
}

/// The workbench while it lives.
struct Workbench {
    app: App,
    rim: Rim,
    received: Receiver<Msg>,
    told: Receiver<Told>,
    seen: watch::Receiver<Shared>,
    started: Instant,
}

impl Workbench {
    fn lives(&mut self, starts: bool) -> Result<()> {
        let mut terminal = Guard::take()?;
        if let Ok((columns, lines)) = crossterm::terminal::size() {
            self.app.size = (columns, lines);
        }
        let subject = self.app.subject.clone();
        self.rim
            .perform(Effect::Load(Box::new(subject)), &mut terminal)?;
        if starts {
            let effects = update::start(&mut self.app);
            self.perform(effects, &mut terminal)?;
        }
        let mut drawn: Option<Instant> = None;
        let mut is_stale = true;
        while self.app.ending.is_none() {
            is_stale |= self.take_in(&mut terminal)?;
            let due = drawn.is_none_or(|at| at.elapsed() >= FRAME);
            // the clock of a session moves by itself
            let moves = self.app.running.is_some()
                && drawn.is_none_or(|at| at.elapsed() >= Duration::from_secs(1));
            if due && (is_stale || moves) {
                self.draw(&mut terminal)?;
                (drawn, is_stale) = (Some(Instant::now()), false);
            }
            let wait = match drawn {
                Some(at) if is_stale => FRAME.saturating_sub(at.elapsed()),
                _ => FRAME,
            };
            if has_input(wait) {
                while self.app.ending.is_none() && event::poll(AT_ONCE).map_err(gone)? {
                    let input = event::read().map_err(gone)?;
                    self.handle(Msg::Input(input), &mut terminal)?;
                    is_stale = true;
                }
            } else if let Ok((columns, lines)) = crossterm::terminal::size()
                && self.app.size != (columns, lines)
            {
                let resized = Msg::Input(Event::Resize(columns, lines));
                self.handle(resized, &mut terminal)?;
                is_stale = true;
            }
        }
        Ok(())
    }

    /// Everything that has come but keys; whether there was anything.
    fn take_in(&mut self, terminal: &mut Guard) -> Result<bool> {
        let mut messages = Vec::new();
        // the terminal may be gone without a signal or an event that says so
        nix::sys::termios::tcgetattr(std::io::stdin())
            .map_err(|e| Error::new(Kind::Io, format!("the terminal is gone: {e}")))?;
        messages.extend(self.told.try_iter().map(Msg::Told));
        if self.seen.has_changed().unwrap_or(false) {
            messages.push(Msg::Seen(Shared::clone(&self.seen.borrow_and_update())));
        }
        messages.extend(self.received.try_iter());
        let panics = terminal::take_panics().into_iter();
        messages.extend(panics.map(|text| {
            Msg::Told(Told::Line {
                at: feed::wall_clock(),
                text,
            })
        }));
        let any = !messages.is_empty();
        for message in messages {
            self.handle(message, terminal)?;
        }
        Ok(any)
    }

    fn handle(&mut self, message: Msg, terminal: &mut Guard) -> Result<()> {
        let now = Msg::Tick(self.started.elapsed());
        for message in [now, message] {
            let effects = update::update(&mut self.app, message);
            self.perform(effects, terminal)?;
        }
        Ok(())
    }

    fn perform(&mut self, effects: Vec<Effect>, terminal: &mut Guard) -> Result<()> {
        for effect in effects {
            self.rim.perform(effect, terminal)?;
        }
        Ok(())
    }

    fn draw(&mut self, terminal: &mut Guard) -> Result<()> {
        let began = Instant::now();
        let _nothing_to_do = update::update(&mut self.app, Msg::Tick(self.started.elapsed()));
        self.app.cost = self.rim.cost.shown(self.rim.dropped.load(Relaxed));
        let app = &mut self.app;
        terminal.draw(|frame| view::view(app, frame))?;
        self.rim.cost.drew(began.elapsed());
        Ok(())
    }

    /// Ends what is still running, in good order unless it is to end at once.
    fn close(mut self, outcome: std::thread::Result<Result<()>>) -> Result<Closed> {
        let ending = self.app.ending.unwrap_or(Ending::Terminated);
        if ending == Ending::AtOnce {
            return Ok(Closed {
                ending,
                last: None,
                judged: None,
                leftovers: self.rim.would_leave(),
            });
        }
        let leftovers = self.rim.end_session();
        // what the session said at its end
        while let Ok(message) = self.received.try_recv() {
            if let Msg::Ended(_) = message {
                let _nothing_left_to_do = update::update(&mut self.app, message);
            }
        }
        // what it panicked with was told when it did
        let defect = |_| Error::internal("drawing failed: a defect of rb-bench, please report it");
        if let Err(error) = outcome.map_err(defect).flatten() {
            let last = self.app.last.filter(|last| last.artifact.is_some());
            return Err(match last.and_then(|last| last.path) {
                Some(path) => error.remedy(format!(
                    "what was measured until then is in {}",
                    path.display()
                )),
                None => error,
            });
        }
        Ok(Closed {
            ending,
            last: self.app.last,
            judged: self.app.judged,
            leftovers,
        })
    }
}

/// Whether the terminal has something for us within this time. Crossterm would wait the last millisecond out by
/// looking again and again, which at ten frames a second is a hundredth of a core.
fn has_input(wait: Duration) -> bool {
    let stdin = std::io::stdin();
    let mut terminal = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    // whole milliseconds, and not less than was asked for
    let wait = wait + Duration::from_millis(1);
    let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
    // a signal that comes in between is no input
    poll(&mut terminal, wait).is_ok_and(|ready| ready > 0)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn gone(error: std::io::Error) -> Error {
    Error::new(Kind::Io, format!("the terminal is gone: {error}"))
}
