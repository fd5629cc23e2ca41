//! Whole frames as text and as cells, for tests.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::view;
use crate::bench::subject::Subject;
use crate::tui::app::{App, Screen};
use crate::tui::theme::{Colours, Environment, Theme};

/// A theme without colours: with characters beyond ASCII, or without.
pub(crate) fn plain(unicode: bool) -> Theme {
    let locale = if unicode { "C.UTF-8" } else { "C" };
    let environment = Environment {
        locale: [None, None, Some(locale.into())],
        ..Environment::default()
    };
    Theme::of(Colours::Never, &environment)
}

/// The same with colours.
pub(crate) fn coloured() -> Theme {
    let environment = Environment {
        locale: [None, None, Some("C.UTF-8".into())],
        ..Environment::default()
    };
    Theme::of(Colours::Always, &environment)
}

/// A workbench that shows a screen.
pub(crate) fn app(screen: Screen, theme: Theme) -> App {
    let subject = Subject::of_profile("medium");
    App::new(
        screen,
        subject,
        theme,
        "bench-results".into(),
        crate::tui::grammar::tests::example(),
    )
}

/// What is drawn at this size.
pub(crate) fn buffer(app: &mut App, columns: u16, lines: u16) -> Buffer {
    app.size = (columns, lines);
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| view(app, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The same as lines, blanks at their ends left out.
pub(crate) fn text(app: &mut App, columns: u16, lines: u16) -> String {
    let buffer = buffer(app, columns, lines);
    let width = usize::from(columns).max(1);
    let lines: Vec<String> = buffer
        .content
        .chunks(width)
        .map(|line| {
            let text: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
            text.trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}
