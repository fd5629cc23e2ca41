//! A terminal too small for a screen: the headline, then what fits of the rest.
//!
//! ```text
//! profile large  pair 2/3 AFTER  MEASURE 00:41  LIVE
//! auto 2 of 2  288 MB/s
//! q quit  ? help
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::pane::{fitted, wrapped};
use crate::tui::app::{App, Overlay};
use crate::tui::live;
use crate::units::ByteRate;

/// Draws it.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let width = usize::from(area.width);
    let mut lines = vec![Line::styled(
        fitted(theme, &live::headline(app, width), width),
        theme.heading(),
    )];
    if app.overlay == Some(Overlay::Quitting) {
        let text = "a run is under way: f finish the pair, a abort, Esc stay";
        lines.extend(
            wrapped(text, width)
                .into_iter()
                .map(|l| Line::styled(l, theme.warning())),
        );
    }
    if app.running.is_some() {
        lines.push(Line::raw(fitted(
            theme,
            &format!(
                "{} {}",
                ByteRate(app.seen.mb_per_s * 1e6),
                app.seen.phase.name()
            ),
            width,
        )));
    }
    if let Some(text) = super::in_short(app) {
        lines.extend(wrapped(&text, width).into_iter().map(Line::raw));
    }
    lines.push(Line::raw(fitted(
        theme,
        &super::run::parallelism(app),
        width,
    )));
    if let Some(note) = &app.note {
        let text = note.text.lines().next().unwrap_or_default();
        lines.extend(wrapped(text, width).into_iter().map(Line::raw));
    }
    lines.push(Line::styled(
        fitted(theme, "60x16 shows more", width),
        theme.quiet(),
    ));
    if app.prompt.line.is_some() {
        lines.truncate(usize::from(area.height).saturating_sub(1));
    }
    let shown = lines.len() as u16;
    for (n, line) in lines.into_iter().enumerate().take(usize::from(area.height)) {
        let row = Rect {
            y: area.y + n as u16,
            height: 1,
            ..area
        };
        frame.render_widget(line, row);
    }
    if shown < area.height {
        let row = Rect {
            y: area.y + shown,
            height: 1,
            ..area
        };
        super::prompt::line(app, frame, row);
    }
}
