//! What is around every screen.
//!
//! ```text
//!  rb-bench  [1 Run] 2 Tune  3 Compare  4 History  5 Profile      profile large  pair 2/3 AFTER  MEASURE 00:41  LIVE
//!  ...
//!  ui 10 fps  draw p99 0.9 ms  0.4% of a core  dropped 0      save bench-results/20261123T1204Z-large-a1b2.json
//!  space freeze  p pause after pair  z zoom  tab pane  x explain  ? help  q stop
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use unicode_width::UnicodeWidthStr as _;

use super::pane::{fitted, wrapped};
use crate::tui::app::{App, Screen};
use crate::tui::keymap;
use crate::tui::live;

/// Columns under which only the screen that is shown has a name.
const NARROW: u16 = 76;

/// What stands before the tabs.
pub const NAME: &str = " rb-bench ";

/// A tab; the other screens are numbers where their names would leave no room for the headline.
pub fn tab(app: &App, width: u16, n: usize, screen: Screen) -> String {
    let number = n + 1;
    match (screen == app.screen, width < NARROW) {
        (true, _) => format!("[{number} {}]", screen.name()),
        (false, true) => format!(" {number} "),
        (false, false) => format!(" {number} {} ", screen.name()),
    }
}

/// The five screens, and the headline of the session where there is room.
pub fn tabs(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let mut spans = vec![Span::styled(NAME, theme.heading())];
    for (n, screen) in Screen::ALL.into_iter().enumerate() {
        let text = tab(app, area.width, n, screen);
        spans.push(if screen == app.screen {
            Span::styled(text, theme.accent())
        } else {
            Span::raw(text)
        });
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(used + 2);
    let headline = live::headline(app, room);
    let headline = fitted(theme, &headline, room);
    let gap = usize::from(area.width).saturating_sub(used + headline.width() + 1);
    spans.push(Span::raw(" ".repeat(gap)));
    let style = if app.is_frozen {
        theme.warning()
    } else {
        theme.heading()
    };
    spans.push(Span::styled(headline, style));
    frame.render_widget(Line::from(spans), area);
}

/// What went wrong, where there is no room for it in the line at the bottom: lines over the end of the screen.
pub fn problem(app: &App, frame: &mut Frame, area: Rect) {
    let width = usize::from(area.width).saturating_sub(2);
    let (text, used) = match (&app.typing, &app.note) {
        (Some(typing), _) => {
            let before = typing.label.width() + typing.text.width() + 6;
            (typing.problem.as_deref(), before)
        }
        (None, Some(note)) if note.is_error => (Some(note.text.as_str()), "error: ".len()),
        _ => (None, 0),
    };
    let Some(text) = text else {
        return;
    };
    if !text.trim_end().contains('\n') && text.width() + used <= width {
        return;
    }
    let lines = wrapped(text, width);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = height.min(area.height / 2);
    let place = Rect {
        y: area.bottom().saturating_sub(height),
        height,
        ..area
    };
    let style = app.theme.bad();
    let lines = lines
        .into_iter()
        .map(|line| Line::styled(format!(" {line}"), style));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), place);
}

/// What is typed, else the note, else what the workbench costs and what is saved where.
pub fn bottom_line(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let width = usize::from(area.width).saturating_sub(2);
    if let Some(typing) = &app.typing {
        let label = format!(" {}: ", typing.label);
        let mut spans = vec![Span::styled(label.clone(), theme.accent())];
        let text = if typing.is_untouched {
            Span::styled(typing.text.clone(), theme.chosen())
        } else {
            Span::raw(typing.text.clone())
        };
        spans.push(text);
        if let Some(problem) = &typing.problem {
            let used: usize = spans.iter().map(Span::width).sum();
            let first = problem.lines().next().unwrap_or_default();
            let text = fitted(theme, first, width.saturating_sub(used + 3));
            spans.push(Span::styled(format!("   {text}"), theme.bad()));
        }
        frame.render_widget(Line::from(spans), area);
        let before: String = typing.text.chars().take(typing.cursor).collect();
        let at = label.width() + before.width();
        let x = area.x
            + u16::try_from(at)
                .unwrap_or(u16::MAX)
                .min(area.width.saturating_sub(1));
        frame.set_cursor_position((x, area.y));
        return;
    }
    let line = match &app.note {
        Some(note) => {
            let style = if note.is_error {
                theme.bad()
            } else {
                theme.good()
            };
            let word = if note.is_error { "error: " } else { "" };
            let first = note.text.lines().next().unwrap_or_default();
            Line::styled(
                format!(" {}", fitted(theme, &format!("{word}{first}"), width)),
                style,
            )
        }
        None => Line::styled(
            format!(
                " {}",
                fitted(theme, &live::cost_and_place(app, width), width)
            ),
            theme.quiet(),
        ),
    };
    frame.render_widget(line, area);
}

/// The keys that are offered.
pub fn footer(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    if app.typing.is_some() {
        let spans = [("Enter", "keep"), ("Esc", "do not"), ("^u", "clear")];
        frame.render_widget(keys(app, &spans), area);
        return;
    }
    let width = usize::from(area.width);
    let mut line = keys(app, &keymap::hints(app.context(), width));
    if line.spans.is_empty() {
        line = Line::styled("?", theme.accent());
    }
    frame.render_widget(line, area);
}

fn keys<'a>(app: &App, hints: &[(&'a str, &'a str)]) -> Line<'a> {
    let mut spans = Vec::new();
    for (key, hint) in hints {
        spans.push(Span::raw(" "));
        spans.push(Span::styled(*key, app.theme.accent()));
        spans.push(Span::raw(format!(" {hint} ")));
    }
    Line::from(spans)
}
