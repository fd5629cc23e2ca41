//! What a verdict does: exit codes, further metrics, and ending when it is clear.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{fresh_database, rb_bench, sql};

/// Rows enough for a row-by-row load to be slower beyond doubt, on a busy machine too.
const MANY: u32 = 50_000;
/// Pairs enough for a verdict to stand a few that were disturbed.
const PAIRS: &str = "10";
/// A setting that makes an arm slow.
const SLOW: &str = "destination.config.load_method=insert";

/// A source with `t`, and a document that copies it, one worker and no warm-up.
fn document(name: &str, place: &Path, rows: u32) -> String {
    let source = fresh_database(&format!("{name}_s"));
    let insert = format!("INSERT INTO t SELECT i, 'name ' || i FROM generate_series(1, {rows}) i");
    sql(
        &source,
        &format!("CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL); {insert}; ANALYZE t"),
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

/// The exit code and the artifact of a benchmark with these flags.
fn bench(document: &str, place: &Path, flags: &[&str]) -> (i32, Value) {
    let output = rb_bench()
        .args(["--pipeline", document, "--warmup", "0", "--format", "json"])
        .arg("--out")
        .arg(place.join("results"))
        .args(flags)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let artifact =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"));
    (output.status.code().unwrap(), artifact)
}

#[test]
fn a_slower_arm_is_a_regression_and_the_reverse_an_improvement() {
    let place = tempfile::tempdir().unwrap();
    let document = document("regressed", place.path(), MANY);
    let (code, artifact) = bench(
        &document,
        place.path(),
        &["--fail-on-regression", "--iters", PAIRS, "--after", SLOW],
    );
    let comparison = &artifact["summary"]["comparison"];
    assert_eq!(comparison["verdict"], "REGRESSED", "{comparison}");
    assert_eq!(code, 3);
    assert_eq!(comparison["pairs"], 10);
    let flags = [
        "--fail-on-regression",
        "--require-conclusive",
        "--iters",
        PAIRS,
        "--before",
        SLOW,
    ];
    let (code, artifact) = bench(&document, place.path(), &flags);
    let comparison = &artifact["summary"]["comparison"];
    assert_eq!(comparison["verdict"], "IMPROVED", "{comparison}");
    assert_eq!(code, 0);
}

#[test]
fn the_statistics_can_be_tried_by_everybody() {
    let output = rb_bench()
        .args(["selftest", "--format", "json"])
        .assert()
        .success()
        .get_output()
        .clone();
    let selftest: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(selftest["passed"], true);
    assert_eq!(selftest["sessions"], 10_000);
}

#[test]
fn a_verdict_that_is_not_clear_can_fail_a_command() {
    let place = tempfile::tempdir().unwrap();
    let document = document("unclear", place.path(), 400);
    // no interval of real times lies wholly within a threshold of nothing
    let flags = [
        "--require-conclusive",
        "--noise-threshold",
        "0",
        "--before",
        "resources.parallelism=1",
        "--after",
        "resources.parallelism=1",
        "--gate",
        "cpu_rb_bench_s",
        "--gate",
        "rss_peak",
    ];
    let (code, artifact) = bench(&document, place.path(), &flags);
    let verdicts: Vec<&Value> = std::iter::once(&artifact["summary"]["comparison"])
        .chain(artifact["summary"]["gates"].as_array().unwrap())
        .collect();
    let metrics: Vec<&str> = verdicts
        .iter()
        .map(|v| v["metric"].as_str().unwrap())
        .collect();
    assert_eq!(metrics, ["duration_s", "cpu_rb_bench_s", "rss_peak"]);
    let unclear = verdicts.iter().any(|v| {
        matches!(
            v["verdict"].as_str().unwrap(),
            "INCONCLUSIVE" | "INSUFFICIENT DATA"
        )
    });
    assert_eq!(code, if unclear { 4 } else { 0 }, "{verdicts:?}");
    assert_eq!(artifact["protocol"]["pairs"], 7);
    let confidence = verdicts[0]["confidence"].as_f64().unwrap();
    assert!((confidence - (1.0 - 0.05 / 3.0)).abs() < 1e-9);
}

#[test]
fn a_session_until_resolved_ends_at_the_look_that_tells() {
    let place = tempfile::tempdir().unwrap();
    let document = document("resolved", place.path(), MANY);
    let flags = ["--until-resolved", "--fail-on-regression", "--after", SLOW];
    let (code, artifact) = bench(&document, place.path(), &flags);
    assert_eq!(code, 3);
    assert_eq!(artifact["summary"]["status"], "complete");
    let looks = artifact["protocol"]["looks"].as_array().unwrap();
    let pairs: Vec<usize> = looks
        .iter()
        .map(|look| look["pairs"].as_u64().unwrap() as usize)
        .collect();
    assert_eq!(pairs, [8, 12, 20]);
    let told: Vec<&str> = looks
        .iter()
        .filter_map(|look| look["verdicts"][0].as_str())
        .collect();
    // the first that tells is the last, and there is no pair beyond it
    let (last, before) = told.split_last().unwrap();
    assert!(
        last.starts_with("REGRESSED") && last.contains("98.3 % CI"),
        "{told:?}"
    );
    assert!(
        before.iter().all(|look| look.starts_with("INCONCLUSIVE")),
        "{told:?}"
    );
    assert!(told.len() < looks.len(), "{told:?}");
    let iterations = artifact["iterations"].as_array().unwrap().len();
    assert_eq!(iterations, 2 * pairs[told.len() - 1]);
}
