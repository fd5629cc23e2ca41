//! The Profile screen: what is going to be measured, where each setting comes from, and what it resolves to.
//!
//! ```text
//! +- Profiles ---------++- Settings of medium -------------------------------------------+
//! | small              || setting                 before      after       from           |
//! |>medium             || resources.parallelism   1           auto        medium:73      |
//! | large              || iters                   3                       medium         |
//! +--------------------++----------------------------------------------------------------+
//! +- What it resolves to ----------------------------------------------------------------+
//! | after  mode auto, effective 2, cap 2                                                 |
//! +--------------------------------------------------------------------------------------+
//! ```

mod explanation;
mod profiles;
mod settings;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use crate::tui::app::App;
use crate::tui::state::profile::{Line, Pane};

/// Columns under which profiles and settings are not side by side.
const NARROW: u16 = 76;

/// Draws the screen into what lies between the tabs and the bottom line.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    if app.profile.is_zoomed {
        match app.profile.pane {
            Pane::Profiles => profiles::view(app, frame, area),
            Pane::Settings => settings::view(app, frame, area),
            Pane::Explanation => explanation::view(app, frame, area),
        }
        return;
    }
    let lower = (area.height / 3).clamp(5, 14);
    let [upper, lower] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(lower)]).areas(area);
    if area.width < NARROW {
        // one of the two: Tab goes from the settings to the profiles
        if app.profile.pane == Pane::Profiles {
            profiles::view(app, frame, upper);
        } else {
            settings::view(app, frame, upper);
        }
        explanation::view(app, frame, lower);
        return;
    }
    let list = if area.width >= 100 { 26 } else { 19 };
    let [left, right] =
        Layout::horizontal([Constraint::Length(list), Constraint::Fill(1)]).areas(upper);
    profiles::view(app, frame, left);
    settings::view(app, frame, right);
    explanation::view(app, frame, lower);
}

/// What `y` copies: the command, the settings, what they resolve to.
#[must_use]
pub fn markdown(app: &App) -> String {
    use std::fmt::Write as _;

    let mut text = format!("`rb-bench {}`\n\n", app.subject.arguments().join(" "));
    text.push_str("| setting | before | after | from |\n| --- | --- | --- | --- |\n");
    for line in &app.profile.lines {
        // writing to a String cannot fail
        let _ = match line {
            Line::Session { what, value, from } => {
                writeln!(text, "| {} | {value} | {value} | {from} |", what.name())
            }
            Line::Pipeline { key, before, after } => {
                let value = |cell: &Option<crate::tui::state::profile::Cell>| {
                    cell.as_ref()
                        .map_or_else(String::new, |cell| cell.value.replace('\n', " "))
                };
                let from = after.as_ref().map_or("", |cell| cell.from.as_str());
                writeln!(
                    text,
                    "| {key} | {} | {} | {from} |",
                    value(before),
                    value(after)
                )
            }
        };
    }
    let _ = write!(text, "\n{}", super::run::explanation(app));
    text
}
