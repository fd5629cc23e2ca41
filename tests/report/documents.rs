//! Tables in documents, and pages of profiles, from real artifacts.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::assert::Assert;
use serde_json::Value;

use crate::sessions::{Measured, measured};
use crate::support::rb_bench;

/// A document beside the results, so that both can be cited: every kind of table but `peers`.
struct Document {
    place: tempfile::TempDir,
}

impl Document {
    fn new(measured: &Measured) -> Self {
        let place = tempfile::tempdir().unwrap();
        let results = place.path().join("results");
        fs::create_dir(&results).unwrap();
        for file in measured.sessions.iter().chain([&measured.tuning]) {
            fs::copy(file, results.join(file.file_name().unwrap())).unwrap();
        }
        let cited =
            |file: &Path| format!("results/{}", file.file_name().unwrap().to_str().unwrap());
        let [first, second] = measured.sessions.each_ref().map(|file| cited(file));
        let tables = [
            format!("artifact={first} kind=comparison"),
            format!("artifact={first},{second} kind=verdicts"),
            format!("artifact={second} kind=machine"),
            format!("artifact={} kind=tuning", cited(&measured.tuning)),
        ];
        let tables: Vec<String> = tables
            .iter()
            .map(|table| format!("<!-- rb-bench:table {table} -->\n<!-- /rb-bench:table -->\n"))
            .collect();
        let document = Self { place };
        fs::write(
            document.path(),
            format!("# Ours\n\n{}\nThe end.\n", tables.join("\ntext\n\n")),
        )
        .unwrap();
        document
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("PERF.md")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn report(&self, flags: &[&str]) -> Assert {
        rb_bench()
            .args(["report", "--update"])
            .arg(self.path())
            .args(flags)
            .assert()
    }
}

#[test]
fn the_tables_of_a_document_come_from_the_artifacts_that_it_cites() {
    let document = Document::new(measured());
    let empty = document.text();
    let check = document.report(&["--check", "--format", "json"]).code(1);
    let says: Value = serde_json::from_slice(&check.get_output().stdout).unwrap();
    assert_eq!(
        (&says["changes"], &says["written"]),
        (&Value::Bool(true), &Value::Bool(false))
    );
    assert_eq!(document.text(), empty, "--check changes nothing");

    document.report(&[]).success();
    let full = document.text();
    for part in [
        "| wall time |",
        "| session | workers before |",
        "| memory |",
        "| parallelism | workers |",
    ] {
        assert!(full.contains(part), "{part}\n{full}");
    }
    assert!(
        full.starts_with("# Ours\n\n") && full.ends_with("\nThe end.\n"),
        "{full}"
    );
    document.report(&["--check"]).success();

    let wrong = full.replacen("| wall time | ", "| wall time | 0.", 1);
    fs::write(document.path(), &wrong).unwrap();
    document.report(&["--check"]).code(1);
    document.report(&[]).success();
    assert_eq!(
        document.text(),
        full,
        "what somebody typed into a table goes"
    );
}

#[test]
fn an_artifact_that_is_not_there_is_named_with_its_line_and_nothing_is_written() {
    let document = Document::new(measured());
    let text = document
        .text()
        .replacen("kind=machine", "kind=machine artifact=results/x.json", 1);
    let text = text.replacen("artifact=results", "artifact=gone", 1);
    fs::write(document.path(), &text).unwrap();
    for flags in [&[][..], &["--check"]] {
        let output = document.report(flags).code(1);
        let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        let expected = format!("{}:3: cannot read ", document.path().display());
        assert!(
            said.contains(&expected) && said.contains("/gone/"),
            "{said}"
        );
        assert!(
            said.contains(":13: a table of this kind is made from one artifact"),
            "{said}"
        );
        assert_eq!(document.text(), text);
    }
    let beside = fs::read_dir(document.place.path()).unwrap().count();
    assert_eq!(beside, 2, "no half of a document is left behind");
}

#[test]
fn every_profile_gets_a_page_that_lists_all_its_sessions() {
    let measured = measured();
    let place = measured.place.join("docs/benchmarks");
    let output = rb_bench()
        .args(["report", "--format", "json", "--profile-pages"])
        .arg(&place)
        .arg("--out")
        .arg(measured.results())
        .assert()
        .success();
    let says: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(says["written"].as_array().unwrap().len(), 2);
    let index = fs::read_to_string(place.join("README.md")).unwrap();
    let (_, link) = index.split_once("](tiny").unwrap();
    let (rest, _) = link.split_once(')').unwrap();
    let page = fs::read_to_string(place.join(format!("tiny{rest}"))).unwrap();
    for file in &measured.sessions {
        let link = format!(
            "](../../results/{})",
            file.file_name().unwrap().to_str().unwrap()
        );
        assert!(page.contains(&link), "{link}\n{page}");
    }
    assert!(
        page.contains("## The newest tuning") && page.contains("narrow &lt;i>rows"),
        "{page}"
    );
}

#[test]
fn the_projects_own_analysis_says_what_its_artifacts_say() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("PERF_ANALYSIS.md");
    rb_bench()
        .args(["report", "--check", "--update"])
        .arg(document)
        .assert()
        .success();
}
