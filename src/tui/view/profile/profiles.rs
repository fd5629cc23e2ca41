//! What can be measured.
//!
//! ```text
//! +- Profiles ---------+
//! | small              |
//! |>medium             |
//! +--------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;

use crate::tui::app::App;
use crate::tui::state::profile::Pane;
use crate::tui::view::pane::{block, left, window};

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let has_keys = app.profile.pane == Pane::Profiles;
    let pane = block(theme, "Profiles", has_keys);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let choices = &app.profile.choices;
    let at = app.profile.choice;
    // the cursor stays in sight
    let first = window(at.saturating_sub(height / 2), choices.len(), height);
    let lines: Vec<Line> = choices
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(n, what)| {
            let mark = if *what == app.subject.what { ">" } else { " " };
            let text = left(theme, &format!("{mark}{}", what.name()), width);
            if n == at && has_keys {
                Line::styled(text, theme.chosen())
            } else if mark == ">" {
                Line::styled(text, theme.accent())
            } else {
                Line::raw(text)
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}
