//! The terminal is closed while a command that was typed after `!` has it: the command ends in good order too.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::place::{Place, processes_in};
use crate::support::{self, fresh_database, sql};
use crate::terminal::{Terminal, Workbench};

#[test]
fn a_benchmark_on_the_managed_server_ends_with_its_terminal() {
    let place = Place::with_server();
    closed_during(&place, "--profile small --rows 3000 --warmup 0 --iters 500");
}

#[test]
fn a_benchmark_on_databases_of_ones_own_leaves_nothing_in_them_when_its_terminal_is_closed() {
    let place = Place::with_server();
    let (source, dest) = (fresh_database("hung_s"), fresh_database("hung_d"));
    let rows = "INSERT INTO t SELECT g, repeat('v', 500) FROM generate_series(1, 20000) g";
    let table = "CREATE TABLE t (id bigint PRIMARY KEY, v text)";
    sql(&source, &format!("{table}; {rows}"));
    sql(&dest, table);
    let document = json!({
        "version": "1.0", "pipeline": "hung",
        "source": { "use": "source-postgres", "config": { "url": source }, "streams": [{ "name": "t" }] },
        "destination": { "use": "dest-postgres", "config": { "url": dest } },
        "resources": { "parallelism": 2 },
    });
    fs::write(place.path().join("hung.yaml"), document.to_string()).unwrap();
    closed_during(&place, "--pipeline hung.yaml --warmup 0 --iters 500");
    for (what, counted) in [
        (
            "copies of tables",
            "pg_class WHERE relname LIKE 'rb\\_bench\\_%' AND relkind = 'r'",
        ),
        (
            "prepared transactions",
            "pg_prepared_xacts WHERE database = current_database()",
        ),
        (
            "sessions",
            "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        ),
        ("rows", "t"),
    ] {
        // a backend may end a moment after its client
        let limit = Instant::now() + Duration::from_secs(20);
        let left = || sql(&dest, &format!("SELECT count(*) FROM {counted}"));
        while left() != "0" {
            assert!(Instant::now() < limit, "{what}: {}", left());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // every run of it is settled in what the destination remembers of runs
    if sql(&dest, "SELECT to_regclass('rb_bench.runs') IS NOT NULL") == "t" {
        let unsettled = "SELECT count(*) FROM rb_bench.runs WHERE state <> 'committed'";
        assert_eq!(sql(&dest, unsettled), "0");
    }
}

#[test]
fn a_benchmark_that_is_to_outlive_its_terminal_does() {
    let place = Place::with_server();
    let out = place.path().join("other");
    let mut command = support::command(Path::new("sh"));
    command
        .env("RB_BENCH_CLUSTER_DIR", place.path())
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", support::BINARY])
        .args("--profile small --rows 3000 --warmup 0 --iters 4 --guard off --out".split(' '))
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut benchmark = command.spawn().unwrap();
    wait_until_kept(&out);
    kill(Pid::from_raw(benchmark.id().cast_signed()), Signal::SIGHUP).unwrap();
    assert!(benchmark.wait().unwrap().success());
    assert_eq!(crate::artifact(&out)["partial"], false);
    place.assert_no_process_is_left();
}

/// Waits until an artifact is there: an iteration was measured.
fn wait_until_kept(out: &Path) {
    let until = Instant::now() + Duration::from_mins(2);
    let kept = || {
        let mut entries = fs::read_dir(out).into_iter().flatten().flatten();
        entries.any(|entry| entry.path().extension().is_some_and(|e| e == "json"))
    };
    while !kept() {
        assert!(Instant::now() < until, "nothing is measured");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Types a benchmark's flags after `!` and closes the terminal when an iteration was measured.
fn closed_during(place: &Place, flags: &str) {
    let mut terminal = Terminal::new(100, 30);
    let mut workbench = Workbench::start(&mut terminal, place, &[], &[]);
    terminal.wait_for("resources.parallelism");
    terminal.press(&format!("!{flags} --guard off --out other\r"));
    let out = place.path().join("other");
    wait_until_kept(&out);
    // where a shell began the workbench, the end of the shell is a hang-up for who has the terminal
    let (command, _) = processes_in(place.path())
        .into_iter()
        .find(|(_, line)| line.ends_with("--out other "))
        .unwrap();
    kill(Pid::from_raw(command.cast_signed()), Signal::SIGHUP).unwrap();
    terminal.hang_up();
    workbench.wait();
    // what was measured is kept, and says that it is not all
    let artifact = crate::artifact(&out);
    assert_eq!(artifact["partial"], true);
    assert!(!artifact["iterations"].as_array().unwrap().is_empty());
    place.assert_no_process_is_left();
}
