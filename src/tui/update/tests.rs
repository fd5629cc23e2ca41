//! What follows from keys and messages, as tables.

use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::update;
use crate::bench::control::Wish;
use crate::bench::order::Arm;
use crate::bench::subject::What;
use crate::error::{Error, Kind as ErrorKind};
use crate::telemetry::counters::Phase;
use crate::tui::app::{App, Ending, Overlay, Screen};
use crate::tui::examples::{at_rest, under_way};
use crate::tui::message::{Effect, Ended, Msg, Note, Signal, Start, Told};
use crate::tui::snapshot::{Shared, Snapshot};
use crate::tui::state::profile::Pane;
use crate::tui::state::run::Order;

/// Presses keys: a word for the named ones, a character else; `^c` is Control and c.
fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for word in keys.split(' ') {
        let (code, modifiers) = match word {
            "Enter" => (KeyCode::Enter, KeyModifiers::NONE),
            "Esc" => (KeyCode::Esc, KeyModifiers::NONE),
            "Tab" => (KeyCode::Tab, KeyModifiers::NONE),
            "Space" => (KeyCode::Char(' '), KeyModifiers::NONE),
            "Up" => (KeyCode::Up, KeyModifiers::NONE),
            "Down" => (KeyCode::Down, KeyModifiers::NONE),
            "Left" => (KeyCode::Left, KeyModifiers::NONE),
            "Backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
            _ => {
                let mut chars = word.chars();
                match (chars.next().unwrap(), chars.next()) {
                    ('^', Some(c)) => (KeyCode::Char(c), KeyModifiers::CONTROL),
                    (c, None) => (KeyCode::Char(c), KeyModifiers::NONE),
                    _ => panic!("no key `{word}`"),
                }
            }
        };
        let event = Event::Key(KeyEvent::new(code, modifiers));
        effects.extend(update(app, Msg::Input(event)));
    }
    effects
}

fn ended(error: Option<Error>) -> Msg {
    Msg::Ended(Box::new(Ended {
        path: error.is_none().then(|| PathBuf::from("x.json")),
        error,
        ..Ended::default()
    }))
}

#[test]
fn digits_go_to_screens() {
    let mut app = at_rest(Screen::Profile);
    for (n, screen) in Screen::ALL.into_iter().enumerate() {
        press(&mut app, &(n + 1).to_string());
        assert_eq!(app.screen, screen);
    }
}

#[test]
fn a_command_waits_until_no_session_runs() {
    let mut app = under_way(Screen::Run);
    press(&mut app, "!");
    assert!(app.prompt.line.is_none());
    assert_eq!(
        app.note.as_ref().unwrap().text,
        "commands run when no session does: F lets it end after this pair, ^c aborts it"
    );
    let mut app = at_rest(Screen::Profile);
    press(&mut app, "!");
    assert!(app.prompt.line.is_some());
}

#[test]
fn a_run_is_started_once_and_shown() {
    let mut app = at_rest(Screen::Profile);
    let effects = press(&mut app, "g");
    assert_eq!(
        effects,
        [
            Effect::Remember(app.subject.what.clone()),
            Effect::Start(Box::new(Start::Benchmark(app.subject.clone())))
        ]
    );
    assert_eq!(app.screen, Screen::Run);
    assert_eq!(press(&mut app, "r"), []);
    assert!(app.note.as_ref().unwrap().is_error);
}

#[test]
fn the_parallelism_is_changed_with_four_keys_and_run_with_the_fifth() {
    let mut app = at_rest(Screen::Run);
    let effects = press(&mut app, "5 Enter 1 Enter g");
    assert_eq!(app.subject.after, ["resources.parallelism=1"]);
    let Some(Effect::Start(start)) = effects.last() else {
        panic!("{effects:?}");
    };
    let Start::Benchmark(subject) = &**start else {
        panic!("{start:?}");
    };
    assert_eq!(subject.after, ["resources.parallelism=1"]);
}

#[test]
fn what_is_typed_is_judged_at_each_key_and_kept_only_when_it_is_right() {
    let mut app = at_rest(Screen::Profile);
    press(&mut app, "Enter 0");
    let problem = app.typing.as_ref().unwrap().problem.clone().unwrap();
    assert!(problem.contains("resources.parallelism"), "{problem}");
    press(&mut app, "Enter");
    assert!(app.typing.is_some() && app.subject.after.is_empty());
    press(&mut app, "Backspace 4");
    assert_eq!(app.profile.resolutions[1].fields.parallelism_effective, 4);
    press(&mut app, "Enter");
    assert!(app.typing.is_none());
    assert_eq!(app.subject.after, ["resources.parallelism=4"]);
    // given up: what was kept is shown again
    press(&mut app, "Enter 9 Esc");
    assert_eq!(app.profile.resolutions[1].fields.parallelism_effective, 4);
    press(&mut app, "u");
    assert!(app.subject.after.is_empty());
}

#[test]
fn a_setting_that_is_not_in_the_list_is_typed_with_its_key() {
    let mut app = at_rest(Screen::Profile);
    press(&mut app, "a x Enter");
    let problem = app.typing.as_ref().unwrap().problem.clone().unwrap();
    assert_eq!(
        problem,
        "accepted: KEY=VALUE, such as resources.max_retries=5"
    );
    assert!(app.subject.after.is_empty());
}

#[test]
fn each_arm_is_changed_in_its_own_column() {
    let mut app = at_rest(Screen::Profile);
    press(&mut app, "Left Enter 2 Enter");
    assert_eq!(app.profile.arm, Arm::Before);
    assert_eq!(app.subject.before, ["resources.parallelism=2"]);
    assert!(app.subject.after.is_empty());
}

#[test]
fn how_often_is_measured_is_edited_beside_the_pipeline() {
    let mut app = at_rest(Screen::Profile);
    press(&mut app, "Down Enter 1 2 Enter");
    assert_eq!(app.subject.iters, Some(12));
    press(&mut app, "Enter x");
    assert!(app.typing.as_ref().unwrap().problem.is_some());
    press(&mut app, "Esc u");
    assert_eq!(app.subject.iters, None);
    // a word of two is turned over
    press(&mut app, "/ a r m s Enter Enter");
    assert!(!app.subject.both_arms);
    assert_eq!(app.profile.resolutions.len(), 1);
}

#[test]
fn another_profile_is_read_and_the_changes_of_the_last_are_gone() {
    let mut app = at_rest(Screen::Profile);
    app.subject.after = vec!["resources.parallelism=4".into()];
    app.profile.pane = Pane::Profiles;
    let effects = press(&mut app, "Down Enter");
    assert_eq!(app.subject.name(), "medium");
    assert!(app.subject.after.is_empty());
    let subject = app.subject.clone();
    assert_eq!(
        effects,
        [
            Effect::Remember(subject.what.clone()),
            Effect::Load(Box::new(subject))
        ]
    );
}

#[test]
fn quitting_during_a_run_asks_and_each_answer_is_done() {
    for (key, effect, quits) in [
        ("f", Some(Effect::Ask(Wish::Stop)), true),
        ("a", Some(Effect::Abort), true),
        ("Esc", None, false),
    ] {
        let mut app = under_way(Screen::Run);
        assert_eq!(press(&mut app, "q"), []);
        assert_eq!(app.overlay, Some(Overlay::Quitting));
        let effects = press(&mut app, key);
        assert_eq!(effects.into_iter().next(), effect);
        assert_eq!(app.overlay, None);
        assert_eq!(app.running.as_ref().unwrap().then_quit, quits);
        update(&mut app, ended(None));
        assert_eq!(app.ending.is_some(), quits, "{key}");
    }
    let mut app = at_rest(Screen::Run);
    press(&mut app, "q");
    assert_eq!(app.ending, Some(Ending::Quit));
}

#[test]
fn the_first_interrupt_aborts_and_the_second_leaves_at_once() {
    let mut app = under_way(Screen::Tune);
    assert_eq!(press(&mut app, "^c"), [Effect::Abort]);
    assert_eq!(app.ending, None);
    press(&mut app, "^c");
    assert_eq!(app.ending, Some(Ending::AtOnce));
    let mut app = under_way(Screen::Run);
    assert_eq!(
        update(&mut app, Msg::Signal(Signal::Interrupt)),
        [Effect::Abort]
    );
    update(&mut app, Msg::Signal(Signal::Terminate));
    assert_eq!(app.ending, Some(Ending::Terminated));
}

#[test]
fn pausing_is_asked_for_and_taken_back() {
    let mut app = under_way(Screen::Run);
    assert_eq!(press(&mut app, "p"), [Effect::Ask(Wish::Pause)]);
    assert_eq!(press(&mut app, "p"), [Effect::Ask(Wish::GoOn)]);
    assert_eq!(press(&mut at_rest(Screen::Run), "p"), []);
}

#[test]
fn a_frozen_display_catches_up() {
    let mut app = under_way(Screen::Run);
    press(&mut app, "Space");
    let newer = Shared::new(Snapshot {
        mb_per_s: 1.0,
        ..Snapshot::default()
    });
    update(&mut app, Msg::Seen(newer.clone()));
    assert_ne!(app.seen, newer);
    press(&mut app, "Space");
    assert_eq!(app.seen, newer);
}

#[test]
fn shards_are_filtered_as_it_is_typed_and_sorted_by_the_next_column() {
    let mut app = under_way(Screen::Run);
    press(&mut app, "/ z");
    assert_eq!(app.run.filter, "z");
    press(&mut app, "Enter");
    assert_eq!((app.run.filter.as_str(), app.typing.is_none()), ("z", true));
    press(&mut app, "Esc s I");
    assert_eq!(app.run.filter, "");
    assert_eq!((app.run.order, app.run.is_inverted), (Order::Stream, true));
}

#[test]
fn what_a_session_ended_with_is_shown_and_kept_in_the_log() {
    let mut app = under_way(Screen::Run);
    let error = Error::new(ErrorKind::Connection, "the server went away").remedy("start it");
    update(&mut app, ended(Some(error)));
    assert!(app.running.is_none());
    // what was moved stays to be seen, and nothing looks as if it moved
    assert_eq!(app.seen.phase, Phase::Done);
    assert!(
        app.seen
            .shards
            .iter()
            .all(|shard| shard.mb_per_s.abs() < f64::EPSILON && shard.rows > 0)
    );
    assert!(app.note.as_ref().unwrap().is_error);
    assert!(app.log.back().unwrap().text.contains("start it"));
    let told = Told::Line {
        at: "12:00:00".into(),
        text: "x".into(),
    };
    update(&mut app, Msg::Told(told));
    assert_eq!(app.log.back().unwrap().text, "x");
}

#[test]
fn the_clock_and_the_size_are_what_is_told() {
    let mut app = at_rest(Screen::Run);
    update(&mut app, Msg::Tick(Duration::from_secs(9)));
    update(&mut app, Msg::Input(Event::Resize(1, 1)));
    assert_eq!((app.now, app.size), (Duration::from_secs(9), (1, 1)));
}

#[test]
fn suspending_copying_and_the_mouse_are_done_outside() {
    let mut app = under_way(Screen::Run);
    assert_eq!(press(&mut app, "^z"), [Effect::Suspend]);
    assert_eq!(
        press(&mut app, "m m"),
        [Effect::Mouse(true), Effect::Mouse(false)]
    );
    let effects = press(&mut app, "y");
    let Some(Effect::Copy(text)) = effects.first() else {
        panic!("{effects:?}");
    };
    assert!(text.contains("| 1 | after | 1.77 s |"), "{text}");
}

#[test]
fn the_wheel_moves_and_a_click_on_a_tab_shows_its_screen() {
    let mouse = |kind, column| {
        Msg::Input(Event::Mouse(MouseEvent {
            kind,
            column,
            row: 0,
            modifiers: KeyModifiers::NONE,
        }))
    };
    let mut app = at_rest(Screen::Profile);
    app.size = (120, 36);
    let before = app.profile.chosen;
    update(&mut app, mouse(MouseEventKind::ScrollDown, 0));
    assert_eq!(app.profile.chosen, before + 1);
    // ` rb-bench  1 Run  2 Tune `
    update(&mut app, mouse(MouseEventKind::Down(MouseButton::Left), 12));
    assert_eq!(app.screen, Screen::Run);
    update(&mut app, mouse(MouseEventKind::Down(MouseButton::Left), 19));
    assert_eq!(app.screen, Screen::Tune);
    update(&mut app, mouse(MouseEventKind::Down(MouseButton::Left), 2));
    assert_eq!(app.screen, Screen::Tune);
}

#[test]
fn another_profile_keeps_the_rows_and_a_document_says_that_it_cannot() {
    let mut app = at_rest(Screen::Profile);
    app.subject.rows = Some(500);
    app.profile.pane = Pane::Profiles;
    press(&mut app, "Down Enter");
    assert_eq!(app.subject.name(), "medium");
    assert_eq!(app.subject.rows, Some(500));
    let document = What::Pipeline("p.yaml".into());
    app.profile.offer(&app.subject.what.clone(), &[document]);
    press(&mut app, "G Enter");
    assert_eq!(app.subject.rows, None);
    let said = app.note.as_ref().unwrap();
    assert!(said.text.contains("500"), "{}", said.text);
}

#[test]
fn until_resolved_and_gates_are_chosen_by_keys() {
    let mut app = at_rest(Screen::Profile);
    press(&mut app, "/ u n t i l Enter Enter");
    assert!(app.subject.until_resolved);
    press(&mut app, "/ ^u g a t e Enter Enter r s s _ p e a k");
    assert!(app.subject.gates.metrics.is_empty());
    press(&mut app, "Enter");
    assert_eq!(
        app.subject.arguments().join(" "),
        "--profile small --gate rss_peak --until-resolved"
    );
}

/// Opens the prompt and types a line.
fn typed(app: &mut App, line: &str) -> Vec<Effect> {
    let mut effects = press(app, "!");
    for c in line.chars() {
        let event = Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        effects.extend(update(app, Msg::Input(event)));
    }
    effects
}

fn in_prompt(app: &App) -> &str {
    app.prompt.line.as_ref().map_or("", |line| &line.text)
}

#[test]
fn a_command_is_completed_judged_and_run_with_its_words_as_a_shell_reads_them() {
    for screen in Screen::ALL {
        let mut app = at_rest(screen);
        assert_eq!(typed(&mut app, "repe"), []);
        press(&mut app, "Tab");
        assert_eq!(in_prompt(&app), "repeat ");
        for c in "'a b' q".chars() {
            let event = Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            update(&mut app, Msg::Input(event));
        }
        let words = ["repeat", "a b", "q"].map(str::to_owned).to_vec();
        assert_eq!(press(&mut app, "Enter"), [Effect::Command(words)]);
        assert!(app.prompt.line.is_none() && app.ending.is_none());
        // it comes back with the key that shells have for it
        press(&mut app, "! Up");
        assert_eq!(in_prompt(&app), "repeat 'a b' q");
        press(&mut app, "Esc");
        assert!(app.prompt.line.is_none());
    }
}

#[test]
fn what_cannot_be_run_is_read_here_and_the_line_stays_to_be_put_right() {
    let mut app = at_rest(Screen::History);
    typed(&mut app, "wrong");
    assert_eq!(press(&mut app, "Enter"), []);
    assert_eq!(app.overlay, Some(Overlay::Said));
    assert!(app.said.1.contains("no such command"));
    press(&mut app, "Esc");
    assert_eq!((app.overlay, in_prompt(&app)), (None, "wrong"));
    press(&mut app, "^u ' a Enter");
    let line = app.prompt.line.clone().unwrap();
    assert!(line.problem.unwrap().contains("quote"));
    // nothing to run is no benchmark
    press(&mut app, "^u");
    assert_eq!(press(&mut app, "Enter"), []);
    assert!(app.prompt.line.is_none());
}

#[test]
fn beside_a_session_no_command_is_typed_and_the_session_can_end_and_leave_us_here() {
    let mut app = under_way(Screen::History);
    assert_eq!(press(&mut app, "!"), []);
    assert!(app.prompt.line.is_none());
    assert!(app.note.as_ref().unwrap().text.contains("F lets it end"));
    assert_eq!(press(&mut app, "F"), [Effect::Ask(Wish::Stop)]);
    assert_eq!(press(&mut app, "F"), [Effect::Ask(Wish::GoOn)]);
    press(&mut app, "F");
    update(&mut app, ended(None));
    assert!(app.ending.is_none());
    press(&mut app, "!");
    assert!(app.prompt.line.is_some());
}

#[test]
fn after_a_command_everything_is_read_anew() {
    let mut app = at_rest(Screen::History);
    let note = Note::failed("exit code 1: rb-bench doctor");
    let effects = update(&mut app, Msg::Ran(note.clone()));
    assert!(matches!(effects[0], Effect::Load(_)));
    assert!(matches!(effects[1], Effect::Saved(_)), "{effects:?}");
    assert_eq!(app.note, Some(note));
}

#[test]
fn enter_on_the_run_screen_opens_what_the_pane_is_about() {
    let opened = |keys: &str| {
        let mut app = under_way(Screen::Run);
        press(&mut app, keys);
        (app.overlay, app.screen)
    };
    assert_eq!(opened("Enter"), (Some(Overlay::Explain), Screen::Run));
    assert_eq!(opened("Tab Enter"), (None, Screen::Compare));
    assert_eq!(opened("Tab Tab Enter"), (Some(Overlay::Log), Screen::Run));
}
