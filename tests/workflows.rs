//! The workflows for GitHub Actions, run as the runner runs them: each step's script by a shell that stops
//! at the first error, in a clone with two commits.
//!
//! What takes minutes and a network there is stood in for: `cargo` puts two builds in place, of which one sends
//! rows by INSERT, and `rustup` does nothing. All else is real: the commands, the servers, the verdict.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_yaml::Value;
use support::{BINARY, command};

/// How a step ended, by the name of the step.
type Ended = (String, Output);

/// A runner's disk: the clone, and its parent for what the workflow puts beside it.
struct Runner {
    place: tempfile::TempDir,
    server: PathBuf,
}

impl Runner {
    /// A clone of a repository with a base and a change, where the build called `slow` is slow.
    fn new(slow: &str) -> Self {
        let runner = Self {
            place: tempfile::tempdir().expect("a directory"),
            server: support::directory().join(format!("{slow}-is-slow")),
        };
        fs::create_dir_all(runner.path("clone/scripts")).expect("a directory");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/ensure-postgres");
        fs::copy(script, runner.path("clone/scripts/ensure-postgres")).expect("the script");
        for directory in ["programs", "builds"] {
            fs::create_dir(runner.path(directory)).expect("a directory");
        }
        runner.program("programs/rustup", "");
        // as the real one: the release build of the package that is named, or of this directory
        runner.program(
            "programs/cargo",
            "dir=. build=change\n\
             while [ $# -gt 0 ]; do [ \"$1\" = --manifest-path ] && dir=$(dirname \"$2\") build=base; shift; done\n\
             mkdir -p \"$dir/target/release\"\n\
             cp \"$BUILDS/$build\" \"$dir/target/release/rb-bench\"",
        );
        for build in ["base", "change"] {
            let slower = "[ \"$1\" = run ] && sed -i 's/\"load_method\": *\"copy\"/\"load_method\":\"insert\"/' \"$2\"\n";
            let run = if build == slow { slower } else { "" };
            // a session on few rows, for this is no test of the machine
            let text = format!(
                "{run}case $1 in --profile) set -- \"$@\" --rows 3000 --warmup 0 --guard off ;; esac\nexec '{BINARY}' \"$@\""
            );
            runner.program(&format!("builds/{build}"), &text);
        }
        let made = runner.shell(
            "git init -q . && git add -A && git commit -q -m base && git commit -q --allow-empty -m change",
            &[],
        );
        assert!(made.status.success(), "{made:?}");
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/bash\n{text}\n")).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// What the runner calls a script with: <https://docs.github.com/actions>, "jobs.<job_id>.steps[*].shell".
    fn shell(&self, script: &str, variables: &[(String, String)]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let programs = self.path("programs").display().to_string();
        command(Path::new("bash"))
            .args([
                "--noprofile",
                "--norc",
                "-e",
                "-o",
                "pipefail",
                "-c",
                script,
            ])
            .current_dir(self.path("clone"))
            .env("PATH", format!("{programs}:{path}"))
            .env("BUILDS", self.path("builds"))
            .env("RB_BENCH_CLUSTER_DIR", &self.server)
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|name| (name, "somebody")))
            .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|name| (name, "s@example.org")))
            .envs(variables.iter().cloned())
            .output()
            .expect("bash runs")
    }

    /// The scripts of a job, one after the other; after one that failed only what is to run `always()`.
    fn run(&self, job: &Value) -> Vec<Ended> {
        let mut ended = Vec::new();
        let mut failed = false;
        for step in job["steps"].as_sequence().expect("steps") {
            let Some(script) = step["run"].as_str() else {
                continue;
            };
            if failed && step["if"].as_str() != Some("always()") {
                continue;
            }
            let variables: Vec<(String, String)> = step["env"]
                .as_mapping()
                .into_iter()
                .flatten()
                .map(|(name, value)| (word(name), self.evaluated(&word(value))))
                .collect();
            let output = self.shell(script, &variables);
            failed |= !output.status.success();
            ended.push((word(&step["name"]), output));
        }
        ended
    }

    /// The one expression that the workflow has.
    fn evaluated(&self, expression: &str) -> String {
        assert_eq!(expression, "${{ github.event.pull_request.base.sha }}");
        let found = self.shell("git rev-parse HEAD~1", &[]);
        text(&found.stdout).trim().to_owned()
    }
}

fn word(value: &Value) -> String {
    value.as_str().expect("a word").to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a readable file")
}

/// The workflow that the README shows.
fn of_the_readme() -> Value {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("```yaml\n").expect("a workflow");
    let (workflow, _) = rest.split_once("```").expect("its end");
    serde_yaml::from_str(workflow).expect("YAML")
}

#[test]
fn a_slower_change_fails_the_workflow_of_the_readme_and_is_shown_and_kept() {
    let runner = Runner::new("change");
    let job = &of_the_readme()["jobs"]["compare"];
    let ended = runner.run(job);
    let codes: Vec<_> = ended
        .iter()
        .map(|(name, output)| (name.as_str(), output.status.code()))
        .collect();
    let expected = [
        ("Build the base and the change", Some(0)),
        ("Compare them", Some(3)),
        ("Show it", Some(0)),
    ];
    assert_eq!(codes, expected, "{ended:#?}");
    let summary = fs::read_to_string(runner.path("summary")).expect("a summary");
    assert!(summary.contains("REGRESSED"), "{summary}");
    // what the last step hands on is there
    let uploads = job["steps"].as_sequence().expect("steps").iter();
    let kept = uploads.filter_map(|step| step["with"]["path"].as_str());
    for path in kept {
        let there = fs::read_dir(runner.path("clone").join(path)).expect("a directory");
        assert!(there.count() > 0, "{path} is empty");
    }
}

#[test]
fn a_faster_change_passes_the_workflow_of_the_readme() {
    let runner = Runner::new("base");
    let ended = runner.run(&of_the_readme()["jobs"]["compare"]);
    assert_eq!(ended.len(), 3);
    for (name, output) in &ended {
        assert!(output.status.success(), "{name}: {output:?}");
    }
    let summary = fs::read_to_string(runner.path("summary")).expect("a summary");
    assert!(summary.contains("IMPROVED"), "{summary}");
}

#[test]
fn the_workflow_of_this_repository_does_what_must_hold_before_a_change_lands() {
    let workflow: Value = serde_yaml::from_str(&read(".github/workflows/check.yml")).expect("YAML");
    let mut scripts = Vec::new();
    for (_, job) in workflow["jobs"].as_mapping().expect("jobs") {
        for step in job["steps"].as_sequence().expect("steps") {
            scripts.extend(step["run"].as_str());
        }
    }
    for wanted in [".ci/run", "make deny"] {
        assert!(
            scripts.contains(&wanted),
            "no step is `{wanted}`: {scripts:?}"
        );
    }
}
