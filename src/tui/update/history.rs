//! What a key does on the History screen, and what is found in the directory.

use super::{moved, quit, show, type_line};
use crate::bench::order::Arm;
use crate::error::Result;
use crate::tui::app::{App, Ending, Screen};
use crate::tui::keymap::{Action, Motion};
use crate::tui::message::Effect;
use crate::tui::saved::Request;
use crate::tui::state::compare::Pair;
use crate::tui::state::history::{Listing, Pane, Question, Row};

/// The screen is shown: what is saved may have changed.
pub fn shown(app: &mut App) -> Vec<Effect> {
    reload(app)
}

/// Asks for what is saved.
pub fn reload(app: &mut App) -> Vec<Effect> {
    app.history.is_loading = true;
    vec![Effect::Saved(Box::new(Request::List))]
}

/// What is saved was looked up.
pub fn listed(app: &mut App, outcome: Result<Listing>) -> Vec<Effect> {
    app.history.is_loading = false;
    match outcome {
        Ok(listing) => app.history.take(listing),
        Err(error) => app.history.problem = Some(error.to_string()),
    }
    Vec::new()
}

/// A file was deleted, or was not.
pub fn deleted(app: &mut App, outcome: Result<String>) -> Vec<Effect> {
    match outcome {
        Ok(text) => app.done(text),
        Err(error) => app.failed(error.to_string()),
    }
    reload(app)
}

/// A key that is this screen's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Back => return quit(app, Ending::Quit),
        Action::NextPane => go(app, 1),
        Action::PreviousPane => go(app, Pane::ALL.len() - 1),
        Action::Zoom => app.history.is_zoomed = !app.history.is_zoomed,
        Action::Escape => {
            if app.history.is_zoomed {
                app.history.is_zoomed = false;
            } else {
                filter_by(app, "");
            }
        }
        Action::Filter => {
            app.history.question = Question::Filter;
            let filter = app.history.filter.clone();
            type_line(app, "saved with", &filter, true);
        }
        Action::Sort => app.history.order = app.history.order.next(),
        Action::Invert => app.history.is_inverted = !app.history.is_inverted,
        Action::Move(motion) => scroll(app, motion),
        Action::Open => return open(app),
        Action::Mark(arm) => mark(app, arm),
        Action::CompareMarked => return compare_marked(app),
        Action::Page => ask_page(app),
        Action::Export => ask_export(app),
        Action::Delete => {
            if let Some(file) = app.history.chosen().map(|row| row.file().to_owned()) {
                app.history.question = Question::Delete;
                type_line(app, &format!("type yes to delete {file}"), "", false);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// A line that was typed, or the filter as it is typed.
pub fn typed(app: &mut App, text: &str) -> Vec<Effect> {
    let text = text.trim();
    let question = app.history.question;
    if question == Question::Filter {
        filter_by(app, text);
        return Vec::new();
    }
    let Some(file) = app.history.chosen().map(|row| row.file().to_owned()) else {
        return Vec::new();
    };
    let request = match question {
        Question::Filter => return Vec::new(),
        Question::Delete if text == "yes" => Request::Delete(file),
        Question::Delete => {
            app.done("nothing was deleted");
            return Vec::new();
        }
        _ if text.is_empty() => {
            app.failed("no file was named");
            return Vec::new();
        }
        Question::Page => Request::Page {
            artifact: app.out.join(file),
            to: text.into(),
        },
        Question::Export => Request::Export {
            session: file,
            to: text.into(),
        },
    };
    vec![Effect::Saved(Box::new(request))]
}

fn filter_by(app: &mut App, text: &str) {
    text.clone_into(&mut app.history.filter);
    app.history.chosen = 0;
}

fn go(app: &mut App, steps: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == app.history.pane);
    app.history.pane = Pane::ALL[(at.unwrap_or(0) + steps) % Pane::ALL.len()];
}

fn scroll(app: &mut App, motion: Motion) {
    let page = usize::from(app.size.1).saturating_sub(8).max(1);
    let history = &mut app.history;
    match history.pane {
        // the trend is that of the chosen one
        Pane::Saved | Pane::Trend => {
            history.chosen = moved(history.chosen, motion, history.arranged().len(), page);
        }
        Pane::Unreadable => {
            let count = history.listing.as_ref().map_or(0, |l| l.unreadable.len());
            history.scrolled = moved(history.scrolled, motion, count, page);
        }
    }
}

/// A session's two arms on Compare, a tuning on Tune.
fn open(app: &mut App) -> Vec<Effect> {
    match app.history.chosen().cloned() {
        None => Vec::new(),
        Some(Row::Tuning(entry)) => {
            if app.running.is_some() && app.tune.is_live {
                app.failed("a tuning is under way, and the Tune screen shows it");
                return Vec::new();
            }
            app.screen = Screen::Tune;
            vec![Effect::Saved(Box::new(Request::Tuning(entry.file)))]
        }
        Some(Row::Session(entry)) => {
            app.compare.ask(Pair::Within(entry.file));
            show(app, Screen::Compare)
        }
    }
}

fn mark(app: &mut App, arm: Arm) {
    let Some(row) = app.history.chosen() else {
        return;
    };
    if let Row::Tuning(_) = row {
        app.failed("a tuning has no before and after; Enter opens it");
        return;
    }
    let (file, id) = (row.file().to_owned(), row.id().to_owned());
    let marks = &mut app.history.marks;
    if marks.get(&arm) == Some(&file) {
        marks.remove(&arm);
        app.done(format!("{id} is no longer marked"));
        return;
    }
    marks.insert(arm, file);
    let next = match (
        marks.contains_key(&Arm::Before),
        marks.contains_key(&Arm::After),
    ) {
        (true, true) => "c compares the two",
        (true, false) => "mark the other with a",
        _ => "mark the other with b",
    };
    app.done(format!("{id} is {arm}; {next}"));
}

fn compare_marked(app: &mut App) -> Vec<Effect> {
    let marked = |arm| app.history.marks.get(&arm).cloned();
    let (Some(before), Some(after)) = (marked(Arm::Before), marked(Arm::After)) else {
        app.failed("mark two sessions first: b is before, a is after");
        return Vec::new();
    };
    app.compare.ask(Pair::Between { before, after });
    show(app, Screen::Compare)
}

fn ask_page(app: &mut App) {
    let Some(row) = app.history.chosen() else {
        return;
    };
    let name = row.file().trim_end_matches(".json");
    let to = app.out.join(format!("{name}.html"));
    app.history.question = Question::Page;
    type_line(app, "page for a browser", &to.display().to_string(), false);
}

fn ask_export(app: &mut App) {
    match app.history.chosen() {
        None => {}
        Some(Row::Tuning(_)) => app.failed("a tuning is not exported; o writes a page of it"),
        Some(row) => {
            let name = row.file().trim_end_matches(".json");
            let to = app.out.join(format!("{name}.csv"));
            app.history.question = Question::Export;
            let label = "export to .csv, .hlog or Bencher's .json";
            type_line(app, label, &to.display().to_string(), false);
        }
    }
}
