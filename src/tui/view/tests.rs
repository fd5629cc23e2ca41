//! Every screen as text, at the sizes that people have, and at every size at all.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::view;
use crate::tui::app::{App, Overlay, Screen};
use crate::tui::examples::{at_rest, coloured, under_way};
use crate::tui::message::Note;
use crate::tui::state::{profile, run};
use crate::tui::update::type_line;

fn drawn(app: &mut App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    app.size = (width, height);
    terminal.draw(|frame| view(app, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The buffer's text, trailing blanks cut.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let lines: Vec<String> = buffer
        .content
        .chunks(width)
        .map(|row| {
            let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            line.trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// A snapshot at each of the three sizes.
fn at_three_sizes(name: &str, make: impl Fn() -> App) {
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        let mut app = make();
        let shown = text(&drawn(&mut app, width, height));
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), shown);
    }
}

#[test]
fn the_run_screen_shows_a_session_under_way() {
    at_three_sizes("run", || under_way(Screen::Run));
}

#[test]
fn the_run_screen_at_rest_says_how_to_begin() {
    at_three_sizes("run_at_rest", || at_rest(Screen::Run));
}

#[test]
fn the_profile_screen_shows_every_setting_and_what_it_resolves_to() {
    at_three_sizes("profile", || at_rest(Screen::Profile));
}

#[test]
fn help_explanation_and_the_question_on_quitting_lie_over_the_screen() {
    for (name, overlay) in [
        ("help", Overlay::Help),
        ("explain", Overlay::Explain),
        ("quitting", Overlay::Quitting),
    ] {
        at_three_sizes(name, || {
            let mut app = under_way(Screen::Run);
            app.overlay = Some(overlay);
            app
        });
    }
}

#[test]
fn a_small_terminal_has_a_headline() {
    let shown = |width, height| text(&drawn(&mut under_way(Screen::Run), width, height));
    insta::assert_snapshot!(shown(50, 6), @"");
    insta::assert_snapshot!(shown(20, 2), @"");
}

#[test]
fn every_screen_at_every_size_is_drawn() {
    let overlays = [
        None,
        Some(Overlay::Help),
        Some(Overlay::Explain),
        Some(Overlay::Log),
        Some(Overlay::Quitting),
    ];
    for screen in Screen::ALL {
        for width in (0..=130).step_by(1) {
            for height in 0..=40 {
                // all sizes of every screen, all overlays of some: that many are enough to meet every edge
                let overlay = overlays[usize::from(width + height) % overlays.len()];
                let mut app = if height % 2 == 0 {
                    under_way(screen)
                } else {
                    at_rest(screen)
                };
                app.overlay = overlay;
                app.run.is_zoomed = width % 3 == 0;
                app.profile.is_zoomed = width % 3 == 1;
                app.run.pane = run::Pane::ALL[usize::from(height) % 3];
                app.profile.pane = profile::Pane::ALL[usize::from(height) % 3];
                if width % 7 == 0 {
                    type_line(&mut app, "after resources.parallelism", "auto", false);
                }
                drawn(&mut app, width, height);
            }
        }
    }
}

#[test]
fn without_colours_there_is_none_and_with_them_only_the_sixteen() {
    let colours = |app: &mut App| -> Vec<Color> {
        let buffer = drawn(app, 120, 36);
        let cells = buffer.content.iter();
        let mut all: Vec<Color> = cells.flat_map(|cell| [cell.fg, cell.bg]).collect();
        all.sort_by_key(|colour| format!("{colour:?}"));
        all.dedup();
        all
    };
    for screen in [Screen::Run, Screen::Profile] {
        assert_eq!(colours(&mut under_way(screen)), [Color::Reset]);
        let mut app = under_way(screen);
        app.theme = coloured();
        let used = colours(&mut app);
        assert!(used.len() > 1);
        let sixteen = |colour: &Color| !matches!(colour, Color::Rgb(..) | Color::Indexed(_));
        assert!(used.iter().all(sixteen), "{used:?}");
    }
}

#[test]
fn an_ascii_terminal_gets_ascii() {
    for screen in [Screen::Run, Screen::Profile] {
        for overlay in [None, Some(Overlay::Help), Some(Overlay::Explain)] {
            let mut app = under_way(screen);
            app.overlay = overlay;
            let shown = text(&drawn(&mut app, 120, 36));
            assert!(shown.is_ascii(), "{screen:?} {overlay:?}\n{shown}");
        }
    }
}

#[test]
fn an_error_is_a_word_and_stands_out() {
    let mut app = at_rest(Screen::Run);
    app.note = Some(Note::failed("no such profile\nuse another"));
    let buffer = drawn(&mut app, 80, 24);
    let line = text(&buffer).lines().nth(22).unwrap().to_owned();
    assert_eq!(line, " error: no such profile");
    assert!(buffer[(2, 22)].modifier.contains(Modifier::BOLD));
}
