//! The Tune screen as it is drawn.

use std::sync::Arc;

use super::*;
use crate::bench::artifact::Status;
use crate::bench::examples::tuning;
use crate::bench::tune::summary;
use crate::tui::app::Screen;
use crate::tui::view::drawn::{app, plain, text};

/// A sweep over six values, which ended.
fn swept() -> TuneArtifact {
    let mut artifact = tuning(&[
        ("1", 1, &[3.0, 3.1, 3.2]),
        ("2", 2, &[1.7, 1.72, 1.8]),
        ("3", 3, &[1.3, 1.32, 1.35]),
        ("4", 4, &[1.15, 1.16, 1.2]),
        ("6", 6, &[1.14, 1.15, 1.17]),
        ("8", 8, &[1.2, 1.22, 1.3]),
    ]);
    artifact.protocol.reference_same_as = Some("2".into());
    artifact
        .protocol
        .same
        .insert("8".into(), vec!["12".into(), "16".into()]);
    artifact.protocol.values.extend(["12".into(), "16".into()]);
    artifact.summary = summary::of(&artifact, Status::Complete, None);
    artifact
}

fn shown(artifact: TuneArtifact, unicode: bool) -> App {
    let mut app = app(Screen::Tune, plain(unicode));
    app.tune.shown = Some(Arc::new(artifact));
    app.tune.path = Some("bench-results/tune.json".into());
    app
}

#[test]
fn the_sweep_its_curve_and_the_choice_stand_together() {
    insta::assert_snapshot!(text(&mut shown(swept(), true), 120, 36));
}

#[test]
fn a_chart_of_words_names_each_of_them() {
    let mut artifact = tuning(&[
        ("whole", 2, &[3.0, 3.1, 3.2]),
        ("source alone", 2, &[1.7, 1.72, 1.8]),
        ("destination alone", 2, &[1.3, 1.32, 1.35]),
    ]);
    artifact.protocol.knob = None;
    artifact.summary = summary::of(&artifact, Status::Complete, None);
    let shown = text(&mut shown(artifact, true), 120, 36);
    for name in ["whole", "source a…", "destinat…"] {
        assert!(shown.contains(name), "{name}\n{shown}");
    }
}

#[test]
fn at_80_columns_values_come_first() {
    let mut app = shown(swept(), true);
    insta::assert_snapshot!("values_80x24", text(&mut app, 80, 24));
    app.tune.pane = Pane::Chart;
    insta::assert_snapshot!("chart_80x24", text(&mut app, 80, 24));
}

#[test]
fn at_60_columns_it_is_whole_in_ascii() {
    let drawn = text(&mut shown(swept(), false), 60, 16);
    assert!(drawn.is_ascii(), "{drawn}");
    insta::assert_snapshot!(drawn);
}

#[test]
fn a_sweep_under_way_shows_what_it_has_and_no_choice() {
    let mut artifact = tuning(&[("1", 1, &[3.0]), ("2", 2, &[1.7])]);
    artifact.partial = true;
    artifact.summary = summary::of(&artifact, Status::Partial, None);
    let mut app = shown(artifact, true);
    app.tune.is_live = true;
    let drawn = text(&mut app, 120, 36);
    for word in [
        "2 iterations so far",
        "known when every value has had its rounds",
    ] {
        assert!(drawn.contains(word), "{word} in\n{drawn}");
    }
    assert!(!drawn.contains("w writes it"), "{drawn}");
}

#[test]
fn an_interrupted_tuning_says_how_to_go_on() {
    let mut artifact = tuning(&[("1", 1, &[3.0]), ("2", 2, &[1.7])]);
    artifact.partial = true;
    artifact.summary = summary::of(&artifact, Status::Partial, Some("interrupted".into()));
    let drawn = text(&mut shown(artifact, true), 80, 24);
    assert!(drawn.contains("PARTIAL: r goes on with it"), "{drawn}");
}

#[test]
fn without_a_tuning_the_screen_says_what_can_be_begun() {
    let mut app = app(Screen::Tune, plain(true));
    insta::assert_snapshot!(text(&mut app, 80, 24));
}

#[test]
fn what_is_copied_is_what_the_command_prints() {
    let app = shown(swept(), true);
    let text = markdown(&app);
    assert!(
        text.contains("<- the choice") && text.contains("```text"),
        "{text}"
    );
}
