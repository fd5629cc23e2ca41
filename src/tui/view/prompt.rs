//! The prompt in the line at the bottom, and above it what its last word may become.
//!
//! ```text
//! +- Tab completes -----------------------------------+
//! | repeat  Run the command again that measured ...   |
//! | report  Show saved sessions and tunings: ...      |
//! +---------------------------------------------------+
//! rb-bench > rep
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph};
use unicode_width::UnicodeWidthStr as _;

use super::pane::{block, fitted, left};
use crate::tui::app::{App, Typing};
use crate::tui::update::prompt::things;

/// Offers that are shown.
const MOST: usize = 24;
/// Columns of an offered word at most.
const WORD: usize = 28;

/// Draws the line, and puts the cursor into it.
pub fn line(app: &App, frame: &mut Frame, area: Rect) {
    let Some(typing) = &app.prompt.line else {
        return;
    };
    let theme = app.theme;
    let sign = if theme.unicode { "▸" } else { ">" };
    let label = format!("rb-bench {sign} ");
    let room = usize::from(area.width).saturating_sub(label.width() + 1);
    let (text, at) = around_cursor(typing, room);
    let mut spans = vec![
        Span::styled(label.clone(), theme.accent()),
        Span::raw(text.clone()),
    ];
    if let Some(problem) = &typing.problem {
        let room = room.saturating_sub(text.width() + 3);
        spans.push(Span::styled(
            format!("   {}", fitted(theme, problem, room)),
            theme.bad(),
        ));
    }
    frame.render_widget(Line::from(spans), area);
    let column = u16::try_from(label.width() + at).unwrap_or(u16::MAX);
    let last = area.width.saturating_sub(1);
    frame.set_cursor_position((area.x + column.min(last), area.y));
}

/// The part of the line that the cursor is in, and the cursor's column in it.
fn around_cursor(typing: &Typing, room: usize) -> (String, usize) {
    let before: Vec<char> = typing.text.chars().take(typing.cursor).collect();
    let mut from = 0;
    let width = |from: usize| before[from..].iter().collect::<String>().width();
    while from < before.len() && width(from) > room {
        from += 1;
    }
    (typing.text.chars().skip(from).collect(), width(from))
}

/// Draws what the last word may become over the end of the screen.
pub fn offers(app: &App, frame: &mut Frame, area: Rect) {
    let Some(before) = app.prompt.before_cursor() else {
        return;
    };
    let offers = app.grammar.offers(&before, &things(app));
    let room = usize::from(area.height).saturating_sub(2);
    let seen = offers.len().min(MOST).min(room);
    if seen == 0 {
        return;
    }
    let theme = app.theme;
    let width = area.width.min(100);
    let inner = usize::from(width).saturating_sub(2);
    let word = offers.iter().map(|offer| offer.word.width()).max();
    let word = word.unwrap_or(0).min(WORD.max(inner / 3));
    let lines: Vec<Line> = offers
        .iter()
        .take(seen)
        .map(|offer| {
            let about = inner.saturating_sub(word + 3);
            Line::from(vec![
                Span::styled(
                    format!(" {}  ", left(theme, &offer.word, word)),
                    theme.accent(),
                ),
                Span::raw(fitted(theme, &offer.about, about)),
            ])
        })
        .collect();
    let height = seen as u16 + 2;
    let place = Rect {
        y: area.bottom().saturating_sub(height),
        width,
        height,
        ..area
    };
    let mut pane = block(theme, "Tab completes", true);
    if offers.len() > seen {
        let more = format!(" {} more ", offers.len() - seen);
        pane = pane.title_bottom(Line::from(more).right_aligned());
    }
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(Text::from(lines)).block(pane), place);
}
