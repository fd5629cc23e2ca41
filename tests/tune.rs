//! Tuning from the command line: swept, confirmed, resumed after a kill, written into a document.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use support::{fresh_database, own_directory, own_server_with, rb_bench, rb_bench_in, sql};

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The only artifact in a directory.
fn artifact_in(directory: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// A document that copies `t` from one fresh database to another: `rows` rows, one chunk where they
/// are few.
fn document(directory: &Path, name: &str, rows: u32, rest: &str) -> (PathBuf, String) {
    let (source, destination) = (
        fresh_database(&format!("{name}_s")),
        fresh_database(&format!("{name}_d")),
    );
    sql(
        &source,
        &format!(
            "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL);
             INSERT INTO t SELECT i, 'name ' || i FROM generate_series(1, {rows}) i; ANALYZE t"
        ),
    );
    let text = format!(
        "version: \"1.0\" # as ever\npipeline: mine\nsource:\n  use: source-postgres\n  config: {{ url: \"{source}\" }}\n  streams: [{{ name: t }}]\n\
         destination:\n  use: dest-postgres\n  config: {{ url: \"{destination}\"{rest} }}\n\
         resources:\n  # why not\n  parallelism: auto   # all of it\n  max_retries: 1\n"
    );
    let file = directory.join("pipeline.yaml");
    fs::write(&file, text).unwrap();
    (file, destination)
}

/// What was measured: stage, value, round or pair, and when.
fn points(artifact: &Value) -> Vec<(String, String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let iterations = artifact["iterations"].as_array().unwrap();
    iterations
        .iter()
        .map(|i| {
            let pair = i["pair"].as_u64().unwrap();
            (
                text(&i["stage"]),
                text(&i["setting"]),
                pair,
                text(&i["started_at"]),
            )
        })
        .collect()
}

#[test]
fn every_value_is_measured_in_every_round_and_the_choice_confirmed() {
    let results = tempfile::tempdir().unwrap();
    let output = rb_bench()
        .args([
            "tune",
            "--profile",
            "small",
            "--rows",
            "6000",
            "--sweep",
            "4,1,2,3",
        ])
        .args([
            "--pairs", "6", "--warmup", "1", "--seed", "11", "--format", "json", "--out",
        ])
        .arg(results.path())
        .assert()
        .success()
        .get_output()
        .clone();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let artifact = read(&artifact_in(results.path()));
    assert_eq!(printed, artifact);
    assert_eq!(artifact["schema"], "rb-bench.tune.v1");
    assert_eq!(artifact["partial"], false);
    assert_eq!(artifact["protocol"]["seed"], 11);
    for iteration in artifact["iterations"].as_array().unwrap() {
        assert_eq!(iteration["verify"]["checksum_ok"], true);
        assert_eq!(iteration["rows"], 6000);
        if iteration["setting"] != "auto" {
            let asked: u64 = iteration["setting"].as_str().unwrap().parse().unwrap();
            assert_eq!(iteration["plan"]["workers"], asked);
        }
    }
    let settings = artifact["summary"]["settings"].as_array().unwrap();
    let values: Vec<&str> = settings
        .iter()
        .map(|s| s["setting"].as_str().unwrap())
        .collect();
    assert_eq!(values, ["1", "2", "3", "4"]);
    assert!(settings.iter().all(|s| s["rounds"] == 3), "{settings:?}");
    let choice = artifact["summary"]["choice"]["setting"].as_str().unwrap();
    let yaml = artifact["summary"]["choice"]["yaml"].as_str().unwrap();
    assert_eq!(yaml, format!("resources:\n  parallelism: {choice}"));
    let fit = &artifact["summary"]["fit"];
    assert!(fit["parameters"]["lambda"].as_f64().unwrap() > 0.0, "{fit}");
    assert_eq!(fit["seed"], 11);
    let confirmation = &artifact["summary"]["confirmation"];
    assert_eq!(confirmation["reference"], "auto");
    if confirmation["same_plan"] == false {
        let end = |name: &str| confirmation[name].as_f64().unwrap();
        assert_eq!(confirmation["pairs"], 6);
        assert!(end("ci_low") <= end("regret") && end("regret") <= end("ci_high"));
    }
}

#[test]
fn values_that_resolve_to_the_same_are_measured_once() {
    let place = tempfile::tempdir().unwrap();
    let (file, destination) = document(place.path(), "alike", 50, "");
    let output = rb_bench()
        .args(["tune", "--sweep", "1,2,8,64", "--warmup", "0", "--pipeline"])
        .arg(&file)
        .arg("--out")
        .arg(place.path().join("results"))
        .assert()
        .success()
        .get_output()
        .clone();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "1 (and 2, 8, 64)",
        "too few to fit the scalability law",
        "auto = 1, the same plan as the choice",
        "resources:\n  parallelism: 1",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let artifact = read(&artifact_in(&place.path().join("results")));
    assert_eq!(artifact["iterations"].as_array().unwrap().len(), 3);
    assert!(
        !artifact.to_string().contains("postgres://postgres:"),
        "no password is kept"
    );
    let tables = "SELECT count(*) FROM pg_class WHERE relname LIKE 'rb\\_bench%'";
    assert_eq!(sql(&destination, tables), "0");
}

#[test]
fn the_choice_is_written_and_comments_stay() {
    let place = tempfile::tempdir().unwrap();
    let (file, _) = document(place.path(), "written", 50, "");
    let before = fs::read_to_string(&file).unwrap();
    rb_bench()
        .args(["tune", "--sweep", "1,2", "--warmup", "0", "--pipeline"])
        .arg(&file)
        .arg("--write")
        .arg(&file)
        .arg("--out")
        .arg(place.path().join("results"))
        .assert()
        .success();
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(
        after,
        before.replace("parallelism: auto ", "parallelism: 1 ")
    );
    assert_ne!(after, before);
}

#[test]
fn a_regret_beyond_the_limit_fails() {
    let place = tempfile::tempdir().unwrap();
    let (file, _) = document(place.path(), "regret", 60_000, ", load_method: insert");
    let tune = |limit: &str| {
        let mut command = rb_bench();
        command
            .args(["tune", "--knob", "load_method=copy,insert", "--pairs", "8"])
            .args(["--fail-on-regret", limit, "--format", "json", "--pipeline"])
            .arg(&file)
            .arg("--out")
            .arg(place.path().join("results"));
        command.assert().get_output().clone()
    };
    let output = tune("1%");
    let artifact: Value = serde_json::from_slice(&output.stdout).unwrap();
    let confirmation = &artifact["summary"]["confirmation"];
    assert_eq!(output.status.code(), Some(3), "{confirmation}");
    assert_eq!(artifact["summary"]["choice"]["setting"], "copy");
    assert_eq!(confirmation["reference"], "as written");
    assert_eq!(confirmation["verdict"], "REGRESSED");
    assert!(confirmation["ci_low"].as_f64().unwrap() > 0.01);
}

#[test]
fn each_side_is_measured_alone_beside_the_whole() {
    let place = tempfile::tempdir().unwrap();
    // a destination that inserts rows one statement after another is the slower side
    let (file, destination) = document(place.path(), "sides", 40_000, ", load_method: insert");
    let (results, shared) = (place.path().join("results"), own_directory());
    let own = ["--pipeline".to_owned(), file.display().to_string()];
    let managed = ["--profile", "many", "--rows", "2000"].map(str::to_owned);
    for (what, first) in [(&own[..], true), (&managed[..], false)] {
        let output = rb_bench()
            .args(["tune", "--isolate", "--warmup", "0", "--format", "json"])
            .args(what)
            .arg("--cluster-dir")
            .arg(&shared)
            .arg("--out")
            .arg(&results)
            .assert()
            .success()
            .get_output()
            .clone();
        let artifact: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(artifact["partial"], false);
        let settings = artifact["summary"]["settings"].as_array().unwrap();
        let names: Vec<&str> = settings
            .iter()
            .map(|s| s["setting"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["whole", "source alone", "destination alone"]);
        assert!(settings.iter().all(|s| s["rounds"] == 6), "{settings:?}");
        let workers: BTreeSet<u64> = settings
            .iter()
            .map(|s| s["workers"].as_u64().unwrap())
            .collect();
        assert_eq!(workers.len(), 1, "each side has the workers of the whole");
        for iteration in artifact["iterations"].as_array().unwrap() {
            let (counted, summed) = match iteration["setting"].as_str().unwrap() {
                "whole" => (Value::Bool(true), Value::Bool(true)),
                "source alone" => (Value::Null, Value::Null),
                _ => (Value::Bool(true), Value::Null),
            };
            assert_eq!(iteration["verify"]["row_count_ok"], counted);
            assert_eq!(iteration["verify"]["checksum_ok"], summed);
        }
        let limit = &artifact["summary"]["limit"];
        assert_eq!(limit["rounds"], 6);
        if first {
            assert_eq!(limit["verdict"], "REGRESSED", "{limit}");
            assert_ne!(limit["side"], "source", "{limit}");
        }
    }
    let ours = "SELECT count(*) FROM pg_class WHERE relname LIKE 'rb\\_bench%'";
    assert_eq!(sql(&destination, ours), "0");
}

#[test]
fn a_tuning_that_was_killed_goes_on_where_it_was() {
    let (cluster, place) = (own_directory(), tempfile::tempdir().unwrap());
    let results = place.path().join("results");
    let mut child = rb_bench_in(&cluster)
        .args([
            "tune",
            "--profile",
            "small",
            "--rows",
            "6000",
            "--sweep",
            "1,2,3",
        ])
        .args(["--rounds", "4", "--pairs", "6", "--out"])
        .arg(&results)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().contains("round 2"))
        .unwrap()
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let file = artifact_in(&results);
    let interrupted = read(&file);
    assert_eq!(interrupted["partial"], true);
    let kept = points(&interrupted);
    // the warm-up and the first round, for the second has begun
    assert!(kept.len() >= 4 && kept.len() < 13, "{kept:?}");
    let status = rb_bench_in(&cluster)
        .args(["tune", "--resume", "latest", "--out"])
        .arg(&results)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(artifact_in(&results), file);
    let whole = read(&file);
    assert_eq!(whole["partial"], false);
    assert_eq!(whole["resumed_at"].as_array().unwrap().len(), 1);
    let all = points(&whole);
    assert_eq!(all[..kept.len()], kept, "nothing that was measured is lost");
    let swept: Vec<_> = all.iter().filter(|p| p.0 == "sweep").collect();
    let different: BTreeSet<_> = swept.iter().map(|p| (&p.1, p.2)).collect();
    assert_eq!((swept.len(), different.len()), (12, 12), "{swept:?}");
    assert!(whole["summary"]["confirmation"].is_object());
    // nor what was begun under other conditions
    let mut elsewhere = interrupted.clone();
    elsewhere["host"]["cores"] = 64.into();
    let moved = place.path().join("elsewhere.json");
    fs::write(&moved, elsewhere.to_string()).unwrap();
    let output = rb_bench_in(&cluster)
        .args(["tune", "--resume"])
        .arg(&moved)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(" was begun under other conditions: ")
            && error.contains(" changed since\n  what to do: begin a new one: leave --resume out"),
        "{error}"
    );
    // what has ended cannot be resumed
    let output = rb_bench_in(&cluster)
        .args(["tune", "--resume"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("ended as planned; there is nothing to go on with"),
        "{error}"
    );
}

#[test]
fn wrong_use_is_told_before_anything_is_made() {
    let place = tempfile::tempdir().unwrap();
    let cluster = place.path().join("cluster");
    let results = place.path().join("results");
    let shared = place.path().join("shared.yaml");
    fs::write(&shared, "a: &r { parallelism: 2 }\nresources: *r\n").unwrap();
    let shared = shared.display().to_string();
    let cases: [(&[&str], i32, &str); 9] = [
        (
            &["--knob", "work_mem=1,2"],
            2,
            "a pipeline document has no `work_mem` that can be tuned",
        ),
        (&["--knob", "chunk_bytes=1,2"], 2, "chunk_bytes"),
        (
            &["--sweep", "1"],
            2,
            "has one value to try; accepted: at least two, such as 1,2,4",
        ),
        (
            &["--sweep", "1,many"],
            2,
            "--sweep resources.parallelism=many",
        ),
        (&["--rounds", "2"], 2, "--rounds"),
        (
            &["--knob", "chunk_bytes"],
            2,
            "--knob chunk_bytes: no values; accepted: NAME=A,B,...",
        ),
        (
            &["--fail-on-regret", "5%", "--pairs", "5"],
            2,
            "--fail-on-regret needs --pairs 6 or more: fewer have no interval",
        ),
        (&["--resume", "latest"], 1, "results"),
        (
            &["--write", &shared],
            1,
            "cannot be changed without changing more of it\n  what to do: write it there yourself: resources.parallelism is ",
        ),
    ];
    for (arguments, code, told) in cases {
        let output = rb_bench()
            .arg("tune")
            .args(arguments)
            .arg("--cluster-dir")
            .arg(&cluster)
            .arg("--out")
            .arg(&results)
            .assert()
            .code(code)
            .get_output()
            .clone();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{arguments:?}: {error}");
        assert!(
            !results.exists() && !cluster.exists(),
            "{arguments:?} made something"
        );
    }
}

#[test]
fn a_value_that_cannot_be_planned_is_named() {
    let server = own_server_with(&[("max_prepared_transactions", "0")]);
    let place = tempfile::tempdir().unwrap();
    let (file, destination) = document(place.path(), "unplanned", 6000, "");
    let own = server.fresh_database("unplanned");
    sql(
        &own,
        "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)",
    );
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace(&destination, &own).replace(
        "resources:\n",
        "  commit: two_phase\nresources:\n  chunk_bytes: 8192\n",
    );
    fs::write(&file, text).unwrap();
    let output = rb_bench()
        .args(["tune", "--sweep", "1,2", "--pipeline"])
        .arg(&file)
        .arg("--out")
        .arg(place.path().join("results"))
        .assert()
        .code(1)
        .get_output()
        .clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("planning with 2: "), "{said}");
    assert!(said.contains("room for 0"), "{said}");
}
