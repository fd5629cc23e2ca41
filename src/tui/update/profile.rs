//! What a key does on the Profile screen: choosing a profile, changing a setting, running it.

use super::{moved, quit, start, type_line};
use crate::bench::order::Arm;
use crate::bench::subject::{Subject, What};
use crate::tui::app::{App, Ending};
use crate::tui::keymap::{Action, Motion};
use crate::tui::message::Effect;
use crate::tui::state::profile::{Edited, Line, Loaded, Pane, judged, key_of};
use crate::units::Rows;

/// A key that is this screen's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Run => return run(app),
        Action::Back => return quit(app, Ending::Quit),
        Action::Editor => return vec![Effect::Edit(Box::new(app.subject.clone()))],
        Action::Open => return open(app),
        Action::Reset => reset(app),
        Action::Add => type_line(app, &format!("--{} KEY=VALUE", app.profile.arm), "", false),
        Action::NextPane => go(app, 1),
        Action::PreviousPane => go(app, Pane::ALL.len() - 1),
        Action::Zoom => app.profile.is_zoomed = !app.profile.is_zoomed,
        Action::Filter => {
            app.profile.pane = Pane::Settings;
            let filter = app.profile.filter.clone();
            type_line(app, "settings with", &filter, true);
        }
        Action::Escape => {
            if app.profile.is_zoomed {
                app.profile.is_zoomed = false;
            } else {
                app.profile.filter.clear();
                app.profile.refresh(&app.subject);
            }
        }
        Action::Move(motion) => move_to(app, motion),
        _ => {}
    }
    Vec::new()
}

fn run(app: &mut App) -> Vec<Effect> {
    if let Some(problem) = app.profile.problem.clone() {
        app.failed(problem);
        return Vec::new();
    }
    start(app)
}

fn go(app: &mut App, steps: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == app.profile.pane);
    app.profile.pane = Pane::ALL[(at.unwrap_or(0) + steps) % Pane::ALL.len()];
}

fn move_to(app: &mut App, motion: Motion) {
    let page = usize::from(app.size.1).saturating_sub(8);
    let profile = &mut app.profile;
    match (profile.pane, motion) {
        (Pane::Settings, Motion::Left) if app.subject.both_arms => profile.arm = Arm::Before,
        (Pane::Settings, Motion::Right) => profile.arm = Arm::After,
        (Pane::Settings, _) => {
            profile.chosen = moved(profile.chosen, motion, profile.lines.len(), page);
        }
        (Pane::Profiles, _) => {
            profile.choice = moved(profile.choice, motion, profile.choices.len(), page);
        }
        // the view takes back what is past the end
        (Pane::Explanation, _) => {
            profile.scrolled = moved(profile.scrolled, motion, super::FAR, page);
        }
    }
}

/// Chooses the profile, or begins to edit the setting that the cursor is on.
fn open(app: &mut App) -> Vec<Effect> {
    match app.profile.pane {
        Pane::Profiles => choose(app),
        Pane::Explanation => Vec::new(),
        Pane::Settings => {
            edit(app);
            Vec::new()
        }
    }
}

fn choose(app: &mut App) -> Vec<Effect> {
    let Some(what) = app.profile.choices.get(app.profile.choice).cloned() else {
        return Vec::new();
    };
    if what == app.subject.what {
        app.profile.pane = Pane::Settings;
        return Vec::new();
    }
    // changes were made to another profile; how much and how often to measure is no part of it
    app.subject = Subject {
        what: what.clone(),
        before: Vec::new(),
        after: Vec::new(),
        ..app.subject.clone()
    };
    if matches!(what, What::Pipeline(_)) {
        // a document is measured on its own databases, with the rows they have
        app.subject.urls = None;
        if let Some(rows) = app.subject.rows.take() {
            app.done(format!(
                "the document is measured with the rows its own databases have, not with {}",
                Rows(rows)
            ));
        }
    }
    vec![
        Effect::Remember(what),
        Effect::Load(Box::new(app.subject.clone())),
    ]
}

fn edit(app: &mut App) {
    let arm = app.profile.arm;
    let Some(line) = app.profile.line().cloned() else {
        return;
    };
    match &line {
        // a few words: the key turns them over
        Line::Session { what, .. } if what.is_turned() => {
            what.turn(&mut app.subject);
            app.profile.refresh(&app.subject);
        }
        Line::Session { what, value, .. } => {
            let text = what.typed(&app.subject, value);
            type_line(app, what.name(), &text, false);
        }
        Line::Pipeline { key, .. } => {
            let value = line.cell(arm).map_or("", |cell| cell.value.as_str());
            // what is masked is not what it is
            let value = if value.contains("***") { "" } else { value };
            type_line(app, &format!("{arm} {key}"), value, false);
        }
    }
}

/// Takes the change of the line back that the cursor is on.
fn reset(app: &mut App) {
    let Some(line) = app.profile.line().cloned() else {
        return;
    };
    match &line {
        Line::Session { what, .. } => what.reset(&mut app.subject),
        Line::Pipeline { key, .. } => {
            changes(&mut app.subject, app.profile.arm).retain(|change| key_of(change) != key);
        }
    }
    app.profile.refresh(&app.subject);
}

fn changes(subject: &mut Subject, arm: Arm) -> &mut Vec<String> {
    match arm {
        Arm::Before => &mut subject.before,
        Arm::After => &mut subject.after,
    }
}

/// A line as it is typed: judged at each key, kept at its end if nothing is wrong with it.
pub fn typed(app: &mut App, text: &str, is_done: bool) -> Vec<Effect> {
    if app.typing.as_ref().is_some_and(|typing| typing.is_live) {
        if is_done {
            app.typing = None;
        }
        text.clone_into(&mut app.profile.filter);
        app.profile.refresh(&app.subject);
        return Vec::new();
    }
    let is_added = app
        .typing
        .as_ref()
        .is_some_and(|typing| typing.label.ends_with("KEY=VALUE"));
    let outcome = with(app, text, is_added);
    match (outcome, is_done) {
        (Ok(subject), true) => {
            app.typing = None;
            app.subject = subject;
            app.profile.refresh(&app.subject);
        }
        (Ok(subject), false) => {
            // the explanation follows what is typed
            app.profile.refresh(&subject);
            if let Some(typing) = &mut app.typing {
                typing.problem = None;
            }
        }
        (Err(problem), _) => {
            if let Some(typing) = &mut app.typing {
                typing.problem = Some(problem);
            }
        }
    }
    Vec::new()
}

/// Typing was given up: what is shown is what is kept again.
pub fn gave_up(app: &mut App) {
    app.profile.refresh(&app.subject);
}

/// The subject with what was typed.
fn with(app: &App, text: &str, is_added: bool) -> Result<Subject, String> {
    let mut subject = app.subject.clone();
    let text = text.trim();
    match app.profile.line() {
        _ if is_added => {
            let (key, _) = text
                .split_once('=')
                .ok_or("accepted: KEY=VALUE, such as resources.max_retries=5")?;
            set(&mut subject, app.profile.arm, key.trim(), text);
        }
        None => return Ok(subject),
        Some(Line::Session { what, .. }) => what.set(&mut subject, text)?,
        Some(Line::Pipeline { key, .. }) => {
            let change = format!("{key}={text}");
            set(&mut subject, app.profile.arm, key, &change);
        }
    }
    if let Some(base) = &app.profile.base {
        judged(&subject, base)?;
    }
    Ok(subject)
}

fn set(subject: &mut Subject, arm: Arm, key: &str, change: &str) {
    let changes = changes(subject, arm);
    changes.retain(|other| key_of(other) != key);
    changes.push(change.to_owned());
}

/// The profile was read.
pub fn loaded(app: &mut App, loaded: Loaded) -> Vec<Effect> {
    // one that was asked for before the last choice does not count any more
    if loaded.what != app.subject.what {
        return Vec::new();
    }
    app.profile.offer(&loaded.what, &loaded.found);
    match loaded.outcome {
        Ok(profile) => {
            app.profile.base = Some(profile);
            app.profile.refresh(&app.subject);
        }
        Err(problem) => {
            app.profile.base = None;
            app.profile.lines.clear();
            app.profile.resolutions.clear();
            app.failed(problem.clone());
            app.profile.problem = Some(problem);
        }
    }
    Vec::new()
}

/// The editor is done.
pub fn edited(app: &mut App, edited: Edited) -> Vec<Effect> {
    match edited {
        Edited::Changed(path) => {
            app.done(format!("the profile is {path} now"));
            if matches!(app.subject.what, What::Profile(_)) {
                app.subject.what = What::Profile(path);
            }
            vec![Effect::Load(Box::new(app.subject.clone()))]
        }
        Edited::Unchanged => {
            app.done("the document was left as it is");
            Vec::new()
        }
        Edited::Failed(why) => {
            app.failed(why);
            Vec::new()
        }
    }
}
