//! Benchmarks from the command line: on the managed server, and on databases of others.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{fresh_database, own_directory, rb_bench, sql};

/// The artifacts in a directory.
fn artifacts(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A profile whose table is `t`, 400 narrow rows.
fn tiny_profile(directory: &Path, bench: &str) -> String {
    let text = format!(
        r#"
profile: tiny
dataset:
  table: t
  rows: 400
  columns:
    - {{ name: id, type: bigint, primary_key: true, expr: "i" }}
    - {{ name: name, type: text, not_null: true, expr: "'name ' || i" }}
pipeline:
  version: "1.0"
  pipeline: tiny
  source: {{ use: source-postgres, streams: [{{ name: t }}] }}
  destination: {{ use: dest-postgres }}
bench: {bench}
"#
    );
    written(directory, "tiny.yaml", &text)
}

/// A source with 400 rows in `t`, and a destination without it.
fn two_databases(name: &str) -> (String, String) {
    let source = fresh_database(&format!("{name}_s"));
    sql(
        &source,
        "CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL);
         INSERT INTO t SELECT i, 'name ' || i FROM generate_series(1, 400) i; ANALYZE t",
    );
    (source, fresh_database(&format!("{name}_d")))
}

fn pipeline(directory: &Path, source: &str, destination: &str) -> String {
    let text = format!(
        "version: \"1.0\"\npipeline: mine\nsource:\n  use: source-postgres\n  config: {{ url: \"{source}\" }}\n  streams: [{{ name: t }}]\n\
         destination:\n  use: dest-postgres\n  config: {{ url: \"{destination}\" }}\n"
    );
    written(directory, "pipeline.yaml", &text)
}

const OUR_TABLES: &str = "SELECT coalesce(string_agg(n.nspname || '.' || c.relname, ' ' ORDER BY 1), '') FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

#[test]
fn a_benchmark_needs_nothing_but_the_binary() {
    let (cluster, out) = (own_directory(), tempfile::tempdir().unwrap());
    let results = out.path().join("results");
    let bench = || {
        let mut command = rb_bench();
        command
            .args([
                "--profile",
                "small",
                "--rows",
                "3000",
                "--iters",
                "1",
                "--format",
                "json",
            ])
            .arg("--cluster-dir")
            .arg(&cluster)
            .arg("--out")
            .arg(&results);
        command.assert().success().get_output().clone()
    };
    let output = bench();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let saved = artifacts(&results);
    assert_eq!(saved.len(), 1);
    let artifact = read(&saved[0]);
    assert_eq!(printed, artifact);
    assert_eq!(artifact["schema"], "rb-bench.run.v1");
    assert_eq!(artifact["partial"], false);
    assert_eq!(
        artifact["summary"]["comparison"]["verdict"],
        "INSUFFICIENT DATA"
    );
    let iterations = artifact["iterations"].as_array().unwrap();
    assert_eq!(iterations.len(), 4);
    for iteration in iterations {
        let result = &iteration["result"];
        let (mode, effective) = match iteration["arm"].as_str().unwrap() {
            "before" => ("manual", Some(1)),
            _ => ("auto", None),
        };
        assert_eq!(result["parallelism_mode"], mode);
        if let Some(effective) = effective {
            assert_eq!(result["parallelism_effective"], effective);
        }
        for field in [
            "cap",
            "available_cores",
            "eligible_streams",
            "transform_count",
        ] {
            assert!(result[format!("parallelism_{field}")].is_u64(), "{field}");
        }
        assert_eq!(iteration["verify"]["row_count_ok"], true);
        assert_eq!(iteration["verify"]["checksum_ok"], true);
        assert_eq!(iteration["rows"], 3000);
        assert!(iteration["pg"]["wal_bytes"].as_u64().unwrap() > 0);
        assert!(iteration["cpu"]["destination_s"].is_f64());
        assert!(iteration["hdr"]["chunk_us"].as_str().unwrap().len() > 10);
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("seeding"));
    // the second session finds the rows there
    let again = bench();
    assert!(!String::from_utf8_lossy(&again.stderr).contains("seeding"));
    assert_eq!(artifacts(&results).len(), 2);
}

#[test]
fn a_summary_says_what_was_found() {
    let (source, destination) = two_databases("summary");
    let place = tempfile::tempdir().unwrap();
    let profile = tiny_profile(place.path(), "{ warmup: 0, iters: 1 }");
    let output = rb_bench()
        .args([
            "--profile",
            &profile,
            "--source-url",
            &source,
            "--dest-url",
            &destination,
        ])
        .arg("--out")
        .arg(place.path().join("results"))
        .assert()
        .success()
        .get_output()
        .clone();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "wall time",
        "parallelism=auto",
        "INSUFFICIENT DATA (1 pair; a verdict needs 6)",
        "1 of 1",
        "saved ",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(sql(&destination, OUR_TABLES), "");
}

#[test]
fn a_users_database_is_left_as_it_was() {
    let (source, destination) = two_databases("guest");
    // rows of the user's, a sequence that must not move, a dependent view
    sql(
        &destination,
        "CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL);
         INSERT INTO t (name) VALUES ('mine'); CREATE VIEW v AS SELECT * FROM t",
    );
    let place = tempfile::tempdir().unwrap();
    let document = pipeline(place.path(), &source, &destination);
    rb_bench()
        .args(["--pipeline", &document, "--iters", "1", "--out"])
        .arg(place.path().join("results"))
        .assert()
        .success();
    assert_eq!(sql(&destination, OUR_TABLES), "public.t");
    assert_eq!(sql(&destination, "SELECT count(*) FROM t"), "1");
    assert_eq!(sql(&destination, "SELECT last_value FROM t_id_seq"), "1");
    assert_eq!(
        sql(
            &destination,
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'rb_bench'"
        ),
        "0"
    );
    assert_eq!(sql(&source, OUR_TABLES), "public.t");
    let artifact = read(&artifacts(&place.path().join("results"))[0]);
    assert_eq!(artifact["protocol"]["writes_to"], "copies");
    let password = source.split(['/', ':', '@']).nth(4).unwrap();
    assert!(
        source.contains(&format!(":{password}@")),
        "the URL has a password"
    );
    assert!(
        !artifact.to_string().contains(password),
        "no password is kept"
    );
}

#[test]
fn a_target_that_is_missing_is_made_by_every_iteration() {
    let (source, destination) = two_databases("missing");
    let place = tempfile::tempdir().unwrap();
    let profile = tiny_profile(place.path(), "{ warmup: 0, iters: 2, target: missing }");
    rb_bench()
        .args([
            "--profile",
            &profile,
            "--source-url",
            &source,
            "--dest-url",
            &destination,
        ])
        .arg("--out")
        .arg(place.path().join("results"))
        .assert()
        .success();
    let artifact = read(&artifacts(&place.path().join("results"))[0]);
    assert_eq!(artifact["iterations"].as_array().unwrap().len(), 4);
    assert_eq!(sql(&destination, OUR_TABLES), "");
    // in place it must be missing
    sql(&destination, "CREATE TABLE t (id int)");
    let output = rb_bench()
        .args(["--profile", &profile, "--in-place"])
        .args(["--source-url", &source, "--dest-url", &destination])
        .arg("--out")
        .arg(place.path().join("results"))
        .assert()
        .code(1);
    let error = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    for part in [
        "is there, and this profile measures into a missing table",
        "leave --in-place out: each iteration then makes a table of its own beside it",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn in_place_uses_an_empty_table_and_leaves_it_empty() {
    let (source, destination) = two_databases("in_place");
    sql(
        &destination,
        "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)",
    );
    let place = tempfile::tempdir().unwrap();
    let document = pipeline(place.path(), &source, &destination);
    let bench = || {
        let mut command = rb_bench();
        command
            .args([
                "--pipeline",
                &document,
                "--in-place",
                "--iters",
                "1",
                "--out",
            ])
            .arg(place.path().join("results"));
        command
    };
    bench().assert().success();
    assert_eq!(sql(&destination, "SELECT count(*) FROM t"), "0");
    // and never touches one that is not
    sql(&destination, "INSERT INTO t VALUES (1, 'mine')");
    let output = bench().assert().code(1).get_output().clone();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("holds rows that rb-bench did not write"),
        "{error}"
    );
    assert_eq!(
        sql(&destination, "SELECT string_agg(name, ',') FROM t"),
        "mine"
    );
}

#[test]
fn rows_that_arrive_otherwise_make_the_session_invalid() {
    let (source, destination) = two_databases("invalid");
    sql(
        &destination,
        "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL);
         CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN IF NEW.id = 77 THEN NEW.name := 'spoilt'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION spoil()",
    );
    let place = tempfile::tempdir().unwrap();
    let document = pipeline(place.path(), &source, &destination);
    let output = rb_bench()
        .args([
            "--pipeline",
            &document,
            "--in-place",
            "--iters",
            "1",
            "--out",
        ])
        .arg(place.path().join("results"))
        .assert()
        .code(1)
        .get_output()
        .clone();
    let error = String::from_utf8(output.stderr).unwrap();
    for part in [
        "rows did not arrive as they left: ",
        "what to do: the iteration is INVALID; please report this with the artifact",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let artifact = read(&artifacts(&place.path().join("results"))[0]);
    assert_eq!(artifact["summary"]["status"], "invalid");
    assert_eq!(artifact["iterations"][0]["verify"]["checksum_ok"], false);
    assert_eq!(artifact["iterations"][0]["verify"]["row_count_ok"], true);
}

#[test]
fn an_interrupted_session_keeps_what_it_measured_and_leaves_nothing() {
    let (source, destination) = two_databases("interrupted");
    let place = tempfile::tempdir().unwrap();
    let profile = tiny_profile(place.path(), "{ warmup: 0, iters: 1000 }");
    let results = place.path().join("results");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let _ = fs::remove_dir_all(&results);
        let mut child = Command::new(support::BINARY)
            .args([
                "--profile",
                &profile,
                "--source-url",
                &source,
                "--dest-url",
                &destination,
            ])
            .arg("--out")
            .arg(&results)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines
            .find(|line| line.as_ref().unwrap().contains("verified"))
            .unwrap()
            .unwrap();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
        let artifact = read(&artifacts(&results)[0]);
        assert_eq!(artifact["partial"], true);
        assert!(!artifact["iterations"].as_array().unwrap().is_empty());
        assert_eq!(sql(&destination, OUR_TABLES), "");
    }
}

#[test]
fn a_stream_that_copies_other_rows_each_time_is_refused() {
    let (source, destination) = two_databases("repeatable");
    let place = tempfile::tempdir().unwrap();
    let document = pipeline(place.path(), &source, &destination);
    let text = std::fs::read_to_string(&document).unwrap();
    let stream = "{ name: t, sync_mode: incremental, cursor_field: id }";
    std::fs::write(&document, text.replace("{ name: t }", stream)).unwrap();
    let output = rb_bench()
        .args(["--pipeline", &document, "--out"])
        .arg(place.path())
        .assert()
        .code(1)
        .get_output()
        .clone();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("a benchmark repeats one copy"), "{error}");
    assert_eq!(sql(&destination, OUR_TABLES), "");
}

#[test]
fn wrong_use_is_told_before_anything_is_made() {
    let (source, destination) = two_databases("wrong");
    let place = tempfile::tempdir().unwrap();
    let file = written(place.path(), "file", "");
    let cluster = place.path().join("cluster");
    let results = place.path().join("results");
    let urls = ["--source-url", &source, "--dest-url", &destination];
    let below_a_file = format!("{file}/results");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--profile", "larg"], 1, "did you mean `large`?"),
        (&["--iters", "0"], 2, "--iters"),
        (
            &["--out", &below_a_file],
            1,
            "choose another directory with --out DIR",
        ),
        (&["--in-place"], 2, "--in-place needs"),
        (
            &["--after", "resources.paralelism=2"],
            2,
            "resources.parallelism",
        ),
        (&urls, 1, "bench_orders does not exist"),
        (
            &urls,
            1,
            "rb-bench never writes to a source it does not manage; use a profile whose table is there, --pipeline FILE, \
             or leave --source-url and --dest-url out",
        ),
    ];
    for (arguments, code, told) in cases {
        let mut command = rb_bench();
        command.args(arguments).arg("--cluster-dir").arg(&cluster);
        if !arguments.contains(&"--out") {
            command.arg("--out").arg(&results);
        }
        let output = command.assert().code(code).get_output().clone();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{arguments:?}: {error}");
        assert!(
            !results.exists() && !cluster.exists(),
            "{arguments:?} made something"
        );
    }
}

#[test]
fn the_profiles_are_listed_for_programs_too() {
    let output = rb_bench()
        .args(["profiles", "--format", "json"])
        .assert()
        .success()
        .get_output()
        .clone();
    let profiles: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = profiles
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "small",
            "medium",
            "large",
            "transform",
            "transform-filter",
            "many",
            "skewed"
        ]
    );
}
