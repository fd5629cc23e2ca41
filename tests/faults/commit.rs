//! The commit forms: which is chosen, what it leaves, and what a lost answer to a COMMIT leads to.

use crate::proxy::{self, Fate, Sent};
use crate::rehearsal::Rehearsal;
use crate::support;

const FORM: &str = "SELECT commit_form, state, result IS NOT NULL FROM rb_bench.runs";
const NOTHING_OF_OURS: &str = "SELECT count(*) = 0 FROM pg_namespace WHERE nspname = 'rb_bench'";

#[test]
fn a_run_of_one_transaction_creates_nothing_of_ours() {
    let rehearsal = Rehearsal::with_table("plain", 2000).commit("single_writer");
    rehearsal.run(&[]).assert_ok();
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest(NOTHING_OF_OURS), "t");
    // nor where the target is new
    let rehearsal = Rehearsal::with_table("plain_new", 2000).parallelism(1);
    rehearsal.at_dest("DROP TABLE t");
    rehearsal.run(&[]).assert_ok();
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest(NOTHING_OF_OURS), "t");
}

#[test]
fn each_form_that_is_asked_for_is_used_and_copies_every_row() {
    for form in ["single_writer", "two_phase", "ledger"] {
        let rehearsal = Rehearsal::with_table("asked", 4000).commit(form);
        rehearsal.run(&["--run-id", "r", "--verify"]).assert_ok();
        rehearsal.assert_complete();
        assert_eq!(rehearsal.at_dest(FORM), format!("{form}|committed|t"));
    }
}

#[test]
fn auto_builds_new_tables_aside_and_prepares_for_existing_ones() {
    let rehearsal = Rehearsal::with_table("auto", 4000);
    rehearsal.run(&["--run-id", "r", "--verify"]).assert_ok();
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest(FORM), "two_phase|committed|t");

    let rehearsal = Rehearsal::with_table("auto_new", 4000);
    rehearsal.at_dest("DROP TABLE t");
    rehearsal.run(&["--run-id", "r", "--verify"]).assert_ok();
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest(FORM), "built_aside|committed|t");
    assert_eq!(
        rehearsal.at_dest("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'p'"),
        "t_pkey|PRIMARY KEY (id)"
    );
}

#[test]
fn a_server_without_prepared_transactions_gets_the_ledger_and_refuses_two_phase() {
    let server = support::own_server_with(&[("max_prepared_transactions", "0")]);
    let rehearsal = Rehearsal::between(
        server.fresh_database("source"),
        server.fresh_database("dest"),
    );
    rehearsal.fill(4000);
    let rehearsal = rehearsal.commit("two_phase");
    rehearsal
        .run(&[])
        .assert_failed(&["two_phase", "room for 0", "max_prepared_transactions"]);
    rehearsal.assert_untouched();
    let rehearsal = rehearsal.commit("auto");
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest(FORM), "ledger|committed|t");
}

fn workers_commit(sent: &Sent<'_>) -> bool {
    sent.by.starts_with("rb-bench write") && sent.text == "COMMIT"
}

fn leaders_commit(sent: &Sent<'_>) -> bool {
    sent.by == "rb-bench leader" && sent.text == "COMMIT"
}

/// A run whose first such COMMIT has this fate.
fn with_fate(name: &str, fate: Fate, at: fn(&Sent<'_>) -> bool) -> Rehearsal {
    let rehearsal = Rehearsal::with_table(name, 4000);
    let through = proxy::before(&rehearsal.dest, proxy::once(fate, at));
    rehearsal.dest_through(through)
}

#[test]
fn a_single_writers_commit_whose_answer_is_lost_is_asked_of_the_server() {
    let rehearsal = with_fate("answer", Fate::LosesAnswer, workers_commit)
        .commit("single_writer")
        .max_retries(3);
    let outcome = rehearsal.run(&[]);
    outcome.assert_ok();
    assert_eq!(outcome.number("retry_count"), 0);
    rehearsal.assert_complete();
}

#[test]
fn a_single_writers_commit_that_never_arrived_is_known_not_to_have_happened() {
    let rehearsal = with_fate("no_commit", Fate::Breaks, workers_commit).commit("single_writer");
    rehearsal
        .run(&[])
        .assert_failed(&["the COMMIT did not happen"]);
    rehearsal.assert_untouched();
    let rehearsal = with_fate("commit_again", Fate::Breaks, workers_commit)
        .commit("single_writer")
        .max_retries(1);
    let outcome = rehearsal.run(&[]);
    outcome.assert_ok();
    assert_eq!(outcome.number("retry_count"), 1);
    rehearsal.assert_complete();
}

#[test]
fn a_deciding_commit_whose_answer_is_lost_is_asked_of_the_ledger() {
    for (commit, new) in [("two_phase", false), ("ledger", false), ("auto", true)] {
        let rehearsal = with_fate("decided", Fate::LosesAnswer, leaders_commit)
            .commit(commit)
            .max_retries(3);
        if new {
            rehearsal.at_dest("DROP TABLE t");
        }
        let outcome = rehearsal.run(&[]);
        outcome.assert_ok();
        assert_eq!(outcome.number("retry_count"), 0, "{commit}");
        rehearsal.assert_complete();
    }
}

#[test]
fn a_deciding_commit_that_never_arrived_undoes_the_run_or_completes_it() {
    for (commit, new) in [("two_phase", false), ("auto", true)] {
        let rehearsal = with_fate("undecided", Fate::Breaks, leaders_commit).commit(commit);
        if new {
            rehearsal.at_dest("DROP TABLE t");
        }
        rehearsal.run(&[]).assert_failed(&["committing the run"]);
        rehearsal.assert_untouched();
        rehearsal.run(&[]).assert_ok();
        rehearsal.assert_complete();
    }
    // where the workers have committed already there is nothing left to decide
    let rehearsal = with_fate("confirmed", Fate::Breaks, leaders_commit)
        .commit("ledger")
        .max_retries(3);
    let outcome = rehearsal.run(&["--run-id", "r"]);
    outcome.assert_ok();
    assert_eq!(outcome.number("retry_count"), 0);
    rehearsal.assert_complete();
    assert_eq!(rehearsal.at_dest(FORM), "ledger|committed|t");
}

#[test]
fn new_tables_whose_worker_fails_to_commit_are_dropped_and_built_again() {
    let rehearsal = with_fate("aside", Fate::LosesAnswer, workers_commit).max_retries(1);
    rehearsal.at_dest("DROP TABLE t");
    let outcome = rehearsal.run(&[]);
    outcome.assert_ok();
    assert_eq!(outcome.number("retry_count"), 1);
    rehearsal.assert_complete();
}

#[test]
fn a_commit_that_nobody_can_be_asked_about_says_what_to_ask_later() {
    let rehearsal = Rehearsal::with_table("unasked", 2000).commit("single_writer");
    let over = std::sync::atomic::AtomicBool::new(false);
    let through = crate::proxy::before(&rehearsal.dest, move |sent| {
        let commits = sent.by.starts_with("rb-bench write") && sent.text.starts_with("COMMIT");
        if over.load(std::sync::atomic::Ordering::SeqCst) || commits {
            over.store(true, std::sync::atomic::Ordering::SeqCst);
            return crate::proxy::Fate::Breaks;
        }
        crate::proxy::Fate::Arrives
    });
    let rehearsal = rehearsal.dest_through(through);
    rehearsal.run(&[]).assert_failed(&[
        "the COMMIT was sent, its answer was lost, and the server cannot be asked (",
        "ask it later: SELECT txid_status(",
    ]);
}
