//! What a key does on the History screen.

use super::quit;
use crate::tui::app::{App, Ending};
use crate::tui::keymap::Action;
use crate::tui::message::Effect;

/// The screen is shown.
pub fn shown(_app: &mut App) -> Vec<Effect> {
    Vec::new()
}

/// A key that is this screen's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Back => quit(app, Ending::Quit),
        _ => Vec::new(),
    }
}

/// A line of text was typed to its end here, after [`Typing`](crate::tui::app::Typing) was begun.
pub fn typed(_app: &mut App, _text: &str) -> Vec<Effect> {
    Vec::new()
}
