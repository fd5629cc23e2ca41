//! What a key does on the Profile screen.

use super::{quit, start};
use crate::tui::app::{App, Ending};
use crate::tui::keymap::Action;
use crate::tui::message::Effect;
use crate::tui::state::profile::{Edited, Loaded};

/// A key that is this screen's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Run => start(app),
        Action::Back => quit(app, Ending::Quit),
        Action::Editor => vec![Effect::Edit(Box::new(app.subject.clone()))],
        _ => Vec::new(),
    }
}

/// A line that is being typed.
pub fn typed(app: &mut App, _text: &str, is_done: bool) -> Vec<Effect> {
    if is_done {
        app.typing = None;
    }
    Vec::new()
}

/// The profile was read.
pub fn loaded(app: &mut App, loaded: Loaded) -> Vec<Effect> {
    match loaded.outcome {
        Ok(profile) => {
            app.profile.base = Some(profile);
            app.profile.problem = None;
        }
        Err(problem) => app.profile.problem = Some(problem),
    }
    Vec::new()
}

/// The editor is done.
pub fn edited(app: &mut App, edited: Edited) -> Vec<Effect> {
    match edited {
        Edited::Changed(path) => {
            app.subject.what = crate::tui::subject::What::Profile(path);
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
