//! A place with saved sessions and a tuning, small ones, measured once for all tests here.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, iter};

use serde_json::Value;

use crate::support::{fresh_database, own_directory, rb_bench, sql};

/// A name that must never be read as markup.
const PROFILE: &str = r#"
profile: "tiny <b>&amp;|*_"
description: "narrow <i>rows</i>"
dataset:
  table: t
  rows: 900
  columns: [{ name: id, type: bigint, primary_key: true, expr: "i" }]
pipeline:
  version: "1.0"
  pipeline: tiny
  source: { use: source-postgres, streams: [{ name: t }] }
  destination: { use: dest-postgres }
bench: { warmup: 0, iters: 6 }
"#;

/// Where artifacts are kept, and which.
pub(crate) struct Measured {
    /// The directory above `results`.
    pub(crate) place: PathBuf,
    /// Two sessions of six pairs each.
    pub(crate) sessions: [PathBuf; 2],
    /// A tuning over four values.
    pub(crate) tuning: PathBuf,
}

impl Measured {
    /// The directory of the artifacts.
    pub(crate) fn results(&self) -> PathBuf {
        self.place.join("results")
    }
}

/// The sessions that all tests of this binary read. None may change them.
pub(crate) fn measured() -> &'static Measured {
    static MEASURED: OnceLock<Measured> = OnceLock::new();
    MEASURED.get_or_init(|| {
        let place = own_directory();
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("tiny.yaml"), PROFILE).unwrap();
        let source = fresh_database("report_s");
        sql(
            &source,
            "CREATE TABLE t (id bigint PRIMARY KEY, w text);
             INSERT INTO t SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 900) i; ANALYZE t",
        );
        let destination = fresh_database("report_d");
        let measure = |arguments: &[&str]| measure(&place, &source, &destination, arguments);
        let session = ["--label", "<script>alert(1)</script>"];
        Measured {
            sessions: [measure(&session), measure(&session)],
            tuning: measure(&["tune", "--sweep", "1,2,3,4", "--rounds", "3", "--pairs", "1"]),
            place: place.clone(),
        }
    })
}

/// Measures, and returns the artifact's file.
fn measure(place: &Path, source: &str, destination: &str, arguments: &[&str]) -> PathBuf {
    let (command, flags) = match arguments {
        ["tune", flags @ ..] => (Some("tune"), flags),
        flags => (None, flags),
    };
    let output = rb_bench()
        .args(command)
        .args(flags)
        .arg("--profile")
        .arg(place.join("tiny.yaml"))
        .args([
            "--source-url",
            source,
            "--dest-url",
            destination,
            "--format",
            "json",
        ])
        .arg("--out")
        .arg(place.join("results"))
        .assert()
        .success();
    let artifact: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let id = artifact["id"].as_str().unwrap();
    let mut files = fs::read_dir(place.join("results")).unwrap();
    iter::from_fn(|| files.next())
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with(&format!("-{id}.json")))
        .unwrap()
}
