//! The scenarios: shell scripts that use rb-bench and psql as a person would, each run whole.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

#[test]
fn every_scenario_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connectors/postgres/scenarios");
    let mut scripts: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the scenarios are there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        let mut command = support::command(&script);
        let output = command
            .env("RB_BENCH", support::BINARY)
            .env(
                "RB_BENCH_CLUSTER_DIR",
                support::directory().join("commands"),
            )
            .stdin(Stdio::null())
            .output()
            .expect("the script can be run");
        assert!(
            output.status.success(),
            "{}\n{}\n{}",
            script.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
