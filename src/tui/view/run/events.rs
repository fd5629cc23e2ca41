//! What happened, the newest at the end.
//!
//! ```text
//! +- Events (l: full log) -------------+
//! | 12:04:31 shard 1 connection lost,  |
//! |          chunks 1..18 requeued     |
//! +------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::tui::app::App;
use crate::tui::state::run::Pane;
use crate::tui::view::pane::{block, wrapped};

/// Columns of the time and the gap after it.
const TIME: usize = 10;

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let pane = block(theme, "Events (l: full log)", app.run.pane == Pane::Events);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let back = app.run.scrolled[Pane::Events as usize].min(app.log.len().saturating_sub(1));
    let mut lines: Vec<Line> = Vec::new();
    // from the end, as many as fit
    for event in app.log.iter().rev().skip(back) {
        let texts = wrapped(&event.text, width.saturating_sub(TIME));
        let mut broken: Vec<Line> = texts
            .into_iter()
            .enumerate()
            .map(|(n, text)| {
                let time = if n == 0 { event.at.as_str() } else { "" };
                Line::from(vec![
                    Span::styled(format!(" {time:<9}"), theme.quiet()),
                    Span::raw(text),
                ])
            })
            .collect();
        broken.reverse();
        lines.extend(broken);
        if lines.len() >= height {
            break;
        }
    }
    lines.truncate(height);
    lines.reverse();
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}
