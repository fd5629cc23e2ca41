//! A line that is being typed: what a key makes of it, and to whom it goes.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{compare, history, profile, run, tune};
use crate::tui::app::{App, Screen, Typing};
use crate::tui::message::Effect;

/// Begins to type a line on the screen that is shown.
pub fn type_line(app: &mut App, label: &str, text: &str, is_live: bool) {
    app.typing = Some(Typing {
        label: label.to_owned(),
        text: text.to_owned(),
        cursor: text.chars().count(),
        is_untouched: !is_live && !text.is_empty(),
        problem: None,
        is_live,
    });
}

/// A key while a line is being typed.
pub fn typed(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
    let Some(typing) = &mut app.typing else {
        return Vec::new();
    };
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => {
            let text = typing.text.clone();
            return typed_on_screen(app, &text, true);
        }
        KeyCode::Esc => {
            if typing.is_live {
                return typed_on_screen(app, "", true);
            }
            give_up(app);
            return Vec::new();
        }
        KeyCode::Char('c') if is_control => {
            give_up(app);
            return Vec::new();
        }
        _ => {}
    }
    if !edit(typing, key) {
        return Vec::new();
    }
    let text = typing.text.clone();
    typed_on_screen(app, &text, false)
}

/// A key within a line; whether it is one.
pub fn edit(typing: &mut Typing, key: &KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('u') if is_control => {
            (typing.text, typing.cursor) = (String::new(), 0);
        }
        KeyCode::Char(c) if !is_control => {
            if std::mem::take(&mut typing.is_untouched) {
                (typing.text, typing.cursor) = (String::new(), 0);
            }
            let at = byte_of(&typing.text, typing.cursor);
            typing.text.insert(at, c);
            typing.cursor += 1;
        }
        KeyCode::Backspace if typing.cursor > 0 => {
            typing.cursor -= 1;
            let at = byte_of(&typing.text, typing.cursor);
            typing.text.remove(at);
        }
        KeyCode::Delete if typing.cursor < typing.text.chars().count() => {
            let at = byte_of(&typing.text, typing.cursor);
            typing.text.remove(at);
        }
        KeyCode::Left => typing.cursor = typing.cursor.saturating_sub(1),
        KeyCode::Right => typing.cursor = (typing.cursor + 1).min(typing.text.chars().count()),
        KeyCode::Home => typing.cursor = 0,
        KeyCode::End => typing.cursor = typing.text.chars().count(),
        _ => return false,
    }
    typing.is_untouched = false;
    true
}

fn give_up(app: &mut App) {
    app.typing = None;
    if app.screen == Screen::Profile {
        profile::gave_up(app);
    }
}

/// Hands a line to its screen: as it stands, or at its end.
fn typed_on_screen(app: &mut App, text: &str, is_done: bool) -> Vec<Effect> {
    let is_live = app.typing.as_ref().is_some_and(|typing| typing.is_live);
    match (app.screen, is_done) {
        (Screen::Profile, _) => profile::typed(app, text, is_done),
        (_, false) if !is_live => Vec::new(),
        (screen, _) => {
            if is_done {
                app.typing = None;
            }
            match screen {
                Screen::Run => run::typed(app, text),
                Screen::Tune => tune::typed(app, text),
                Screen::Compare => compare::typed(app, text),
                Screen::History => history::typed(app, text),
                Screen::Profile => Vec::new(),
            }
        }
    }
}

/// Where a character begins, in bytes.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices()
        .nth(character)
        .map_or(text.len(), |(at, _)| at)
}
