//! What a key does on the Run screen.

use super::{moved, open, quit, show, start, type_line};
use crate::tui::app::{App, Ending, Overlay, Screen};
use crate::tui::keymap::{Action, Motion};
use crate::tui::message::Effect;
use crate::tui::state::run::Pane;

/// A key that is this screen's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Run => return start(app),
        Action::Open => {
            return match app.run.pane {
                Pane::Shards => open(app, Overlay::Explain),
                Pane::Iterations => show(app, Screen::Compare),
                Pane::Events => open(app, Overlay::Log),
            };
        }
        Action::Back => return quit(app, Ending::Quit),
        Action::NextPane => go(app, 1),
        Action::PreviousPane => go(app, Pane::ALL.len() - 1),
        Action::Zoom => app.run.is_zoomed = !app.run.is_zoomed,
        Action::Escape => {
            if app.run.is_zoomed {
                app.run.is_zoomed = false;
            } else {
                app.run.filter.clear();
            }
        }
        Action::Filter => {
            let filter = app.run.filter.clone();
            type_line(app, "streams with", &filter, true);
        }
        Action::Sort => app.run.order = app.run.order.next(),
        Action::Invert => app.run.is_inverted = !app.run.is_inverted,
        Action::Move(motion) => scroll(app, motion),
        _ => {}
    }
    Vec::new()
}

/// The filter, as it is typed.
pub fn typed(app: &mut App, text: &str) -> Vec<Effect> {
    text.clone_into(&mut app.run.filter);
    Vec::new()
}

fn go(app: &mut App, steps: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == app.run.pane);
    app.run.pane = Pane::ALL[(at.unwrap_or(0) + steps) % Pane::ALL.len()];
}

/// Shards from the top; iterations and events are shown from their end, so that up means more.
fn scroll(app: &mut App, motion: Motion) {
    let pane = app.run.pane;
    let count = match pane {
        Pane::Shards => app.run.arranged(&app.seen.shards).len(),
        Pane::Iterations => app.iterations.len(),
        Pane::Events => app.log.len(),
    };
    let motion = if pane == Pane::Shards {
        motion
    } else {
        mirrored(motion)
    };
    let seen = usize::from(app.size.1) / 3;
    let at = &mut app.run.scrolled[pane as usize];
    *at = moved(*at, motion, count, seen);
}

fn mirrored(motion: Motion) -> Motion {
    match motion {
        Motion::Up => Motion::Down,
        Motion::Down => Motion::Up,
        Motion::PageUp => Motion::PageDown,
        Motion::PageDown => Motion::PageUp,
        Motion::HalfUp => Motion::HalfDown,
        Motion::HalfDown => Motion::HalfUp,
        Motion::First => Motion::Last,
        Motion::Last => Motion::First,
        Motion::Left | Motion::Right => motion,
    }
}
