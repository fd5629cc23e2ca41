//! The Tune screen: the sweep, its chart and the choice.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::Paragraph;

use crate::tui::app::App;

/// Draws the screen into what lies between the tabs and the footer.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let text = "not in this build";
    frame.render_widget(Paragraph::new(text).style(app.theme.quiet()), area);
}

/// What `y` copies, as markdown.
pub fn markdown(_app: &App) -> String {
    String::new()
}
