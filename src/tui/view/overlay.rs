//! What lies over a screen: its keys, the explanation of the parallelism, the log, the question on
//! quitting.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph};

use super::pane::{block, centred, window, wrapped};
use crate::tui::app::{App, Overlay};
use crate::tui::keymap::{self, Context};

/// Draws what lies over the screen, if anything does.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let Some(overlay) = app.overlay else {
        return;
    };
    let theme = app.theme;
    let width = area.width.saturating_sub(4).min(100);
    let inner = usize::from(width.saturating_sub(4));
    let (title, lines) = content(app, overlay, inner);
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let place = centred(area, width, wanted.saturating_add(2));
    let seen = usize::from(place.height.saturating_sub(2));
    app.overlay_scroll = window(app.overlay_scroll, lines.len(), seen);
    let more = lines.len().saturating_sub(app.overlay_scroll + seen);
    let mut frame_of = block(theme, &title, true);
    if more > 0 {
        frame_of =
            frame_of.title_bottom(Line::from(format!(" {more} more lines ")).right_aligned());
    }
    frame.render_widget(Clear, place);
    let shown: Vec<Line> = lines
        .into_iter()
        .skip(app.overlay_scroll)
        .take(seen)
        .collect();
    let padded = frame_of.padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Paragraph::new(Text::from(shown)).block(padded), place);
}

fn content(app: &App, overlay: Overlay, width: usize) -> (String, Vec<Line<'static>>) {
    match overlay {
        Overlay::Help => (format!("Keys on {}", app.screen.name()), help(app, width)),
        Overlay::Explain => (
            "Parallelism".to_owned(),
            plain(&super::run::explanation(app), width),
        ),
        Overlay::Log => (format!("Events {}", app.log.len()), plain(&log(app), width)),
        Overlay::Said => (app.said.0.clone(), plain(&app.said.1, width)),
        Overlay::Quitting => (
            "A session is under way".to_owned(),
            plain(
                "f  finish this pair, then quit\n\
                 a  abort now, then quit\n\
                 Esc  stay\n\n\
                 What was measured until then is kept.",
                width,
            ),
        ),
    }
}

fn plain(text: &str, width: usize) -> Vec<Line<'static>> {
    wrapped(text, width).into_iter().map(Line::raw).collect()
}

fn log(app: &App) -> String {
    if app.log.is_empty() {
        return "nothing has happened yet".to_owned();
    }
    let lines: Vec<String> = app
        .log
        .iter()
        .map(|line| format!("{} {}", line.at, line.text))
        .collect();
    lines.join("\n")
}

fn help(app: &App, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for binding in keymap::help(Context::Screen(app.screen)) {
        let texts = wrapped(binding.text, width.saturating_sub(13));
        for (n, text) in texts.into_iter().enumerate() {
            let keys = if n == 0 { binding.keys } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{keys:<12} "), app.theme.accent()),
                Span::raw(text),
            ]));
        }
    }
    lines
}

/// What lies over the screen as markdown; none where nothing does that could be copied.
pub fn markdown(app: &App) -> Option<String> {
    match app.overlay? {
        Overlay::Log => Some(format!("```\n{}\n```\n", log(app))),
        Overlay::Explain => Some(format!("{}\n", super::run::explanation(app))),
        Overlay::Help => Some(keymap::markdown()),
        Overlay::Said => Some(format!("```\n{}\n```\n", app.said.1.trim_end())),
        Overlay::Quitting => None,
    }
}
