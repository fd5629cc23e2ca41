//! What is done with saved sessions: naming them, listing, exporting, repeating, comparing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{fresh_database, rb_bench, sql};

/// The shortest profile: one column, a few rows.
const PROFILE: &str = r#"
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
struct Bench {
    place: tempfile::TempDir,
    source: String,
    destination: String,
}

impl Bench {
    fn new(name: &str) -> Self {
        let source = fresh_database(&format!("{name}_s"));
        sql(
            &source,
            "CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 200)",
        );
        let bench = Self {
            place: tempfile::tempdir().unwrap(),
            source,
            destination: fresh_database(&format!("{name}_d")),
        };
        fs::write(bench.place.path().join("tiny.yaml"), PROFILE).unwrap();
        bench
    }

    fn results(&self) -> PathBuf {
        self.place.path().join("results")
    }

    /// Measures, and returns what was printed.
    fn measure(&self, arguments: &[&str]) -> Value {
        let output = rb_bench()
            .arg("--profile")
            .arg(self.place.path().join("tiny.yaml"))
            .args([
                "--source-url",
                &self.source,
                "--dest-url",
                &self.destination,
            ])
            .args(["--format", "json"])
            .args(arguments)
            .arg("--out")
            .arg(self.results())
            .assert()
            .success();
        serde_json::from_slice(&output.get_output().stdout).unwrap()
    }

    /// The password in the databases' URLs.
    fn password(&self) -> String {
        let user = self.source.split('@').next().unwrap();
        user.rsplit(':').next().unwrap().to_owned()
    }

    /// A command on the results: its exit code, standard output and standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = rb_bench();
        command.args(arguments).arg("--out").arg(self.results());
        // where no password is needed, it is not looked at
        command.env("PGPASSWORD", self.password());
        let output = command.output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[test]
fn a_session_is_listed_exported_repeated_and_pruned() {
    let bench = Bench::new("saved");
    let first = bench.measure(&["--arms", "one", "--iters", "2", "--label", "first"]);
    let id = first["id"].as_str().unwrap();

    let (code, out, _) = bench.run(&["history", "--format", "json"]);
    let history: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, history["sessions"].as_array().unwrap().len()),
        (0, 1),
        "{out}"
    );
    assert_eq!(history["sessions"][0]["label"], "first");
    assert_eq!(history["trends"][0]["missing"], 7);

    for word in ["latest", id, &id[..6], "first"] {
        let (code, out, err) = bench.run(&["export", word, "--csv"]);
        assert_eq!((code, out.lines().count()), (0, 3), "{word}: {err}");
    }
    let (_, hlog, _) = bench.run(&["export", "latest", "--hlog"]);
    assert_eq!(
        hlog.lines()
            .filter(|l| l.starts_with("Tag=after.chunk_us,"))
            .count(),
        2
    );
    let (_, bmf, _) = bench.run(&["export", "latest", "--bmf"]);
    let bmf: Value = serde_json::from_str(&bmf).unwrap();
    assert!(bmf["tiny/after"]["duration-s"]["value"].as_f64().unwrap() > 0.0);

    // the same arguments and the same seed, in a session of its own
    let (code, out, err) = bench.run(&["repeat", "first"]);
    assert_eq!(code, 0, "{err}");
    let again: Value = serde_json::from_str(&out).unwrap();
    assert_ne!(again["id"], first["id"]);
    assert_eq!(again["label"], "first");
    assert_eq!(again["protocol"]["seed"], first["protocol"]["seed"]);
    // save for the password, which came from elsewhere
    let command = first["invocation"]["repeat"].as_str().unwrap();
    assert_eq!(again["invocation"]["repeat"], command.replace(":***@", "@"));
    assert_eq!(again["iterations"].as_array().unwrap().len(), 2);

    assert_eq!(files(&bench.results()).len(), 2);
    // a filter in the wrong place is not passed over
    let (code, ..) = bench.run(&["history", "--label", "x", "prune", "--keep", "0", "--yes"]);
    assert_eq!((code, files(&bench.results()).len()), (2, 2));
    let (code, _, err) = bench.run(&["history", "prune", "--keep", "1"]);
    assert_eq!((code, files(&bench.results()).len()), (2, 2), "{err}");
    let (code, out, _) = bench.run(&["history", "prune", "--keep", "1", "--yes"]);
    assert_eq!((code, out.as_str()), (0, "1 session deleted\n"));
    assert_eq!(files(&bench.results()).len(), 1);
    let (_, out, _) = bench.run(&["history", "--since", "1h", "--format", "json"]);
    let left: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(left["sessions"][0]["id"], again["id"]);
}

#[test]
fn a_password_that_was_typed_is_asked_for_again() {
    let bench = Bench::new("masked");
    let password = bench.password();
    bench.measure(&["--arms", "one", "--iters", "1"]);
    let home = bench.place.path().join("home");
    fs::create_dir(&home).unwrap();
    let repeat = |password: Option<&str>| {
        let mut command = rb_bench();
        command
            .args(["repeat", "latest", "--out"])
            .arg(bench.results())
            .env("HOME", &home);
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        command.output().unwrap()
    };
    let refused = repeat(None);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains(
            "was measured with a password on its command line, and no artifact keeps passwords"
        ) && told.contains("give it by PGPASSWORD, PGPASSFILE or ~/.pgpass and repeat it again")
            && !told.contains(&password),
        "{told}"
    );
    assert!(repeat(Some(&password)).status.success());
}

#[test]
fn a_session_that_holds_another_command_is_not_repeated() {
    let bench = Bench::new("foreign");
    let session = bench.measure(&["--arms", "one", "--iters", "1"]);
    another(&bench, &session, "aaaaaaaa", |s| {
        s["invocation"]["args"] = serde_json::json!(["cluster", "reset", "--yes"]);
    });
    let (code, _, err) = bench.run(&["repeat", "aaaaaaaa"]);
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("session aaaaaaaa holds a command that is no benchmark\n  what to do: look at it with --print"),
        "{err}"
    );
    // what it says beside its arguments is not what is run, and not what is told
    another(&bench, &session, "bbbbbbbb", |s| {
        s["invocation"]["repeat"] = "rb-bench cluster reset --yes".into();
    });
    let derived = session["invocation"]["repeat"].as_str().unwrap();
    let (code, out, _) = bench.run(&["repeat", "bbbbbbbb", "--print"]);
    assert_eq!((code, out.trim_end()), (0, derived));
    let (code, _, err) = bench.run(&["repeat", "bbbbbbbb"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains(derived) && !err.contains("cluster reset"),
        "{err}"
    );
    fs::remove_file(bench.results().join("bbbbbbbb.json")).unwrap();
    // sessions too few for a verdict cannot fail a gate
    let few = ["compare", "latest", "aaaaaaaa", "--fail-on-regression"];
    let (code, _, err) = bench.run(&few);
    assert_eq!(code, 2, "{err}");
    assert!(
        err.contains(
            "--fail-on-regression cannot fail here: there are too few iterations for a verdict\n  what to do: measure \
             more (--iters), or leave it out"
        ),
        "{err}"
    );
}

/// An artifact in the results with something changed: another session of the same conditions.
fn another(bench: &Bench, session: &Value, id: &str, change: impl FnOnce(&mut Value)) {
    let mut session = session.clone();
    session["id"] = id.into();
    change(&mut session);
    let path = bench.results().join(format!("{id}.json"));
    fs::write(path, session.to_string()).unwrap();
}

/// Every wall time of a session multiplied.
fn slowed(session: &mut Value, by: f64) {
    for iteration in session["iterations"].as_array_mut().unwrap() {
        let seconds = iteration["duration_s"].as_f64().unwrap() * by;
        iteration["duration_s"] = seconds.into();
    }
}

#[test]
fn two_sessions_are_compared_and_a_gate_tells_by_the_exit_code() {
    let bench = Bench::new("compared");
    let session = bench.measure(&["--arms", "one", "--label", "real"]);
    another(&bench, &session, "aaaaaaaa", |_| {});
    another(&bench, &session, "bbbbbbbb", |s| slowed(s, 50.0));
    // the same seconds: what they say is not known, but never that one is slower
    let (code, out, err) = bench.run(&["compare", "real", "aaaaaaaa", "--fail-on-regression"]);
    assert_eq!(code, 0, "{err}");
    for part in [
        "unpaired: drift",
        "throughput",
        "chunk_us",
        "4 + 4 iterations",
        "parallelism",
    ] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    let slower = ["compare", "aaaaaaaa", "bbbbbbbb"];
    let (code, out, _) = bench.run(&[&slower[..], &["--format", "json"]].concat());
    let compared: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, compared["verdict"].as_str()), (0, Some("REGRESSED")));
    assert_eq!(compared["schema"], "rb-bench.compare.v1");
    let (code, ..) = bench.run(&[&slower[..], &["--fail-on-regression"]].concat());
    assert_eq!(code, 3);
    let (code, out, _) = bench.run(&["compare", "bbbbbbbb", "aaaaaaaa", "--fail-on-regression"]);
    assert_eq!(code, 0);
    assert!(out.contains("IMPROVED"), "{out}");
    let inconclusive = [
        "compare",
        "aaaaaaaa",
        "bbbbbbbb",
        "--noise-threshold",
        "0",
        "--gate",
        "rss_peak",
    ];
    let (code, ..) = bench.run(&[&inconclusive[..], &["--require-conclusive"]].concat());
    assert_eq!(code, 4);
    for (format, part) in [("markdown", "| wall time |"), ("csv", "wall time,s,")] {
        let (code, out, _) = bench.run(&[&slower[..], &["--format", format]].concat());
        assert!(code == 0 && out.contains(part), "{out}");
    }
    let (code, _, err) = bench.run(&[&slower[..], &["--gate", "rss_pek"]].concat());
    assert!(
        code == 2 && err.contains("unknown metric `rss_pek`; did you mean `rss_peak`?"),
        "{err}"
    );
    let (_, out, _) = bench.run(&[&slower[..], &["--explain"]].concat());
    assert!(out.contains("Mann-Whitney"), "{out}");
    let (code, _, err) = bench.run(&["compare", "real"]);
    assert!(
        code == 2
            && err.contains(
                "has the after arm alone\n  what to do: name a second session to compare it with"
            ),
        "{err}"
    );
}

#[test]
fn what_may_not_be_compared_exits_with_5_and_names_each_difference() {
    let bench = Bench::new("differs");
    let session = bench.measure(&["--arms", "one"]);
    let id = session["id"].as_str().unwrap();
    another(&bench, &session, "aaaaaaaa", |s| {
        s["host"]["cores"] = 64.into();
        s["invocation"]["ui"] = "tui".into();
    });
    let (code, out, _) = bench.run(&["compare", id, "aaaaaaaa", "--allow", "ui"]);
    assert_eq!(code, 5);
    assert!(
        out.contains("NOT COMPARABLE") && out.contains("host: cores"),
        "{out}"
    );
    assert!(
        out.contains("--allow host") && out.contains("waived: ui"),
        "{out}"
    );
    let both = [
        "compare", id, "aaaaaaaa", "--allow", "ui", "--allow", "host",
    ];
    let (code, out, _) = bench.run(&both);
    assert!(code == 0 && out.contains("waived: host: cores"), "{out}");
    let (code, out, _) = bench.run(&["compare", id, "aaaaaaaa", "--format", "json"]);
    let compared: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, compared["differences"].as_array().unwrap().len()),
        (5, 2)
    );
    let (code, _, err) = bench.run(&["compare", id, "aaaaaaaa", "--allow", "hots"]);
    assert!(
        code == 2 && err.contains("unknown difference `hots`; did you mean `host`?"),
        "{err}"
    );
}

#[test]
fn one_session_is_compared_within_itself() {
    let bench = Bench::new("within");
    bench.measure(&["--iters", "1"]);
    let (code, out, err) = bench.run(&["compare", "latest"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("INSUFFICIENT DATA (1 pair; a verdict needs 6)"),
        "{out}"
    );
    assert!(!out.contains("unpaired"), "{out}");
}

#[test]
fn a_schema_is_printed_for_programs() {
    let output = rb_bench().args(["schema", "run"]).assert().success();
    let schema: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(schema["title"], "Artifact");
    assert!(schema["properties"]["iterations"].is_object());
}

#[test]
fn a_thousand_sessions_are_listed_from_the_index() {
    let place = tempfile::tempdir().unwrap();
    let text = include_str!("data/run-v1.json");
    for n in 0..1_000 {
        let text = text.replacen("0f3a9c21", &format!("{n:08x}"), 1);
        fs::write(place.path().join(format!("{n:04}.json")), text).unwrap();
    }
    let listed = || {
        let mut command = rb_bench();
        command
            .args(["history", "--format", "json", "--out"])
            .arg(place.path());
        let output = command.assert().success().get_output().stdout.clone();
        let history: Value = serde_json::from_slice(&output).unwrap();
        history["sessions"].as_array().unwrap().len()
    };
    assert_eq!(listed(), 1_000);
    // nothing of them is read any more: without their bytes, sizes and times kept, they are still known
    for n in 0..1_000 {
        let path = place.path().join(format!("{n:04}.json"));
        let metadata = fs::metadata(&path).unwrap();
        let file = fs::File::create(&path).unwrap();
        file.set_len(metadata.len()).unwrap();
        file.set_modified(metadata.modified().unwrap()).unwrap();
    }
    assert_eq!(listed(), 1_000);
}
