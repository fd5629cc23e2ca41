//! The Run screen of a real session that stands still in the middle of an iteration: what it shows at every
//! size, and to a role that may not see everything.

use std::fs;

use serde_json::json;

use crate::QUICK;
use crate::place::Place;
use crate::support::{fresh_database, sql};
use crate::terminal::{Terminal, Workbench};

/// Two workers, however many cores there are.
const TWO_WORKERS: &[&str] = &["--after", "resources.parallelism=2", "--iters", "3"];

#[test]
fn a_live_run_is_whole_at_every_size() {
    let place = Place::with_server();
    let mut terminal = Terminal::new(120, 36);
    // every row of the second iteration is in, and one iteration is in the table
    let trap = format!("ready@2=hold:{}", place.path().display());
    let arguments = [QUICK, TWO_WORKERS].concat();
    let environment = [("RB_BENCH_FAIL_POINTS", trap.as_str())];
    let mut workbench = Workbench::start_in(&mut terminal, &place, &arguments, &environment);
    let held = place.wait_until_held_at("ready");
    terminal.wait_for(" ok ");
    terminal.wait_for("Client:ClientRead");
    let everywhere = [
        "[1 Run]",
        "LIVE",
        "effective",
        "MB/s",
        "row/s",
        "rb-bench",
        "source",
        "dest",
        "Shards",
        "chunks",
        "Iterations",
        "verify",
        " ok ",
        "r run",
        "p pause",
        "Space freeze",
        "x explain",
        "q ",
    ];
    let from_80 = [
        "2 Tune",
        "5 Profile",
        "cpu%",
        "p99 chunk",
        "Events",
        "Tab pane",
        "! command",
    ];
    let wide = [
        "Throughput",
        "pair 1/3",
        "draw p99",
        "CPU",
        "core 0",
        "Where worker time goes",
        "source wait",
        "dest wait",
        "commit",
    ];
    for (columns, lines, also) in [
        (60, 16, ["2/6"].as_slice()),
        (80, 24, &[from_80.as_slice(), &["2/6"]].concat()),
        (200, 60, &[from_80.as_slice(), &wide].concat()),
    ] {
        let screen = terminal.wait_for_size(columns, lines);
        for text in everywhere.iter().chain(also) {
            assert!(
                screen.contains(text),
                "no `{text}` at {columns}x{lines}:\n{screen}"
            );
        }
    }
    fs::remove_file(&held).unwrap();
    terminal.wait_for("DONE");
    terminal.press("q");
    assert_eq!(workbench.exit_code(), 0);
    place.assert_no_process_is_left();
}

#[test]
fn a_role_that_may_not_see_the_other_side_is_told_so_once() {
    let place = Place::new();
    let (source, dest) = (fresh_database("live_s"), fresh_database("live_d"));
    let name = |url: &str| url.rsplit_once('/').unwrap().1.to_owned();
    for (url, role, more) in [
        (&source, "live_reader", "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 20000) g; GRANT SELECT ON t TO live_reader".to_owned()),
        (&dest, "live_writer", format!("ALTER DATABASE \"{}\" OWNER TO live_writer", name(&dest))),
    ] {
        sql(url, &format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'x'; {more}"));
    }
    let as_role = |url: &str, role: &str| {
        let rest = url.split_once('@').unwrap().1;
        format!("postgresql://{role}:x@{rest}")
    };
    let document = json!({
        "version": "1.0", "pipeline": "live",
        "source": {
            "use": "source-postgres",
            "config": { "url": as_role(&source, "live_reader") },
            "streams": [{ "name": "t" }],
        },
        "destination": {
            "use": "dest-postgres",
            "config": { "url": as_role(&dest, "live_writer") },
        },
    });
    let file = place.path().join("live.yaml");
    fs::create_dir_all(place.path()).unwrap();
    fs::write(&file, document.to_string()).unwrap();
    let mut terminal = Terminal::new(120, 36);
    let trap = format!("loaded=hold:{}", place.path().display());
    let environment = [("RB_BENCH_FAIL_POINTS", trap.as_str())];
    let arguments = [
        "--pipeline",
        "live.yaml",
        "--after",
        "resources.parallelism=1",
        "--iters",
        "2",
        "--warmup",
        "0",
        "--guard",
        "off",
    ];
    let mut workbench = Workbench::start_in(&mut terminal, &place, &arguments, &environment);
    let held = place.wait_until_held_at("loaded");
    // asked once a second; meanwhile the screen goes by what rb-bench counted itself
    terminal.press("l");
    terminal.wait_for("pg_read_all_stats");
    terminal.press("\u{1b}");
    terminal.wait_for("20.0k");
    fs::remove_file(&held).unwrap();
    terminal.wait_for("DONE");
    terminal.press("l");
    terminal.wait_for("pg_read_all_stats");
    assert_eq!(terminal.contents().matches("pg_read_all_stats").count(), 1);
    terminal.press("\u{3}");
    workbench.wait();
}
