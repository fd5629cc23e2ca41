//! What a key does on the Tune screen, and how a tuning grows there.

use std::path::PathBuf;
use std::sync::Arc;

use super::{begin, moved, quit, type_line};
use crate::bench::subject::What;
use crate::bench::tune::artifact::TuneArtifact;
use crate::error::Result;
use crate::tui::app::{App, Ending, Kind, Screen};
use crate::tui::keymap::{Action, Motion};
use crate::tui::message::{Effect, Start};
use crate::tui::saved::Request;
use crate::tui::state::tune::{Pane, Question};

/// The screen is shown.
pub fn shown(_app: &mut App) -> Vec<Effect> {
    Vec::new()
}

/// The tuning under way has one iteration more.
pub fn grew(app: &mut App, tuning: Arc<TuneArtifact>) -> Vec<Effect> {
    if app.is_frozen {
        app.tune.pending = Some(tuning);
    } else {
        app.tune.shown = Some(tuning);
    }
    Vec::new()
}

/// The display moves again.
pub fn thawed(app: &mut App) {
    if let Some(pending) = app.tune.pending.take() {
        app.tune.shown = Some(pending);
    }
}

/// A tuning has ended, or the sides were measured; where nothing was, what was shown stays.
pub fn ended(app: &mut App, tuning: Option<Arc<TuneArtifact>>, path: Option<PathBuf>) {
    app.tune.is_live = false;
    app.tune.pending = None;
    if let Some(tuning) = tuning {
        app.tune.shown = Some(tuning);
        app.tune.path = path;
    }
}

/// A saved tuning was read, or could not be.
pub fn opened(app: &mut App, outcome: Result<(Arc<TuneArtifact>, PathBuf)>) -> Vec<Effect> {
    match outcome {
        Ok((tuning, path)) => {
            app.tune.shown = Some(tuning);
            app.tune.path = Some(path);
            app.tune.scrolled = [0; 3];
        }
        Err(error) => app.failed(error.to_string()),
    }
    Vec::new()
}

/// Begins a tuning of what is chosen.
pub fn start(app: &mut App) -> Vec<Effect> {
    let start = Start::Tuning(app.subject.clone());
    start_as(app, Kind::Tuning, start)
}

/// Begins, with what was shown put away.
fn start_as(app: &mut App, kind: Kind, start: Start) -> Vec<Effect> {
    let effects = begin(app, kind, Screen::Tune, start);
    if !effects.is_empty() {
        app.tune.shown = None;
        app.tune.path = None;
        app.tune.pending = None;
        app.tune.scrolled = [0; 3];
        app.tune.is_live = true;
    }
    effects
}

/// A key that is this screen's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Back => return quit(app, Ending::Quit),
        Action::Tune => return start(app),
        Action::Isolate => {
            let start = Start::Sides(app.subject.clone());
            return start_as(app, Kind::Tuning, start);
        }
        Action::Calibrate => {
            let start = Start::Calibration(app.subject.clone());
            return begin(app, Kind::Calibration, Screen::Run, start);
        }
        Action::Resume => return resume(app),
        Action::Write => ask_write(app),
        Action::Page => ask_page(app),
        Action::NextPane => go(app, 1),
        Action::PreviousPane => go(app, Pane::ALL.len() - 1),
        Action::Zoom => app.tune.is_zoomed = !app.tune.is_zoomed,
        Action::Escape => app.tune.is_zoomed = false,
        Action::Move(motion) => scroll(app, motion),
        _ => {}
    }
    Vec::new()
}

/// A line that was typed.
pub fn typed(app: &mut App, text: &str) -> Vec<Effect> {
    let text = text.trim();
    if text.is_empty() {
        app.failed("no file was named; nothing was written");
        return Vec::new();
    }
    let Some(path) = app.tune.path.clone() else {
        return Vec::new();
    };
    let request = match app.tune.question {
        Question::Write => Request::Write {
            tuning: path,
            document: text.into(),
        },
        Question::Page => Request::Page {
            artifact: path,
            to: text.into(),
        },
    };
    vec![Effect::Saved(Box::new(request))]
}

/// Goes on with the tuning that is shown, else with the one that was interrupted last.
fn resume(app: &mut App) -> Vec<Effect> {
    let shown = app.tune.shown.as_ref().filter(|shown| shown.partial);
    let word = match (&app.tune.path, shown) {
        (Some(path), Some(_)) => path.display().to_string(),
        _ => "latest".to_owned(),
    };
    let start = Start::Resumed {
        subject: app.subject.clone(),
        tuning: word,
    };
    let (shown, path) = (app.tune.shown.clone(), app.tune.path.clone());
    let effects = start_as(app, Kind::Tuning, start);
    // what it has is shown until it has more
    if !effects.is_empty() && shown.as_ref().is_some_and(|shown| shown.partial) {
        (app.tune.shown, app.tune.path) = (shown, path);
    }
    effects
}

fn ask_write(app: &mut App) {
    let Some(shown) = &app.tune.shown else {
        app.failed("there is no tuning to write a setting from");
        return;
    };
    let refused = if shown.protocol.knob.is_none() {
        Some("the sides were measured alone: there is no setting to write")
    } else if app.tune.is_live {
        Some("the tuning is under way; its choice is written when it has ended")
    } else if shown.summary.choice.is_none() {
        Some("the tuning has no choice: r goes on with it")
    } else if app.tune.path.is_none() {
        Some("the tuning was not saved")
    } else {
        None
    };
    if let Some(why) = refused {
        app.failed(why);
        return;
    }
    let setting = shown
        .summary
        .choice
        .as_ref()
        .map(|choice| choice.setting.clone());
    let knob = shown.protocol.knob.clone().unwrap_or_default();
    // the document that was tuned, where it is a file
    let origin = shown.profile.origin.clone();
    let known = match (origin.as_str(), &app.subject.what) {
        ("shipped", What::Pipeline(path)) => path.display().to_string(),
        ("shipped", What::Profile(_)) => String::new(),
        _ => origin,
    };
    app.tune.question = Question::Write;
    let label = format!(
        "write {knob}: {} to the document",
        setting.unwrap_or_default()
    );
    type_line(app, &label, &known, false);
}

fn ask_page(app: &mut App) {
    let Some(path) = app.tune.path.as_ref().filter(|_| !app.tune.is_live) else {
        app.failed("there is no saved tuning to write a page of");
        return;
    };
    let to = path.with_extension("html").display().to_string();
    app.tune.question = Question::Page;
    type_line(app, "page for a browser", &to, false);
}

fn go(app: &mut App, steps: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == app.tune.pane);
    app.tune.pane = Pane::ALL[(at.unwrap_or(0) + steps) % Pane::ALL.len()];
}

fn scroll(app: &mut App, motion: Motion) {
    let seen = usize::from(app.size.1) / 3;
    let count = match (app.tune.pane, &app.tune.shown) {
        (_, None) => 0,
        (Pane::Values | Pane::Chart, Some(shown)) => shown.summary.settings.len(),
        // the view takes back what is past the end
        (Pane::Choice, Some(_)) => 200,
    };
    let pane = match app.tune.pane {
        // the chart shows which value is chosen
        Pane::Chart => Pane::Values,
        pane => pane,
    };
    let at = &mut app.tune.scrolled[pane as usize];
    *at = moved(*at, motion, count, seen);
}
