//! Every screen as text, at the sizes that people have, and at every size at all.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::view;
use crate::tui::app::{App, Kind, Overlay, Screen};
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
    insta::assert_snapshot!(shown(50, 6), @"
    profile small  pair 2/3 AFTER  MEASURE 00:41  LIVE
    288 MB/s copying
    parallelism  mode auto  effective 2  cap 2  (2 c..
    60x16 shows more
    ");
    insta::assert_snapshot!(shown(20, 2), @"
    5/8 after 00:41 LIVE
    288 MB/s copying
    ");
}

#[test]
fn what_disturbed_an_iteration_is_said_whole_or_in_a_word_and_its_verification_is_always_there() {
    for (width, height, words) in [
        (200, 60, "other_processes, retried"),
        (120, 36, "noisy"),
        (80, 24, "noisy"),
        (60, 16, "noisy"),
    ] {
        let mut app = under_way(Screen::Run);
        let row = app.iterations.first_mut().unwrap();
        row.flags = vec!["other_processes".into(), "retried".into()];
        app.iterations.truncate(1);
        let shown = text(&drawn(&mut app, width, height));
        let line = shown
            .lines()
            .find(|l| l.contains("warm-up before"))
            .unwrap();
        assert!(
            line.contains(words) && line.contains("ok"),
            "{width}x{height}: {line}"
        );
    }
}

#[test]
fn a_calibration_counts_its_own_pairs() {
    let mut app = under_way(Screen::Run);
    if let Some(running) = &mut app.running {
        running.kind = Kind::Calibration;
    }
    let shown = text(&drawn(&mut app, 120, 36));
    let headline = shown.lines().next().unwrap();
    // not those of the profile, which are 3
    assert!(
        headline.contains("pair 2/20 AFTER  CALIBRATE"),
        "{headline}"
    );
}

#[test]
fn a_session_until_resolved_counts_up_to_its_next_look() {
    let mut app = under_way(Screen::Run);
    if let Some(running) = &mut app.running {
        running.subject.until_resolved = true;
    }
    let shown = text(&drawn(&mut app, 120, 36));
    let headline = shown.lines().next().unwrap();
    assert!(headline.contains("pair 2/8 look 1/3 AFTER"), "{headline}");
}

#[test]
fn what_a_command_can_be_stands_above_the_prompt() {
    at_three_sizes("prompt", || {
        let mut app = at_rest(Screen::Profile);
        app.prompt.open();
        app.prompt.replace_before_cursor("rep");
        app
    });
    let mut app = at_rest(Screen::Profile);
    app.prompt.open();
    app.prompt.replace_before_cursor(&"x".repeat(300));
    for width in [10, 40, 120] {
        let shown = text(&drawn(&mut app, width, 20));
        assert!(shown.contains("rb-bench >"), "{shown}");
    }
}

#[test]
fn what_is_wrong_with_a_setting_is_read_to_its_end() {
    let mut app = at_rest(Screen::Profile);
    type_line(&mut app, "after resources.parallelism", "0", false);
    let problem = "resources.parallelism: 0 is no number of workers; accepted: auto, or a number from 1 to 64, such as 4; \
                   more than the cap is cut down to it";
    app.typing.as_mut().unwrap().problem = Some(problem.into());
    let words = |shown: String| shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        let shown = words(text(&drawn(&mut app, width, height)));
        assert!(shown.contains("cut down to it"), "{shown}");
    }
}

/// Every size from nothing to more than a screen needs, in states that take turns.
fn at_every_size(screen: Screen) {
    let overlays = [
        None,
        Some(Overlay::Help),
        Some(Overlay::Explain),
        Some(Overlay::Log),
        Some(Overlay::Quitting),
    ];
    let mut apps = [under_way(screen), at_rest(screen)];
    for width in 0..=130_u16 {
        for height in 0..=40_u16 {
            // not every mix of states at every size, but each at so many that every edge is met
            let app = &mut apps[usize::from(height % 2)];
            app.overlay = overlays[usize::from(width + height) % overlays.len()];
            app.run.is_zoomed = width % 3 == 0;
            app.profile.is_zoomed = width % 3 == 1;
            app.run.pane = run::Pane::ALL[usize::from(height) % 3];
            app.profile.pane = profile::Pane::ALL[usize::from(height) % 3];
            app.typing = None;
            if width % 7 == 0 {
                type_line(app, "after resources.parallelism", "auto", false);
            }
            let buffer = drawn(app, width, height);
            assert_eq!((buffer.area.width, buffer.area.height), (width, height));
        }
    }
}

#[test]
fn the_run_screen_is_drawn_at_every_size() {
    at_every_size(Screen::Run);
}

#[test]
fn the_profile_screen_is_drawn_at_every_size() {
    at_every_size(Screen::Profile);
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
