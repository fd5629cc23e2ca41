//! Arms that are run by another rb-bench.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{BINARY, fresh_database, rb_bench, sql};

/// A source with 400 rows, and a document that copies them.
struct Place {
    directory: tempfile::TempDir,
    destination: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let source = fresh_database(&format!("{name}_s"));
        sql(
            &source,
            "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL);
             INSERT INTO t SELECT i, 'name ' || i FROM generate_series(1, 400) i; ANALYZE t",
        );
        let destination = fresh_database(&format!("{name}_d"));
        let text = format!(
            "version: \"1.0\"\npipeline: mine\nsource:\n  use: source-postgres\n  config: {{ url: \"{source}\" }}\n  streams: [{{ name: t }}]\n\
             destination:\n  use: dest-postgres\n  config: {{ url: \"{destination}\" }}\n"
        );
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("pipeline.yaml"), text).unwrap();
        Self {
            directory,
            destination,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn arguments(&self) -> Vec<String> {
        let path = |name| self.path(name).display().to_string();
        [
            "--warmup",
            "0",
            "--guard",
            "off",
            "--format",
            "json",
            "--pipeline",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([path("pipeline.yaml"), "--out".into(), path("results")])
        .collect()
    }

    /// An rb-bench that is a shell script; `run` is what it does when it is told to run.
    fn script(&self, name: &str, run: &str) -> String {
        let path = self.path(name);
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo rb-bench 0.0.1; exit; fi\n{run}\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    fn tables(&self) -> String {
        sql(
            &self.destination,
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
        )
    }
}

#[test]
fn two_builds_are_compared_on_the_same_databases_and_verified_by_us() {
    let place = Place::new("builds");
    let old = place.script("old", &format!("exec {BINARY} \"$@\""));
    let output = rb_bench()
        .args(place.arguments())
        .args(["--iters", "2", "--before-bin", &old])
        .assert()
        .success()
        .get_output()
        .clone();
    let artifact: Value = serde_json::from_slice(&output.stdout).unwrap();
    let binaries = &artifact["protocol"]["binaries"];
    assert_eq!(binaries["before"]["version"], "0.0.1");
    assert_eq!(
        binaries["after"]["path"],
        Path::new(BINARY).display().to_string()
    );
    assert_eq!(
        artifact["protocol"]["before"],
        artifact["protocol"]["after"]
    );
    let iterations = artifact["iterations"].as_array().unwrap();
    assert_eq!(iterations.len(), 4);
    for iteration in iterations {
        assert_eq!(iteration["verify"]["checksum_ok"], true);
        assert_eq!(iteration["rows"], 400);
        // the clock is ours: it has the program's start in it
        let own = iteration["result"]["duration_secs"].as_f64().unwrap();
        assert!(own > 0.0 && iteration["duration_s"].as_f64().unwrap() > own);
        assert!(iteration["cpu"]["destination_s"].is_null());
    }
    assert_eq!(place.tables(), "0");
}

#[test]
fn a_program_that_loses_rows_makes_the_session_invalid() {
    let place = Place::new("loses");
    sql(
        &place.destination,
        "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)",
    );
    let lies = place.script(
        "lies",
        "echo '@@BENCH_JSON@@{\"records_written\": 400, \"duration_secs\": 0.001}'",
    );
    let output = rb_bench()
        .args(place.arguments())
        .args(["--iters", "1", "--before-bin", &lies, "--after-bin", &lies])
        .assert()
        .code(1)
        .get_output()
        .clone();
    let artifact: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(artifact["summary"]["status"], "invalid");
    assert_eq!(artifact["iterations"][0]["verify"]["row_count_ok"], false);
}

#[test]
fn a_program_that_does_not_run_is_told_with_its_own_words() {
    let place = Place::new("fails");
    let cases = [
        (
            place.script("fails", "echo 'rb-bench: error: no such key' >&2; exit 1"),
            "fails failed (exit status: 1):\n  rb-bench: error: no such key",
        ),
        (
            place.script("poor", "echo '@@BENCH_JSON@@{}'"),
            "printed a result that cannot be read (it has no records_written)",
        ),
        (
            place.script("silent", "echo done"),
            "printed no line @@BENCH_JSON@@",
        ),
        (
            "/bin/true".to_owned(),
            "/bin/true is no rb-bench: it does not say so with --version",
        ),
        (place.path("missing").display().to_string(), "missing"),
    ];
    for (program, told) in cases {
        let output = rb_bench()
            .args(place.arguments())
            .args([
                "--iters",
                "1",
                "--after-bin",
                &program,
                "--before-bin",
                &program,
            ])
            .assert()
            .code(1)
            .get_output()
            .clone();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{program}: {error}");
        assert_eq!(place.tables(), "0");
    }
}

#[test]
fn a_program_is_gone_when_rb_bench_is_killed() {
    let place = Place::new("killed");
    let (pid_file, gone) = (place.path("pid"), place.path("gone"));
    // it opens a pipe that nobody else holds open: the pipe ends when it does
    nix::unistd::mkfifo(&gone, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!(
        "exec 9>'{}'; echo $$ > '{}'; exec sleep 1000",
        gone.display(),
        pid_file.display()
    );
    let hangs = place.script("hangs", &script);
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let mut child = Command::new(BINARY)
            .args(place.arguments())
            .args([
                "--iters",
                "1",
                "--before-bin",
                &hangs,
                "--after-bin",
                &hangs,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // returns when the program has opened its end
        let mut pipe = fs::File::open(&gone).unwrap();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        // returns when it is gone
        std::io::copy(&mut pipe, &mut std::io::sink()).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!(code, (signal == Signal::SIGTERM).then_some(130));
    }
}
