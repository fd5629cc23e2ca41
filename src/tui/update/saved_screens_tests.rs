//! Keys and messages on Tune, Compare and History: what they change and what they ask for.

use std::sync::Arc;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::update;
use crate::bench::artifact::Status;
use crate::bench::conditions::Condition;
use crate::bench::examples;
use crate::bench::order::Arm;
use crate::bench::tune::artifact::TuneArtifact;
use crate::bench::tune::summary;
use crate::error::{Error, Kind};
use crate::tui::app::{App, Kind as Session, Screen};
use crate::tui::examples::under_way;
use crate::tui::message::{Effect, Ended, Msg, Start, Told};
use crate::tui::saved::{Reply, Request};
use crate::tui::state::compare::{Outcome, Pair, Shape};
use crate::tui::state::history::{Pane, tests::listing};
use crate::tui::view::drawn;

fn app(screen: Screen) -> App {
    let mut app = drawn::app(screen, drawn::plain(true));
    app.size = (120, 36);
    app.history.take(listing());
    app
}

/// Types these characters; `\n` is Enter, `\x1b` Esc.
fn keys(app: &mut App, text: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in text.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        effects.extend(update(app, Msg::Input(Event::Key(key))));
    }
    effects
}

fn requests(effects: &[Effect]) -> Vec<&Request> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Saved(request) => Some(request.as_ref()),
            _ => None,
        })
        .collect()
}

fn note(app: &App) -> &str {
    app.note.as_ref().map_or("", |note| note.text.as_str())
}

fn tuned(partial: bool) -> Arc<TuneArtifact> {
    let mut tuning = examples::tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
    tuning.partial = partial;
    let status = if partial {
        tuning.iterations.pop();
        Status::Partial
    } else {
        Status::Complete
    };
    tuning.summary = summary::of(&tuning, status, None);
    Arc::new(tuning)
}

#[test]
fn history_is_looked_through_when_it_is_shown() {
    let mut app = app(Screen::Run);
    let effects = keys(&mut app, "4");
    assert_eq!(requests(&effects), [&Request::List]);
    assert!(app.history.is_loading);
    let refused = Error::new(Kind::Io, "no such luck");
    update(&mut app, Msg::Saved(Box::new(Reply::Listed(Err(refused)))));
    assert!(!app.history.is_loading);
    assert_eq!(app.history.problem.as_deref(), Some("no such luck"));
}

#[test]
fn two_marked_sessions_are_compared_with_three_keys() {
    let mut app = app(Screen::History);
    // the newest is a tuning, which has no arms to mark
    keys(&mut app, "b");
    assert!(
        note(&app).contains("a tuning has no before and after; Enter opens it"),
        "{}",
        note(&app)
    );
    keys(&mut app, "jjbj");
    assert!(requests(&keys(&mut app, "c")).is_empty());
    assert!(
        note(&app).contains("mark two sessions first: b is before, a is after"),
        "{}",
        note(&app)
    );
    keys(&mut app, "a");
    let effects = keys(&mut app, "c");
    assert_eq!(app.screen, Screen::Compare);
    let pair = Pair::Between {
        before: "8-medium.json".into(),
        after: "7-medium.json".into(),
    };
    assert!(
        matches!(&requests(&effects)[..], [Request::Compare { pair: asked, .. }] if *asked == pair),
        "{effects:?}"
    );
    // again is no longer
    keys(&mut app, "4a");
    assert_eq!(app.history.marks.keys().collect::<Vec<_>>(), [&Arm::Before]);
}

#[test]
fn enter_opens_a_session_on_compare_and_a_tuning_on_tune() {
    let mut app = app(Screen::History);
    let effects = keys(&mut app, "\n");
    assert_eq!(app.screen, Screen::Tune);
    assert_eq!(
        requests(&effects),
        [&Request::Tuning("tune.json".to_owned())]
    );
    let path = "bench-results/tune.json".into();
    update(
        &mut app,
        Msg::Saved(Box::new(Reply::Tuning(Ok((tuned(false), path))))),
    );
    assert!(app.tune.shown.is_some());
    keys(&mut app, "4jj\n");
    assert_eq!(app.screen, Screen::Compare);
    assert_eq!(app.compare.pair, Pair::Within("8-medium.json".into()));
    // one that is under way is not put out of sight
    keys(&mut app, "4g");
    app.running = under_way(Screen::Run).running;
    app.tune.is_live = true;
    assert!(requests(&keys(&mut app, "\n")).is_empty());
    let told = "a tuning is under way, and the Tune screen shows it";
    assert_eq!(note(&app), told);
}

#[test]
fn a_filter_counts_as_it_is_typed_and_esc_clears_it() {
    let mut app = app(Screen::History);
    keys(&mut app, "/night");
    assert_eq!(app.history.arranged().len(), 1);
    keys(&mut app, "\n");
    assert_eq!(app.history.filter, "night");
    keys(&mut app, "\x1b");
    assert_eq!(app.history.filter, "");
    keys(&mut app, "sI");
    assert!(app.history.is_inverted);
}

#[test]
fn a_file_is_deleted_only_after_yes() {
    let mut app = app(Screen::History);
    assert!(requests(&keys(&mut app, "Dno\n")).is_empty());
    assert_eq!(note(&app), "nothing was deleted");
    let effects = keys(&mut app, "Dyes\n");
    assert_eq!(
        requests(&effects),
        [&Request::Delete("tune.json".to_owned())]
    );
    let effects = update(
        &mut app,
        Msg::Saved(Box::new(Reply::Deleted(Ok("deleted tune.json".into())))),
    );
    assert_eq!(requests(&effects), [&Request::List]);
}

#[test]
fn pages_and_exports_go_where_it_is_typed() {
    let mut app = app(Screen::History);
    keys(&mut app, "e");
    assert!(note(&app).contains("a tuning is not exported"));
    let effects = keys(&mut app, "jje/x/s.hlog\n");
    assert_eq!(
        requests(&effects),
        [&Request::Export {
            session: "8-medium.json".into(),
            to: "/x/s.hlog".into()
        }]
    );
    // Enter alone takes what is offered
    let effects = keys(&mut app, "o\n");
    assert_eq!(
        requests(&effects),
        [&Request::Page {
            artifact: "bench-results/8-medium.json".into(),
            to: "bench-results/8-medium.html".into()
        }]
    );
}

#[test]
fn panes_take_turns_and_one_can_have_the_screen() {
    let mut app = app(Screen::History);
    let tab = KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE);
    for pane in [Pane::Trend, Pane::Unreadable, Pane::Saved] {
        update(&mut app, Msg::Input(Event::Key(tab)));
        assert_eq!(app.history.pane, pane);
    }
    keys(&mut app, "z");
    assert!(app.history.is_zoomed);
    keys(&mut app, "\x1b");
    assert!(!app.history.is_zoomed);
}

#[test]
fn the_pair_that_is_compared_takes_turns() {
    let mut app = app(Screen::Run);
    let asked = |effects: &[Effect]| match &requests(effects)[..] {
        [Request::Compare { pair, .. }] => pair.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&keys(&mut app, "3")), Pair::Newest);
    assert_eq!(asked(&keys(&mut app, "c")), Pair::Previous);
    assert_eq!(asked(&keys(&mut app, "c")), Pair::Newest);
    app.history.marks.insert(Arm::Before, "a.json".into());
    app.history.marks.insert(Arm::After, "b.json".into());
    keys(&mut app, "c");
    let marked = Pair::Between {
        before: "a.json".into(),
        after: "b.json".into(),
    };
    assert_eq!(asked(&keys(&mut app, "c")), marked);
    keys(&mut app, "v");
    assert_eq!(app.compare.shape, Shape::Overlay);
}

#[test]
fn after_a_second_run_of_a_profile_the_two_runs_are_compared() {
    let mut app = app(Screen::Run);
    let mut run = |profile: &str, partial: bool| {
        let mut artifact = examples::session_of(&[2.0; 6], &[1.0; 6]);
        artifact.profile.name = profile.into();
        artifact.partial = partial;
        let ended = Ended {
            artifact: Some(artifact),
            path: Some("bench-results/x.json".into()),
            ..Ended::default()
        };
        update(&mut app, Msg::Ended(Box::new(ended)));
        app.compare.pair.clone()
    };
    assert_eq!(run("small", false), Pair::Newest);
    assert_eq!(run("small", true), Pair::Newest);
    assert_eq!(run("small", false), Pair::Previous);
    assert_eq!(run("large", false), Pair::Newest);
}

#[test]
fn an_answer_to_what_is_no_longer_asked_is_passed_over() {
    let mut app = app(Screen::Compare);
    keys(&mut app, "cc");
    let refused = Error::new(Kind::NotFound, "late");
    let late = Reply::Compared {
        pair: Pair::Previous,
        outcome: Err(refused),
    };
    update(&mut app, Msg::Saved(Box::new(late)));
    assert_eq!(app.compare.outcome, None);
    let refused = Error::new(Kind::NotFound, "there is no saved session");
    let answer = Reply::Compared {
        pair: Pair::Newest,
        outcome: Err(refused),
    };
    update(&mut app, Msg::Saved(Box::new(answer)));
    assert!(matches!(&app.compare.outcome, Some(Outcome::Failed(why)) if why.contains("no saved")));
}

#[test]
fn a_difference_is_allowed_by_its_name_and_forbidden_again() {
    use crate::bench::compared::{Compared, Side};
    use crate::bench::rules::Rules;

    let mut app = app(Screen::Compare);
    let before = examples::session_of(&[1.0; 6], &[1.0; 6]);
    let mut after = before.clone();
    after.invocation.ui = "tui".into();
    let compared = |app: &App| {
        let side = |session| Side {
            session,
            arm: Arm::After,
        };
        let rules = Rules::at(0.02);
        Compared::between(side(&before), side(&after), &rules, &app.compare.allowed).unwrap()
    };
    app.compare.outcome = Some(Outcome::Compared(Arc::new(compared(&app))));
    let effects = keys(&mut app, "a");
    assert_eq!(
        app.compare.allowed.iter().collect::<Vec<_>>(),
        [&Condition::Ui]
    );
    assert!(note(&app).contains("--allow ui"), "{}", note(&app));
    assert!(
        matches!(&requests(&effects)[..], [Request::Compare { allowed, .. }] if allowed.len() == 1)
    );
    app.compare.outcome = Some(Outcome::Compared(Arc::new(compared(&app))));
    keys(&mut app, "a");
    assert!(app.compare.allowed.is_empty());
}

#[test]
fn t_begins_a_tuning_from_where_one_chooses() {
    for screen in [Screen::Run, Screen::Tune, Screen::Profile] {
        let mut app = app(screen);
        let effects = keys(&mut app, "t");
        assert_eq!(app.screen, Screen::Tune);
        assert!(app.tune.is_live);
        assert!(
            effects
                .iter()
                .any(|e| matches!(e, Effect::Start(start) if matches!(**start, Start::Tuning(_)))),
            "{effects:?}"
        );
        // one at a time
        let effects = keys(&mut app, "i");
        assert!(
            effects.is_empty()
                && note(&app).contains("a session is under way; q ends it, 1 shows it")
        );
    }
}

#[test]
fn sides_and_noise_begin_on_tune() {
    let mut app = app(Screen::Tune);
    let effects = keys(&mut app, "i");
    assert!(
        matches!(effects.last(), Some(Effect::Start(start)) if matches!(**start, Start::Sides(_)))
    );
    let mut other = self::app(Screen::Tune);
    let effects = keys(&mut other, "n");
    assert!(
        matches!(effects.last(), Some(Effect::Start(start)) if matches!(**start, Start::Calibration(_)))
    );
    assert_eq!(
        other.running.as_ref().map(|running| running.kind),
        Some(Session::Calibration)
    );
}

#[test]
fn a_sweep_grows_unless_the_display_stands_still() {
    let mut app = app(Screen::Tune);
    keys(&mut app, "t");
    update(&mut app, Msg::Told(Told::Tuning(tuned(true))));
    assert_eq!(app.tune.shown.as_ref().unwrap().iterations.len(), 5);
    keys(&mut app, " ");
    update(&mut app, Msg::Told(Told::Tuning(tuned(false))));
    assert_eq!(app.tune.shown.as_ref().unwrap().iterations.len(), 5);
    keys(&mut app, " ");
    assert_eq!(app.tune.shown.as_ref().unwrap().iterations.len(), 6);
    let ended = Ended {
        tuning: Some(tuned(false)),
        path: Some("bench-results/tune.json".into()),
        ..Ended::default()
    };
    update(&mut app, Msg::Ended(Box::new(ended)));
    assert!(!app.tune.is_live && app.running.is_none());
    assert!(app.tune.path.is_some());
}

#[test]
fn the_choice_is_written_to_the_file_that_is_typed() {
    let mut app = app(Screen::Tune);
    keys(&mut app, "w");
    assert!(
        note(&app).contains("there is no tuning to write a setting from"),
        "{}",
        note(&app)
    );
    app.tune.shown = Some(tuned(true));
    app.tune.path = Some("bench-results/tune.json".into());
    keys(&mut app, "w");
    assert!(note(&app).contains("has no choice"), "{}", note(&app));
    app.tune.shown = Some(tuned(false));
    keys(&mut app, "w");
    let typing = app.typing.clone().unwrap();
    assert!(
        typing.label.contains("resources.parallelism: 2"),
        "{typing:?}"
    );
    assert!(requests(&keys(&mut app, "\n")).is_empty());
    assert!(
        note(&app).contains("no file was named; nothing was written"),
        "{}",
        note(&app)
    );
    let effects = keys(&mut app, "worders.yaml\n");
    assert_eq!(
        requests(&effects),
        [&Request::Write {
            tuning: "bench-results/tune.json".into(),
            document: "orders.yaml".into()
        }]
    );
    let written = Reply::Written(Ok("wrote resources.parallelism = 2 to orders.yaml".into()));
    update(&mut app, Msg::Saved(Box::new(written)));
    assert!(note(&app).starts_with("wrote "), "{}", note(&app));
}

#[test]
fn the_interrupted_tuning_that_is_shown_is_gone_on_with() {
    let asked = |effects: &[Effect]| match effects.last() {
        Some(Effect::Start(start)) => match start.as_ref() {
            Start::Resumed { tuning, .. } => tuning.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let mut app = app(Screen::Tune);
    assert_eq!(asked(&keys(&mut app, "r")), "latest");
    let mut app = self::app(Screen::Tune);
    app.tune.shown = Some(tuned(true));
    app.tune.path = Some("bench-results/tune.json".into());
    assert_eq!(asked(&keys(&mut app, "r")), "bench-results/tune.json");
    assert!(app.tune.shown.is_some(), "what it has stays in sight");
}

#[test]
fn what_cannot_be_done_is_told_and_asks_for_nothing() {
    for (screen, typed, told) in [
        (Screen::Compare, "o", "there is no comparison to write"),
        (
            Screen::Compare,
            "a",
            "nothing differs that could be allowed",
        ),
        (
            Screen::Tune,
            "o",
            "there is no saved tuning to write a page of",
        ),
        (Screen::Run, "p", "nothing is running"),
    ] {
        let mut app = app(screen);
        let effects = keys(&mut app, typed);
        assert!(requests(&effects).is_empty(), "{typed}: {effects:?}");
        assert_eq!(note(&app), told);
    }
}
