//! The History screen as it is drawn.

use super::*;
use crate::tui::app::Screen;
use crate::tui::state::history::{Order, tests::listing};
use crate::tui::view::drawn::{app, buffer, coloured, plain, text};

fn shown(unicode: bool) -> App {
    let mut app = app(Screen::History, plain(unicode));
    app.history.take(listing());
    app.history.chosen = 3;
    app.history
        .marks
        .insert(Arm::Before, "0-medium.json".into());
    app
}

#[test]
fn the_list_the_trend_and_what_could_not_be_read_stand_side_by_side() {
    insta::assert_snapshot!(text(&mut shown(true), 120, 36));
}

#[test]
fn at_80_columns_the_trend_stands_below() {
    insta::assert_snapshot!(text(&mut shown(true), 80, 24));
}

#[test]
fn at_60_columns_the_list_has_what_matters_in_ascii() {
    let drawn = text(&mut shown(false), 60, 16);
    assert!(drawn.is_ascii(), "{drawn}");
    insta::assert_snapshot!(drawn);
}

#[test]
fn what_is_invalid_is_a_word_and_a_colour() {
    let mut app = shown(true);
    app.theme = coloured();
    app.history.filter = "invalid".into();
    app.history.chosen = 0;
    app.history.pane = Pane::Trend;
    let buffer = buffer(&mut app, 120, 36);
    let word: Vec<_> = buffer
        .content
        .windows(7)
        .filter(|cells| {
            let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
            text == "INVALID"
        })
        .collect();
    assert!(
        word.iter()
            .any(|cells| cells[0].fg == ratatui::style::Color::Red)
    );
    let found = text(&mut app, 120, 36);
    assert!(found.contains("in no series"), "{found}");
}

#[test]
fn a_thousand_artifacts_are_drawn_where_they_are_chosen() {
    let mut app = shown(true);
    let mut many = listing();
    let row = many.rows[1].clone();
    many.rows = (0..1000)
        .map(|n| {
            let mut row = row.clone();
            if let crate::tui::state::history::Row::Session(entry) = &mut row {
                entry.file = format!("{n}.json");
                entry.id = format!("{n:08x}");
            }
            row
        })
        .collect();
    app.history.take(many);
    app.history.order = Order::Throughput;
    app.history.chosen = 999;
    let drawn = text(&mut app, 80, 24);
    assert!(drawn.contains("000003e7"), "{drawn}");
}

#[test]
fn nothing_saved_says_what_to_do() {
    let mut app = app(Screen::History, plain(true));
    app.history
        .take(crate::tui::state::history::Listing::default());
    let drawn = text(&mut app, 80, 24);
    assert!(drawn.contains("nothing is saved"), "{drawn}");
}

#[test]
fn what_is_copied_is_the_list_as_a_table() {
    let mut app = shown(true);
    app.history.filter = "nightly".into();
    insta::assert_snapshot!(markdown(&app), @"
    | began | id | profile | label | settings | throughput | verdict |
    | --- | --- | --- | --- | --- | ---: | --- |
    | 2026-11-03 10:00 | 00000002 | medium | nightly | parallelism=auto | 155 MB/s | INSUFFICIENT DATA |
    ");
}
