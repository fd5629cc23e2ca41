//! What a program that was installed brings along: completions that a shell takes, manual pages that
//! render, and `doctor`, which says what is missing.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::copies::as_role;
use support::{fresh_database, sql};

// ---- completions ----

/// What bash offers at the end of a command line, with our script sourced into a bash that has nothing
/// else.
fn offered(words: &[&str]) -> Vec<String> {
    let place = tempfile::tempdir().expect("a directory");
    let script = place.path().join("rb-bench.bash");
    fs::write(&script, printed(&["completions", "bash"])).expect("written");
    let asking = r#"
        source "$1"
        shift
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        spec=$(complete -p rb-bench) function='-F ([^ ]+)'
        [[ $spec =~ $function ]] || exit 9
        "${BASH_REMATCH[1]}" rb-bench "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", asking, "bash"])
        .arg(&script)
        .arg("rb-bench")
        .args(words)
        .current_dir(place.path())
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_words_and_profiles() {
    assert_eq!(offered(&["cal"]), ["calibrate"]);
    assert_eq!(offered(&["run", "--dry"]), ["--dry-run"]);
    assert_eq!(offered(&["cluster", "st"]), ["status", "stop"]);
    assert_eq!(offered(&["--guard", "w"]), ["warn", "wait"]);
    assert_eq!(
        offered(&["--profile", "trans"]),
        ["transform", "transform-filter"]
    );
    assert_eq!(offered(&["tune", "--profile", "sk"]), ["skewed"]);
    assert_eq!(offered(&["completions", "e"]), ["elvish"]);
    assert_eq!(offered(&["nonsen"]), [""; 1]);
}

#[test]
fn what_nobody_types_is_completed_by_no_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("calibrate"), "{shell}");
        // these two complete no words of an argument
        let with_words = !matches!(shell, "elvish" | "powershell");
        assert_eq!(script.contains("transform-filter"), with_words, "{shell}");
        for hidden in ["__supervise", "__attend"] {
            assert!(!script.contains(hidden), "{shell} completes {hidden}");
        }
    }
}

#[test]
fn a_flag_of_the_benchmark_that_waits_for_its_value_is_no_error_in_fish() {
    let script = printed(&["completions", "fish"]);
    let parsing = "argparse -s (__fish_rb_bench_global_optspecs) --";
    for cmd in ["$cmd", "$cmd ''"] {
        let line = format!("{parsing} {cmd} 2>/dev/null\n");
        assert_eq!(script.matches(&line).count(), 1, "{line}");
    }
}

// ---- manual pages ----

#[test]
fn every_command_has_a_manual_page_that_renders() {
    let place = tempfile::tempdir().expect("a directory");
    printed(&["man", "--out", &place.path().display().to_string()]);
    let mut pages: Vec<_> = fs::read_dir(place.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    pages.sort();
    let names: Vec<String> = pages
        .iter()
        .filter_map(|page| Some(page.file_stem()?.to_str()?.to_owned()))
        .collect();
    for name in ["rb-bench", "rb-bench-run", "rb-bench-cluster-status"] {
        assert!(names.iter().any(|n| n == name), "no {name} in {names:?}");
    }
    assert!(!names.iter().any(|n| n.contains("__")), "{names:?}");
    for page in &pages {
        let source = fs::read_to_string(page).expect("a page");
        assert_eq!(wrong_requests(&source), [""; 0], "{}", page.display());
        if let Some(complaints) = complaints_of_groff(page) {
            assert_eq!(complaints, "", "{}", page.display());
        }
    }
    assert!(printed(&["man"]).contains(".SH EXAMPLES"));
}

/// Lines that a formatter would take for requests that man(7) does not have: text that was not escaped.
fn wrong_requests(page: &str) -> Vec<String> {
    const KNOWN: [&str; 13] = [
        "ie", "el", "TH", "SH", "TP", "PP", "br", "nf", "fi", "RS", "RE", "IP", "sp",
    ];
    page.lines()
        .filter(|line| line.starts_with(['.', '\'']))
        .filter(|line| {
            let request = line[1..].split_whitespace().next().unwrap_or_default();
            !KNOWN.contains(&request)
        })
        .map(str::to_owned)
        .collect()
}

/// All that groff warns of; nothing where there is no groff, which few minimal systems have.
fn complaints_of_groff(page: &Path) -> Option<String> {
    let output = Command::new("groff")
        .args(["-man", "-Tutf8", "-ww", "-z"])
        .arg(page)
        .output()
        .ok()?;
    Some(text(&output.stderr))
}

#[test]
fn text_that_looks_like_a_request_is_found() {
    assert_eq!(wrong_requests(".SH A\n.nf\n.bench\n'x\nplain\n").len(), 2);
}

// ---- doctor ----

/// An empty directory that the server's account may enter, which a temporary one is not.
fn place() -> PathBuf {
    let place = support::own_directory();
    fs::create_dir_all(&place).expect("a directory");
    place
}

/// `doctor` in a place of its own, with these arguments.
fn doctor(place: &Path, arguments: &[&str]) -> (Output, Value) {
    let output = rb_bench()
        .current_dir(place)
        .env("RB_BENCH_CLUSTER_DIR", place.join("cluster"))
        .args(["doctor", "--format", "json"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let found = serde_json::from_slice(&output.stdout).expect("one JSON document");
    (output, found)
}

/// The state and the remedy of a finding.
fn finding<'f>(found: &'f Value, area: &str, what: &str) -> (&'f str, &'f str) {
    let findings = found["findings"].as_array().expect("findings");
    let one = findings
        .iter()
        .find(|f| f["area"] == area && f["what"] == what)
        .unwrap_or_else(|| panic!("no {area} {what} in {found:#}"));
    (
        one["state"].as_str().expect("a state"),
        one["remedy"].as_str().unwrap_or_default(),
    )
}

#[test]
fn doctor_finds_this_machine_fit_and_changes_nothing() {
    let place = place();
    let (output, found) = doctor(&place, &[]);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    assert_eq!(found["can_run"], true);
    for (area, what) in [
        ("postgres", "programs"),
        ("postgres", "account"),
        ("postgres", "directory"),
        ("postgres", "server"),
        ("results", "directory"),
        ("machine", "parallelism"),
    ] {
        assert_eq!(finding(&found, area, what).0, "ok", "{area} {what}");
    }
    assert_eq!(finding(&found, "results", "noise").0, "warn");
    assert_eq!(fs::read_dir(&place).expect("a directory").count(), 0);
}

#[test]
fn doctor_says_how_to_get_what_is_missing() {
    let place = place();
    let nowhere = place.join("bin");
    fs::create_dir(&nowhere).expect("a directory");
    fs::write(place.join("file"), "").expect("a file");
    let bin = nowhere.display().to_string();
    let arguments = ["--pg-bin", &bin, "--out", "file/results"];
    let (output, found) = doctor(&place, &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(found["can_run"], false);
    assert_eq!(finding(&found, "postgres", "programs").0, "fail");
    let (state, remedy) = finding(&found, "results", "directory");
    assert_eq!(state, "fail");
    assert!(remedy.contains("--out"), "{remedy}");
    let text = rb_bench()
        .current_dir(&place)
        .args(["doctor", "--pg-bin", &bin])
        .output()
        .expect("it runs");
    let text = self::text(&text.stdout);
    assert!(
        text.contains("no benchmark can run here: 1 failure"),
        "{text}"
    );
}

#[test]
fn doctor_tells_what_a_role_may_do_on_a_server() {
    let place = place();
    let url = fresh_database("doctor_role");
    sql(
        &url,
        "DROP ROLE IF EXISTS doctor_role; CREATE ROLE doctor_role LOGIN PASSWORD 'x'",
    );
    let (output, found) = doctor(&place, &["--source-url", &url, "--dest-url", &url]);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    for side in ["source", "destination"] {
        for what in ["connecting", "version", "role", "activity", "connections"] {
            assert_eq!(finding(&found, side, what), ("ok", ""), "{side} {what}");
        }
    }
    for what in ["writing", "schema", "checkpoint", "commit", "runs"] {
        assert_eq!(finding(&found, "destination", what).0, "ok", "{what}");
    }

    let role = as_role(&url, "doctor_role", "x");
    let (output, found) = doctor(&place, &["--dest-url", &role]);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    for (what, remedy) in [
        ("activity", "GRANT pg_read_all_stats TO \"doctor_role\""),
        (
            "schema",
            "CREATE SCHEMA rb_bench AUTHORIZATION \"doctor_role\"",
        ),
        ("checkpoint", ""),
    ] {
        let (state, told) = finding(&found, "destination", what);
        assert_eq!(state, "warn", "{what}");
        assert!(told.contains(remedy) && !told.is_empty(), "{told}");
    }
    // the remedies are remedies
    sql(
        &url,
        "GRANT pg_read_all_stats TO \"doctor_role\"; CREATE SCHEMA rb_bench AUTHORIZATION \"doctor_role\"",
    );
    let (_, found) = doctor(&place, &["--dest-url", &role]);
    for what in ["activity", "schema"] {
        assert_eq!(finding(&found, "destination", what).0, "ok", "{what}");
    }
}

#[test]
fn doctor_names_a_run_that_died_and_a_server_that_does_not_answer() {
    let place = place();
    let url = fresh_database("doctor_runs");
    sql(
        &url,
        "BEGIN; CREATE TABLE half (); PREPARE TRANSACTION 'rb_bench:doctor-dead:5:1'",
    );
    let (_, found) = doctor(&place, &["--dest-url", &url]);
    let (state, remedy) = finding(&found, "destination", "runs");
    assert_eq!(state, "warn", "{found:#}");
    assert!(remedy.contains("runs resolve doctor-dead"), "{remedy}");
    sql(&url, "ROLLBACK PREPARED 'rb_bench:doctor-dead:5:1'");

    let nobody = "postgres://somebody:secret@127.0.0.1:1/shop";
    let (output, found) = doctor(&place, &["--source-url", nobody]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(finding(&found, "source", "connecting").0, "fail");
    assert!(!text(&output.stdout).contains("secret"));
}

// ---- the edges ----

fn rb_bench() -> Command {
    support::command(Path::new(support::BINARY))
}

/// What a command prints that ends well.
fn printed(arguments: &[&str]) -> String {
    let output = rb_bench().args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
