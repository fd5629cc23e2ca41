//! What the settings resolve to, as they are typed, and the command that does the same.
//!
//! ```text
//! +- What it resolves to ---------------------------------------------+
//! | after  mode auto, effective 2, cap 2                              |
//! |   2 cores, cap 2; 1 eligible stream x 2 shards = 2; ...           |
//! +-------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;

use crate::tui::app::App;
use crate::tui::state::profile::Pane;
use crate::tui::view::pane::{block, window, wrapped};
use crate::tui::view::run;

/// Draws the pane.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let pane = block(
        theme,
        "What it resolves to",
        app.profile.pane == Pane::Explanation,
    );
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let text = format!(
        "{}\nThe same without a screen: rb-bench {}",
        run::explanation(app).trim_end(),
        app.subject.arguments().join(" ")
    );
    let lines = wrapped(&text, width);
    app.profile.scrolled = window(app.profile.scrolled, lines.len(), height);
    let shown: Vec<Line> = lines
        .into_iter()
        .skip(app.profile.scrolled)
        .take(height)
        .map(Line::raw)
        .collect();
    frame.render_widget(Paragraph::new(Text::from(shown)), inner);
}
