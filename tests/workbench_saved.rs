//! Saved artifacts in the workbench, in a real pseudo-terminal: listed, marked, compared; a tuning begun
//! from its screen and written down.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde_json::Value;
use support::{BINARY, directory, foreign_variables, fresh_database, rb_bench, sql};

const COLUMNS: u16 = 120;
const LINES: u16 = 36;
/// A screen that has not come by then does not come.
const AT_MOST: Duration = Duration::from_mins(2);

/// The shortest profile: one column, a few rows.
const PROFILE: &str = r#"# the shortest
profile: tiny
dataset:
  table: t
  rows: 200
  columns: [{ name: id, type: bigint, primary_key: true, expr: "i" }]
pipeline:
  version: "1.0"
  pipeline: tiny
  source: { use: source-postgres, streams: [{ name: t }] }
  destination: { use: dest-postgres }
bench: { warmup: 0, iters: 4 }
"#;

/// Two databases, a profile, and a directory for results.
struct Place {
    directory: tempfile::TempDir,
    source: String,
    destination: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let source = fresh_database(&format!("{name}_s"));
        let table = "CREATE TABLE t (id bigint PRIMARY KEY)";
        sql(
            &source,
            &format!("{table}; INSERT INTO t SELECT generate_series(1, 200)"),
        );
        let destination = fresh_database(&format!("{name}_d"));
        sql(&destination, table);
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
            source,
            destination,
        };
        fs::write(place.profile(), PROFILE).unwrap();
        place
    }

    fn profile(&self) -> PathBuf {
        self.directory.path().join("tiny.yaml")
    }

    fn results(&self) -> PathBuf {
        self.directory.path().join("results")
    }

    fn databases(&self) -> [&str; 4] {
        [
            "--source-url",
            &self.source,
            "--dest-url",
            &self.destination,
        ]
    }

    /// Measures without a screen; the session's id.
    fn measure(&self) -> String {
        let output = rb_bench()
            .arg("--profile")
            .arg(self.profile())
            .args(self.databases())
            .args(["--format", "json", "--guard", "off", "--out"])
            .arg(self.results())
            .assert()
            .success()
            .get_output()
            .clone();
        let artifact: Value = serde_json::from_slice(&output.stdout).unwrap();
        artifact["id"].as_str().unwrap().to_owned()
    }
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap()
}

/// What is on the terminal, and the sign that it has changed.
type Seen = Arc<(Mutex<Terminal>, Condvar)>;

struct Terminal {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    is_over: bool,
}

/// The workbench in a terminal.
struct Workbench {
    seen: Seen,
    keys: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _terminal: Box<dyn MasterPty + Send>,
}

impl Workbench {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize {
                rows: LINES,
                cols: COLUMNS,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
        let mut command = CommandBuilder::new(BINARY);
        for name in foreign_variables() {
            command.env_remove(name);
        }
        command.env("RB_BENCH_CLUSTER_DIR", directory().join("commands"));
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env("XDG_STATE_HOME", place.directory.path());
        command.cwd(place.directory.path());
        command.args(["tui", "--out"]);
        command.arg(place.results());
        command.args(arguments);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen: Seen = Arc::new((
            Mutex::new(Terminal {
                parser: vt100::Parser::new(size(LINES), size(COLUMNS), 0),
                bytes: Vec::new(),
                is_over: false,
            }),
            Condvar::new(),
        ));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = output.read(&mut buffer).unwrap_or(0);
                let mut terminal = shown.0.lock().unwrap();
                terminal.parser.process(&buffer[..read]);
                terminal.bytes.extend(&buffer[..read]);
                terminal.is_over = read == 0;
                shown.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self {
            seen,
            keys: pair.master.take_writer().unwrap(),
            child,
            _terminal: pair.master,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until all of these are on the screen.
    fn shows(&self, words: &[&str]) {
        let until = Instant::now() + AT_MOST;
        let mut terminal = self.seen.0.lock().unwrap();
        loop {
            let screen = terminal.parser.screen().contents();
            if words.iter().all(|word| screen.contains(word)) {
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !terminal.is_over,
                "{words:?} never came:\n{screen}"
            );
            terminal = self.seen.1.wait_timeout(terminal, left).unwrap().0;
        }
    }

    /// Waits for its end; its exit code, and whether it gave the screen back.
    fn ends(mut self) -> (u32, bool) {
        let code = self.child.wait().unwrap().exit_code();
        let mut terminal = self.seen.0.lock().unwrap();
        while !terminal.is_over {
            terminal = self.seen.1.wait(terminal).unwrap();
        }
        let left = b"\x1b[?1049l";
        let gave_back = terminal.bytes.windows(left.len()).any(|w| w == left);
        (code, gave_back)
    }
}

fn tunings_in(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("-tune-"))
        .collect()
}

#[test]
fn two_sessions_marked_in_history_are_compared_as_the_command_compares_them() {
    let place = Place::new("marked");
    let (older, newer) = (place.measure(), place.measure());
    let mut workbench = Workbench::start(&place, &[]);
    workbench.shows(&["[5 Profile]"]);
    workbench.press("4");
    workbench.shows(&["[4 History]", "2 saved", &older, &newer]);
    // the newest is chosen first: it is after, the older one before
    workbench.press("a");
    workbench.shows(&[&format!("{newer} is after; mark the other with b")]);
    workbench.press("jb");
    workbench.shows(&[&format!("{older} is before; c compares the two")]);
    workbench.press("c");
    workbench.shows(&["[3 Compare]", "comparable: yes"]);
    let output = rb_bench()
        .args(["compare", &older, &newer, "--format", "json", "--out"])
        .arg(place.results())
        .assert()
        .success()
        .get_output()
        .clone();
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = compared["verdicts"][0]["text"].as_str().unwrap();
    // as much as stands on one line, as lines are broken
    let words: Vec<&str> = verdict.split_whitespace().take(8).collect();
    workbench.shows(&[&words.join(" ")]);
    workbench.press("q");
    assert_eq!(workbench.ends(), (0, true));
}

#[test]
fn a_tuning_is_begun_from_its_screen_and_its_choice_written_down() {
    let place = Place::new("tuned");
    let profile = place.profile();
    let databases = place.databases();
    let mut arguments = vec!["--profile", profile.to_str().unwrap()];
    arguments.extend(databases);
    arguments.extend(["--iters", "1", "--guard", "off"]);
    let mut workbench = Workbench::start(&place, &arguments);
    workbench.shows(&["saved "]);
    workbench.press("2");
    workbench.shows(&["[2 Tune]", "t tunes"]);
    workbench.press("t");
    workbench.shows(&[
        "complete",
        "Choice (w writes it)",
        "the same plan as the choice",
    ]);
    let tunings = tunings_in(&place.results());
    let [tuning] = &tunings[..] else {
        panic!("{tunings:?}");
    };
    let artifact: Value = serde_json::from_str(&fs::read_to_string(tuning).unwrap()).unwrap();
    assert_eq!(artifact["schema"], "rb-bench.tune.v1");
    assert_eq!(artifact["invocation"]["ui"], "tui");
    assert_eq!(artifact["partial"], false);
    let choice = artifact["summary"]["choice"]["setting"].as_str().unwrap();
    // the document that was tuned is offered
    workbench.press("w");
    workbench.shows(&["to the document:"]);
    workbench.press("\r");
    workbench.shows(&["wrote resources.parallelism"]);
    let written = fs::read_to_string(place.profile()).unwrap();
    assert!(
        written.starts_with("# the shortest\n")
            && written.contains(&format!("parallelism: {choice}")),
        "{written}"
    );
    // it is listed, and opens again
    workbench.press("4");
    workbench.shows(&["2 saved", &format!("choice {choice}")]);
    workbench.press("q");
    assert_eq!(workbench.ends(), (0, true));
}
