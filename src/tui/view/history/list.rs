//! The saved sessions and tunings, one line each.
//!
//! ```text
//! +- Saved 12 --------------------------------------------------+
//! |    began             id        profile  settings  MB/s  ... |
//! | b  2026-11-23 20:27  0f3a9c21  medium   ...                 |
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{columns, empty};
use crate::bench::order::Arm;
use crate::tui::app::App;
use crate::tui::state::history::{Pane, Row, began};
use crate::tui::view::columns::{Column, left, right};
use crate::tui::view::compare::{short_verdict, verdict_style};
use crate::tui::view::pane::{block, window};
use crate::units::ByteRate;

const STANDING: usize = 7;
const COLUMNS: [Column; 8] = [
    left("", 0),
    left("began", 2),
    left("id", 0),
    left("profile", 0),
    left("settings", 4),
    left("label", 3),
    right("throughput", 0),
    left("verdict", 1),
];

/// Draws the pane.
pub(super) fn view(app: &App, frame: &mut Frame, area: Rect) {
    let (theme, state) = (app.theme, &app.history);
    let rows = state.arranged();
    let title = format!("Saved {}", rows.len());
    let block = block(theme, &title, state.pane == Pane::Saved);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    if rows.is_empty() {
        frame.render_widget(Paragraph::new(empty(app, width)), inner);
        return;
    }
    let room = height.saturating_sub(1);
    let chosen = state.chosen.min(rows.len() - 1);
    let first = window(chosen.saturating_sub(room / 2), rows.len(), room);
    // only what is seen is worded: there may be thousands
    let seen: Vec<&Row> = rows.iter().skip(first).take(room).copied().collect();
    let cells: Vec<Vec<String>> = seen.iter().map(|row| cells(app, row)).collect();
    let laid = columns::laid(theme, &COLUMNS, &cells, width);
    let mut lines = vec![Line::styled(laid.title_line(), theme.heading())];
    for (n, row) in laid.rows.iter().enumerate() {
        let word = cells[n][STANDING].split(" (").next().unwrap_or_default();
        let spans = row.iter().zip(&laid.columns).map(|(cell, column)| {
            let style = match *column {
                // a choice and a limit are neither good nor bad
                STANDING
                    if matches!(seen[n], Row::Session(_)) && !word.is_empty()
                        || word == "INVALID" =>
                {
                    verdict_style(theme, word)
                }
                _ => Style::new(),
            };
            Span::styled(cell.clone(), style)
        });
        let line = Line::from(spans.collect::<Vec<_>>());
        lines.push(if first + n == chosen {
            line.style(theme.chosen())
        } else {
            line
        });
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn cells(app: &App, row: &Row) -> Vec<String> {
    let state = &app.history;
    let is_marked = |arm| state.marks.get(&arm).is_some_and(|file| file == row.file());
    let marks = match (is_marked(Arm::Before), is_marked(Arm::After)) {
        (true, true) => "ba",
        (true, false) => "b",
        (false, true) => "a",
        (false, false) => match state.trend_of(row) {
            Some(trend)
                if trend
                    .changes
                    .iter()
                    .any(|c| c.id == row.id() && c.ratio > 1.0) =>
            {
                "^"
            }
            Some(trend) if trend.changes.iter().any(|c| c.id == row.id()) => "v",
            _ => "",
        },
    };
    vec![
        format!("{marks:<2}"),
        began(row.created_at()),
        row.id().to_owned(),
        row.profile().to_owned(),
        row.settings(),
        row.label().to_owned(),
        row.mb_per_s()
            .map(|mb| ByteRate(mb * 1e6).to_string())
            .unwrap_or_default(),
        short_verdict(&row.standing()),
    ]
}
