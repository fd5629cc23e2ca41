//! What was measured so far, one line an iteration, the newest at the end.
//!
//! ```text
//! +- Iterations (warm-up never counts) ----------------------------------------+
//! | pair  arm     wall    MB/s   cpu%   p99 chunk  retry  verify               |
//! | 1     before  2.11s   241.0    88     171 ms      0   ok                   |
//! | 1     after   1.77s   287.9    97     178 ms      0   ok     x1.19         |
//! +----------------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::bench::order::Arm;
use crate::tui::app::App;
use crate::tui::snapshot::{IterationRow, ratio_of_pair};
use crate::tui::state::run::Pane;
use crate::tui::view::pane::{block, fitted, left, right, window};
use crate::units::Seconds;

/// Lines that the pane would like to have, with its frame.
pub fn height(app: &App) -> u16 {
    let verdict = u16::from(super::verdict(app).is_some());
    let rows = u16::try_from(app.iterations.len()).unwrap_or(u16::MAX);
    rows.saturating_add(3 + verdict)
}

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let has_keys = app.run.pane == Pane::Iterations;
    let pane = block(theme, "Iterations (warm-up never counts)", has_keys);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let verdict = super::verdict(app);
    let room = height.saturating_sub(1 + usize::from(verdict.is_some()));
    let rows = &app.iterations;
    // the end is shown, and as many before it as were scrolled
    let back = window(
        app.run.scrolled[Pane::Iterations as usize],
        rows.len(),
        room,
    );
    let first = rows.len().saturating_sub(room + back);
    let mut lines = vec![Line::styled(
        fitted(theme, &header(app, width), width),
        theme.heading(),
    )];
    for (n, row) in rows.iter().enumerate().skip(first).take(room) {
        lines.push(line(app, n, row, width));
    }
    if let Some(text) = verdict {
        let style = match text.split_whitespace().next() {
            Some("IMPROVED") => theme.good(),
            Some("REGRESSED" | "INVALID") => theme.bad(),
            _ => theme.warning(),
        };
        lines.push(Line::styled(
            fitted(theme, &format!(" {text}"), width),
            style,
        ));
    }
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}

/// Columns from which on every figure has its place. Below, those go that a session can be followed without.
const WHOLE: usize = 70;

fn header(app: &App, width: usize) -> String {
    let theme = app.theme;
    let start = format!(
        " {}{}{}{}",
        left(theme, "pair", 8),
        left(theme, "arm", 7),
        right(theme, "wall", 8),
        right(theme, "MB/s", 8),
    );
    if width < WHOLE {
        return format!("{start}  verify");
    }
    format!(
        "{start}{}{}{}  verify",
        right(theme, "cpu%", 5),
        right(theme, "p99 chunk", 10),
        right(theme, "retry", 6),
    )
}

/// The pair, or that it is a warm-up, or what setting it was.
pub fn pair(row: &IterationRow) -> String {
    match (
        &row.upcoming.setting,
        row.upcoming.warmup,
        row.upcoming.pair,
    ) {
        (Some(setting), _, _) => setting.to_string(),
        (None, true, _) => "warm-up".to_owned(),
        (None, false, Some(pair)) => pair.to_string(),
        (None, false, None) => row.upcoming.number.to_string(),
    }
}

fn line<'a>(app: &App, n: usize, row: &IterationRow, width: usize) -> Line<'a> {
    let theme = app.theme;
    let quiet = if row.upcoming.warmup {
        theme.quiet()
    } else {
        Style::new()
    };
    let arm = match row.upcoming.arm {
        Arm::Before => theme.before(),
        Arm::After => theme.after(),
    };
    let p99 = row
        .p99_chunk_us
        .map_or_else(|| "-".to_owned(), |us| Seconds(us as f64 / 1e6).to_string());
    let ratio = ratio_of_pair(&app.iterations, n).map_or_else(String::new, |r| format!("x{r:.2}"));
    let verified = if row.verify == "INVALID" {
        theme.bad()
    } else {
        Style::new()
    };
    let mut figures = format!(
        "{}{}",
        right(theme, &Seconds(row.wall_s).to_string(), 8),
        right(theme, &format!("{:.1}", row.mb_per_s), 8),
    );
    if width >= WHOLE {
        figures += &right(theme, &format!("{:.0}", row.cpu_pct), 5);
        figures += &right(theme, &p99, 10);
        figures += &right(theme, &row.retries.to_string(), 6);
    }
    let mut spans = vec![
        Span::styled(format!(" {}", left(theme, &pair(row), 8)), quiet),
        Span::styled(left(theme, row.upcoming.arm.name(), 7), arm),
        Span::styled(format!("{figures}  "), quiet),
        Span::styled(left(theme, row.verify, 8), verified),
        Span::styled(left(theme, &ratio, 6), theme.heading()),
    ];
    let used: usize = spans.iter().map(Span::width).sum();
    let room = width.saturating_sub(used + 1);
    let noted = disturbed(&row.flags, room);
    spans.extend([Span::raw(" "), Span::styled(noted, theme.warning())]);
    Line::from(spans)
}

/// What may have disturbed an iteration, by name; where there is no room for names, that something may have. The events
/// have it in sentences.
fn disturbed(flags: &[String], room: usize) -> String {
    let names = flags.join(", ");
    if names.len() <= room {
        return names;
    }
    // retries are counted in a column of their own
    let is_noisy = flags.iter().any(|flag| flag != "retried");
    if is_noisy { "noisy" } else { "" }.to_owned()
}
