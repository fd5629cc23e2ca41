//! The one guard over the terminal: taken when the workbench begins, given back exactly once however it ends.
//!
//! Return, panic, signal, an editor, Ctrl-Z: all of them go through [`give_back`]. Whoever holds no
//! [`Guard`] must not write to the terminal.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};

use super::fail_point::{Point, reach};
use crate::error::{Error, Kind, Result};

/// Bytes of a frame that are gathered before they are written.
const FRAME_BYTES: usize = 64 << 10;

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether somebody else has it for a while.
static LENT: AtomicBool = AtomicBool::new(false);
/// Panics of other threads than the one that draws, for the log.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The terminal while it is ours.
pub struct Guard {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    has_mouse: bool,
}

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// `Kind::Io` where there is none any more.
    pub fn take() -> Result<Self> {
        tell_panics_apart();
        take()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, io::stdout()));
        match Terminal::new(backend) {
            Ok(terminal) => Ok(Self {
                terminal,
                has_mouse: false,
            }),
            Err(error) => {
                give_back();
                Err(lost(&error))
            }
        }
    }

    /// Draws a frame.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame)) -> Result<()> {
        let drawn = self.terminal.draw(|frame| {
            view(frame);
            // a point of this kind panics
            let _passed = reach(Point::Draw);
        });
        drawn
            .and_then(|_| reach(Point::Write))
            .map_err(|error| lost(&error))
    }

    /// Draws everything anew with the next frame.
    pub fn redraw(&mut self) -> Result<()> {
        // `clear` would ask the terminal where its cursor is, and some never answer
        let again = |terminal: &mut Terminal<_>| {
            let size = terminal.size()?;
            terminal.resize(Rect::from((Position::ORIGIN, size)))
        };
        again(&mut self.terminal).map_err(|error| lost(&error))
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub fn mouse(&mut self, ours: bool) -> Result<()> {
        self.has_mouse = ours;
        let out = self.terminal.backend_mut();
        if ours {
            execute!(out, EnableMouseCapture)
        } else {
            execute!(out, DisableMouseCapture)
        }
        .map_err(|error| lost(&error))
    }

    /// Puts a text into the terminal's clipboard (OSC 52), where it lets us.
    pub fn copy(&mut self, text: &str) -> Result<()> {
        let out = self.terminal.backend_mut();
        execute!(out, CopyToClipboard::to_clipboard_from(text)).map_err(|error| lost(&error))
    }

    /// Gives the terminal to somebody for a while.
    pub fn lend<T>(&mut self, to: impl FnOnce() -> T) -> Result<T> {
        LENT.store(true, SeqCst);
        give_back();
        let outcome = to();
        let taken = self.take_again();
        LENT.store(false, SeqCst);
        taken?;
        Ok(outcome)
    }

    /// Stops this process with the terminal as it was; returns when it is continued.
    pub fn suspend(&mut self) -> Result<()> {
        // SIGSTOP, for a handler of ours hears SIGTSTP
        self.lend(|| raise(Signal::SIGSTOP))?
            .map_err(|e| Error::new(Kind::Io, format!("cannot suspend: {e}")))
    }

    /// Takes the terminal again, whatever has been done to it meanwhile.
    pub fn take_again(&mut self) -> Result<()> {
        take()?;
        if self.has_mouse {
            self.mouse(true)?;
        }
        self.redraw()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> Result<()> {
    TAKEN.store(true, SeqCst);
    enable_raw_mode()
        .and_then(|()| execute!(io::stdout(), EnterAlternateScreen))
        .map_err(|error| {
            give_back();
            lost(&error)
        })
}

/// Gives the terminal back as it was, if it is ours; does nothing where that is done.
pub fn give_back() {
    if !TAKEN.swap(false, SeqCst) {
        return;
    }
    let mut out = io::stdout();
    // a terminal that is gone needs nothing back
    let _gone = execute!(out, DisableMouseCapture, LeaveAlternateScreen, Show);
    let _gone = out.flush();
    let _gone = disable_raw_mode();
}

/// Whether somebody else has the terminal for a while: its signals are meant for them.
pub fn is_lent() -> bool {
    LENT.load(SeqCst)
}

fn lost(error: &io::Error) -> Error {
    Error::new(Kind::Io, format!("the terminal is gone: {error}"))
}

/// A panic of the thread that draws is told after the terminal was given back; one of another thread
/// would be written across the screen, so it goes to the log.
fn tell_panics_apart() {
    static SET: AtomicBool = AtomicBool::new(false);
    if SET.swap(true, SeqCst) {
        return;
    }
    let drawing: ThreadId = std::thread::current().id();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == drawing {
            give_back();
        }
        if TAKEN.load(SeqCst) {
            let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
            panics.push(format!("a defect of rb-bench: {panic}"));
        } else {
            usual(panic);
        }
    }));
}

/// Panics of other threads since the last call.
pub fn take_panics() -> Vec<String> {
    std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner))
}
