//! A pseudo-terminal with a screen, and the workbench in it.
//!
//! What a test waits for is something on the screen; the thread that reads wakes it at each change.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};

use crate::place::Place;
use crate::support;

/// How long something that was asked for may take to be on the screen: a limit for what never comes.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the terminal has been sent.
struct Sent {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    /// Whether the reader is to let go of it.
    is_hung_up: bool,
}

/// A terminal.
pub(crate) struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    slave: Option<Box<dyn SlavePty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    sent: Arc<(Mutex<Sent>, Condvar)>,
    name: String,
    path: PathBuf,
}

impl Terminal {
    /// A terminal of this size.
    pub(crate) fn new(columns: u16, lines: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, lines)).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let sent = Arc::new((
            Mutex::new(Sent {
                parser: vt100::Parser::new(at_least_one(lines), at_least_one(columns), 500),
                bytes: Vec::new(),
                is_hung_up: false,
            }),
            Condvar::new(),
        ));
        let shared = Arc::clone(&sent);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let mut sent = shared.0.lock().unwrap();
                sent.parser.process(&buffer[..read]);
                sent.bytes.extend_from_slice(&buffer[..read]);
                shared.1.notify_all();
                if read == 0 || sent.is_hung_up {
                    break;
                }
            }
        });
        Self {
            writer: Some(pair.master.take_writer().unwrap()),
            path: pair.master.tty_name().unwrap(),
            master: Some(pair.master),
            slave: Some(pair.slave),
            sent,
            name: "xterm-256color".to_owned(),
        }
    }

    /// The same under another TERM.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Changes its size.
    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        let mut sent = self.sent.0.lock().unwrap();
        sent.parser
            .set_size(at_least_one(lines), at_least_one(columns));
        self.master
            .as_ref()
            .unwrap()
            .resize(size(columns, lines))
            .unwrap();
    }

    /// Waits until a text is on the screen.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(&format!("`{text}`"), |screen| {
            screen.contents().contains(text)
        });
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut sent = self.sent.0.lock().unwrap();
        while !is_so(sent.parser.screen()) {
            let left = until.saturating_duration_since(Instant::now());
            let shown = sent.parser.screen().contents();
            assert!(!left.is_zero(), "{what} did not come:\n{shown}");
            sent = self.sent.1.wait_timeout(sent, left).unwrap().0;
        }
    }

    /// How the terminal is set.
    pub(crate) fn settings(&self) -> Termios {
        let opened = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NOCTTY)
            .open(&self.path);
        tcgetattr(opened.unwrap()).unwrap()
    }

    /// What is on the screen.
    #[cfg(feature = "fail-points")]
    pub(crate) fn contents(&self) -> String {
        self.sent.0.lock().unwrap().parser.screen().contents()
    }

    /// Waits until the screen is whole in this size: the last line has the keys.
    #[cfg(feature = "fail-points")]
    pub(crate) fn wait_for_size(&self, columns: u16, lines: u16) -> String {
        self.resize(columns, lines);
        self.wait_until(&format!("{columns}x{lines}"), |screen| {
            let mut rows = screen.rows(0, columns);
            let last = rows.nth(usize::from(lines) - 1).unwrap_or_default();
            // the last that a frame writes
            last.contains("q quit")
        });
        self.contents()
    }

    /// Everything is as it was before the workbench was started, and was given back once.
    pub(crate) fn assert_is_as_before(&self, before: &Termios) {
        self.assert_was_given_back(before, 1);
    }

    /// Everything is as it was before the workbench was started, and was taken and given back as often.
    pub(crate) fn assert_was_given_back(&self, before: &Termios, times: usize) {
        assert_eq!(&self.settings(), before);
        self.wait_until("the usual screen", |screen| !screen.alternate_screen());
        let sent = self.sent.0.lock().unwrap();
        let screen = sent.parser.screen();
        assert!(!screen.hide_cursor());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let count = |sequence: &[u8]| {
            let windows = sent.bytes.windows(sequence.len());
            windows.filter(|window| *window == sequence).count()
        };
        assert_eq!(
            (count(b"\x1b[?1049h"), count(b"\x1b[?1049l")),
            (times, times)
        );
    }

    /// Takes the terminal away, as a closed connection does.
    pub(crate) fn hang_up(&mut self) {
        self.sent.0.lock().unwrap().is_hung_up = true;
        self.writer = None;
        self.slave = None;
        self.master = None;
    }
}

fn size(columns: u16, lines: u16) -> PtySize {
    PtySize {
        rows: lines,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn at_least_one(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN)
}

/// The workbench in a terminal.
pub(crate) struct Workbench {
    child: Box<dyn Child + Send + Sync>,
    /// Where it keeps artifacts.
    pub(crate) out: PathBuf,
}

impl Workbench {
    /// Starts it; its server and everything it keeps are in this place.
    pub(crate) fn start(
        terminal: &mut Terminal,
        place: &Place,
        subject: &[&str],
        more: &[&str],
    ) -> Self {
        Self::start_in(terminal, place, &[subject, more].concat(), &[])
    }

    /// The same, with these variables in its environment.
    pub(crate) fn start_in(
        terminal: &mut Terminal,
        place: &Place,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_from(place.path(), terminal, place, arguments, environment)
    }

    /// The same, with this as its working directory.
    pub(crate) fn start_from(
        directory: &Path,
        terminal: &mut Terminal,
        place: &Place,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let out = place.path().join("results");
        let mut command = CommandBuilder::new(support::BINARY);
        command.arg("tui");
        command.args(arguments);
        command.arg("--out");
        command.arg(&out);
        command.cwd(directory);
        command.env("RB_BENCH_CLUSTER_DIR", place.path());
        command.env("XDG_STATE_HOME", place.path().join("state"));
        command.env("TERM", &terminal.name);
        command.env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR");
        command.env_remove("RB_BENCH_LOG");
        // a backtrace would push what is said off the screen
        command.env_remove("RUST_BACKTRACE");
        if let Some(programs) = support::pg_bin() {
            command.env("RB_BENCH_PG_BIN", programs);
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        let slave = terminal.slave.as_ref().unwrap();
        let child = slave.spawn_command(command).unwrap();
        Self { child, out }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until it has stopped, as a shell does.
    pub(crate) fn wait_until_stopped(&self) {
        let status = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(status, WaitStatus::Stopped(..)), "{status:?}");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.process_id().unwrap().cast_signed())
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) {
        self.child.wait().unwrap();
    }

    /// The same, and its exit code.
    pub(crate) fn exit_code(&mut self) -> u32 {
        self.child.wait().unwrap().exit_code()
    }
}
