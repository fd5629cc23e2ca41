//! Another program in the foreground of the terminal, as a shell runs one: Ctrl-C and Ctrl-Z are its own.
//!
//! It is a process group of its own, which has the terminal until it ends; then the terminal is set as it
//! was before. Whoever calls has lent the terminal (see [`terminal`](super::terminal)), and draws nothing.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg, raise};
use nix::sys::termios::{FlushArg, SetArg, tcflush, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

/// The process group that has the terminal; 0 for none.
static GROUP: AtomicI32 = AtomicI32::new(0);
/// Whether we are to end, and so is what has the terminal.
static ENDING: AtomicBool = AtomicBool::new(false);

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal.
    Killed(Signal),
}

/// Runs a program in the foreground and waits for it.
///
/// # Errors
/// Where it cannot be started.
pub fn run(command: &mut Command) -> io::Result<Outcome> {
    let settings = tcgetattr(io::stdin());
    let own = getpgrp();
    let child = command.process_group(0).spawn()?;
    let group = Pid::from_raw(child.id().cast_signed());
    GROUP.store(group.as_raw(), SeqCst);
    give_to(group);
    if ENDING.load(SeqCst) {
        // whoever wanted the end saw no group yet
        end();
    }
    let outcome = wait(group, own);
    GROUP.store(0, SeqCst);
    give_to(own);
    if let Ok(settings) = settings {
        // a program that was killed leaves the terminal as it had it
        let _gone = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &settings);
    }
    outcome
}

fn wait(group: Pid, own: Pid) -> io::Result<Outcome> {
    loop {
        match waitpid(group, Some(WaitPidFlag::WUNTRACED)) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(WaitStatus::Exited(_, code)) => return Ok(Outcome::Exited(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Outcome::Killed(signal)),
            // it asked for the terminal before we gave it
            Ok(WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU)) => go_on(group),
            // Ctrl-Z: whoever started us has the terminal until it continues us
            Ok(WaitStatus::Stopped(..)) => {
                give_to(own);
                raise(Signal::SIGSTOP)?;
                go_on(group);
            }
            Ok(_) => {}
        }
    }
}

fn go_on(group: Pid) {
    give_to(group);
    // one that has ended meanwhile is seen by whoever waits
    let _ended = killpg(group, Signal::SIGCONT);
}

/// Gives the terminal to a process group.
fn give_to(group: Pid) {
    let mut refused = SigSet::empty();
    refused.add(Signal::SIGTTOU);
    // from the background it is only allowed to who does not hear of it
    let Ok(before) = refused.thread_swap_mask(SigmaskHow::SIG_BLOCK) else {
        return;
    };
    // a terminal that is gone belongs to nobody
    let _gone = tcsetpgrp(io::stdin(), group);
    let _same = before.thread_set_mask();
}

/// Ends what has the terminal in good order: the system wants us to end.
pub fn end() {
    ENDING.store(true, SeqCst);
    let group = GROUP.load(SeqCst);
    if group > 0 {
        let group = Pid::from_raw(group);
        let _ended = killpg(group, Signal::SIGTERM);
        let _ended = killpg(group, Signal::SIGCONT);
    }
}

/// Waits for Enter, so that what was printed can be read; for Esc, q and Ctrl-C too, for they mean the same.
pub fn wait_for_enter(said: &str) {
    // what was typed meanwhile was not meant for us
    let _gone = tcflush(io::stdin(), FlushArg::TCIFLUSH);
    if enable_raw_mode().is_err() {
        return;
    }
    print!("\r\n{said}; press Enter to return ");
    let _gone = io::Write::flush(&mut io::stdout());
    while !ENDING.load(SeqCst) {
        match event::poll(Duration::from_millis(100)) {
            // it may be gone without an event that says so
            Ok(false) if tcgetattr(io::stdin()).is_err() => break,
            Ok(false) => {}
            Ok(true) => match event::read() {
                Ok(Event::Key(key)) if is_enough(key.code, key.modifiers) => break,
                Ok(_) => {}
                Err(_) => break,
            },
            Err(_) => break,
        }
    }
    let _gone = disable_raw_mode();
    println!();
}

fn is_enough(code: KeyCode, modifiers: KeyModifiers) -> bool {
    matches!(code, KeyCode::Enter | KeyCode::Esc | KeyCode::Char('q'))
        || (code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL))
}
