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

#[test]
fn a_run_killed_at_any_instant_is_completed_by_the_same_command_again() {
    let rounds = match std::env::var("RB_BENCH_LONG_TESTS") {
        Ok(_) => 400,
        Err(_) => 20,
    };
    let forms = ["single_writer", "two_phase", "ledger", "new"];
    let mut rehearsal = Rehearsal::with_table("random", 4000).max_retries(5);
    for round in 0..rounds {
        let form = forms[round % forms.len()];
        rehearsal.commit = if form == "new" { "auto" } else { form };
        rehearsal.at_dest("DROP TABLE IF EXISTS t");
        if form != "new" {
            rehearsal.at_dest("CREATE TABLE t (id int PRIMARY KEY, note text NOT NULL)");
        }
        let run = format!("r{round}");
        // the instants of a kill: each form from its start to a little past its end
        let step = (round / forms.len()) as f64 / (rounds / forms.len()) as f64;
        let running = rehearsal.start(&["--run-id", &run]);
        std::thread::sleep(Duration::from_secs_f64(
            0.02 + (step + rand::random::<f64>() * 0.2) * 0.5,
        ));
        running.kill();
        rehearsal.run(&["--run-id", &run]).assert_ok();
        rehearsal.assert_complete();
    }
}
