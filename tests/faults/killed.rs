//! rb-bench itself killed, without a warning.

use std::time::{Duration, Instant};

use crate::proxy::{self, Fate, Sent};
use crate::rehearsal::Rehearsal;
use crate::running::Running;

/// A run into a new table, killed when this message has vanished.
fn killed_at(name: &str, at: fn(&Sent<'_>) -> bool) -> Rehearsal {
    let rehearsal = Rehearsal::with_table(name, 4000);
    rehearsal.at_dest("DROP TABLE t");
    let direct = rehearsal.dest.clone();
    let (tell, heard) = std::sync::mpsc::channel();
    let through = proxy::before(&rehearsal.dest, move |sent| {
        if at(sent) {
            let _ = tell.send(());
            return Fate::Vanishes;
        }
        Fate::Arrives
    });
    let rehearsal = rehearsal.dest_through(through);
    let running = rehearsal.start(&["--run-id", "r"]);
    heard
        .recv_timeout(Duration::from_secs(30))
        .expect("the run comes to that message");
    Running::kill(running);
    let hidden = rehearsal
        .at_dest("SELECT count(*) FROM pg_class WHERE relname LIKE 'aside%' AND relkind = 'r'");
    assert_eq!(hidden, "1");
    rehearsal.dest_through(direct)
}

#[test]
fn a_run_killed_while_it_loads_new_tables_leaves_none_after_the_next() {
    let rehearsal = killed_at("loading", |sent| {
        sent.by == "rb-bench write 0" && sent.kind == b'd' && sent.after > 50_000
    });
    rehearsal
        .run(&["--run-id", "other"])
        .assert_ok()
        .assert_says(&["run `r` died; its unfinished tables were dropped"]);
    rehearsal.assert_complete();
}

#[test]
fn a_run_killed_while_it_builds_keys_leaves_no_table_after_the_next() {
    let rehearsal = killed_at("keys", |sent| {
        sent.by == "rb-bench leader" && sent.text.contains("ADD CONSTRAINT")
    });
    rehearsal
        .run(&["--run-id", "r"])
        .assert_ok()
        .assert_says(&["run `r` died; its unfinished tables were dropped"]);
    rehearsal.assert_complete();
}

#[test]
fn what_a_killed_run_had_its_servers_do_ends_within_seconds() {
    let rehearsal = Rehearsal::with_table("busy", 10).streams(&["slow"]);
    rehearsal.at_source("CREATE VIEW slow AS SELECT id, note, pg_sleep(20)::text AS slept FROM t");
    let running = rehearsal.start(&[]);
    rehearsal.until_source("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
    let begun = Instant::now();
    running.kill();
    rehearsal.assert_untouched();
    // the check is made every two seconds; the query itself would take 200
    assert!(begun.elapsed() < Duration::from_secs(10));
}
