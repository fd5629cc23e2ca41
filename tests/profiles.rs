//! Profiles from the command line: shown, checked, made, and each shipped one run whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::rb_bench;

fn stdout(command: &mut assert_cmd::Command) -> String {
    let output = command.assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_shipped_profile_runs_and_its_rows_arrive() {
    let results = tempfile::tempdir().unwrap();
    for profile in ["transform", "transform-filter", "many", "skewed"] {
        let mut command = rb_bench();
        command
            .args(["--profile", profile, "--rows", "600", "--iters", "1"])
            .args(["--warmup", "0", "--format", "json", "--out"])
            .arg(results.path());
        let artifact: Value = serde_json::from_str(&stdout(&mut command)).unwrap();
        assert_eq!(artifact["partial"], false, "{profile}");
        for iteration in artifact["iterations"].as_array().unwrap() {
            assert_eq!(iteration["verify"]["row_count_ok"], true, "{profile}");
            assert_eq!(iteration["verify"]["checksum_ok"], true, "{profile}");
            let rows = iteration["rows"].as_u64().unwrap();
            match profile {
                "transform" => assert_eq!(rows, 600),
                // two states of five are kept
                "transform-filter" => assert_eq!(rows, 240),
                _ => assert!((600..612).contains(&rows), "{profile}: {rows}"),
            }
            let plan = iteration["plan"]["streams"].as_array().unwrap();
            for stream in plan {
                assert_eq!(stream["why_one_worker"], Value::Null, "{profile}: {stream}");
            }
        }
    }
}

#[test]
fn a_profile_is_shown_as_it_is_written() {
    let shown = stdout(rb_bench().args(["profiles", "show", "medium"]));
    let file = include_str!("../profiles/medium.yaml");
    assert_eq!(shown.trim_end(), file.trim_end());
    let text = stdout(rb_bench().args(["profiles", "show", "many", "--format", "json"]));
    let whole: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["tables"].as_array().unwrap().len(), 8);
    assert_eq!(whole["bench"]["before"]["resources.parallelism"], "1");
    assert_eq!(whole["dataset"]["tables"][0]["table"], "many_customers");
}

#[test]
fn a_password_in_a_profile_is_not_shown() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("mine.yaml");
    let url = "config: { url: \"postgres://a:geheim@h/x\" } # mine\n    streams:";
    let text = include_str!("../profiles/small.yaml").replacen("streams:", url, 1);
    std::fs::write(&file, text).unwrap();
    for format in ["text", "json"] {
        let mut command = rb_bench();
        command.args(["profiles", "show"]).arg(&file);
        let shown = stdout(command.args(["--format", format]));
        assert!(
            shown.contains("***") && !shown.contains("geheim"),
            "{shown}"
        );
    }
}

#[test]
fn a_new_profile_can_be_run_and_is_never_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let new = |from: &[&str]| {
        let mut command = rb_bench();
        command
            .current_dir(place.path())
            .args(["profiles", "new", "mine"])
            .args(from);
        command
    };
    new(&[]).assert().success();
    let file = place.path().join("mine.yaml");
    let template = std::fs::read_to_string(&file).unwrap();
    let error = new(&["--from", "medium"])
        .assert()
        .code(1)
        .get_output()
        .clone();
    let error = String::from_utf8(error.stderr).unwrap();
    assert!(error.contains("mine.yaml is there already"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), template);
    let run = stdout(rb_bench().current_dir(place.path()).args([
        "--profile",
        "mine.yaml",
        "--rows",
        "200",
        "--iters",
        "1",
        "--warmup",
        "0",
    ]));
    assert!(run.contains("mine: 1 pair"), "{run}");
    rb_bench()
        .args(["profiles", "new", "../mine"])
        .assert()
        .code(2);
}

#[test]
fn all_that_is_wrong_with_a_profile_is_told_at_once() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("wrong.yaml");
    let right = include_str!("../profiles/transform.yaml");
    std::fs::write(&file, right).unwrap();
    let validate = || {
        let mut command = rb_bench();
        command.args(["profiles", "validate"]).arg(&file);
        command
    };
    assert!(stdout(&mut validate()).contains("50,000 rows in bench_orders"));
    let wrong = right
        .replace("of: medium", "of: mediun")
        .replace("iters: 3", "iters: 0")
        .replace("use: dest-postgres", "use: dest-postgras");
    std::fs::write(&file, wrong).unwrap();
    let output = validate().assert().code(1).get_output().clone();
    let error = String::from_utf8(output.stderr).unwrap();
    for part in ["dataset.of", "bench.iters", "pipeline.destination.use"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}
