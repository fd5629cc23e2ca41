//! What is typed after `!`: another rb-bench in the workbench's terminal, and the workbench after it.

use std::fs;

use crate::QUICK;
use crate::place::Place;
use crate::terminal::{Terminal, Workbench};

#[test]
fn a_command_has_the_terminal_and_enter_brings_the_workbench_back() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(100, 30);
    let before = terminal.settings();
    let mut workbench = Workbench::start(&mut terminal, &place, &[], &[]);
    terminal.wait_for("resources.parallelism");
    terminal.press("!");
    terminal.wait_for("rb-bench ▸");
    terminal.press("prof");
    terminal.wait_for("List the profiles");
    terminal.press("\t new mine\r");
    terminal.wait_for("done; press Enter to return");
    assert!(place.path().join("mine.yaml").is_file());
    terminal.press("\r");
    // what it made is read: it can be chosen
    terminal.wait_for("mine.yaml");
    // help and mistakes are read without leaving
    terminal.press("!repeat --help\r");
    terminal.wait_for("EXAMPLES:");
    terminal.press("q");
    terminal.wait_for("Esc close");
    terminal.press("\x15repaet\r");
    terminal.wait_for("similar subcommand");
    terminal.press("q");
    terminal.wait_for("Esc close");
    terminal.press("\x03");
    terminal.wait_for("edit");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_was_given_back(&before, 2);
}

#[test]
fn a_saved_session_is_repeated_beside_itself_and_found_in_the_history() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &["--iters", "1"]);
    terminal.wait_for("DONE");
    terminal.press("4");
    terminal.wait_for("Saved 1");
    terminal.press("!repeat ");
    terminal.wait_for("Tab completes");
    terminal.press("\t");
    terminal.press("\r");
    terminal.wait_for("press Enter to return");
    assert_eq!(
        fs::read_dir(&workbench.out)
            .unwrap()
            .filter(is_artifact)
            .count(),
        2
    );
    terminal.press("\r");
    terminal.wait_for("Saved 2");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_was_given_back(&before, 2);
    place.assert_no_process_is_left();
}

fn is_artifact(entry: &std::io::Result<fs::DirEntry>) -> bool {
    let path = entry.as_ref().unwrap().path();
    path.extension().is_some_and(|e| e == "json")
}

#[test]
fn control_c_is_the_commands_own_and_the_workbench_lives() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(100, 30);
    let before = terminal.settings();
    let mut workbench = Workbench::start(&mut terminal, &place, &[], &[]);
    terminal.wait_for("resources.parallelism");
    let line = "!--profile small --rows 3000 --iters 500 --guard off --out other\r";
    terminal.press(line);
    terminal.wait_for("MB/s");
    terminal.press("\x03");
    terminal.wait_for("exit code 130");
    terminal.wait_for("press Enter to return");
    terminal.press("\r");
    terminal.wait_for("resources.parallelism");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_was_given_back(&before, 2);
    place.assert_no_process_is_left();
}

#[test]
fn the_end_of_the_workbench_is_the_end_of_its_command() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(100, 30);
    let before = terminal.settings();
    let mut workbench = Workbench::start(&mut terminal, &place, &[], &[]);
    terminal.wait_for("resources.parallelism");
    terminal.press("!cluster psql -- -c 'select pg_sleep(600)'\r");
    terminal.wait_for("$ rb-bench cluster");
    workbench.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(workbench.exit_code(), 130);
    terminal.assert_was_given_back(&before, 2);
    place.assert_no_process_is_left();
}

#[test]
fn the_flags_of_a_benchmark_are_the_workbenchs_and_a_gate_is_its_exit_code() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let gates = [
        "--until-resolved",
        "--gate",
        "rss_peak",
        "--require-conclusive",
        "--noise-threshold",
        "0",
    ];
    let mut workbench = Workbench::start(&mut terminal, &place, QUICK, &gates);
    terminal.wait_for("look 1/3");
    terminal.wait_for(" ok ");
    terminal.press("F");
    terminal.wait_for("STOPPED");
    terminal.press("q");
    // stopped before its first look, as a benchmark without a screen that was interrupted
    assert_eq!(workbench.exit_code(), 130);
    terminal.assert_is_as_before(&before);
    let artifact = crate::artifact(&workbench.out);
    let again = artifact["invocation"]["repeat"].to_string();
    for flag in [
        "--until-resolved",
        "--gate rss_peak",
        "--require-conclusive",
    ] {
        assert!(again.contains(flag), "{again}");
    }
}
