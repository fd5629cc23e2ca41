//! What a key does on the Compare screen, and what comes of a comparison.

use std::sync::Arc;

use super::{moved, quit, type_line};
use crate::bench::artifact::Artifact;
use crate::bench::compared::Compared;
use crate::bench::order::Arm;
use crate::error::Result;
use crate::tui::app::{App, Ending};
use crate::tui::keymap::{Action, Motion};
use crate::tui::message::Effect;
use crate::tui::saved::Request;
use crate::tui::state::compare::{Outcome, Pair, Pane, Question};

/// The screen is shown: what is newest may have changed.
pub fn shown(app: &mut App) -> Vec<Effect> {
    ask(app)
}

/// A session was measured here: its two arms are what one looks at next, and after another of the same
/// profile, the two of them.
pub fn measured(app: &mut App, session: &Artifact) {
    if session.partial {
        return;
    }
    let profile = Some(session.profile.name.clone());
    let again = app.compare.measured == profile;
    app.compare.measured = profile;
    app.compare
        .ask(if again { Pair::Previous } else { Pair::Newest });
}

/// Asks for the comparison that is chosen.
pub fn ask(app: &mut App) -> Vec<Effect> {
    app.compare.is_loading = true;
    vec![Effect::Saved(Box::new(Request::Compare {
        pair: app.compare.pair.clone(),
        allowed: app.compare.allowed.clone(),
    }))]
}

/// A comparison was made, or could not be; one that is no longer asked for is passed over.
pub fn compared(app: &mut App, pair: &Pair, outcome: Result<Box<Compared>>) -> Vec<Effect> {
    if *pair != app.compare.pair {
        return Vec::new();
    }
    app.compare.is_loading = false;
    app.compare.outcome = Some(match outcome {
        Ok(compared) => Outcome::Compared(Arc::from(compared)),
        Err(error) => Outcome::Failed(error.to_string()),
    });
    Vec::new()
}

/// A key that is this screen's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Back => return quit(app, Ending::Quit),
        Action::NextPane => go(app, 1),
        Action::PreviousPane => go(app, Pane::ALL.len() - 1),
        Action::Zoom => app.compare.is_zoomed = !app.compare.is_zoomed,
        Action::Escape => app.compare.is_zoomed = false,
        Action::Shape => app.compare.shape = app.compare.shape.next(),
        Action::OtherPair => return other_pair(app),
        Action::Allow => return allow(app),
        Action::Move(motion) => scroll(app, motion),
        Action::Page => {
            let Some(compared) = app.compare.compared() else {
                app.failed("there is no comparison to write");
                return Vec::new();
            };
            let name = format!(
                "{}-{}.html",
                compared.before.session, compared.after.session
            );
            let to = app.out.join(name).display().to_string();
            app.compare.question = Question::Page;
            type_line(app, "page for a browser", &to, false);
        }
        _ => {}
    }
    Vec::new()
}

/// A line that was typed.
pub fn typed(app: &mut App, text: &str) -> Vec<Effect> {
    let text = text.trim();
    if text.is_empty() {
        app.failed("no file was named");
        return Vec::new();
    }
    match app.compare.question {
        Question::Page => vec![Effect::Saved(Box::new(Request::ComparisonPage {
            pair: app.compare.pair.clone(),
            allowed: app.compare.allowed.clone(),
            to: text.into(),
        }))],
    }
}

/// The newest session's arms, the newest against the one before, the two that are marked.
fn other_pair(app: &mut App) -> Vec<Effect> {
    let marked = |arm| app.history.marks.get(&arm).cloned();
    let two = marked(Arm::Before).zip(marked(Arm::After));
    let marked = two.map(|(before, after)| Pair::Between { before, after });
    let next = match (&app.compare.pair, marked) {
        (Pair::Newest | Pair::Within(_), _) => Pair::Previous,
        (Pair::Previous, Some(marked)) => marked,
        _ => Pair::Newest,
    };
    app.compare.ask(next);
    ask(app)
}

/// Lets the chosen condition differ, or no longer.
fn allow(app: &mut App) -> Vec<Effect> {
    let differences = app.compare.differences();
    let last = differences.len().saturating_sub(1);
    let Some((is_waived, difference)) = differences.get(app.compare.chosen.min(last)) else {
        app.failed("nothing differs that could be allowed");
        return Vec::new();
    };
    let (condition, is_waived) = (difference.condition, *is_waived);
    if is_waived {
        app.compare.allowed.remove(&condition);
        app.done(format!("{condition} may not differ"));
    } else {
        app.compare.allowed.insert(condition);
        app.done(format!(
            "{condition} may differ, as with --allow {condition}"
        ));
    }
    ask(app)
}

fn go(app: &mut App, steps: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == app.compare.pane);
    app.compare.pane = Pane::ALL[(at.unwrap_or(0) + steps) % Pane::ALL.len()];
}

fn scroll(app: &mut App, motion: Motion) {
    let page = usize::from(app.size.1).saturating_sub(12).max(1);
    let Some(compared) = app.compare.compared() else {
        return;
    };
    let figures = compared.measures.len();
    let (count, sideways) = if compared.is_comparable() {
        (compared.distributions.len(), true)
    } else {
        (app.compare.differences().len(), false)
    };
    let compare = &mut app.compare;
    match (motion, compare.pane) {
        (Motion::Left | Motion::Right, _) if sideways => {
            let other = if motion == Motion::Left {
                Motion::Up
            } else {
                Motion::Down
            };
            compare.chosen = moved(compare.chosen, other, count, page);
        }
        (_, Pane::Figures) if sideways => {
            compare.scrolled = moved(compare.scrolled, motion, figures, page);
        }
        _ => compare.chosen = moved(compare.chosen, motion, count, page),
    }
}
