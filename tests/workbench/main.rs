//! The workbench in a real pseudo-terminal: what it shows, and what is left when it is gone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "fail-points")]
mod defects;
mod hung_up;
mod lent;
#[cfg(feature = "fail-points")]
mod live;
#[path = "../support/place.rs"]
mod place;
mod prompt;
mod remembered;
mod terminal;

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use place::Place;
use serde_json::Value;
use terminal::{Terminal, Workbench};

/// A profile whose rows are few and whose iterations are quick.
const QUICK: &[&str] = &[
    "--profile",
    "small",
    "--rows",
    "3000",
    "--warmup",
    "0",
    "--guard",
    "off",
];

/// The one artifact in a directory.
fn artifact(out: &Path) -> Value {
    let files: Vec<_> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    serde_json::from_str(&fs::read_to_string(&files[0]).unwrap()).unwrap()
}

#[test]
fn a_run_is_watched_and_leaves_the_terminal_and_an_artifact() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "2"]);
    terminal.wait_for("Throughput");
    // every screen is reached while it runs
    for (key, word) in [
        ("2", "[2 Tune]"),
        ("3", "[3 Compare]"),
        ("4", "[4 History]"),
        ("5", "[5 Profile]"),
        ("1", "[1 Run]"),
    ] {
        terminal.press(key);
        terminal.wait_for(word);
    }
    terminal.press("x");
    terminal.wait_for(" Parallelism ");
    terminal.press("q");
    terminal.wait_for("DONE");
    terminal.press("Q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_is_as_before(&before);
    // the summary stays in the scrollback
    terminal.wait_for("again rb-bench --profile small");

    let artifact = artifact(&workbench.out);
    assert_eq!(artifact["partial"], false);
    assert_eq!(artifact["invocation"]["ui"], "tui");
    assert_eq!(artifact["iterations"].as_array().unwrap().len(), 4);
    let ui = &artifact["ui"];
    assert!(
        ui["frames"].as_u64().unwrap() > 0 && ui["draw_p99_us"].as_u64().unwrap() > 0,
        "{ui}"
    );
    place.assert_no_process_is_left();
}

#[test]
fn a_run_that_is_stopped_after_its_pair_keeps_whole_pairs() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(100, 30);
    let before = terminal.settings();
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "500"]);
    terminal.wait_for(" ok ");
    terminal.press("q");
    terminal.wait_for("finish this pair");
    terminal.press("f");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_is_as_before(&before);
    let artifact = artifact(&workbench.out);
    assert_eq!(artifact["partial"], true);
    let iterations = artifact["iterations"].as_array().unwrap().len();
    assert!(
        iterations >= 2 && iterations.is_multiple_of(2),
        "{iterations}"
    );
    place.assert_no_process_is_left();
}

#[test]
fn a_killed_workbench_leaves_no_postgres() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(80, 24);
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "500"]);
    terminal.wait_for(" ok ");
    workbench.signal(Signal::SIGKILL);
    workbench.wait();
    place.assert_no_process_is_left();
}

#[test]
fn a_signal_ends_the_session_in_good_order_and_restores_the_terminal() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let place = Place::with_server();
        let mut terminal = Terminal::new(80, 24);
        let before = terminal.settings();
        let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "500"]);
        // an iteration is in the table: there is something to keep
        terminal.wait_for(" ok ");
        workbench.signal(signal);
        assert_eq!(workbench.exit_code(), 130, "{signal}");
        terminal.assert_is_as_before(&before);
        assert_eq!(artifact(&workbench.out)["partial"], true);
        place.assert_no_process_is_left();
    }
}

#[test]
fn a_closed_terminal_ends_the_session_and_its_server() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(80, 24);
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "500"]);
    terminal.wait_for(" ok ");
    terminal.hang_up();
    workbench.wait();
    assert_eq!(artifact(&workbench.out)["partial"], true);
    place.assert_no_process_is_left();
}

#[test]
fn any_size_is_lived_with_and_the_last_one_is_drawn() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let mut workbench = Workbench::start(&mut terminal, &place, &[], &[]);
    terminal.wait_for("resources.parallelism");
    for n in 0..60_u16 {
        terminal.resize(1 + (n * 37) % 150, 1 + (n * 13) % 50);
    }
    terminal.resize(1, 1);
    terminal.resize(60, 16);
    terminal.wait_for("resources.parallelism");
    terminal.press("\u{3}");
    assert_eq!(workbench.exit_code(), 0);
}

#[test]
fn control_c_aborts_cleanly_and_the_workbench_stays() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "500"]);
    terminal.wait_for(" ok ");
    terminal.press("\u{3}");
    terminal.wait_for("STOPPED");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_is_as_before(&before);
    place.assert_no_process_is_left();
}

#[test]
fn the_parallelism_is_changed_and_run_with_keys_that_are_on_the_screen() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "1"]);
    terminal.wait_for("DONE");
    for (key, word) in [
        ("5", "resources.parallelism"),
        ("\r", "Enter keep"),
        ("1", "after resources.parallelism: 1"),
        ("\r", "1*"),
        ("g", "[1 Run]"),
    ] {
        terminal.press(key);
        terminal.wait_for(word);
    }
    terminal.wait_for("DONE");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    assert_eq!(fs::read_dir(&workbench.out).unwrap().count(), 2);
}

#[test]
fn without_a_terminal_it_says_why_and_exits_with_2() {
    let output = support::rb_bench().arg("tui").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let why = "the workbench needs a terminal: standard input is no terminal";
    assert!(said.contains(why), "{said}");
    let instead = "`rb-bench` without `tui` measures the same and prints what it finds";
    assert!(said.contains(instead), "{said}");

    let place = Place::with_server();
    let mut terminal = Terminal::new(80, 24).named("dumb");
    let mut workbench = Workbench::start(&mut terminal, &place, &[], &[]);
    assert_eq!(workbench.exit_code(), 2);
    terminal.wait_for("TERM=dumb");
}
