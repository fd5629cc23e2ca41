//! The terminal in other hands: an editor's, the shell's after Ctrl-Z.

use std::fs;

use nix::sys::signal::Signal;

use crate::place::Place;
use crate::terminal::{Terminal, Workbench};

#[test]
fn an_editor_has_the_terminal_as_it_was_and_what_it_wrote_is_run() {
    let place = Place::with_server();
    // says how it finds the terminal, waits for a line, changes the number of pairs
    let editor = place.path().join("editor.sh");
    let script = "stty -a | grep -q ' icanon' && echo 'the editor has it'\nread -r line\n\
                  sed -i \"s/^  iters: .*/  iters: $line/\" \"$1\"\n";
    fs::write(&editor, script).unwrap();
    let command = format!("sh {}", editor.display());
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let environment = [("EDITOR", command.as_str()), ("VISUAL", "")];
    let mut workbench = Workbench::start_in(
        &mut terminal,
        &place,
        &["--rows", "3000", "--warmup", "0", "--guard", "off"],
        &environment,
    );
    terminal.wait_for("resources.parallelism");
    terminal.press("e");
    terminal.wait_for("the editor has it");
    assert_eq!(terminal.settings(), before);
    terminal.press("1\r");
    terminal.wait_for("the profile is medium.yaml now");
    let text = fs::read_to_string(place.path().join("medium.yaml")).unwrap();
    assert!(text.contains("\n  iters: 1"), "{text}");
    terminal.press("g");
    terminal.wait_for("DONE");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_was_given_back(&before, 2);
    place.assert_no_process_is_left();
}

#[test]
fn an_editor_that_fails_is_said_and_leaves_no_copy() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let environment = [("EDITOR", "false"), ("VISUAL", "")];
    let mut workbench = Workbench::start_in(&mut terminal, &place, &[], &environment);
    terminal.wait_for("resources.parallelism");
    terminal.press("e");
    terminal.wait_for("the editor failed");
    terminal.wait_for("resources.parallelism");
    assert!(!place.path().join("medium.yaml").exists());
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_was_given_back(&before, 2);
}

#[test]
fn control_z_gives_the_shell_its_terminal_and_the_run_goes_on_afterwards() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    let before = terminal.settings();
    let arguments = [super::QUICK, &["--iters", "500"]].concat();
    let mut workbench = Workbench::start_in(&mut terminal, &place, &arguments, &[]);
    terminal.wait_for(" ok ");
    for times in 1..=2 {
        terminal.press("\u{1a}");
        workbench.wait_until_stopped();
        terminal.assert_was_given_back(&before, times);
        workbench.signal(Signal::SIGCONT);
        terminal.wait_for("LIVE");
    }
    terminal.press("\u{3}");
    terminal.wait_for("STOPPED");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    terminal.assert_was_given_back(&before, 3);
    place.assert_no_process_is_left();
}
