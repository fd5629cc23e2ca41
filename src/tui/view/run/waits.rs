//! Where worker time goes, and what the destination's server does beside the copy.
//!
//! ```text
//! +- Where worker time goes -----------+
//! | source wait  12% [#---------]      |
//! | dest wait    79% [########--] <-   |
//! | commit        3% [----------]      |
//! | WAL 91.2 MB/s  checkpoints 0       |
//! +------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::tui::app::App;
use crate::tui::view::pane::{block, fitted};

/// A share below which nothing limits.
const LITTLE: f64 = 0.25;

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let pane = block(theme, "Where worker time goes", false);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let waits = [
        ("source wait", app.seen.waits.source),
        ("dest wait", app.seen.waits.destination),
        ("commit", app.seen.waits.commit),
    ];
    let most = most(app);
    let mut lines: Vec<Line> = waits
        .into_iter()
        .map(|(name, share)| {
            let limits = most.is_some_and(|(limiting, _)| limiting == name);
            let style = if limits {
                theme.warning()
            } else {
                Style::new()
            };
            let said = if limits {
                format!("{} limits", theme.arrow())
            } else {
                String::new()
            };
            Line::from(vec![
                Span::raw(format!(" {name:<12}{:>3.0}% ", share * 100.0)),
                Span::raw(format!("[{}] ", theme.bar(share, 10))),
                Span::styled(said, style),
            ])
        })
        .collect();
    lines.push(Line::styled(
        fitted(theme, &server(app), usize::from(inner.width)),
        theme.quiet(),
    ));
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}

/// What takes most of the workers' time, if anything takes much.
fn most(app: &App) -> Option<(&'static str, f64)> {
    let waits = app.seen.waits;
    let all = [
        ("source wait", waits.source),
        ("dest wait", waits.destination),
        ("commit", waits.commit),
    ];
    all.into_iter()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .filter(|(_, share)| *share >= LITTLE)
}

/// The limiting wait in words.
pub fn limiting(app: &App) -> String {
    match most(app) {
        Some((name, share)) => format!("{name} {:.0}% limits", share * 100.0),
        None => String::new(),
    }
}

fn server(app: &App) -> String {
    let server = &app.seen.server;
    if server.is_hidden && server.wal_mb_per_s.is_none() {
        return " the server does not show more".to_owned();
    }
    let wal = server
        .wal_mb_per_s
        .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1} MB/s"));
    let checkpoints = server
        .checkpoints
        .map_or_else(|| "-".to_owned(), |count| count.to_string());
    format!(" WAL {wal}  checkpoints {checkpoints}")
}
