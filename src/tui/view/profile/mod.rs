//! The Profile screen: what is going to be measured, where each setting comes from, and what it resolves to.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::Paragraph;

use crate::tui::app::App;

/// Draws the screen into what lies between the tabs and the bottom line.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let text = app.subject.arguments().join(" ");
    frame.render_widget(Paragraph::new(text), area);
}

/// What `y` copies.
#[must_use]
pub fn markdown(app: &App) -> String {
    format!("`rb-bench {}`\n", app.subject.arguments().join(" "))
}
