//! Tune, Compare and History with something on them, at sizes of every kind.

use std::sync::Arc;

use super::drawn::{app, buffer, plain};
use crate::bench::artifact::Status;
use crate::bench::compared::Compared;
use crate::bench::examples;
use crate::bench::tune::summary;
use crate::tui::app::{App, Screen};
use crate::tui::state::{compare, history, tune};

fn filled(screen: Screen) -> App {
    let mut app = app(screen, plain(true));
    app.history.take(history::tests::listing());
    let slow = [2.0, 2.05, 2.1, 2.02, 2.2, 2.07];
    let session = examples::session_of(&slow, &slow.map(|s| s / 2.0));
    let compared = Compared::of_session(&session).unwrap();
    app.compare.outcome = Some(compare::Outcome::Compared(Arc::new(compared)));
    let mut tuning = examples::tuning(&[
        ("1", 1, &[3.0, 3.1, 3.2]),
        ("2", 2, &[1.7, 1.7, 1.8]),
        ("4", 4, &[1.2, 1.2, 1.3]),
        ("8", 8, &[1.3, 1.2, 1.3]),
    ]);
    tuning.summary = summary::of(&tuning, Status::Complete, None);
    app.tune.shown = Some(Arc::new(tuning));
    app
}

/// Every width with every height; every pane and form takes its turn.
fn at_sizes(screen: Screen) {
    let mut app = filled(screen);
    for columns in 0..=130 {
        for lines in 0..=40 {
            let turn = usize::from(columns + 2 * lines);
            app.history.pane = history::Pane::ALL[turn % 3];
            app.compare.pane = compare::Pane::ALL[turn % 3];
            app.tune.pane = tune::Pane::ALL[turn % 3];
            let is_zoomed = turn.is_multiple_of(5);
            app.history.is_zoomed = is_zoomed;
            app.compare.is_zoomed = is_zoomed;
            app.tune.is_zoomed = is_zoomed;
            app.compare.shape = app.compare.shape.next();
            let drawn = buffer(&mut app, columns, lines);
            assert_eq!((drawn.area.width, drawn.area.height), (columns, lines));
        }
    }
}

#[test]
fn tune_is_drawn_at_sizes() {
    at_sizes(Screen::Tune);
}

#[test]
fn compare_is_drawn_at_sizes() {
    at_sizes(Screen::Compare);
}

#[test]
fn history_is_drawn_at_sizes() {
    at_sizes(Screen::History);
}

#[test]
fn a_terminal_too_small_for_the_screen_says_what_matters_most() {
    for (screen, word) in [
        (Screen::Tune, "choice 4"),
        (Screen::Compare, "IMPROVED throughput"),
        (Screen::History, "11 saved, 1 not read"),
    ] {
        let drawn = super::drawn::text(&mut filled(screen), 40, 10);
        assert!(drawn.contains(word), "{word} in\n{drawn}");
    }
}
