//! `rb-bench runs`: what a destination tells of its runs, and settling dead ones by hand.

use crate::ledger::killed_in_between;
use crate::rehearsal::Rehearsal;
use crate::session::{Held, role, terminate};
use crate::support::sql;
use crate::two_phase::killed_undecided;

/// What `rb-bench runs` says of one run.
fn told(rehearsal: &Rehearsal, run: &str) -> serde_json::Value {
    let outcome = rehearsal.runs(&["--format", "json"]);
    outcome.assert_ok();
    let runs: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    let runs = runs.as_array().expect("a list");
    runs.iter()
        .find(|known| known["run"] == run)
        .unwrap_or_else(|| panic!("no run {run} in {outcome:#?}"))
        .clone()
}

#[test]
fn a_destination_without_runs_says_so() {
    let rehearsal = Rehearsal::new("no_runs");
    let outcome = rehearsal.runs(&[]);
    assert!(outcome.assert_ok().stdout.contains("no run is recorded"));
    rehearsal
        .runs(&["resolve", "r"])
        .assert_failed(&["knows no run `r`", "`rb-bench runs` lists those it knows"]);
}

#[test]
fn a_committed_run_is_listed_and_needs_nothing() {
    let rehearsal = Rehearsal::with_table("listed", 1000);
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    let run = told(&rehearsal, "r");
    assert_eq!(
        (&run["state"], &run["rows"], &run["alive"]),
        (&"committed".into(), &1000.into(), &false.into())
    );
    let outcome = rehearsal.runs(&["resolve", "r"]);
    assert!(outcome.assert_ok().stdout.contains("nothing to do"));
    let text = rehearsal.runs(&[]).stdout;
    assert!(
        text.contains("rehearsal") && !text.contains("died"),
        "{text}"
    );
}

#[test]
fn a_run_that_died_undecided_is_listed_as_prepared_and_rolled_back_on_demand() {
    let rehearsal = Rehearsal::with_table("undecided_run", 4000).commit("two_phase");
    rehearsal.run(&["--run-id", "first"]).assert_ok();
    rehearsal.at_dest("TRUNCATE t");
    let held = Held::connect(&rehearsal.dest);
    held.sql("BEGIN; LOCK TABLE rb_bench.runs IN SHARE MODE");
    let running = rehearsal.start(&["--run-id", "r"]);
    rehearsal.until_dest(
        "SELECT count(*) = 2 FROM pg_prepared_xacts WHERE database = current_database()",
    );
    assert_eq!(told(&rehearsal, "r")["alive"], true);
    rehearsal.runs(&["resolve", "r"]).assert_failed(&[
        "run `r` is under way in another process",
        "wait for it, or stop it",
    ]);
    running.kill();
    held.sql("ROLLBACK");
    rehearsal.until_dest(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rb-bench%'",
    );
    let run = told(&rehearsal, "r");
    assert_eq!(
        (&run["state"], &run["prepared"], &run["alive"]),
        (&"prepared".into(), &2.into(), &false.into())
    );
    let text = rehearsal.runs(&[]).stdout;
    let advice = "run `r` died; the next run settles it, or now: rb-bench runs resolve r";
    assert!(text.contains(advice), "{text}");
    let outcome = rehearsal.runs(&["resolve", "r"]);
    assert!(
        outcome
            .assert_ok()
            .stdout
            .contains("2 prepared transactions were rolled back"),
        "{outcome:#?}"
    );
    rehearsal.assert_untouched();
}

#[test]
fn what_this_role_may_not_finish_is_told_as_the_statement_that_does() {
    let mut rehearsal = killed_undecided("foreign_run", "foreign");
    rehearsal.until_dest(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rb-bench%'",
    );
    let owner = rehearsal.dest.clone();
    rehearsal.dest = role(&owner, "faults_other", "");
    sql(
        &owner,
        "GRANT ALL ON SCHEMA rb_bench TO faults_other; GRANT ALL ON ALL TABLES IN SCHEMA rb_bench TO faults_other",
    );
    let outcome = rehearsal.runs(&["resolve", "foreign"]);
    rehearsal.dest = owner;
    outcome.assert_failed(&[
        "permission denied to finish prepared transaction",
        "what to do: finish it by hand: ROLLBACK PREPARED 'rb_bench",
    ]);
    rehearsal.runs(&["resolve", "foreign"]).assert_ok();
    rehearsal.assert_untouched();
}

#[test]
fn what_cannot_be_proved_is_repaired_by_hand_and_then_forgotten() {
    let (rehearsal, gate) = killed_in_between("forgotten");
    terminate(&rehearsal.dest, "rb-bench write");
    gate.open();
    rehearsal.at_dest("DELETE FROM t WHERE id = (SELECT min(id) FROM t)");
    rehearsal.runs(&["resolve", "r"]).assert_failed(&[
        "settling run `r`",
        "part of run `r` is in the target, by these transactions: ",
        ". Delete those rows (WHERE xmin = ...), then `rb-bench runs resolve r --forget`",
    ]);
    let unasked = rehearsal.runs(&["resolve", "r", "--forget"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:#?}");
    unasked.assert_says(&["--yes"]);
    rehearsal.at_dest("TRUNCATE t");
    rehearsal
        .runs(&["resolve", "r", "--forget", "--yes"])
        .assert_ok();
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    rehearsal.assert_complete();
}

#[test]
fn a_run_that_can_be_settled_is_not_forgotten() {
    let rehearsal = Rehearsal::with_table("settled", 1000);
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    rehearsal
        .runs(&["resolve", "r", "--forget", "--yes"])
        .assert_failed(&[
            "run `r` is committed: there is nothing to forget by hand",
            "leave out --forget: it can be settled",
        ]);
    assert_eq!(told(&rehearsal, "r")["state"], "committed");
}
