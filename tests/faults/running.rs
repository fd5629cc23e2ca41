//! A run under way, and how it ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a run may take before a test calls it hanging.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run under way.
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Outcome {
    /// The run succeeded.
    #[track_caller]
    pub(crate) fn assert_ok(&self) -> &Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// The run failed with exit code 1, and says each of these things.
    #[track_caller]
    pub(crate) fn assert_failed(&self, says: &[&str]) -> &Self {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        self.assert_says(says)
    }

    /// Standard error has each of these texts.
    #[track_caller]
    pub(crate) fn assert_says(&self, says: &[&str]) -> &Self {
        for text in says {
            assert!(
                self.stderr.contains(text),
                "`{text}` is missing in {self:#?}"
            );
        }
        self
    }

    /// A number of the result line.
    #[track_caller]
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.result()[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{field} in {self:#?}"))
    }

    /// The result line.
    #[track_caller]
    pub(crate) fn result(&self) -> serde_json::Value {
        let json = self
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("@@BENCH_JSON@@"))
            .unwrap_or_else(|| panic!("no result line in {self:#?}"));
        serde_json::from_str(json).expect("the result line is JSON")
    }
}

impl Running {
    /// Starts this command; what it prints goes to files whose names begin with `output`.
    pub(crate) fn start(mut command: Command, output: &Path) -> Self {
        let (stdout, stderr) = (
            output.with_extension("stdout"),
            output.with_extension("stderr"),
        );
        let file = |path| File::create(path).expect("output can be written");
        let child = command
            .stdin(Stdio::null())
            .stdout(file(&stdout))
            .stderr(file(&stderr))
            .spawn()
            .expect("the binary starts");
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("the process is there");
    }

    /// Kills it without a warning, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it is our child");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Outcome {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let said = fs::read_to_string(&self.stderr).unwrap_or_default();
                panic!("rb-bench hangs; it said: {said}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let read = |path| fs::read_to_string(path).expect("its output can be read");
        Outcome {
            status,
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }
}

impl Drop for Running {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
