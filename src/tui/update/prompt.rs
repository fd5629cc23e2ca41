//! What a key does in the prompt, where any command of rb-bench is typed: completed, judged, asked to be run.

use crossterm::event::KeyEvent;

use super::typing::edit;
use super::{Overlay, open};
use crate::bench::subject::What;
use crate::tui::app::{App, Screen, Typing};
use crate::tui::grammar::{Judged, Things};
use crate::tui::keymap::{Action, Motion};
use crate::tui::message::{Effect, Note};
use crate::tui::sessions::OUT;
use crate::tui::state::history::Row;

/// Opens the prompt; while a session runs, whatever is run beside it would disturb it.
pub fn begin(app: &mut App) -> Vec<Effect> {
    if app.running.is_some() {
        app.failed(
            "commands run when no session does: F lets it end after this pair, ^c aborts it",
        );
    } else {
        app.prompt.open();
    }
    Vec::new()
}

/// A key that is no letter of a line.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Run => return run(app),
        Action::Complete => {
            let line = app.prompt.before_cursor();
            let completed = line.and_then(|line| app.grammar.completed(&line, &things(app)));
            if let Some(text) = completed {
                app.prompt.replace_before_cursor(&text);
            }
        }
        Action::Move(motion) => app.prompt.recall(motion == Motion::Up),
        _ => app.prompt.close(),
    }
    Vec::new()
}

/// A key that may be a letter of a line.
pub fn typed(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
    if let Some(line) = &mut app.prompt.line
        && edit(line, key)
    {
        line.problem = None;
    }
    Vec::new()
}

fn run(app: &mut App) -> Vec<Effect> {
    let Some(Typing { text, .. }) = app.prompt.line.clone() else {
        return Vec::new();
    };
    let text = text.trim();
    let Some(mut words) = shlex::split(text) else {
        if let Some(line) = &mut app.prompt.line {
            line.problem = Some("a quote is not closed, or the line ends in \\".to_owned());
        }
        return Vec::new();
    };
    // it stands in the prompt, and is typed all the same
    if words.first().is_some_and(|word| word == "rb-bench") {
        words.remove(0);
    }
    if words.is_empty() {
        app.prompt.close();
        return Vec::new();
    }
    match (app.grammar.judge)(&words) {
        Judged::Runs => {
            app.prompt.keep(text);
            app.prompt.close();
            vec![Effect::Command(words)]
        }
        // the line stays, to be put right
        Judged::Said { title, text } => {
            app.said = (title, text);
            open(app, Overlay::Said)
        }
    }
}

/// A command has ended: whatever is shown of files is read anew.
pub fn ran(app: &mut App, note: Note) -> Vec<Effect> {
    let mut effects = vec![Effect::Load(Box::new(app.subject.clone()))];
    effects.extend(super::show(app, app.screen));
    app.note = Some(note);
    effects
}

/// What the workbench knows that values of a command can be.
#[must_use]
pub fn things(app: &App) -> Things {
    let is_usual = app.out == std::path::Path::new(OUT);
    // what is not in the usual directory is found by its path
    let name = |row: &Row| {
        if is_usual {
            row.id().to_owned()
        } else {
            app.out.join(row.file()).display().to_string()
        }
    };
    let chosen = match app.screen {
        Screen::History => app.history.chosen().map(name),
        _ => None,
    };
    let sessions = match chosen {
        Some(name) => vec![name],
        None if is_usual => ["latest", "previous"].map(str::to_owned).to_vec(),
        None => Vec::new(),
    };
    let mut things = Things {
        sessions,
        ..Things::default()
    };
    for choice in &app.profile.choices {
        match choice {
            What::Profile(name) => things.profiles.push(name.clone()),
            What::Pipeline(path) => things.documents.push(path.display().to_string()),
        }
    }
    things
}
