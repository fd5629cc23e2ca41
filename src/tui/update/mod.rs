//! From what happened to what the workbench is next, and what is to be done: no reading, no waiting.
//!
//! [`update`] is the one place that changes an [`App`]. What belongs to one screen is in a file of its own.

pub mod compare;
pub mod history;
mod profile;
pub mod prompt;
mod run;
#[cfg(test)]
mod saved_screens_tests;
#[cfg(test)]
mod tests;
pub mod tune;
mod typing;

use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use super::app::{App, Ending, Judged, Kind, LastSession, Overlay, Running, Screen};
use super::keymap::{self, Action, Context, Motion};
use super::message::{Effect, Ended, Msg, Signal, Start, Told};
use super::saved::Reply;
use super::snapshot::Shared;
use crate::bench::control::Wish;
use crate::bench::noise::Calibration;

pub use self::typing::type_line;

/// Past the end of every text.
const FAR: usize = 1 << 30;

/// What follows from a message.
pub fn update(app: &mut App, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Input(event) => input(app, &event),
        Msg::Tick(now) => {
            app.now = now;
            Vec::new()
        }
        Msg::Seen(seen) => {
            if app.is_frozen {
                app.pending = Some(seen);
            } else {
                app.seen = seen;
            }
            Vec::new()
        }
        Msg::Told(Told::Line { at, text }) => {
            app.log(at, text);
            Vec::new()
        }
        Msg::Told(Told::Iteration(row)) => {
            let row = row.after(app.iterations.last());
            app.iterations.push(row);
            Vec::new()
        }
        Msg::Told(Told::Tuning(tuning)) => tune::grew(app, tuning),
        Msg::Ended(ended) => session_ended(app, *ended),
        Msg::Signal(signal) => signalled(app, signal),
        Msg::Resumed => Vec::new(),
        Msg::Note(note) => {
            app.note = Some(note);
            Vec::new()
        }
        Msg::Loaded(loaded) => profile::loaded(app, *loaded),
        Msg::Ran(note) => prompt::ran(app, note),
        Msg::Edited(edited) => profile::edited(app, edited),
        Msg::Saved(reply) => saved(app, *reply),
    }
}

/// Begins a session of the benchmark that is chosen, if none is under way.
pub fn start(app: &mut App) -> Vec<Effect> {
    let subject = app.subject.clone();
    let start = Start::Benchmark(subject.clone());
    begin(app, Kind::Benchmark, Screen::Run, start)
}

/// Begins a session, if none is under way, and goes to its screen.
pub fn begin(app: &mut App, kind: Kind, screen: Screen, start: Start) -> Vec<Effect> {
    if app.running.is_some() {
        app.failed("a session is under way; q ends it, 1 shows it");
        return Vec::new();
    }
    app.running = Some(Running {
        kind,
        subject: app.subject.clone(),
        since: app.now,
        wish: Wish::GoOn,
        is_aborted: false,
        then_quit: false,
    });
    app.iterations.clear();
    app.log.clear();
    app.last = None;
    app.seen = Shared::default();
    app.pending = None;
    app.is_frozen = false;
    app.note = None;
    app.screen = screen;
    vec![
        Effect::Remember(app.subject.what.clone()),
        Effect::Start(Box::new(start)),
    ]
}

fn session_ended(app: &mut App, ended: Ended) -> Vec<Effect> {
    let running = app.running.take();
    let kind = running.as_ref().map(|running| running.kind);
    let then_quit = running.is_some_and(|running| running.then_quit);
    for left in &ended.leftovers {
        app.log(
            String::new(),
            format!("{left} could not be dropped; drop it"),
        );
    }
    if app.overlay == Some(Overlay::Quitting) {
        app.overlay = None;
    }
    let kept = match &ended.path {
        Some(path) => format!("saved {}", path.display()),
        None => "nothing was measured".to_owned(),
    };
    match &ended.error {
        Some(_) if ended.is_stopped() => app.done(format!("stopped; {kept}")),
        Some(error) => {
            let text = error.to_string();
            app.log(String::new(), text.clone());
            app.failed(text);
        }
        None => app.done(ended.calibration.as_deref().map_or(kept, found)),
    }
    if kind == Some(Kind::Benchmark) {
        app.judged = Some(Judged::from(&ended));
    }
    tune::ended(app, ended.tuning.clone(), ended.path.clone());
    if let Some(artifact) = &ended.artifact {
        compare::measured(app, artifact);
    }
    app.seen = Shared::new(app.pending.take().unwrap_or(app.seen.clone()).ended());
    app.is_frozen = false;
    app.last = Some(LastSession::from(ended));
    if then_quit {
        app.ending.get_or_insert(Ending::WithSummary);
    }
    // what is newest has changed
    match app.screen {
        Screen::History | Screen::Compare => show(app, app.screen),
        _ => Vec::new(),
    }
}

/// What a calibration found, in a line.
fn found(calibration: &Calibration) -> String {
    format!(
        "the noise floor of {} here is {:.1} %, from {} pairs",
        calibration.session.profile.name, calibration.floor.percent, calibration.floor.pairs
    )
}

/// What was asked about saved artifacts is answered.
fn saved(app: &mut App, reply: Reply) -> Vec<Effect> {
    match reply {
        Reply::Listed(outcome) => history::listed(app, outcome),
        Reply::Compared { pair, outcome } => compare::compared(app, &pair, outcome),
        Reply::Tuning(outcome) => tune::opened(app, outcome),
        Reply::Deleted(outcome) => history::deleted(app, outcome),
        Reply::Written(outcome) => {
            match outcome {
                Ok(text) => app.done(text),
                Err(error) => app.failed(error.to_string()),
            }
            Vec::new()
        }
    }
}

fn signalled(app: &mut App, signal: Signal) -> Vec<Effect> {
    match signal {
        Signal::Interrupt => abort(app),
        Signal::Stop => vec![Effect::Suspend],
        Signal::Terminate => {
            app.ending = Some(Ending::Terminated);
            Vec::new()
        }
    }
}

fn input(app: &mut App, event: &Event) -> Vec<Effect> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => pressed(app, key),
        Event::Resize(columns, lines) => {
            app.size = (*columns, *lines);
            Vec::new()
        }
        Event::Mouse(mouse) if app.typing.is_none() && app.prompt.line.is_none() => {
            clicked(app, *mouse)
        }
        _ => Vec::new(),
    }
}

fn pressed(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
    if app.typing.is_some() {
        return typing::typed(app, key);
    }
    app.note = None;
    match (keymap::lookup(app.context(), key), app.context()) {
        (Some(action), _) => act(app, action),
        (None, Context::Prompt) => prompt::typed(app, key),
        (None, _) => Vec::new(),
    }
}

/// The wheel moves, a click on a tab shows its screen.
fn clicked(app: &mut App, mouse: MouseEvent) -> Vec<Effect> {
    let moves = match app.overlay {
        Some(Overlay::Quitting) => return Vec::new(),
        _ => Action::Move,
    };
    match mouse.kind {
        MouseEventKind::ScrollUp => act(app, moves(Motion::Up)),
        MouseEventKind::ScrollDown => act(app, moves(Motion::Down)),
        MouseEventKind::Down(MouseButton::Left) if mouse.row == 0 && app.overlay.is_none() => {
            match super::view::tab_at(app, mouse.column) {
                Some(screen) => show(app, screen),
                None => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// Does what a key asks for.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Suspend => vec![Effect::Suspend],
        Action::Redraw => vec![Effect::Redraw],
        _ if app.context() == Context::Prompt => prompt::act(app, action),
        Action::Command => prompt::begin(app),
        Action::Finish => finish(app),
        Action::Help => open(app, Overlay::Help),
        Action::Explain => open(app, Overlay::Explain),
        Action::Log => open(app, Overlay::Log),
        Action::Show(screen) => show(app, screen),
        Action::Freeze => {
            app.is_frozen = !app.is_frozen;
            if let (false, Some(pending)) = (app.is_frozen, app.pending.take()) {
                app.seen = pending;
            }
            if !app.is_frozen {
                tune::thawed(app);
            }
            Vec::new()
        }
        Action::Pause => pause(app),
        Action::Tune => tune::start(app),
        Action::Copy => vec![Effect::Copy(super::view::markdown(app))],
        Action::Mouse => {
            app.has_mouse = !app.has_mouse;
            vec![Effect::Mouse(app.has_mouse)]
        }
        Action::Abort => abort(app),
        Action::QuitWithSummary => quit(app, Ending::WithSummary),
        Action::FinishPair => {
            app.overlay = None;
            leave(app, Wish::Stop)
        }
        Action::AbortRun => {
            app.overlay = None;
            if let Some(running) = &mut app.running {
                (running.then_quit, running.is_aborted) = (true, true);
                return vec![Effect::Abort];
            }
            Vec::new()
        }
        Action::Stay => {
            app.overlay = None;
            Vec::new()
        }
        Action::Move(motion) if app.overlay.is_some() => {
            scroll_overlay(app, motion);
            Vec::new()
        }
        Action::Escape if app.overlay.is_some() => {
            app.overlay = None;
            Vec::new()
        }
        _ => on_screen(app, action),
    }
}

fn on_screen(app: &mut App, action: Action) -> Vec<Effect> {
    match app.screen {
        Screen::Run => run::act(app, action),
        Screen::Tune => tune::act(app, action),
        Screen::Compare => compare::act(app, action),
        Screen::History => history::act(app, action),
        Screen::Profile => profile::act(app, action),
    }
}

fn open(app: &mut App, overlay: Overlay) -> Vec<Effect> {
    app.overlay = Some(overlay);
    // the log is read from its end; the view takes back what is past it
    app.overlay_scroll = if overlay == Overlay::Log { FAR } else { 0 };
    Vec::new()
}

/// Goes to a screen.
pub fn show(app: &mut App, screen: Screen) -> Vec<Effect> {
    app.screen = screen;
    match screen {
        Screen::Tune => tune::shown(app),
        Screen::Compare => compare::shown(app),
        Screen::History => history::shown(app),
        Screen::Run | Screen::Profile => Vec::new(),
    }
}

fn scroll_overlay(app: &mut App, motion: Motion) {
    let page = usize::from(app.size.1).saturating_sub(6).max(1);
    let at = app.overlay_scroll;
    // the view takes back what is past the end
    app.overlay_scroll = moved(at, motion, FAR, page);
}

/// Where a movement leads in a list of so many lines, of which a page is seen.
#[must_use]
pub fn moved(at: usize, motion: Motion, count: usize, page: usize) -> usize {
    let last = count.saturating_sub(1);
    let half = (page / 2).max(1);
    match motion {
        Motion::Up => at.saturating_sub(1),
        Motion::Down => at.saturating_add(1),
        Motion::PageUp => at.saturating_sub(page.max(1)),
        Motion::PageDown => at.saturating_add(page.max(1)),
        Motion::HalfUp => at.saturating_sub(half),
        Motion::HalfDown => at.saturating_add(half),
        Motion::First => 0,
        Motion::Last => last,
        Motion::Left | Motion::Right => at,
    }
    .min(last)
}

fn pause(app: &mut App) -> Vec<Effect> {
    let Some(running) = &mut app.running else {
        app.failed("nothing is running");
        return Vec::new();
    };
    running.wish = match running.wish {
        Wish::Pause => Wish::GoOn,
        Wish::GoOn | Wish::Stop => Wish::Pause,
    };
    vec![Effect::Ask(running.wish)]
}

/// Lets the session end after this pair; a second time, lets it go on.
fn finish(app: &mut App) -> Vec<Effect> {
    let Some(running) = &mut app.running else {
        app.failed("nothing is running");
        return Vec::new();
    };
    running.wish = match running.wish {
        Wish::Stop => Wish::GoOn,
        Wish::GoOn | Wish::Pause => Wish::Stop,
    };
    vec![Effect::Ask(running.wish)]
}

/// The first time a run is aborted in good order; the second time, or where nothing runs, we leave.
fn abort(app: &mut App) -> Vec<Effect> {
    match &mut app.running {
        Some(running) if !running.is_aborted => {
            running.is_aborted = true;
            app.overlay = None;
            app.done("stopping; once more to leave at once");
            vec![Effect::Abort]
        }
        Some(_) => {
            app.ending = Some(Ending::AtOnce);
            Vec::new()
        }
        None => {
            app.ending = Some(Ending::Quit);
            Vec::new()
        }
    }
}

/// Ends the workbench; during a run it is asked what is to become of it.
pub fn quit(app: &mut App, how: Ending) -> Vec<Effect> {
    if app.running.is_some() {
        return open(app, Overlay::Quitting);
    }
    app.ending = Some(how);
    Vec::new()
}

fn leave(app: &mut App, wish: Wish) -> Vec<Effect> {
    let Some(running) = &mut app.running else {
        return Vec::new();
    };
    (running.wish, running.then_quit) = (wish, true);
    app.done("the workbench ends after this pair");
    vec![Effect::Ask(wish)]
}
