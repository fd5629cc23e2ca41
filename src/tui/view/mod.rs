//! From the workbench to a frame. Nothing here changes anything but what is drawn.
//!
//! ```text
//! tabs and headline
//! the screen
//! the line at the bottom: a note, what is typed, what the workbench costs
//! footer
//! ```
//!
//! Under 60 columns or 16 lines there is a headline instead: a small terminal is no reason to show nothing.

mod chrome;
pub mod columns;
pub mod compare;
#[cfg(test)]
pub(crate) mod drawn;
pub mod history;
mod overlay;
pub mod pane;
pub mod profile;
mod prompt;
pub mod run;
#[cfg(test)]
mod saved_sizes_tests;
mod small;
pub mod tune;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::app::{App, Screen};

#[cfg(test)]
mod tests;

/// The least columns of a screen that shows more than a headline.
pub const LEAST_COLUMNS: u16 = 60;
/// The least lines of it.
pub const LEAST_LINES: u16 = 16;

/// Draws the workbench.
pub fn view(app: &mut App, frame: &mut Frame) {
    let area = frame.area();
    if area.width < LEAST_COLUMNS || area.height < LEAST_LINES {
        small::view(app, frame, area);
        return;
    }
    let [tabs, body, line, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    chrome::tabs(app, frame, tabs);
    screen(app, frame, body);
    if app.prompt.line.is_some() {
        prompt::offers(app, frame, body);
        prompt::line(app, frame, line);
    } else {
        chrome::problem(app, frame, body);
        chrome::bottom_line(app, frame, line);
    }
    chrome::footer(app, frame, footer);
    overlay::view(app, frame, body);
}

fn screen(app: &mut App, frame: &mut Frame, area: Rect) {
    match app.screen {
        Screen::Run => run::view(app, frame, area),
        Screen::Tune => tune::view(app, frame, area),
        Screen::Compare => compare::view(app, frame, area),
        Screen::History => history::view(app, frame, area),
        Screen::Profile => profile::view(app, frame, area),
    }
}

/// What a screen has to say where there is no room for it; none where the headline says it all.
fn in_short(app: &App) -> Option<String> {
    match app.screen {
        Screen::Tune => tune::in_short(app),
        Screen::Compare => compare::in_short(app),
        Screen::History => history::in_short(app),
        Screen::Run | Screen::Profile => None,
    }
}

/// The screen whose tab is in that column of the first line.
#[must_use]
pub fn tab_at(app: &App, column: u16) -> Option<Screen> {
    let is_small = app.size.0 < LEAST_COLUMNS || app.size.1 < LEAST_LINES;
    let mut from = usize::from(chrome::NAME.len() as u16);
    Screen::ALL.into_iter().enumerate().find_map(|(n, screen)| {
        let begin = from;
        from += chrome::tab(app, app.size.0, n, screen).len();
        let is_here = (begin..from).contains(&usize::from(column));
        (is_here && !is_small).then_some(screen)
    })
}

/// What `y` copies: the screen, or what lies over it, as markdown.
#[must_use]
pub fn markdown(app: &App) -> String {
    if let Some(text) = overlay::markdown(app) {
        return text;
    }
    match app.screen {
        Screen::Run => run::markdown(app),
        Screen::Tune => tune::markdown(app),
        Screen::Compare => compare::markdown(app),
        Screen::History => history::markdown(app),
        Screen::Profile => profile::markdown(app),
    }
}
