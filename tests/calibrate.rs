//! The noise of a machine: measured, kept, heeded, and refused; and a machine that is not quiet.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{fresh_database, own_directory, rb_bench, sql};

/// A source with 400 rows, and a document that copies them.
fn document(name: &str, place: &Path) -> String {
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
    let path = place.join("pipeline.yaml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// What a command with these arguments prints as JSON; it must exit with this code.
fn json(arguments: &[&str], code: i32) -> Value {
    let output = rb_bench()
        .args(arguments)
        .args(["--format", "json"])
        .assert()
        .code(code)
        .get_output()
        .clone();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_noise_floor_is_measured_kept_and_heeded() {
    let place = tempfile::tempdir().unwrap();
    let home = own_directory();
    let (document, home) = (document("floor", place.path()), home.to_str().unwrap());
    let results = place.path().join("results");
    let subject = ["--pipeline", &document, "--cluster-dir", home];
    let none = json(&["calibrate", "--list", "--cluster-dir", home], 0);
    assert_eq!(none.as_array().unwrap().len(), 0);

    let calibrate = ["calibrate", "--iters", "6", "--warmup", "0"];
    let settings = ["--after", "resources.parallelism=1", "--seed", "5"];
    let measured = json(&[&calibrate[..], &settings, &subject].concat(), 0);
    let floor = &measured[0]["floor"];
    assert_eq!(measured[0]["profile"], "mine");
    assert_eq!(floor["pairs"], 6);
    assert!(floor["percent"].as_f64().unwrap() > 0.0);
    assert_eq!(
        json(&["calibrate", "--list", "--cluster-dir", home], 0),
        measured
    );

    // with the settings that were asked for in both arms, and a command that asks for them again
    let path = measured[0]["path"].as_str().unwrap();
    let session: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(session["protocol"]["seed"], 5);
    for arm in ["before", "after"] {
        assert_eq!(session["protocol"][arm]["resources.parallelism"], "1");
    }
    let again = session["invocation"]["repeat"].as_str().unwrap();
    let words = shlex::split(again).unwrap();
    assert!(words.windows(4).any(|some| some == settings), "{again}");

    // a threshold below the noise is raised to it
    let bench = |threshold: &str| {
        let flags = [
            "--iters",
            "1",
            "--warmup",
            "0",
            "--noise-threshold",
            threshold,
            "--out",
        ];
        let arguments = [&flags[..], &[results.to_str().unwrap()], &subject].concat();
        json(&arguments, 0)["protocol"].clone()
    };
    let heeded = bench("0");
    assert_eq!(&heeded["noise_floor"], floor);
    assert_eq!(heeded["noise_threshold_pct"], floor["percent"]);
    let asked = bench("100");
    assert_eq!(&asked["noise_floor"], floor);
    // six pairs of so small a copy may differ by more than that
    let larger = floor["percent"].as_f64().unwrap().max(100.0);
    assert_eq!(asked["noise_threshold_pct"], larger);

    // another kernel ends it
    let kept = measured[0]["path"].as_str().unwrap();
    let mut session: Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    session["host"]["kernel"] = "0.0.1".into();
    fs::write(kept, session.to_string()).unwrap();
    let flags = [
        "--iters",
        "1",
        "--warmup",
        "0",
        "--out",
        results.to_str().unwrap(),
    ];
    let after = json(&[&flags[..], &subject].concat(), 0);
    assert!(after["protocol"]["noise_floor"].is_null());
    let warnings = after["warnings"].to_string();
    assert!(warnings.contains("host: kernel 0.0.1 -> "), "{warnings}");
}

#[test]
fn a_machine_that_is_not_quiet_is_refused_before_anything_is_made() {
    let place = tempfile::tempdir().unwrap();
    let document = document("guarded", place.path());
    let results = place.path().join("results");
    // a backend of somebody else works on the server for as long as it is looked at
    let text = fs::read_to_string(&document).unwrap();
    let url = text
        .split('"')
        .find(|part| part.starts_with("postgres"))
        .unwrap()
        .to_owned();
    let works = {
        let url = url.clone();
        std::thread::spawn(move || support::try_sql(&url, "SELECT pg_sleep(3600)"))
    };
    let working =
        "FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(3600)'";
    while sql(&url, &format!("SELECT count(*) {working}")) == "0" {
        std::thread::yield_now();
    }
    let refused = rb_bench()
        .args([
            "--pipeline",
            &document,
            "--iters",
            "1",
            "--guard",
            "fail",
            "--out",
        ])
        .arg(&results)
        .assert()
        .code(6)
        .get_output()
        .clone();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(
        error.contains("the guard refuses to measure here"),
        "{error}"
    );
    assert!(!results.exists());

    // and let pass with a word on it
    let arguments = [
        "--pipeline",
        &document,
        "--iters",
        "1",
        "--warmup",
        "0",
        "--out",
    ];
    let passed = json(&[&arguments[..], &[results.to_str().unwrap()]].concat(), 0);
    let guard = &passed["protocol"]["guard"];
    assert_eq!(guard["mode"], "warn");
    let kinds = guard["waived"].to_string();
    assert!(kinds.contains("foreign_backends"), "{kinds}");
    sql(&url, &format!("SELECT pg_cancel_backend(pid) {working}"));
    works.join().unwrap().unwrap_err();
    let off = json(
        &[
            &arguments[..],
            &[results.to_str().unwrap(), "--guard", "off"],
        ]
        .concat(),
        0,
    );
    assert_eq!(
        off["protocol"]["guard"]["waived"].as_array().unwrap().len(),
        0
    );
}
