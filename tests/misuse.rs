//! The command line used wrongly: what is told, whole, and that nothing was made.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

#[path = "support/place.rs"]
mod place;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use place::{Place, said};
use rb_bench::cluster::Programs;
use support::rb_bench;

/// The command ends with this code, and standard error is this.
#[track_caller]
fn told(arguments: &[&str], code: i32, text: &str) {
    let place = tempfile::tempdir().unwrap();
    let output = rb_bench()
        .args(arguments)
        .current_dir(place.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(said, format!("rb-bench: error: {text}\n"), "{arguments:?}");
    let made: Vec<_> = fs::read_dir(place.path()).unwrap().collect();
    assert!(made.is_empty(), "{arguments:?} made {made:?}");
}

#[test]
fn a_gate_that_could_never_fail_is_refused() {
    told(
        &["--iters", "3", "--fail-on-regression"],
        2,
        "3 pairs carry no verdict, so that a gate could never tell anything\n  what to do: measure at least --iters 6, \
         or leave it out",
    );
}

#[test]
fn a_flag_for_the_arm_that_is_left_out_is_refused() {
    for (flags, text) in [
        (
            &["--before-bin", "x"][..],
            "--before-bin needs both arms: --arms one measures the after arm alone",
        ),
        (
            &["--before", "resources.parallelism=1"],
            "--before needs both arms: --arms one measures the after arm alone",
        ),
        (
            &["--until-resolved"],
            "a verdict needs both arms: --arms one measures the after arm alone",
        ),
    ] {
        told(&[&["--arms", "one"], flags].concat(), 2, text);
    }
}

#[test]
fn a_flag_for_other_databases_is_refused() {
    told(
        &[
            "--rows",
            "5",
            "--source-url",
            "host=a",
            "--dest-url",
            "host=b",
        ],
        2,
        "--rows needs the managed server: rb-bench does not change how many rows a database of yours has",
    );
    told(
        &["--in-place"],
        2,
        "--in-place needs --source-url and --dest-url, or --pipeline: on the managed server every table is rb-bench's own",
    );
}

#[test]
fn what_cannot_be_verified_is_not_copied() {
    let copy = ["copy", "host=a", "host=b", "--table", "t", "--verify"];
    for (flags, flag) in [
        (&["--limit", "5"][..], "--limit"),
        (&["--dry-run"], "--dry-run"),
    ] {
        told(
            &[&copy[..], flags].concat(),
            2,
            &format!("--verify compares whole tables and cannot go with {flag}"),
        );
    }
    told(
        &["copy", "host=a", "host=b", "--table", "a.b.c"],
        2,
        "--table `a.b.c`: a name of 3 parts; accepted: table or schema.table, with a part in double quotes where it has a dot",
    );
}

#[test]
fn a_report_of_nothing_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let directory = empty.path().display().to_string();
    told(
        &["report", "--profile-pages", &directory, "--out", &directory],
        1,
        &format!(
            "no artifact is kept in {directory}\n  what to do: measure first, or name another directory with --out DIR"
        ),
    );
    let file = empty.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.display().to_string();
    told(
        &["report", "--profile-pages", &directory, "--out", &file],
        1,
        &format!("cannot look through {file}: Not a directory (os error 20)"),
    );
}

#[test]
fn runs_and_marks_are_those_of_a_destination() {
    told(
        &["runs"],
        2,
        "which destination is meant is not said\n  what to do: give --dest-url URL, or --pipeline FILE",
    );
    let place = tempfile::tempdir().unwrap();
    let document = place.path().join("null.yaml");
    fs::write(
        &document,
        "version: \"1.0\"\npipeline: p\nsource:\n  use: source-generate\n  config: { rows: 1 }\n  streams: [{ name: t }]\n\
         destination:\n  use: dest-null\n",
    )
    .unwrap();
    told(
        &["marks", "--pipeline", document.to_str().unwrap()],
        2,
        "dest-null keeps nothing, so it knows no runs and no marks",
    );
    told(
        &["cdc", "status", document.to_str().unwrap()],
        1,
        "pipeline `p` captures no changes\n  what to do: its streams need `sync_mode: cdc`",
    );
}

#[test]
fn a_time_and_a_percentage_are_read_before_anything_else() {
    let empty = tempfile::tempdir().unwrap();
    let directory = empty.path().display().to_string();
    told(
        &["history", "--since", "yesterday", "--out", &directory],
        2,
        "`yesterday` is not a time\n  what to do: give a day (2026-11-01), a time (2026-11-01T12:00:00Z), or how long ago \
         (30d, 12h)",
    );
    let output = rb_bench()
        .args(["--noise-threshold", "101"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("not a percentage from 0 to 100"), "{said}");
}

#[test]
fn a_new_profile_has_a_name_and_overwrites_nothing() {
    told(
        &["profiles", "new", "a b"],
        2,
        "`a b` is no name for a profile; accepted: letters, digits, - and _",
    );
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("mine.yaml"), "precious").unwrap();
    let output = rb_bench()
        .args(["profiles", "new", "mine"])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "rb-bench: error: mine.yaml is there already\n  what to do: choose another name, or remove the file: nothing is \
         overwritten\n"
    );
    let kept = fs::read_to_string(place.path().join("mine.yaml")).unwrap();
    assert_eq!(kept, "precious");
}

#[test]
fn a_full_standard_output_is_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(support::BINARY)
        .arg("profiles")
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("rb-bench: error: cannot write to standard output: "),
        "{said}"
    );
}

#[test]
fn a_psql_that_is_not_there_is_told_with_how_to_get_it() {
    let place = Place::with_server();
    let programs = place.path().join("programs");
    fs::create_dir_all(&programs).unwrap();
    let found = Programs::find(support::pg_bin().as_deref()).unwrap();
    for name in ["postgres", "initdb", "pg_ctl"] {
        let path = programs.join(name);
        let script = format!("#!/bin/sh\nexec {} \"$@\"\n", found.program(name).display());
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = support::rb_bench_in(place.path())
        .env("PATH", "")
        .args(["cluster", "psql", "--pg-bin", programs.to_str().unwrap()])
        .output()
        .unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("install the PostgreSQL client programs"),
        "{said}"
    );
    place.assert_no_process_is_left();
}
