//! A run survives its screen: a defect in drawing, a terminal that fails or goes away in the middle of a copy.

use std::fs;
use std::path::Path;

use crate::place::Place;
use crate::terminal::{Terminal, Workbench};
use crate::{QUICK, artifact};

/// A run whose screen fails there, as soon as an iteration is in the table.
fn fails(point: &str, says: &[&str]) {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let now = place.path().join("now");
    let trap = format!("{point}={}", now.display());
    let arguments = [QUICK, &["--iters", "500"]].concat();
    let environment = [("RB_BENCH_SCREEN_FAILS", trap.as_str())];
    let mut workbench = Workbench::start_in(&mut terminal, &place, &arguments, &environment);
    terminal.wait_for(" ok ");
    fs::write(&now, "").unwrap();
    assert_eq!(workbench.exit_code(), 1);
    terminal.assert_is_as_before(&before);
    for text in says {
        terminal.wait_for(text);
    }
    // a path may be longer than a line
    terminal.wait_for("what was measured until then is in");
    is_partial(&workbench.out);
    place.assert_no_process_is_left();
}

/// What was measured is there, whole and marked.
fn is_partial(out: &Path) {
    let artifact = artifact(out);
    assert_eq!(artifact["partial"], true);
    assert_eq!(artifact["summary"]["status"], "partial");
    let iterations = artifact["iterations"].as_array().unwrap();
    assert!(!iterations.is_empty());
    let verified = |iteration: &serde_json::Value| iteration["verify"]["checksum_ok"] == true;
    assert!(iterations.iter().all(verified));
}

#[test]
fn a_defect_in_drawing_ends_the_run_in_good_order_and_is_said() {
    let said = ["a test made the drawing fail", "drawing failed: a defect"];
    fails("draw", &said);
}

#[test]
fn a_terminal_that_takes_no_frame_ends_the_run_in_good_order_and_is_said() {
    fails(
        "write",
        &["the terminal is gone: a test made the terminal fail"],
    );
}

#[test]
fn a_terminal_that_goes_away_in_the_middle_of_a_copy_ends_the_run_in_good_order() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(80, 24);
    // well after the first iteration, in the middle of a chunk
    let trap = format!("chunk_under_way@200=hold:{}", place.path().display());
    let arguments = [QUICK, &["--iters", "500"]].concat();
    let environment = [("RB_BENCH_FAIL_POINTS", trap.as_str())];
    let mut workbench = Workbench::start_in(&mut terminal, &place, &arguments, &environment);
    let held = place.wait_until_held_at("chunk_under_way");
    terminal.hang_up();
    fs::remove_file(&held).unwrap();
    workbench.wait();
    is_partial(&workbench.out);
    place.assert_no_process_is_left();
}
