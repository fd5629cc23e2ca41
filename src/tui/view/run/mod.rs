//! The Run screen: what the engine does, and why it runs at this width.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::Paragraph;

use crate::tui::app::App;

/// Draws the screen into what lies between the tabs and the bottom line.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    frame.render_widget(Paragraph::new(parallelism(app)), area);
}

/// The resolved parallelism in a line.
#[must_use]
pub fn parallelism(app: &App) -> String {
    app.subject.name()
}

/// How the parallelism was resolved, as text.
#[must_use]
pub fn explanation(_app: &App) -> String {
    String::new()
}

/// What `y` copies.
#[must_use]
pub fn markdown(_app: &App) -> String {
    String::new()
}
