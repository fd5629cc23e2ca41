//! The Compare screen as it is drawn.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::bench::compared::{Compared, Side};
use crate::bench::conditions::Condition;
use crate::bench::examples;
use crate::bench::order::Arm;
use crate::bench::rules::Rules;
use crate::tui::app::Screen;
use crate::tui::state::compare::Shape;
use crate::tui::theme::Theme;
use crate::tui::view::drawn::{app, buffer, coloured, plain, text};

const SLOW: [f64; 8] = [2.0, 2.05, 2.1, 2.02, 2.2, 2.07, 2.04, 2.11];
const FAST: [f64; 8] = [1.2, 1.25, 1.22, 1.2, 1.31, 1.27, 1.21, 1.24];

fn of(compared: Compared, theme: Theme) -> App {
    let mut app = app(Screen::Compare, theme);
    app.compare.outcome = Some(Outcome::Compared(Arc::new(compared)));
    app
}

fn paired(theme: Theme) -> App {
    of(
        Compared::of_session(&examples::session_of(&SLOW, &FAST)).unwrap(),
        theme,
    )
}

/// Two sessions, one of which had a screen and was on another host.
fn unlike(theme: Theme, allowed: &[Condition]) -> App {
    let before = examples::session_of(&SLOW, &SLOW);
    let mut after = examples::session_of(&SLOW, &FAST);
    after.id = "aaaa0002".into();
    after.invocation.ui = "tui".into();
    after.host.cores = 4;
    let side = |session| Side {
        session,
        arm: Arm::After,
    };
    let allowed: BTreeSet<Condition> = allowed.iter().copied().collect();
    let rules = Rules::at(0.02);
    let compared = Compared::between(side(&before), side(&after), &rules, &allowed).unwrap();
    of(compared, theme)
}

#[test]
fn the_verdict_comes_first_and_everything_else_below() {
    insta::assert_snapshot!(text(&mut paired(plain(true)), 120, 36));
}

#[test]
fn at_80_columns_one_pane_and_the_strip_are_left() {
    let mut app = paired(plain(true));
    insta::assert_snapshot!("latencies_80x24", text(&mut app, 80, 24));
    app.compare.pane = Pane::Figures;
    insta::assert_snapshot!("figures_80x24", text(&mut app, 80, 24));
    app.compare.pane = Pane::Iterations;
    insta::assert_snapshot!("iterations_80x24", text(&mut app, 80, 24));
}

#[test]
fn at_60_columns_the_verdict_is_whole_in_ascii() {
    let drawn = text(&mut paired(plain(false)), 60, 16);
    assert!(drawn.is_ascii(), "{drawn}");
    insta::assert_snapshot!(drawn);
}

#[test]
fn every_shape_shows_both_sides_without_a_colour() {
    for (shape, words) in [
        (Shape::Mirror, ["before", "after"]),
        (Shape::Overlay, ["b before alone", "a after alone"]),
        (Shape::Table, ["p99", "chunk_us"]),
    ] {
        let mut app = paired(plain(false));
        app.compare.shape = shape;
        let drawn = text(&mut app, 120, 36);
        for word in words {
            assert!(drawn.contains(word), "{word} in\n{drawn}");
        }
    }
}

#[test]
fn two_that_may_not_be_compared_have_every_difference_named_and_no_figure() {
    let drawn = text(&mut unlike(plain(true), &[]), 80, 24);
    for word in [
        "NOT COMPARABLE",
        "host: cores 2 -> 4",
        "ui: mode headless -> tui",
    ] {
        assert!(drawn.contains(word), "{word} in\n{drawn}");
    }
    assert!(!drawn.contains("throughput"), "{drawn}");
}

#[test]
fn what_was_allowed_is_printed() {
    let mut app = unlike(plain(true), &[Condition::Ui, Condition::Host]);
    let drawn = text(&mut app, 120, 36);
    assert!(
        drawn.contains("only because you allowed host: cores 2 -> 4"),
        "{drawn}"
    );
    assert!(markdown(&app).contains("waived: ui"), "{}", markdown(&app));
}

#[test]
fn a_verdict_has_its_colour_on_its_word() {
    let mut app = paired(coloured());
    let buffer = buffer(&mut app, 120, 36);
    let green = buffer
        .content
        .iter()
        .filter(|cell| cell.bg == ratatui::style::Color::Green)
        .map(ratatui::buffer::Cell::symbol)
        .collect::<String>();
    assert_eq!(green, "IMPROVED");
}

#[test]
fn what_is_copied_is_what_the_command_prints() {
    let app = paired(plain(true));
    let compared = app.compare.compared().unwrap();
    assert_eq!(markdown(&app), report::compared::markdown(compared));
    assert!(
        markdown(&app).starts_with("**IMPROVED**"),
        "{}",
        markdown(&app)
    );
}
